//! The daemon of the demonstration: a child in a process group of its own, so that Ctrl-C reaches this tool alone
//! and the end comes in order.

use std::ffi::OsStr;
use std::fs::{self, OpenOptions};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::http::Client;
use crate::{page, terminal, workspace};

/// Where the daemon likes to listen; the demonstration takes the next free port after it.
const FIRST_PORT: u16 = 8420;
/// How long it may take to come up, and to go down.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running daemon.
pub(super) struct Daemon {
    child: Child,
    client: Client,
    url: String,
    log: PathBuf,
}

impl Daemon {
    /// Starts it and waits until it answers.
    pub(super) fn start(root: &Path, search_path: &OsStr) -> Result<Self> {
        let start = Instant::now();
        let address = free_address()?;
        let log = root.join("daemon.log");
        let mut child =
            command(root, address, search_path, &log)?.spawn().context("Could not start `mantyx`")?;
        let client = match wait_until_it_answers(&mut child, root, address) {
            Ok(client) => client,
            Err(error) => {
                let _ = child.kill();
                return Err(error.context(log_end(&log)));
            }
        };
        terminal::done(&format!("Mantyx listens on http://{address}"), start);
        Ok(Self { child, client, url: format!("http://{address}"), log })
    }

    /// What talks to it, as the owner.
    pub(super) const fn client(&self) -> &Client {
        &self.client
    }

    /// Where it is.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Shows the end of its log, for whoever must find out what went wrong.
    pub(super) fn show_log(&self) {
        terminal::note(&log_end(&self.log));
    }

    /// Asks it to end and waits.
    pub(super) fn stop(mut self) -> Result<()> {
        let start = Instant::now();
        kill_process(Pid::from_child(&self.child), Signal::TERM)?;
        while self.child.try_wait()?.is_none() {
            if start.elapsed() > PATIENCE {
                bail!("The daemon (process {}) does not end", self.child.id());
            }
            thread::sleep(Duration::from_millis(50));
        }
        terminal::done("Everything has ended", start);
        Ok(())
    }
}

fn command(root: &Path, address: SocketAddr, search_path: &OsStr, log: &Path) -> Result<Command> {
    let mut mantyx = Command::new(workspace::target().join("debug/mantyx"));
    mantyx.arg("serve").arg("--root").arg(root).args(["--bind", &address.to_string()]);
    mantyx.env("MANTYX_PAGE", page::folder()).env("PATH", search_path).process_group(0);
    // The link that logs a browser in stands in it.
    let log = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(log);
    let log = log.context("Could not write the log of the daemon")?;
    mantyx.stdout(log.try_clone()?).stderr(log);
    Ok(mantyx)
}

fn free_address() -> Result<SocketAddr> {
    let free = |port: &u16| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
    let port = (FIRST_PORT..FIRST_PORT + 100).find(free).context("No port from 8420 on is free")?;
    Ok((Ipv4Addr::LOCALHOST, port).into())
}

fn wait_until_it_answers(child: &mut Child, root: &Path, address: SocketAddr) -> Result<Client> {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            bail!("The daemon ended at once: {status}");
        }
        if let Ok(token) = fs::read_to_string(root.join("config/owner-token")) {
            let client = Client::new(address, token.trim());
            if client.get::<serde_json::Value>("/health").is_ok() {
                return Ok(client);
            }
        }
        if start.elapsed() > PATIENCE {
            bail!("The daemon did not answer within {}", terminal::took(PATIENCE));
        }
        thread::sleep(Duration::from_millis(50));
    }
}

fn log_end(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    format!("The end of `{}`:\n{}", log.display(), workspace::last_lines(&text, 20))
}
