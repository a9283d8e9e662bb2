//! From the Leptos crate to a folder of static files that the daemon serves.
//!
//! `cargo build` for WebAssembly → wasm-bindgen as a library, at the version in the one lock file → size
//! optimisation where an optimiser can be had → names with the hash of the content, so that a browser keeps a file
//! for ever → precompressed siblings, so that the daemon compresses nothing. The result appears as a whole in
//! `target/page`, and nothing is done when no input has changed.

mod bundle;
mod compile;
mod compress;
mod optimise;
mod stamp;

use std::fs;
use std::time::Instant;

use anyhow::{Context as _, Result};

use crate::{setup, terminal, workspace};
use optimise::Optimiser;
use stamp::Stamp;

/// Builds the page unless it is there already.
pub(crate) fn build() -> Result<()> {
    let start = Instant::now();
    let compiler = setup::wasm_compiler()?;
    let optimiser = Optimiser::find();
    let stamp = Stamp::of_inputs(&optimiser)?;
    if stamp.is_current() {
        terminal::done("The page is up to date", start);
        return Ok(());
    }
    terminal::step("Building the page");
    let scratch = workspace::target().join("page-build");
    let module = compile::compile(compiler, &scratch)?;
    let glue = compile::bind(&module, &scratch.join("bound"))?;
    optimiser.run(&glue.wasm)?;
    let output = bundle::assemble(&glue, &scratch.join("output"))?;
    let sizes = compress::compress_folder(&output)?;
    publish(&output)?;
    stamp.keep()?;
    compress::print(&sizes);
    terminal::done("The page is in `target/page`", start);
    Ok(())
}

/// Where the finished page lies.
pub(crate) fn folder() -> std::path::PathBuf {
    workspace::target().join("page")
}

/// Puts the new folder in the place of the old one.
fn publish(output: &std::path::Path) -> Result<()> {
    let folder = folder();
    if folder.exists() {
        fs::remove_dir_all(&folder).context("Could not remove the page before")?;
    }
    fs::rename(output, &folder).context("Could not put the new page in place")
}
