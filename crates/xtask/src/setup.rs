//! What a machine must have beside Rust, a C compiler and Python, and how to get it where that is possible.
//!
//! Everything is looked for first. What is missing is installed where that needs no decision of a person: into
//! `target/tools`, through rustup, or with apt as root on Debian. Otherwise one line says what to install.

mod packages;
mod programs;
mod python;
mod wasm;

use std::path::PathBuf;

use anyhow::Result;

pub(crate) use packages::install as install_packages;
pub(crate) use wasm::{WasmCompiler, compiler as wasm_compiler};

/// What the machine is prepared for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Build and run.
    Demo,
    /// Also test.
    Test,
}

/// Where the tools are that this machine now has.
pub(crate) struct Tools {
    /// Folders to be put in front of `PATH`.
    folders: Vec<PathBuf>,
}

impl Tools {
    /// The search path for programs that shall find the tools.
    pub(crate) fn path(&self) -> Result<std::ffi::OsString> {
        let old = std::env::var_os("PATH").unwrap_or_default();
        let folders = self.folders.iter().cloned().chain(std::env::split_paths(&old));
        Ok(std::env::join_paths(folders)?)
    }
}

/// Gets what is missing.
pub(crate) fn prepare(purpose: Purpose) -> Result<Tools> {
    wasm::compiler()?;
    let folders = python::prepare()?.into_iter().collect();
    if purpose == Purpose::Test {
        programs::prepare();
    }
    Ok(Tools { folders })
}
