//! The programs as they are installed: the daemon, and the monitor built so that hundreds of it need little memory.
//!
//! A program that is linked with shared libraries changes pages of them for itself when it starts: half of what a
//! monitor needs. Linked with everything that it uses, at a fixed place, it has almost nothing of its own, and all
//! monitors share the rest.

use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use anyhow::Result;

use crate::{terminal, workspace};

/// Flags of rustc for a program that needs no library of the machine and no relocation.
const SELF_CONTAINED: [&str; 4] = ["-C", "target-feature=+crt-static", "-C", "relocation-model=static"];

/// Builds both into `target/release`, and answers where that is.
pub(crate) fn build() -> Result<PathBuf> {
    let start = Instant::now();
    terminal::step("Building the programs");
    workspace::run(&mut release("build", "mantyx"))?;
    // It needs the static libraries of C, which not every distribution installs with its compiler.
    if workspace::run(release("rustc", "mantyx-monitor").arg("--").args(SELF_CONTAINED)).is_err() {
        terminal::note("Without the static C library each monitor needs twice the memory");
        workspace::run(&mut release("build", "mantyx-monitor"))?;
    }
    terminal::done("The programs are in `target/release`", start);
    Ok(workspace::target().join("release"))
}

fn release(how: &str, package: &str) -> Command {
    let mut cargo = workspace::cargo();
    cargo.args([how, "--release", "--package", package, "--bin", package]);
    cargo
}
