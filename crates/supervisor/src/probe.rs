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
use std::sync::Arc;
use std::time::Duration;

use mantyx_core::{Identity, Observation, Probe};
use mantyx_limits::Confinement;
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
    /// The app's environment. What would let a process speak for the app is left out of it.
    pub(crate) environment: BTreeMap<String, String>,
    /// The folder that the app starts in.
    pub(crate) directory: PathBuf,
    /// As whom it runs; as the daemon itself without one.
    pub(crate) identity: Option<Identity>,
    /// What the app is held to, and so it is; to nothing when not given.
    pub(crate) confinement: Option<Arc<Confinement>>,
}

/// Looks at an app, as often as it is asked to.
pub(crate) struct Prober {
    /// What is looked at, or why nothing can be.
    subject: Result<Subject, String>,
    exec: ExecContext,
    timeout: Duration,
}

/// What a look was, or the sentence that says why it failed.
type Seen = Result<(), String>;

/// What is looked at, with everything known that can be known before.
enum Subject {
    Nothing,
    Request(Box<http::Target>, http::Expected),
    Port(u16),
    Line(String),
}

impl Prober {
    pub(crate) fn new(plan: ProbePlan) -> Self {
        Self { subject: Subject::of(plan.probe, plan.web_port), exec: plan.exec, timeout: plan.timeout }
    }

    /// Looks once. Without a probe nothing is looked at, and an app that is alive is well.
    ///
    /// Dropping the future ends the look with everything that it started.
    pub(crate) async fn look(&self) -> Observation {
        let seen = match &self.subject {
            Ok(subject) => {
                // Whoever waits for looks holds this future all the time; its five kilobytes only while it looks.
                let seen = timeout(self.timeout, Box::pin(self.see(subject))).await;
                seen.unwrap_or_else(|_| Err(subject.too_long(self.timeout)))
            }
            Err(reason) => Err(reason.clone()),
        };
        seen.map_or_else(Observation::Ill, |()| Observation::Well)
    }

    async fn see(&self, subject: &Subject) -> Seen {
        match subject {
            Subject::Nothing => Ok(()),
            Subject::Request(target, expected) => http::get(target, expected).await,
            Subject::Port(port) => connect(*port).await,
            Subject::Line(line) => exec::run(line, &self.exec).await,
        }
    }
}

impl Subject {
    fn of(probe: Probe, web_port: Option<u16>) -> Result<Self, String> {
        match probe {
            Probe::None => Ok(Self::Nothing),
            Probe::Http { url, status, body } => {
                let target = Box::new(http::Target::parse(&url, web_port)?);
                Ok(Self::Request(target, http::Expected { status, body }))
            }
            Probe::Tcp { port } => {
                let port = port.or(web_port).ok_or("The check names no port, and the app has no web port")?;
                Ok(Self::Port(port))
            }
            Probe::Exec { command } => Ok(Self::Line(command)),
        }
    }

    fn too_long(&self, limit: Duration) -> String {
        let seconds = limit.as_secs_f64();
        match self {
            Self::Nothing => format!("No answer within {seconds} s"),
            Self::Request(target, _) => format!("GET {target}: no answer within {seconds} s"),
            Self::Port(port) => format!("Port {port} accepts no connection within {seconds} s"),
            Self::Line(line) => format!("`{}` did not end within {seconds} s", short(line)),
        }
    }
}

async fn connect(port: u16) -> Seen {
    let made = ports::connect_own(port).await;
    made.map(drop).map_err(|error| unreachable(port, &error))
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
