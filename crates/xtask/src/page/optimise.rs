//! wasm-opt makes the module a few percent smaller, more before compression than after. It is a comfort: a page
//! without it works as well.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::fetch::fetch;
use crate::{terminal, workspace};

/// What rustc's WebAssembly target emits today; an old wasm-opt takes nothing for granted.
const FEATURES: [&str; 6] = [
    "--enable-bulk-memory",
    "--enable-nontrapping-float-to-int",
    "--enable-sign-ext",
    "--enable-mutable-globals",
    "--enable-reference-types",
    "--enable-multivalue",
];

/// Older ones write a module whose tables no browser takes: 108, which Debian 12 has, exports the wrong one.
const OLDEST: u32 = 117;

/// What npm gets: one version, so that the same checkout is the same page.
const PACKAGE: &str = "binaryen@132.0.0";

/// A wasm-opt, or none.
pub(super) enum Optimiser {
    /// A program, with what it says of its version.
    WasmOpt(PathBuf, String),
    /// None could be had.
    None,
}

impl Optimiser {
    /// The one on the path when it is new enough, else that of the npm package `binaryen` where there is npm.
    pub(super) fn find() -> Self {
        let own = workspace::path("target/tools/binaryen");
        let packaged = own.join("node_modules/.bin/wasm-opt");
        let known = || [PathBuf::from("wasm-opt"), packaged.clone()].into_iter().find_map(usable);
        known()
            .or_else(|| {
                install(&own);
                known()
            })
            .unwrap_or(Self::None)
    }

    /// Makes the module smaller in place. A module that it cannot read stays as it is: that costs bytes, not sense.
    pub(super) fn run(&self, module: &Path) -> Result<()> {
        let Self::WasmOpt(program, version) = self else {
            terminal::note("Without a new `wasm-opt` the page works, only a few percent larger");
            return Ok(());
        };
        let smaller = module.with_extension("opt.wasm");
        let mut command = Command::new(program);
        command.arg("-Oz").args(FEATURES).arg(module).arg("-o").arg(&smaller);
        match workspace::output(&mut command) {
            Ok(_) => fs::rename(&smaller, module)?,
            Err(error) => terminal::note(&format!("{version} cannot read the module, it stays: {error}")),
        }
        Ok(())
    }
}

impl fmt::Display for Optimiser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WasmOpt(_, version) => f.write_str(version),
            Self::None => f.write_str("none"),
        }
    }
}

/// Has npm put the package into a folder, where that can be done. Its own tries are off, since they are counted here.
fn install(folder: &Path) {
    let mut npm = Command::new("npm");
    npm.args(["install", "--no-audit", "--no-fund", "--loglevel=error", "--fetch-retries=0", "--prefix"]);
    if let Err(error) = fetch(npm.arg(folder).arg(PACKAGE)) {
        terminal::note(&format!("No `wasm-opt` from npm: {error}"));
    }
}

/// The program, when it is there and new enough.
fn usable(program: PathBuf) -> Option<Optimiser> {
    let version = workspace::output(Command::new(&program).arg("--version")).ok()?.trim().to_owned();
    let number: u32 =
        version.split(|c: char| !c.is_ascii_digit()).find(|part| !part.is_empty())?.parse().ok()?;
    (number >= OLDEST).then_some(Optimiser::WasmOpt(program, version))
}
