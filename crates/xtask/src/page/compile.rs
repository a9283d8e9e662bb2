//! The compiler and wasm-bindgen: from Rust to a module and the JavaScript that loads it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use wasm_bindgen_cli_support::Bindgen;

use crate::setup::WasmCompiler;
use crate::workspace;

/// What the JavaScript around the module is called.
pub(super) const SCRIPT: &str = "page.js";

/// What wasm-bindgen made.
pub(super) struct Glue {
    /// The module.
    pub(super) wasm: PathBuf,
    /// The JavaScript around it.
    pub(super) script: PathBuf,
    /// JavaScript that crates bring along and the glue imports by this path; empty when there is none.
    pub(super) snippets: PathBuf,
}

/// Compiles the crate of the page. It has a target folder of its own: other profiles and flags than the daemon's
/// would make cargo build both again and again.
pub(super) fn compile(compiler: WasmCompiler, scratch: &Path) -> Result<PathBuf> {
    let mut cargo = compiler.cargo();
    cargo.args(["rustc", "--package", "mantyx-page", "--profile", "page"]);
    cargo.args(["--target", WasmCompiler::TARGET, "--target-dir"]).arg(scratch);
    // What the parts of the page are cut by.
    cargo.args(["--", "-C", "link-arg=--emit-relocs"]);
    workspace::run(&mut cargo)?;
    let module = scratch.join(WasmCompiler::TARGET).join("page/mantyx-page.wasm");
    if !module.is_file() {
        bail!("The compiler left no module at `{}`", module.display());
    }
    Ok(module)
}

/// Writes the module for the browser and the JavaScript that loads it.
pub(super) fn bind(module: &Path, folder: &Path) -> Result<Glue> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    let mut bindgen = Bindgen::new();
    bindgen.input_path(module).out_name("page").web(true)?;
    bindgen.typescript(false).omit_default_module_path(true);
    bindgen.remove_name_section(true).remove_producers_section(true);
    // The parts that come later find the memory and the functions of this one by what the linker exports.
    bindgen.keep_lld_exports(true);
    bindgen.generate(folder).context("wasm-bindgen refused the module")?;
    Ok(Glue {
        wasm: folder.join("page_bg.wasm"),
        script: folder.join(SCRIPT),
        snippets: folder.join("snippets"),
    })
}
