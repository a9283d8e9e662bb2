//! The daemon that sends the page: on a root of its own, which goes with it.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::super::contenders::program;
use crate::http::Client;
use crate::{interrupt, page, terminal};

/// How long it may take to come up.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running daemon.
pub(super) struct Daemon {
    child: Child,
    folder: PathBuf,
    address: SocketAddr,
    /// What the owner logs in with.
    pub(super) token: String,
}

impl Daemon {
    /// Starts it and waits until it answers.
    pub(super) fn start(mantyx: &Path, search_path: &OsStr) -> Result<Self> {
        let folder = std::env::temp_dir().join(format!("mantyx-bench-page-{}", std::process::id()));
        fs::create_dir(&folder).with_context(|| format!("Could not make `{}`", folder.display()))?;
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let log = File::create(folder.join("daemon.log"))?;
        let mut command = program(mantyx);
        command.arg("serve").arg("--root").arg(&folder).args(["--bind", &address.to_string()]);
        command.env("MANTYX_PAGE", page::folder()).env("PATH", search_path).env("HOME", &folder);
        command.stdout(log.try_clone()?).stderr(log).process_group(0);
        let child = command.spawn().context("Could not start `mantyx`")?;
        let mut daemon = Self { child, folder, address, token: String::new() };
        daemon.wait()?;
        Ok(daemon)
    }

    /// Where it is.
    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What talks to it, as the owner.
    pub(super) fn client(&self) -> Client {
        Client::new(self.address, &self.token)
    }

    fn wait(&mut self) -> Result<()> {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if let Some(status) = self.child.try_wait()? {
                bail!("The daemon ended at once: {status}");
            }
            let token = fs::read_to_string(self.folder.join("config/owner-token")).unwrap_or_default();
            token.trim().clone_into(&mut self.token);
            if self.client().get::<Value>("/api/system").is_ok() {
                return Ok(());
            }
            interrupt::check()?;
            thread::sleep(Duration::from_millis(20));
        }
        bail!("The daemon did not answer within {}", terminal::took(PATIENCE))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // All of it fails only when it is gone already.
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}
