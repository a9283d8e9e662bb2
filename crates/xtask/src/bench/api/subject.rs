//! What is asked: a daemon on a scratch root whose database was filled while it was down.

use std::ffi::OsString;
use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::super::contenders::program;
use crate::http::{Client, Part};
use crate::{interrupt, terminal, workspace};

/// The app that all others are copies of.
pub(super) const APP: &str = "original";

/// How long the daemon may take to come up, and to go down.
const PATIENCE: Duration = Duration::from_secs(60);

/// A root and the programs for it.
pub(super) struct Subject {
    programs: PathBuf,
    search_path: OsString,
    folder: PathBuf,
}

/// A server that is up, until this value goes.
pub(super) struct Up {
    child: Child,
    /// Where it listens.
    pub(super) address: SocketAddr,
    /// The owner's token; none of a server that asks for none.
    pub(super) token: String,
}

impl Subject {
    /// A root with one app in it that was installed and has run.
    pub(super) fn new(programs: PathBuf, search_path: OsString, folder: &Path) -> Result<Self> {
        let subject = Self { programs, search_path, folder: folder.to_owned() };
        let up = subject.start()?;
        make_app(&up.client())?;
        up.end()?;
        Ok(subject)
    }

    /// Copies the app until there are so many, with so many executions and events.
    pub(super) fn fill(&self, apps: usize, executions: usize) -> Result<()> {
        let script = self.folder.join("fill.py");
        fs::write(&script, include_str!("fill.py"))?;
        let mut python = Command::new("python3");
        python.arg(script).arg(self.root().join("data/mantyx.db"));
        python.args([apps.to_string(), executions.to_string()]);
        workspace::output(&mut python).map(drop).context("The database could not be filled")
    }

    /// Starts the daemon and waits until it answers.
    pub(super) fn start(&self) -> Result<Up> {
        let address = free_address()?;
        let mut command = program(self.programs.join("mantyx"));
        command.arg("serve").arg("--root").arg(self.root()).args(["--bind", &address.to_string()]);
        command.env("PATH", &self.search_path).env("HOME", &self.folder);
        let token = self.root().join("config/owner-token");
        Up::start(&mut command, &self.folder, address, || {
            fs::read_to_string(&token).map(|token| token.trim().to_owned()).unwrap_or_default()
        })
    }

    fn root(&self) -> PathBuf {
        self.folder.join("root")
    }
}

impl Up {
    /// Starts a server and waits until it answers whoever has the token.
    pub(super) fn start(
        command: &mut Command,
        folder: &Path,
        address: SocketAddr,
        token: impl Fn() -> String,
    ) -> Result<Self> {
        let log = File::create(folder.join("server.log"))?;
        command.stdout(log.try_clone()?).stderr(log).process_group(0);
        let child = command.spawn().context("Could not start the server")?;
        let mut up = Self { child, address, token: String::new() };
        let begun = Instant::now();
        loop {
            if let Some(status) = up.child.try_wait()? {
                bail!("The server ended at once: {status}");
            }
            up.token = token();
            if up.client().get::<Value>("/api/apps?limit=1").is_ok() {
                return Ok(up);
            }
            if begun.elapsed() > PATIENCE {
                bail!("The server did not answer within {}", terminal::took(PATIENCE));
            }
            interrupt::check()?;
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// What talks to it.
    pub(super) fn client(&self) -> Client {
        Client::new(self.address, &self.token)
    }

    /// A request to it that keeps the connection, byte for byte.
    pub(super) fn request(&self, path: &str, headers: &str) -> Vec<u8> {
        let Self { address, token, .. } = self;
        format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n{headers}\r\n")
            .into_bytes()
    }

    /// Ends it in its own way.
    pub(super) fn end(mut self) -> Result<()> {
        kill_process(Pid::from_child(&self.child), Signal::TERM)?;
        let begun = Instant::now();
        while self.child.try_wait()?.is_none() {
            if begun.elapsed() > PATIENCE {
                bail!("The server does not end");
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        // Both fail when it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A free address on loopback.
pub(super) fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

/// Uploads, installs, starts and stops an app, so that it has all that a row of the list shows.
fn make_app(client: &Client) -> Result<()> {
    let fields = [("name", APP), ("type", "perpetual"), ("display_name", "An app that is listed")];
    let mut parts: Vec<Part<'_>> = fields.iter().map(|(name, text)| Part::Text(name, text)).collect();
    parts.push(Part::File("main.py", b"import time\ntime.sleep(3600)\n"));
    let _: Value = client.upload("/api/apps/upload/script", &parts)?;
    let call = |word: &str| client.post::<Value>(&format!("/api/apps/{APP}/{word}"), &json!({}));
    let install = call("install?wait=60")?;
    if install["status"] != "succeeded" {
        bail!("The installation is {}: {}", install["status"], install["problem"]["detail"]);
    }
    call("enable")?;
    call("stop").map(drop)
}
