//! What is asked: a daemon on a scratch root whose database was filled while it was down.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use super::super::contenders::program;
use super::super::server::{Server, free_address};
use crate::http::{Client, Part};
use crate::workspace;

/// The app that all others are copies of.
pub(super) const APP: &str = "original";

/// A root and the programs for it.
pub(super) struct Subject {
    programs: PathBuf,
    search_path: OsString,
    folder: PathBuf,
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
    pub(super) fn start(&self) -> Result<Server> {
        let address = free_address()?;
        let mut command = program(self.programs.join("mantyx"));
        command.arg("serve").arg("--root").arg(self.root()).args(["--bind", &address.to_string()]);
        command.env("PATH", &self.search_path).env("HOME", &self.folder);
        let token = self.root().join("config/owner-token");
        Server::start(&mut command, &self.folder, address, || {
            fs::read_to_string(&token).map(|token| token.trim().to_owned()).unwrap_or_default()
        })
    }

    fn root(&self) -> PathBuf {
        self.folder.join("root")
    }
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
