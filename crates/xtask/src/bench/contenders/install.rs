//! Which peers there are on this machine, and how a missing one is got: into a folder below `target`, never into the
//! system.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, Result};

use super::Contender;
use super::pm2::Pm2;
use super::runit::Runit;
use super::supervisord::Supervisord;
use crate::{terminal, workspace};

/// Another supervisor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(in crate::bench) enum Peer {
    /// Tiny and fast, without an interface.
    Runit,
    /// The usual one of Python.
    Supervisord,
    /// The usual one of Node.
    Pm2,
}

impl Peer {
    const ALL: [Self; 3] = [Self::Runit, Self::Supervisord, Self::Pm2];

    const fn name(self) -> &'static str {
        match self {
            Self::Runit => "runit",
            Self::Supervisord => "supervisord",
            Self::Pm2 => "pm2",
        }
    }

    /// Where its programs are when it was got for the benchmark.
    const fn programs(self) -> &'static str {
        match self {
            Self::Runit => "usr/bin",
            Self::Supervisord => "bin",
            Self::Pm2 => "node_modules/.bin",
        }
    }

    /// The programs that it needs.
    const fn needs(self) -> &'static [&'static str] {
        match self {
            Self::Runit => &["runsvdir", "runsv", "sv", "svlogd"],
            Self::Supervisord => &["supervisord", "supervisorctl"],
            Self::Pm2 => &["pm2"],
        }
    }

    /// The folder that has its programs, if any has.
    fn find(self) -> Option<PathBuf> {
        let own = scratch().join(self.name()).join(self.programs());
        let path = std::env::var_os("PATH").unwrap_or_default();
        let has_all = |folder: &PathBuf| self.needs().iter().all(|program| folder.join(program).is_file());
        std::iter::once(own).chain(std::env::split_paths(&path)).find(has_all)
    }

    fn install(self) -> Result<()> {
        let start = Instant::now();
        let folder = scratch().join(self.name());
        fs::create_dir_all(&folder).with_context(|| format!("Could not make `{}`", folder.display()))?;
        match self {
            Self::Runit => runit(&folder)?,
            Self::Supervisord => supervisord(&folder)?,
            Self::Pm2 => pm2(&folder)?,
        }
        terminal::done(&format!("{} is installed below `target/bench/peers`", self.name()), start);
        Ok(())
    }

    fn contender(self, programs: PathBuf) -> Box<dyn Contender> {
        match self {
            Self::Runit => Box::new(Runit::new(programs)),
            Self::Supervisord => Box::new(Supervisord::new(programs)),
            Self::Pm2 => Box::new(Pm2::new(programs)),
        }
    }
}

/// The peers to measure: those that were asked for, got where they are missing, or else those that are there.
pub(in crate::bench) fn peers(asked: &[Peer]) -> Vec<Box<dyn Contender>> {
    for peer in asked.iter().filter(|peer| peer.find().is_none()) {
        if let Err(error) = peer.install() {
            terminal::note(&format!("No {} here: {error:#}", peer.name()));
        }
    }
    let wanted = if asked.is_empty() { &Peer::ALL } else { asked };
    wanted.iter().filter_map(|peer| Some(peer.contender(peer.find()?))).collect()
}

fn scratch() -> PathBuf {
    workspace::target().join("bench/peers")
}

/// From Debian's package, unpacked and not installed.
fn runit(folder: &Path) -> Result<()> {
    workspace::output(Command::new("apt-get").args(["download", "--quiet", "runit"]).current_dir(folder))?;
    let packages = workspace::files_below(folder)?;
    let package = packages.iter().find(|file| file.extension().is_some_and(|kind| kind == "deb"));
    let package = package.context("apt has downloaded no package")?;
    workspace::output(Command::new("dpkg-deb").arg("-x").args([package.as_path(), folder])).map(drop)
}

/// From PyPI, into an environment of its own.
fn supervisord(folder: &Path) -> Result<()> {
    workspace::output(Command::new("python3").args(["-m", "venv", "--clear"]).arg(folder))?;
    let mut pip = Command::new(folder.join("bin/python"));
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "supervisor",
        "setuptools<81",
    ]);
    workspace::output(&mut pip).map(drop)
}

/// From npm, into a project of its own: without its file npm would take one further up.
fn pm2(folder: &Path) -> Result<()> {
    fs::write(folder.join("package.json"), "{\"private\": true}\n")?;
    let mut npm = Command::new("npm");
    npm.args(["install", "--no-audit", "--no-fund", "--silent", "pm2@latest"]).current_dir(folder);
    workspace::output(&mut npm).map(drop)
}
