//! Names of entries: bytes, as Linux has them, that stay inside.
//!
//! An app may call its files anything, so nothing that a file system takes is refused: no encoding, no case, no name
//! that another system keeps. Both sides ask here, so that no export has a name that an import refuses.

use mantyx_core::{Code, Error, Result};

/// The longest path in bytes, which leaves room for the folder that it is unpacked to (`PATH_MAX` is 4096).
pub(crate) const LONGEST: usize = 2048;
/// The longest part of one (`NAME_MAX`).
const LONGEST_PART: usize = 255;

/// Says what is wrong with a name: its code, and why.
pub(crate) fn fault(name: &[u8]) -> Option<(Code, &'static str)> {
    if name.starts_with(b"/") {
        return Some((Code::EntryAbsolute, "has a path from the root"));
    }
    if parts(name).any(|part| part == b"..") {
        return Some((Code::EntryTraversal, "leads out with `..`"));
    }
    if name.len() > LONGEST || parts(name).any(|part| part.len() > LONGEST_PART) {
        return Some((Code::EntryName, "has a name that is too long"));
    }
    let is_odd = |part: &[u8]| matches!(part, [] | [b'.']) || part.contains(&0);
    parts(name).any(is_odd).then_some((Code::EntryName, "has a name that no file can have"))
}

/// Refuses a name that no entry may have.
pub(crate) fn check(name: &[u8]) -> Result<()> {
    fault(name).map_or(Ok(()), |(code, why)| Err(refuse(code, name, why)))
}

pub(crate) fn parts(name: &[u8]) -> impl Iterator<Item = &[u8]> {
    name.split(|byte| *byte == b'/')
}

/// Every folder that it is in, the outermost first.
pub(crate) fn ancestors(name: &[u8]) -> impl Iterator<Item = &[u8]> {
    name.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| &name[..at])
}

/// A name as text from which it can be told what it was: what is not UTF-8 is escaped as in addresses (RFC 3986).
pub(crate) fn key(name: &[u8]) -> String {
    let mut key = String::with_capacity(name.len());
    for chunk in name.utf8_chunks() {
        key.push_str(&chunk.valid().replace('%', "%25"));
        for byte in chunk.invalid() {
            key.push('%');
            key.push_str(&hex::encode_upper([*byte]));
        }
    }
    key
}

/// A name as a person is shown it.
pub(crate) fn shown(name: &[u8]) -> String {
    let text: String = String::from_utf8_lossy(name).chars().take(200).collect();
    text.replace(char::is_control, "\u{FFFD}")
}

/// A refusal about an entry.
pub(crate) fn refuse(code: Code, name: &[u8], why: &str) -> Error {
    Error::new(code, format!("`{}` {why}", shown(name))).entry(String::from_utf8_lossy(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    use std::path::{Component, Path};

    #[test]
    fn every_bad_name_has_its_code() {
        for (name, code) in [
            (b"/etc".as_slice(), Code::EntryAbsolute),
            (b"a/../b", Code::EntryTraversal),
            (b"..", Code::EntryTraversal),
            (b"a\0b", Code::EntryName),
            (b"", Code::EntryName),
            (b"a//b", Code::EntryName),
            (b"./a", Code::EntryName),
            (b"a/", Code::EntryName),
            (&[b'a'; 256], Code::EntryName),
            (&b"a/".repeat(1025), Code::EntryName),
        ] {
            assert_eq!(check(name).unwrap_err().code(), code, "{}", name.escape_ascii());
        }
        assert_eq!(fault(b"..a/CON/\xff\\\n/b.."), None);
        assert_eq!(ancestors(b"a/b/c").collect::<Vec<_>>(), [b"a".as_slice(), b"a/b"]);
    }

    proptest! {
        #[test]
        fn what_is_let_in_stays_inside(name in prop::collection::vec(prop_oneof![any::<u8>(), Just(b'/'), Just(b'.')], 0..20)) {
            if fault(&name).is_none() {
                let path = Path::new(OsStr::from_bytes(&name));
                prop_assert!(path.components().all(|part| matches!(part, Component::Normal(_))));
                prop_assert_eq!(path.components().count(), parts(&name).count());
            }
        }

        #[test]
        fn keys_tell_names_apart(names in prop::collection::hash_set(prop::collection::vec(prop_oneof![any::<u8>(), Just(b'%'), Just(b'2')], 1..5), 2..20)) {
            let keys: HashMap<String, Vec<u8>> = names.iter().map(|name| (key(name), name.clone())).collect();
            prop_assert_eq!(keys.len(), names.len());
        }
    }
}
