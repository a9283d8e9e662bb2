//! A hash over everything that the page is made from, kept beside it: nothing is built twice.

use std::fs;
use std::path::PathBuf;

use anyhow::Result;
use sha2::{Digest as _, Sha256};

use super::optimise::Optimiser;
use crate::workspace;

/// Folders and files whose content decides about the page: its crate, the crates that it uses, the logo, and this
/// builder itself.
const INPUTS: [&str; 7] = [
    "frontend",
    "crates/core",
    "crates/api-types",
    "crates/xtask/src/page",
    "assets/logo.svg",
    "Cargo.lock",
    "rust-toolchain.toml",
];

/// The state of the inputs.
pub(super) struct Stamp(String);

impl Stamp {
    /// Reads every input.
    pub(super) fn of_inputs(optimiser: &Optimiser) -> Result<Self> {
        let mut hash = Sha256::new();
        hash.update(optimiser.to_string());
        for input in INPUTS.map(workspace::path) {
            let files = if input.is_dir() { workspace::files_below(&input)? } else { vec![input] };
            for file in files.iter().filter(|file| file.is_file()) {
                hash.update(file.to_string_lossy().as_bytes());
                hash.update(Sha256::digest(fs::read(file)?));
            }
        }
        Ok(Self(hex::encode(hash.finalize())))
    }

    /// Whether the finished page was made from these inputs.
    pub(super) fn is_current(&self) -> bool {
        super::folder().join("index.html").is_file()
            && fs::read_to_string(Self::file()).is_ok_and(|kept| kept == self.0)
    }

    /// Remembers that the page was made from these inputs.
    pub(super) fn keep(&self) -> Result<()> {
        Ok(fs::write(Self::file(), &self.0)?)
    }

    fn file() -> PathBuf {
        workspace::target().join("page-build/stamp")
    }
}
