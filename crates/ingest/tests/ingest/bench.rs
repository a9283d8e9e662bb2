//! A staging folder that nobody may reach out of.

use std::fs;
use std::path::{Path, PathBuf};

use mantyx_core::Result;
use mantyx_ingest::{Limits, Staged, archive};

/// A folder with an upload, a staging folder, and nothing else.
pub(crate) struct Bench {
    folder: tempfile::TempDir,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("staging")).unwrap();
        Self { folder }
    }

    pub(crate) fn staging(&self) -> PathBuf {
        self.folder.path().join("staging")
    }

    pub(crate) fn upload(&self, bytes: &[u8]) -> PathBuf {
        let path = self.folder.path().join("upload");
        fs::write(&path, bytes).unwrap();
        path
    }

    pub(crate) fn archive(&self, bytes: &[u8], file_name: &str, limits: &Limits) -> Result<Staged> {
        archive(&self.upload(bytes), file_name, &self.staging(), limits)
    }

    /// Empties the staging folder, for the next one.
    pub(crate) fn clear(&self) {
        fs::remove_dir_all(self.staging()).unwrap();
        fs::create_dir(self.staging()).unwrap();
    }

    /// What lies beside the staging folder, which must be the upload alone.
    pub(crate) fn outside(&self) -> Vec<String> {
        names(self.folder.path()).into_iter().filter(|name| name != "staging" && name != "upload").collect()
    }
}

pub(crate) fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort_unstable();
    names
}
