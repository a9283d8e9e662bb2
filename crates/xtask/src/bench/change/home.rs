//! Where it is measured: a scratch folder with the root of a daemon in it, and the variables that the daemon and
//! whoever does the same by hand have in common.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};
use mantyx_api_types::OperationView;
use mantyx_api_types::core::OperationStatus;
use rustix::process::{getpid, set_child_subreaper};

use crate::bench::lab;
use crate::bench::server::{Server, free_address};
use crate::workspace;

/// Variables of cargo, and of whatever environment somebody is in, which would lead programs elsewhere. All others
/// stay: they may be the way to the package index.
const MISLEADING: [&str; 6] = ["CARGO", "LD_LIBRARY_PATH", "MANTYX", "PYTHON", "UV_CACHE_DIR", "VIRTUAL_ENV"];

/// What leads to the network by way of a proxy.
const PROXIES: [&str; 6] =
    ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"];

/// Where nobody listens: the port `discard`, which needs root.
const NOWHERE: &str = "http://127.0.0.1:9";

/// Whether a daemon can reach the package index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Network {
    /// As this machine does.
    AsItIs,
    /// It cannot.
    Closed,
}

/// The scratch folder. When it goes, everything that runs below the benchmark is ended.
pub(super) struct Home {
    /// The folder.
    pub(super) folder: PathBuf,
    programs: PathBuf,
    search_path: OsString,
}

impl Home {
    /// Makes the folder. Whatever is started from here on stays below this process (prctl(2)), so that it is found
    /// and ended.
    pub(super) fn make(programs: PathBuf, search_path: OsString) -> Result<Self> {
        set_child_subreaper(Some(getpid()))?;
        let folder = std::env::temp_dir().join(format!("mantyx-bench-change-{}", std::process::id()));
        lab::make(&folder)?;
        Ok(Self { folder, programs, search_path: without_shims(&search_path)? })
    }

    /// A program with the variables that all have in common.
    pub(super) fn program(&self, name: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(name);
        for (variable, _) in std::env::vars_os() {
            let name = variable.to_string_lossy().into_owned();
            if MISLEADING.iter().any(|start| name.starts_with(start)) {
                command.env_remove(variable);
            }
        }
        command.env("PATH", &self.search_path).env("HOME", &self.folder);
        command
    }

    /// Starts the daemon and waits until it answers.
    pub(super) fn start(&self, network: Network) -> Result<Server> {
        let (root, address) = (self.folder.join("root"), free_address()?);
        let mut command = self.program(self.programs.join("mantyx"));
        command.arg("serve").arg("--root").arg(&root).args(["--bind", &address.to_string()]);
        if network == Network::Closed {
            command.envs(PROXIES.map(|name| (name, NOWHERE))).env("UV_OFFLINE", "1").env_remove("NO_PROXY");
        }
        Server::start(&mut command, &self.folder, address, || token(&root))
    }

    /// The version of Mantyx.
    pub(super) fn own_version(&self) -> String {
        version(self.program(self.programs.join("mantyx")).arg("--version"))
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        lab::sweep();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A shim of pyenv is a shell script that looks for a Python each time. It would be most of what is measured by hand.
fn without_shims(search_path: &OsStr) -> Result<OsString> {
    let folders = std::env::split_paths(search_path).filter(|folder| !folder.ends_with("shims"));
    Ok(std::env::join_paths(folders)?)
}

/// What a program calls its version: the first word that begins with a digit.
pub(super) fn version(command: &mut Command) -> String {
    let said = workspace::output(command).unwrap_or_default();
    let version = said.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()));
    version.unwrap_or("unknown").to_owned()
}

fn token(root: &Path) -> String {
    fs::read_to_string(root.join("config/owner-token")).map(|text| text.trim().to_owned()).unwrap_or_default()
}

/// An operation that has succeeded, or why it did not.
pub(super) fn succeeded(operation: OperationView) -> Result<OperationView> {
    if operation.status == OperationStatus::Succeeded {
        return Ok(operation);
    }
    let why = operation.problem.map(|problem| problem.detail).unwrap_or_default();
    bail!("The operation `{}` is {}: {why}", operation.kind.as_str(), operation.status.as_str())
}
