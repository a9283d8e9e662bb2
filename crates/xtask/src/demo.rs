//! `cargo xtask demo`: a fresh machine to a running Mantyx with three apps in it, in one command.
//!
//! Everything goes through the documented calls that the page and the command line use. With `--check` nobody looks
//! at it: what the examples really do is verified over HTTP, and everything is taken down again.

mod daemon;
mod deploy;
mod examples;
mod repository;
mod verify;

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use mantyx_api_types::core::AppState;
use mantyx_api_types::{AppView, Page};
use rustix::process::geteuid;

use crate::http::Client;
use crate::{interrupt, page, setup, terminal, workspace};
use daemon::Daemon;

/// How the demonstration is given.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Verify that the examples really run, take everything down, and say so by the exit code.
    #[arg(long)]
    check: bool,
    /// Where Mantyx keeps everything. `.mantyx/demo` in the checkout when not given; `/srv/mantyx-demo` when root
    /// gives the demonstration and others may not enter the checkout.
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
}

/// Builds, starts, deploys, and waits for Ctrl-C or verifies.
pub(crate) fn run(options: &Options) -> Result<()> {
    let start = Instant::now();
    let tools = setup::prepare(setup::Purpose::Demo)?;
    page::build()?;
    build_daemon()?;
    let root = root(options)?;
    interrupt::watch()?;
    let daemon = Daemon::start(&root, &tools.path()?)?;
    let result = show(&daemon, options, start).inspect_err(|_| daemon.show_log());
    if result.is_ok() && !options.check {
        terminal::line("  Ctrl-C ends it.\n");
        interrupt::wait();
    }
    let ended = stop_apps(daemon.client()).and(daemon.stop());
    if options.check && result.is_ok() {
        fs::remove_dir_all(&root).context("Could not remove the folder of the check")?;
    }
    result.and(ended)
}

/// The daemon is built without optimisation: on a fresh machine somebody waits for it.
fn build_daemon() -> Result<()> {
    let start = Instant::now();
    terminal::step("Building the daemon");
    let mut cargo = workspace::cargo();
    cargo.arg("build").args(workspace::SELECTION).args(["--bin", "mantyx", "--bin", "mantyx-monitor"]);
    workspace::run(&mut cargo)?;
    terminal::done("The daemon is built", start);
    Ok(())
}

/// A check begins from nothing; a demonstration goes on where the last one ended.
fn root(options: &Options) -> Result<PathBuf> {
    let make = |root: &Path| {
        fs::create_dir_all(root).with_context(|| format!("Could not make `{}`", root.display()))
    };
    if let Some(root) = &options.root {
        let root = std::path::absolute(root)?;
        return make(&root).map(|()| root);
    }
    let fresh = std::env::temp_dir().join(format!("mantyx-demo-check-{}", std::process::id()));
    let root = if options.check { fresh } else { usual_root() };
    make(&root)?;
    let found = fs::symlink_metadata(&root)?;
    ensure!(found.uid() == geteuid().as_raw(), "`{}` belongs to somebody else", root.display());
    fs::set_permissions(&root, Permissions::from_mode(0o755))?;
    Ok(root)
}

/// In the checkout, unless apps could not get there: root gives them to another user, and a checkout may well lie in
/// a folder that is closed to others.
fn usual_root() -> PathBuf {
    let is_open = |folder: &Path| fs::metadata(folder).is_ok_and(|found| found.mode() & 0o001 != 0);
    let usual = workspace::path(".mantyx/demo");
    let mut checkout = usual.ancestors().skip(2);
    if !geteuid().is_root() || checkout.all(is_open) { usual } else { PathBuf::from("/srv/mantyx-demo") }
}

fn show(daemon: &Daemon, options: &Options, start: Instant) -> Result<()> {
    let client = daemon.client();
    let examples = examples::prepare(&workspace::target().join("demo-examples"))?;
    for example in &examples {
        deploy::deploy(client, example)?;
    }
    for example in &examples {
        verify::verify(client, example)?;
    }
    if options.check {
        terminal::done("All three examples really run", start);
        return Ok(());
    }
    let link: serde_json::Value = client.post("/api/login/link", &serde_json::json!({}))?;
    terminal::done("Mantyx is ready. This link logs a browser in", start);
    terminal::line(&format!("\n  {}\n", link["url"].as_str().unwrap_or(daemon.url())));
    Ok(())
}

/// Apps outlive the daemon by design; those of a demonstration should not.
fn stop_apps(client: &Client) -> Result<()> {
    terminal::step("Stopping the apps and the daemon");
    let running: Page<AppView> = client.get("/api/apps?state=running&limit=500")?;
    for app in running.items.iter().filter(|app| app.state == AppState::Running) {
        client.post::<serde_json::Value>(&format!("/api/apps/{}/stop", app.name), &serde_json::json!({}))?;
    }
    Ok(())
}
