//! A Rust compiler for WebAssembly: rustup's target, or else Debian's compiler with a standard library built by it.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};

use crate::fetch::fetch;
use crate::{terminal, workspace};

/// What Debian's compiler for the web consists of.
const DEBIAN: [&str; 5] = ["rustc-web", "cargo-web", "rust-web-src", "rust-web-llvm", "lld-22"];

/// A compiler that can make WebAssembly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WasmCompiler {
    /// The one that compiles everything else.
    Toolchain,
    /// Debian's, beside it.
    Debian,
}

impl WasmCompiler {
    /// The target's name.
    pub(crate) const TARGET: &str = "wasm32-unknown-unknown";

    /// The cargo to build with.
    pub(crate) fn cargo(self) -> Command {
        match self {
            Self::Toolchain => workspace::cargo(),
            Self::Debian => debian_cargo(),
        }
    }
}

/// Finds a compiler, or gets one. What is here already is preferred to what must be fetched.
pub(crate) fn compiler() -> Result<WasmCompiler> {
    if toolchain_has_target() {
        return Ok(WasmCompiler::Toolchain);
    }
    if debian_is_there() {
        return Ok(WasmCompiler::Debian);
    }
    if add_target() {
        return Ok(WasmCompiler::Toolchain);
    }
    if super::install_packages(&DEBIAN).is_ok() && debian_is_there() {
        return Ok(WasmCompiler::Debian);
    }
    bail!(
        "The page needs a compiler for WebAssembly: `rustup target add {}`, or as root on Debian `apt install {}`",
        WasmCompiler::TARGET,
        DEBIAN.join(" ")
    )
}

fn toolchain_has_target() -> bool {
    let mut rustc = workspace::program("rustc");
    let asked = rustc.args(["--print", "target-libdir", "--target", WasmCompiler::TARGET]);
    workspace::output(asked).is_ok_and(|folder| Path::new(folder.trim()).is_dir())
}

fn add_target() -> bool {
    terminal::note("Adding the WebAssembly target with rustup");
    let mut rustup = workspace::program("rustup");
    fetch(rustup.args(["target", "add", WasmCompiler::TARGET])).is_ok() && toolchain_has_target()
}

fn debian_is_there() -> bool {
    let sources = Command::new("/usr/bin/rustc").args(["--print", "sysroot"]).output();
    sources.is_ok_and(|output| {
        let sysroot = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        Path::new(&sysroot).join("lib/rustlib/src/rust/library/Cargo.lock").is_file()
    }) && Path::new("/usr/bin/cargo").is_file()
}

/// Debian ships no standard library for this target, but its sources; only a nightly or a compiler that is told to
/// behave as one builds it.
fn debian_cargo() -> Command {
    let mut cargo = workspace::program("/usr/bin/cargo");
    cargo.env("RUSTC", "/usr/bin/rustc").env("RUSTC_BOOTSTRAP", "1");
    for variable in ["CARGO", "RUSTUP_TOOLCHAIN", "RUSTUP_HOME", "RUSTC_WRAPPER"] {
        cargo.env_remove(variable);
    }
    cargo.arg("-Zbuild-std=std,panic_abort");
    cargo
}
