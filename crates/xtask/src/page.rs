//! From the Leptos crate to a folder of static files that the daemon serves.
//!
//! `cargo build` for WebAssembly → cut in what is needed at once and what can come later → wasm-bindgen as a library,
//! at the version in the one lock file → size optimisation where an optimiser can be had → names with the hash of the content, so that a browser keeps a file
//! for ever → precompressed siblings, so that the daemon compresses nothing. The result appears as a whole in
//! `target/page`, and nothing is done when no input has changed.

mod bundle;
mod compile;
mod compress;
mod optimise;
mod program;
mod split;
mod stamp;

use std::fs;
use std::time::Instant;

use anyhow::{Context as _, Result};

use crate::{setup, terminal, workspace};
pub(crate) use compress::Size;
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
    let parts = split::split(&module, &scratch.join("parts"))?;
    let glue = compile::bind(&parts.main, &scratch.join("bound"))?;
    for module in parts.later.iter().chain([&glue.wasm]) {
        optimiser.run(module)?;
    }
    let output = bundle::assemble(&glue, &parts, &scratch.join("output"))?;
    compress::compress_folder(&output)?;
    publish(&output)?;
    stamp.keep()?;
    compress::print(&sizes()?);
    terminal::done("The page is in `target/page`", start);
    Ok(())
}

/// Where the finished page lies.
pub(crate) fn folder() -> std::path::PathBuf {
    workspace::target().join("page")
}

/// How large each file of the finished page is.
pub(crate) fn sizes() -> Result<Vec<Size>> {
    compress::sizes(&folder())
}

/// Puts the new folder in the place of the old one.
fn publish(output: &std::path::Path) -> Result<()> {
    let folder = folder();
    if folder.exists() {
        fs::remove_dir_all(&folder).context("Could not remove the page before")?;
    }
    fs::rename(output, &folder).context("Could not put the new page in place")
}
