//! The name of an entry, read once and never used raw again.

use mantyx_core::{Code, Error, Result};

/// The longest part of a path that Linux file systems take, in bytes.
const LONGEST_PART: usize = 255;
/// The longest path inside an app, in bytes. Linux takes 4096, of which folders of Mantyx need some.
const LONGEST_PATH: usize = 1024;

/// A path that stays inside, with `/` between parts that are all ordinary names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct EntryPath(String);

impl EntryPath {
    /// Reads a name as an archive or a repository has it. `None` is the root itself, as in `./`.
    pub(crate) fn parse(raw: &[u8]) -> Result<Option<Self>> {
        let Ok(text) = std::str::from_utf8(raw) else {
            return Err(refuse(
                Code::EntryName,
                &String::from_utf8_lossy(raw),
                "has a name that is not UTF-8",
            ));
        };
        check_text(text)?;
        let parts: Vec<&str> = parts(text).collect();
        for part in &parts {
            check_part(text, part)?;
        }
        let path = parts.join("/");
        if path.len() > LONGEST_PATH {
            return Err(refuse(Code::EntryName, text, "has a path of more than 1024 bytes"));
        }
        if text.is_empty() {
            return Err(refuse(Code::EntryName, text, "has no name"));
        }
        Ok((!path.is_empty()).then_some(Self(path)))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The parts from the outside in.
    pub(crate) fn parts(&self) -> impl Iterator<Item = &str> {
        self.0.split('/')
    }

    /// Every folder that it is in, the outermost first.
    pub(crate) fn ancestors(&self) -> impl Iterator<Item = &str> {
        self.0.match_indices('/').map(|(end, _)| &self.0[..end])
    }
}

/// The parts that say something.
fn parts(text: &str) -> impl Iterator<Item = &str> {
    text.split('/').filter(|part| !part.is_empty() && *part != ".")
}

/// What can be told from the whole name. Windows reads `\` as `/`, so a way out is a way out in either.
fn check_text(text: &str) -> Result<()> {
    if text.chars().any(char::is_control) {
        return Err(refuse(Code::EntryName, text, "has a control character in its name"));
    }
    // A drive is one at the beginning of what is kept, too: what is dropped may have stood before it.
    if text.starts_with(['/', '\\']) || parts(text).next().is_some_and(has_drive) {
        return Err(refuse(Code::EntryAbsolute, text, "has a path from a root or a drive"));
    }
    if text.split(['/', '\\']).any(|part| part == "..") {
        return Err(refuse(Code::EntryTraversal, text, "leads out of the archive with `..`"));
    }
    if text.contains('\\') {
        return Err(refuse(Code::EntryName, text, "has a backslash in its name")
            .hint("Pack it with a tool that separates folders with `/`"));
    }
    Ok(())
}

fn check_part(text: &str, part: &str) -> Result<()> {
    if part.len() > LONGEST_PART {
        return Err(refuse(Code::EntryName, text, "has a name of more than 255 bytes"));
    }
    if is_reserved(part) {
        return Err(refuse(Code::EntryName, text, "has a name that Windows keeps for a device")
            .hint("Give it another name: nobody can unpack it there"));
    }
    Ok(())
}

/// `C:` and the like.
fn has_drive(part: &str) -> bool {
    matches!(part.as_bytes(), [letter, b':', ..] if letter.is_ascii_alphabetic())
}

/// Names of devices, whatever follows the first dot (Microsoft: Naming Files, Paths, and Namespaces).
fn is_reserved(part: &str) -> bool {
    let stem = part.split('.').next().unwrap_or(part).trim_end().to_ascii_uppercase();
    match stem.as_str() {
        "CON" | "PRN" | "AUX" | "NUL" => true,
        other => {
            matches!(other.as_bytes(), [b'C', b'O', b'M', b'0'..=b'9'] | [b'L', b'P', b'T', b'0'..=b'9'])
        }
    }
}

/// A refusal about an entry. What is shown has no control characters; what is named is as it was.
pub(crate) fn refuse(code: Code, entry: &str, why: &str) -> Error {
    let shown: String = entry.chars().take(200).collect();
    let shown = shown.replace(char::is_control, "\u{FFFD}");
    Error::new(code, format!("`{shown}` {why}")).entry(entry)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::path::{Component, Path};

    fn code(raw: &[u8]) -> Option<Code> {
        EntryPath::parse(raw).err().map(|error| error.code())
    }

    #[test]
    fn every_bad_name_has_its_code() {
        let table: &[(&[u8], Code)] = &[
            (b"../x", Code::EntryTraversal),
            (b"a/../../x", Code::EntryTraversal),
            (b"a\\..\\x", Code::EntryTraversal),
            (b"/etc/passwd", Code::EntryAbsolute),
            (b"\\\\server\\x", Code::EntryAbsolute),
            (b"c:/x", Code::EntryAbsolute),
            (b"C:x", Code::EntryAbsolute),
            (b"./C:x", Code::EntryAbsolute),
            (b".//./c:", Code::EntryAbsolute),
            (b"a\0b", Code::EntryName),
            (b"a\nb", Code::EntryName),
            (b"a\xffb", Code::EntryName),
            (b"", Code::EntryName),
            (b"a\\b", Code::EntryName),
            (b"pkg/aux.py", Code::EntryName),
            (b"LPT1", Code::EntryName),
        ];
        for (raw, expected) in table {
            assert_eq!(code(raw), Some(*expected), "{}", raw.escape_ascii());
        }
        assert_eq!(code(&[b'a'; 256]), Some(Code::EntryName));
        assert_eq!(code("a/".repeat(600).as_bytes()), Some(Code::EntryName));
    }

    #[test]
    fn good_names_are_kept() {
        let kept = |raw: &str| EntryPath::parse(raw.as_bytes()).unwrap().map(|path| path.0);
        assert_eq!(kept("./a//b/").as_deref(), Some("a/b"));
        assert_eq!(kept("./"), None);
        assert_eq!(kept("données/été.py").as_deref(), Some("données/été.py"));
        assert_eq!(kept("auxiliary.py").as_deref(), Some("auxiliary.py"));
        let path = EntryPath::parse(b"a/b/c").unwrap().unwrap();
        assert_eq!(path.ancestors().collect::<Vec<_>>(), ["a", "a/b"]);
    }

    proptest! {
        #[test]
        fn what_parses_stays_inside_and_parses_again(
            raw in prop_oneof![
                prop::collection::vec(any::<u8>(), 0..80),
                "[.]{0,2}/{0,2}[./a-c:]{0,8}".prop_map(String::into_bytes),
            ],
        ) {
            if let Ok(Some(path)) = EntryPath::parse(&raw) {
                prop_assert!(Path::new(path.as_str()).components().all(|c| matches!(c, Component::Normal(_))));
                prop_assert_eq!(EntryPath::parse(path.as_str().as_bytes()).unwrap(), Some(path));
            }
        }
    }
}
