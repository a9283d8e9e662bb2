//! Debian's packages, where this tool runs as root and may install some.

use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Result, bail};

use crate::{terminal, workspace};

/// Installs packages, or says why not.
pub(crate) fn install(packages: &[&str]) -> Result<()> {
    if !possible() {
        bail!("Packages are installed by themselves only as root on Debian");
    }
    update();
    terminal::note(&format!("Installing {} with apt", packages.join(", ")));
    workspace::output(apt().args(["install", "--yes", "--no-install-recommends"]).args(packages)).map(drop)
}

fn possible() -> bool {
    rustix::process::geteuid().is_root() && workspace::succeeds(Command::new("apt-get").arg("--version"))
}

/// A fresh machine has no lists; once a run is enough. Old lists may do as well, so a failure is not the end.
fn update() {
    static UPDATED: OnceLock<bool> = OnceLock::new();
    UPDATED.get_or_init(|| workspace::succeeds(apt().arg("update")));
}

fn apt() -> Command {
    let mut apt = Command::new("apt-get");
    apt.env("DEBIAN_FRONTEND", "noninteractive").arg("--quiet");
    apt
}
