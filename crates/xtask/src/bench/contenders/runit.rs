//! runit: `runsvdir` looks after a folder of services, each has a `runsv`, and an `svlogd` that stamps, writes and
//! rotates its log.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use anyhow::{Context as _, Result};
use rustix::process::Signal;

use super::{Contender, Running, Service, daemon, end, until};
use crate::workspace;

/// Where its programs are.
pub(super) struct Runit {
    programs: PathBuf,
}

/// A `runsvdir` that is up.
struct Up {
    daemon: Child,
    sv: PathBuf,
    services: PathBuf,
    logs: PathBuf,
}

impl Runit {
    pub(super) const fn new(programs: PathBuf) -> Self {
        Self { programs }
    }

    /// `runsvdir` finds `runsv`, and `runsv` the scripts' programs, on the path.
    fn path(&self) -> Result<OsString> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        Ok(std::env::join_paths(std::iter::once(self.programs.clone()).chain(std::env::split_paths(&path)))?)
    }
}

impl Contender for Runit {
    fn name(&self) -> &'static str {
        "runit"
    }

    /// Its programs do not say it; the package that was unpacked does.
    fn version(&self) -> String {
        let packages = self.programs.ancestors().nth(2).map(workspace::files_below);
        let names = packages.and_then(Result::ok).unwrap_or_default();
        let name = names
            .iter()
            .filter_map(|file| file.file_name()?.to_str())
            .find(|name| name.starts_with("runit_"));
        name.and_then(|name| name.split('_').nth(1)).unwrap_or("unknown").to_owned()
    }

    fn launch(&self, folder: &Path, services: &[Service]) -> Result<Box<dyn Running>> {
        let (below, logs) = (folder.join("service"), folder.join("logs"));
        for service in services {
            describe(&below.join(&service.name), &logs.join(&service.name), service)?;
        }
        let mut command = super::program(self.programs.join("runsvdir"));
        let daemon = daemon(command.arg(&below).env("PATH", self.path()?), folder)?;
        let up = Up { daemon, sv: self.programs.join("sv"), services: below, logs };
        until("every `runsv` to be up", || Ok(up.sv("status", services).is_ok()))?;
        Ok(Box::new(up))
    }
}

/// The folder of a service that is not started by itself.
fn describe(folder: &Path, logs: &Path, service: &Service) -> Result<()> {
    fs::create_dir_all(folder.join("log"))?;
    fs::create_dir_all(logs)?;
    fs::write(folder.join("down"), "")?;
    script(&folder.join("run"), &format!("exec 2>&1\n{}\n", service.line()))?;
    script(&folder.join("log/run"), &format!("exec svlogd -tt '{}'\n", logs.display()))?;
    // Rotated at 16 MB, every old file kept.
    Ok(fs::write(logs.join("config"), "s16777215\nn0\n")?)
}

fn script(path: &Path, lines: &str) -> Result<()> {
    fs::write(path, format!("#!/bin/sh\n{lines}"))?;
    Ok(fs::set_permissions(path, fs::Permissions::from_mode(0o755))?)
}

impl Up {
    fn sv(&self, word: &str, services: &[Service]) -> Result<()> {
        let folders = services.iter().map(|service| self.services.join(&service.name));
        let mut command: Command = super::program(&self.sv);
        workspace::output(command.arg(word).args(folders)).map(drop)
    }
}

impl Running for Up {
    fn start(&self, services: &[Service]) -> Result<()> {
        self.sv("up", services)
    }

    fn log_folder(&self, service: &Service) -> PathBuf {
        self.logs.join(&service.name)
    }

    /// SIGHUP makes `runsvdir` end every `runsv`, and with it its service (runsvdir(8)).
    fn shut_down(mut self: Box<Self>) -> Result<()> {
        end(&mut self.daemon, Signal::HUP).context("`runsvdir` stays")
    }
}
