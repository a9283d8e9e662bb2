//! What belongs to a machine and not to a source, and is left out.

use std::collections::BTreeMap;
use std::path::Path;

use crate::entry::EntryPath;

/// Folders and files of other tools, wherever they are.
const NAMES: [&str; 5] = ["__MACOSX", ".git", "__pycache__", ".venv", ".DS_Store"];

/// What was left out so far, by the name that a person knows it under.
#[derive(Debug, Default)]
pub(crate) struct Junk {
    counts: BTreeMap<String, u64>,
}

impl Junk {
    /// Whether an entry is junk; it is remembered when it is.
    pub(crate) fn takes(&mut self, path: &EntryPath) -> bool {
        let name = path.parts().find_map(known);
        if let Some(name) = name {
            self.add(name);
        }
        name.is_some()
    }

    /// Remembers one entry more under a name.
    pub(crate) fn add(&mut self, name: &str) {
        *self.counts.entry(name.to_owned()).or_default() += 1;
    }

    /// What to say about it, if there was any.
    pub(crate) fn warning(&self) -> Option<String> {
        let names: Vec<String> = self.counts.keys().map(|name| format!("`{name}`")).collect();
        (!names.is_empty()).then(|| format!("Left out: {}", names.join(", ")))
    }
}

fn known(part: &str) -> Option<&'static str> {
    let compiled = Path::new(part).extension().is_some_and(|extension| extension == "pyc");
    match NAMES.into_iter().find(|name| *name == part) {
        None if compiled => Some("*.pyc"),
        // What macOS puts beside each file on file systems that are not its own (AppleDouble).
        None if part.starts_with("._") => Some("._*"),
        other => other,
    }
}
