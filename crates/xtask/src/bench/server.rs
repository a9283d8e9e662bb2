//! A server that a benchmark asks: started, awaited, and ended with the benchmark.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::http::Client;
use crate::{interrupt, terminal};

/// How long it may take to come up, and to go down.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server that is up, until this value goes.
pub(super) struct Server {
    child: Child,
    /// Where it listens.
    pub(super) address: SocketAddr,
    /// The owner's token; none of a server that asks for none.
    pub(super) token: String,
}

impl Server {
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

impl Drop for Server {
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
