//! One look at an app: a request, a connection, or a command line, and what was seen as a sentence.
//!
//! A look never takes longer than it may, reads a bounded amount, and keeps nothing: no connection, no thread and
//! no buffer waits for the next one, so that fifty apps which are looked at cost no memory between two looks. It
//! follows no redirect and uses no proxy: whoever answers in the app's place says nothing about the app.
//!
//! - `http`: the request, and whether the answer is the expected one;
//! - `answer`: reading an answer, whatever comes;
//! - `tls`: whom a look over HTTPS trusts;
//! - `exec`: the command line.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::time::Duration;

use mantyx_core::{Identity, Observation, Probe};
use mantyx_platform::ports;
use tokio::time::timeout;

mod answer;
mod exec;
mod http;
#[cfg(test)]
mod tests;
mod tls;

/// What a look needs to know.
pub(crate) struct ProbePlan {
    /// What is looked at.
    pub(crate) probe: Probe,
    /// The app's own web port.
    pub(crate) web_port: Option<u16>,
    /// How a command line runs.
    pub(crate) exec: ExecContext,
    /// How long a look may take.
    pub(crate) timeout: Duration,
}

/// How the command line of a look runs: as the app itself does.
pub(crate) struct ExecContext {
    /// The app's environment. What ties a process to the app's own execution is left out of it.
    pub(crate) environment: BTreeMap<String, String>,
    /// The folder that the app starts in.
    pub(crate) directory: PathBuf,
    /// As whom it runs; as the daemon itself without one.
    pub(crate) identity: Option<Identity>,
}

/// Looks at an app, as often as it is asked to.
pub(crate) struct Prober {
    plan: ProbePlan,
}

/// The sentence that says why a look failed.
type Seen = Result<(), String>;

impl Prober {
    pub(crate) fn new(plan: ProbePlan) -> Self {
        Self { plan }
    }

    /// Looks once. Without a probe nothing is looked at, and an app that is alive is well.
    ///
    /// Dropping the future ends the look with everything that it started.
    pub(crate) async fn look(&self) -> Observation {
        let limit = self.plan.timeout;
        let seen = match timeout(limit, self.try_look()).await {
            Ok(seen) => seen,
            Err(_) => Err(self.too_long(limit)),
        };
        seen.map_or_else(Observation::Ill, |()| Observation::Well)
    }

    async fn try_look(&self) -> Seen {
        match &self.plan.probe {
            Probe::None => Ok(()),
            Probe::Http { url, status, body } => {
                let target = http::Target::parse(url, self.plan.web_port)?;
                http::get(&target, &http::Expected { status: *status, body: body.as_deref() }).await
            }
            Probe::Tcp { port } => connect(port.or(self.plan.web_port)).await,
            Probe::Exec { command } => exec::run(command, &self.plan.exec).await,
        }
    }

    fn too_long(&self, limit: Duration) -> String {
        let seconds = limit.as_secs_f64();
        match &self.plan.probe {
            Probe::Http { url, .. } => match http::Target::parse(url, self.plan.web_port) {
                Ok(target) => format!("GET {target}: no answer within {seconds} s"),
                Err(reason) => reason,
            },
            Probe::Exec { command } => format!("`{}` did not end within {seconds} s", short(command)),
            Probe::Tcp { .. } | Probe::None => match self.tcp_port() {
                Some(port) => format!("Port {port} accepts no connection within {seconds} s"),
                None => format!("No answer within {seconds} s"),
            },
        }
    }

    fn tcp_port(&self) -> Option<u16> {
        match &self.plan.probe {
            Probe::Tcp { port } => port.or(self.plan.web_port),
            _ => None,
        }
    }
}

async fn connect(port: Option<u16>) -> Seen {
    let port = port.ok_or("The check names no port, and the app has no web port")?;
    match ports::connect(&ports::loopback(port)).await {
        Ok(_) => Ok(()),
        Err(error) => Err(unreachable(port, &error)),
    }
}

/// Why a port of this machine cannot be reached.
fn unreachable(port: u16, error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::ConnectionRefused => format!("Nobody listens on port {port}"),
        kind => format!("Port {port} cannot be reached: {kind}"),
    }
}

/// A text of people or programs as part of a sentence: on one line, without control characters, not too long.
fn short(text: &str) -> String {
    /// In characters.
    const LONGEST: usize = 200;
    let plain = text.trim().chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut kept: String = plain.clone().take(LONGEST).collect();
    if plain.count() > LONGEST {
        kept.pop();
        kept.push('…');
    }
    kept
}
