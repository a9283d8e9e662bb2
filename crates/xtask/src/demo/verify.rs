//! What the examples really do, seen from outside: an answer over HTTP, a run that ended well, lines in a log.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use mantyx_api_types::core::{AppState, AppType, ExecutionStatus};
use mantyx_api_types::{AppView, ExecutionView, LogLine, Page};
use serde_json::{Value, json};

use super::examples::Example;
use crate::http::Client;
use crate::interrupt;
use crate::terminal;

/// How long an app may take to do what it is for.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until the example has done what it is for.
pub(super) fn verify(client: &Client, example: &Example) -> Result<()> {
    let start = Instant::now();
    let app = match example.app_type {
        AppType::Scheduled => run_ends_well(client, example.name)?,
        AppType::Perpetual => process_lives(client, example.name)?,
    };
    let seen = match app.web_port {
        Some(port) => page_answers(port)?,
        None => log_has_lines(client, example.name)?,
    };
    terminal::done(&format!("`{}`: {seen}", example.name), start);
    Ok(())
}

/// Runs it now and waits for the end.
fn run_ends_well(client: &Client, name: &str) -> Result<AppView> {
    client.post::<Value>(&format!("/api/apps/{name}/run"), &json!({}))?;
    wait(&format!("a run of `{name}` to end"), || {
        let page: Page<ExecutionView> = client.get(&format!("/api/executions?app={name}"))?;
        match page.items.first() {
            Some(run) if run.status == ExecutionStatus::Success => Ok(Some(())),
            Some(run) if run.status.is_final() => {
                bail!("The run of `{name}` ended as {}: {:?} {:?}", run.status.as_str(), run.exit, run.cause)
            }
            _ => Ok(None),
        }
    })?;
    client.get(&format!("/api/apps/{name}"))
}

fn process_lives(client: &Client, name: &str) -> Result<AppView> {
    wait(&format!("`{name}` to run"), || {
        let app: AppView = client.get(&format!("/api/apps/{name}"))?;
        match app.state {
            AppState::Failed => bail!("`{name}` failed: {}", app.reason.unwrap_or_default()),
            AppState::Running if app.pid.is_some() => Ok(Some(app)),
            _ => Ok(None),
        }
    })
}

/// Asks the app's own page as a browser would.
fn page_answers(port: u16) -> Result<String> {
    let browser = Client::new(SocketAddr::from((Ipv4Addr::LOCALHOST, port)), "");
    wait(&format!("port {port} to answer"), || match browser.request("GET", "/", "", &[]) {
        Ok(answer) if answer.status == 200 => {
            let size = terminal::size(answer.body.len() as u64);
            Ok(Some(format!("its page answers on http://127.0.0.1:{port} with {size}")))
        }
        Ok(answer) => bail!("Port {port} answered {}", answer.status),
        // Not listening yet.
        Err(_) => Ok(None),
    })
}

/// The last line that the app wrote which says something.
fn log_has_lines(client: &Client, name: &str) -> Result<String> {
    wait(&format!("`{name}` to write something"), || {
        let log: Page<LogLine> = client.get(&format!("/api/apps/{name}/logs?tail=20"))?;
        let texts = log.items.iter().rev().map(|line| terminal::without_colours(&line.text));
        let said = texts.into_iter().find(|text| text.chars().any(char::is_alphanumeric));
        Ok(said.map(|text| format!("it wrote «{}»", text.trim())))
    })
}

fn wait<T>(what: &str, mut observe: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let start = Instant::now();
    loop {
        if let Some(seen) = observe().with_context(|| format!("While waiting for {what}"))? {
            return Ok(seen);
        }
        if start.elapsed() > PATIENCE {
            bail!("Waited in vain for {what}");
        }
        interrupt::sleep(Duration::from_millis(100))?;
    }
}
