//! The program cut in parts: what a browser needs at once, and what it fetches when somebody opens a screen that needs
//! it. `frontend/src/pages/later.rs` says where the cut is.
//!
//! The compiler knows no parts, so they are made of what it wrote: the relocations that it was asked to leave in the
//! module say which function and which data use which.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow};
use wasm_split_cli_support::{Options, transform};

use super::compile::SCRIPT;

/// The script that fetches the parts, named as the program imports it.
pub(super) const LOADER: &str = "load.js";

/// A program in parts.
pub(super) struct Parts {
    /// What is there from the beginning.
    pub(super) main: PathBuf,
    /// What is fetched later.
    pub(super) later: Vec<PathBuf>,
    /// The script that fetches it.
    pub(super) loader: PathBuf,
}

/// Cuts a module that still has its relocations.
pub(super) fn split(module: &Path, folder: &Path) -> Result<Parts> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    let program = fs::read(module).with_context(|| format!("Could not read `{}`", module.display()))?;
    let (main, link_name, script) = (folder.join("main.wasm"), format!("./{LOADER}"), format!("./{SCRIPT}"));
    let mut options = Options::new(&program);
    options.output_dir = folder;
    options.main_out_path = &main;
    options.main_module = &script;
    options.link_name = &link_name;
    let parts =
        transform(options).map_err(|error| anyhow!("The page could not be cut in parts: {error:#}"))?;
    Ok(Parts { main, later: parts.split_modules, loader: folder.join(LOADER) })
}
