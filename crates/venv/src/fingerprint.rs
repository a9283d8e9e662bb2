//! What an environment was asked to be, in a few letters.
//!
//! Two plans with the same fingerprint ask for the same, so the environment of one does for the other: nothing has to be
//! resolved or built for a release whose dependencies are those of the release before it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::plan::{Builder, Dependencies, Plan, WorkPlace};
use crate::workspace::included;

impl Plan {
    /// A digest over all that decides about the environment; `None` when something is built from the source itself, so
    /// that any change of the source may be a change of the environment.
    #[must_use]
    pub fn fingerprint(&self) -> Option<String> {
        if self.work_place == WorkPlace::Copy || self.pinned.is_some() {
            return None;
        }
        let builder = match &self.builder {
            Builder::Uv(_) => "uv",
            Builder::Pip => "pip",
        };
        let user = self.user.as_ref().map(|user| user.uid);
        let mut digest = Sha256::new();
        digest.update(format!("{}\0{builder}\0{user:?}\0{:?}\0", self.python.version, self.dependencies));
        for file in self.deciding_files() {
            let content = fs::read(&file).ok()?;
            digest.update(format!(
                "{}\0{}\0",
                file.strip_prefix(&self.source).ok()?.display(),
                content.len()
            ));
            digest.update(content);
        }
        Some(hex::encode(digest.finalize()))
    }

    /// The files that the package tools read.
    fn deciding_files(&self) -> BTreeSet<PathBuf> {
        let file = |name: &str| self.source.join(name);
        let of = |names: &[&str]| names.iter().map(|name| file(name)).collect();
        match &self.dependencies {
            Dependencies::UvLock => of(&["uv.lock", "pyproject.toml"]),
            Dependencies::Requirements => {
                let mut found = BTreeSet::new();
                follow(&file("requirements.txt"), &mut found);
                found
            }
            Dependencies::Pyproject(_) | Dependencies::Poetry(_) => of(&["pyproject.toml"]),
            // They are in the plan.
            Dependencies::Pylock(_) | Dependencies::Inline { .. } | Dependencies::None => BTreeSet::new(),
        }
    }
}

/// A file of requirements and those that it includes.
fn follow(file: &Path, found: &mut BTreeSet<PathBuf>) {
    if !found.insert(file.to_owned()) {
        return;
    }
    let text = fs::read_to_string(file).unwrap_or_default();
    let folder = file.parent().unwrap_or(Path::new(""));
    for name in text.lines().filter_map(included) {
        follow(&folder.join(name), found);
    }
}
