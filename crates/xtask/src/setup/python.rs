//! Python, and uv from PyPI in a folder of its own. Mantyx works with Python's own `venv` and pip too, only slower.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

use crate::fetch::fetch;
use crate::{terminal, workspace};

/// Answers the folder that holds uv when it is not on the path already.
pub(super) fn prepare() -> Result<Option<PathBuf>> {
    if !workspace::succeeds(Command::new("python3").arg("--version")) {
        super::install_packages(&["python3"]).or_else(|_| {
            bail!("Python 3 is missing: install it (Debian: `apt install python3 python3-venv`)")
        })?;
    }
    if workspace::succeeds(Command::new("uv").arg("--version")) {
        return Ok(None);
    }
    let folder = workspace::target().join("tools/uv");
    let programs = folder.join("bin");
    if workspace::succeeds(Command::new(programs.join("uv")).arg("--version")) {
        return Ok(Some(programs));
    }
    prepare_venv()?;
    match install_uv(&folder) {
        Ok(()) => Ok(Some(programs)),
        Err(error) => {
            terminal::note(&format!("No uv, environments are built with pip: {error}"));
            Ok(None)
        }
    }
}

/// Debian keeps `venv` in a package of its own.
fn prepare_venv() -> Result<()> {
    if workspace::succeeds(Command::new("python3").args(["-c", "import ensurepip, venv"])) {
        return Ok(());
    }
    super::install_packages(&["python3-venv"])
        .or_else(|_| bail!("Python cannot make environments here: install `python3-venv`"))
}

fn install_uv(folder: &Path) -> Result<()> {
    terminal::note("Installing uv from PyPI into `target/tools`");
    workspace::output(Command::new("python3").args(["-m", "venv", "--clear"]).arg(folder))?;
    let mut pip = Command::new(folder.join("bin/python"));
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "uv"]);
    fetch(&mut pip).map(drop)
}
