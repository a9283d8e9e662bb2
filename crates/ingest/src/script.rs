//! A single Python file becomes a source of one file.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use mantyx_core::{Code, Error, Origin, Result};

use crate::Staged;
use crate::entry::EntryPath;
use crate::inspect::{self, InlineMetadata};
use crate::limits::Limits;
use crate::unpack::{Content, Mode, Unpacker, Wrapping, discard};

/// More than any script, in bytes: a script is read whole, to see that it is text.
const LONGEST: u64 = 4 * 1024 * 1024;

/// Puts an uploaded script into an empty staging folder, under a name that is safe to keep.
pub fn script(upload: &Path, file_name: &str, staging: &Path, limits: &Limits) -> Result<Staged> {
    stage(upload, file_name, staging, limits).inspect_err(|_| discard(staging))
}

fn stage(upload: &Path, file_name: &str, staging: &Path, limits: &Limits) -> Result<Staged> {
    let text = read(upload, file_name, limits)?;
    InlineMetadata::read(&text).map_err(|why| {
        not_a_script(file_name, &format!("has metadata that cannot be read: {why}"))
            .hint("See the packaging guide on inline script metadata (PEP 723)")
    })?;
    let name = safe_name(file_name);
    let mut unpacker = Unpacker::new(staging, limits, None)?;
    let path = EntryPath::parse(name.as_bytes())?
        .ok_or_else(|| not_a_script(file_name, "has no name that can be kept"))?;
    unpacker.add(&path, Content::File { mode: Mode::Plain, bytes: &mut text.as_bytes() })?;
    let source = unpacker.finish(Wrapping::Keep)?;
    let found = inspect::inspect(&source.folder, name.trim_end_matches(".py"), source.warnings)?;
    let origin = Origin::Script { file: file_name.to_owned() };
    Ok(Staged { folder: source.folder, found, origin, scm_version: None })
}

fn read(upload: &Path, name: &str, limits: &Limits) -> Result<String> {
    let failed = |error| Error::io(format!("read `{name}`"), error);
    let most = LONGEST.min(limits.file_bytes);
    let mut bytes = Vec::new();
    File::open(upload).and_then(|file| file.take(most + 1).read_to_end(&mut bytes)).map_err(failed)?;
    if bytes.len() as u64 > most {
        return Err(Error::new(Code::EntryTooLarge, format!("`{name}` has more than {most} bytes"))
            .hint("Keep data in files of their own, and upload an archive")
            .entry(name));
    }
    let text = String::from_utf8(bytes).map_err(|_| {
        not_a_script(name, "is not UTF-8 text").hint("Save it as UTF-8; an archive is uploaded as one")
    })?;
    check_text(name, &text)?;
    Ok(text)
}

fn check_text(name: &str, text: &str) -> Result<()> {
    let is_odd = |c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\u{c}');
    let start = text.trim_start_matches('\u{feff}').trim_start();
    let page = ["<!doctype html", "<html"];
    if text.chars().any(is_odd) {
        return Err(not_a_script(name, "has characters that no text has"));
    }
    if start.is_empty() {
        return Err(not_a_script(name, "is empty"));
    }
    if page.iter().any(|page| start.get(..page.len()).is_some_and(|head| head.eq_ignore_ascii_case(page))) {
        return Err(
            not_a_script(name, "is a web page").hint("Download the raw file instead of the page about it")
        );
    }
    Ok(())
}

fn not_a_script(name: &str, why: &str) -> Error {
    Error::new(Code::NotAScript, format!("`{name}` {why}"))
}

/// A name of plain letters that ends in `.py`. It is only a name: what the file was called stays in its origin.
fn safe_name(file_name: &str) -> String {
    let base = file_name.rsplit(['/', '\\']).next().unwrap_or(file_name);
    let stem = base.strip_suffix(".py").or_else(|| base.strip_suffix(".pyw")).unwrap_or(base);
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_') { c } else { '_' };
    let stem: String = stem.chars().take(100).map(plain).collect();
    let stem = stem.trim_matches(['-', '_']);
    let name = format!("{}.py", if stem.is_empty() { "script" } else { stem });
    if EntryPath::parse(name.as_bytes()).is_ok() { name } else { format!("script_{name}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_made_safe() {
        let table = [
            ("report.py", "report.py"),
            ("../../etc/cron.d/x.py", "x.py"),
            ("C:\\tmp\\my job (2).py", "my_job__2.py"),
            ("con.py", "script_con.py"),
            ("日本.py", "script.py"),
            ("-rf", "rf.py"),
            ("a.b.py", "a_b.py"),
        ];
        for (given, expected) in table {
            assert_eq!(safe_name(given), expected, "{given}");
        }
    }

    proptest! {
        #[test]
        fn every_name_is_one_file(name in ".{0,300}") {
            let path = EntryPath::parse(safe_name(&name).as_bytes()).unwrap().unwrap();
            prop_assert_eq!(path.parts().count(), 1);
            prop_assert!(Path::new(path.as_str()).extension().is_some_and(|extension| extension == "py"));
        }
    }
}
