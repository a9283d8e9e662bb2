//! Debian's packages, where this tool runs as root and may install some.

use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Result, bail};

use crate::fetch::fetch;
use crate::{terminal, workspace};

/// A fresh machine often runs an apt of its own: its lock is waited for, and a download is tried again.
const PATIENCE: [&str; 4] = ["-o", "DPkg::Lock::Timeout=600", "-o", "Acquire::Retries=5"];

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

/// A fresh machine has no lists; once a run is enough. Old lists may do as well, so a failure is not the end. apt does
/// not wait for the lock of the lists, whatever it is told, so it is run again.
fn update() {
    static UPDATED: OnceLock<bool> = OnceLock::new();
    UPDATED.get_or_init(|| fetch(apt().arg("update")).is_ok());
}

fn apt() -> Command {
    let mut apt = Command::new("apt-get");
    apt.env("DEBIAN_FRONTEND", "noninteractive").arg("--quiet").args(PATIENCE);
    apt
}
