//! What an environment was asked to be, in a few letters.
//!
//! Two plans with the same fingerprint ask for the same, so the environment of one does for the other: nothing has to be
//! resolved or built for a release whose dependencies are those of the release before it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::plan::{Builder, Dependencies, Plan, WorkPlace};
use crate::requirements::inside;
use crate::source::{LARGEST, read};
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
        for file in self.deciding_files()? {
            let content = read(&self.source.join(&file), LARGEST).ok()?.unwrap_or_default();
            digest.update(format!("{}\0{}\0", file.display(), content.len()));
            digest.update(content);
        }
        Some(hex::encode(digest.finalize()))
    }

    /// The files of the source that the package tools read, as far as they decide; `None` where they read more than
    /// can be listed, such as a folder of packages.
    fn deciding_files(&self) -> Option<BTreeSet<PathBuf>> {
        let mut files: BTreeSet<PathBuf> = match &self.dependencies {
            Dependencies::UvLock => ["uv.lock", "pyproject.toml"].map(PathBuf::from).into(),
            Dependencies::Requirements => {
                let mut found = BTreeSet::new();
                follow(&self.source, Path::new("requirements.txt"), &mut found)?;
                found
            }
            Dependencies::Pyproject(declared) | Dependencies::Poetry(declared) => {
                refuse_paths(declared)?;
                ["pyproject.toml"].map(PathBuf::from).into()
            }
            Dependencies::Inline { requirements, .. } => {
                refuse_paths(requirements)?;
                BTreeSet::new()
            }
            // They are in the plan.
            Dependencies::Pylock(_) | Dependencies::None => BTreeSet::new(),
        };
        // uv reads it wherever it is started.
        files.insert(PathBuf::from("uv.toml"));
        Some(files)
    }
}

/// A file of requirements and those that it includes; `None` when one lies outside the source, or asks for a package
/// that lies in it.
fn follow(source: &Path, file: &Path, found: &mut BTreeSet<PathBuf>) -> Option<()> {
    let file = inside(file)?;
    if !found.insert(file.clone()) {
        return Some(());
    }
    let text = read(&source.join(&file), LARGEST).ok()?.unwrap_or_default();
    let folder = file.parent().unwrap_or(Path::new(""));
    for line in text.lines() {
        if let Some(name) = included(line) {
            follow(source, &folder.join(name), found)?;
        } else if is_path(line) {
            return None;
        }
    }
    Some(())
}

fn refuse_paths(requirements: &[String]) -> Option<()> {
    requirements.iter().all(|requirement| !is_path(requirement)).then_some(())
}

/// Whether a line may ask for something that lies on this machine. A name, a version and an address of the web do not.
fn is_path(line: &str) -> bool {
    let line = line.trim();
    let of_option = ["-f", "--find-links", "-e", "--editable"].iter().any(|option| line.starts_with(option));
    let comment = line.starts_with('#');
    let web = line.contains("https://") || line.contains("http://");
    of_option || (!comment && !line.starts_with('-') && !web && (line.contains('/') || line.contains(".whl")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn files(lines: &[(&str, &str)]) -> Option<Vec<String>> {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in lines {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let mut found = BTreeSet::new();
        follow(folder.path(), Path::new("requirements.txt"), &mut found)?;
        Some(found.iter().map(|file| file.display().to_string()).collect())
    }

    #[test]
    fn included_files_decide_and_what_lies_elsewhere_leaves_it_open() {
        let all = files(&[("requirements.txt", "flask\n-r more.txt\n"), ("more.txt", "six # a/b\n")]);
        assert_eq!(all, None, "better too careful than wrong");
        let all = files(&[("requirements.txt", "flask>=2\n-c more.txt\n"), ("more.txt", "six==1\n")]);
        assert_eq!(all.unwrap(), ["more.txt", "requirements.txt"]);
        for line in
            ["-r /dev/zero", "-r ../../etc/passwd", "./libs/a.whl", "--find-links wheels", "a @ file:///x"]
        {
            assert_eq!(files(&[("requirements.txt", line)]), None, "{line}");
        }
    }
}
