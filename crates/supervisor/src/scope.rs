//! Transient scopes of systemd: each execution gets one, so that systemd holds it to its limits and shows it.
//!
//! Systemd is asked over the system bus (org.freedesktop.systemd1(5)). It puts the monitor into the scope before the
//! monitor is given its launch, so the app is born inside. The scope is gone by itself when its last process is.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use mantyx_core::{Code, Error, Result};
use mantyx_limits::SystemdScope;
use serde::Serialize;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{Mutex, Semaphore, broadcast};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use zbus::message::Type;
use zbus::{Connection, DynamicType, MatchRule, MessageStream, OwnedObjectPath, Variant, connection, fdo};

const SYSTEMD: &str = "org.freedesktop.systemd1";
const PATH: &str = "/org/freedesktop/systemd1";
const MANAGER: &str = "org.freedesktop.systemd1.Manager";

/// Systemd needs a few milliseconds, and more while the machine starts.
const PATIENCE: Duration = Duration::from_secs(10);

/// The bus lets one program wait for 128 answers (dbus-daemon(1), `max_replies_per_connection`).
const TOGETHER: usize = 64;

/// Ends of jobs that may wait to be looked at; beyond it the oldest are lost.
const JOBS: usize = 1024;

/// What is no limit, for systemd.
const INFINITY: u64 = u64::MAX;

/// A property as systemd wants it.
type Property = (&'static str, Variant<'static>);

/// Whoever asks systemd for scopes. It connects again by itself when the bus was restarted.
pub(crate) struct ScopeManager {
    link: Mutex<Link>,
    turns: Semaphore,
}

/// One connection, and what is heard on it.
#[derive(Clone)]
struct Link {
    connection: Connection,
    ears: Arc<Ears>,
}

/// Who hears of jobs, and tells whoever waits for one.
struct Ears {
    jobs: broadcast::Sender<Job>,
    task: JoinHandle<()>,
}

/// A job of systemd that has ended.
#[derive(Clone, Debug)]
struct Job {
    unit: String,
    result: String,
}

/// What a version of systemd understands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Dialect {
    /// Since version 253.
    WithOomPolicy,
    /// Before: there, a scope outlives a process that ran out of memory without being told to.
    Plain,
}

impl ScopeManager {
    /// Connects to systemd over the system bus.
    pub(crate) async fn connect() -> Result<Self> {
        Self::with(connection::Builder::system()).await
    }

    async fn with(builder: connection::Builder<'_>) -> Result<Self> {
        let link = Link::open(builder).await.map_err(refused)?;
        Ok(Self { link: Mutex::new(link), turns: Semaphore::new(TOGETHER) })
    }

    /// Makes a scope with a monitor in it, and waits until that has happened.
    pub(crate) async fn start(&self, scope: &SystemdScope, monitor_pid: u32) -> Result<()> {
        let _turn = self.turns.acquire().await;
        let link = self.link().await?;
        let started = async {
            match link.start(scope, monitor_pid, Dialect::WithOomPolicy).await {
                Err(zbus::Error::FDO(error)) if is_unknown_property(&error) => {
                    link.start(scope, monitor_pid, Dialect::Plain).await
                }
                result => result,
            }
        };
        let result = timeout(PATIENCE, started).await.map_err(|_| timed_out(scope))?.map_err(refused)?;
        if result == "done" { Ok(()) } else { Err(failed(scope, &result)) }
    }

    /// Changes the limits of a scope that exists.
    pub(crate) async fn adjust(&self, scope: &SystemdScope) -> Result<()> {
        let _turn = self.turns.acquire().await;
        let link = self.link().await?;
        // Until the next boot, that is as long as the scope can exist.
        let body = (scope.unit.as_str(), true, limits(scope));
        let adjusted = timeout(PATIENCE, link.call("SetUnitProperties", &body)).await;
        adjusted.map_err(|_| timed_out(scope))?.map_err(refused)?;
        Ok(())
    }

    async fn link(&self) -> Result<Link> {
        let mut link = self.link.lock().await;
        if link.connection.is_closed() {
            *link = Link::open(connection::Builder::system()).await.map_err(refused)?;
        }
        Ok(link.clone())
    }
}

impl Link {
    async fn open(builder: connection::Builder<'_>) -> zbus::Result<Self> {
        let connection = builder.method_timeout(PATIENCE).build().await?;
        let rule = MatchRule::builder()
            .msg_type(Type::Signal)
            .sender(SYSTEMD)
            .path(PATH)
            .interface(MANAGER)
            .member("JobRemoved")
            .build()?;
        let ended = MessageStream::for_match_rule(rule, &connection, None).await?;
        let link = Self { connection, ears: Arc::new(Ears::open(ended)) };
        // Systemd tells of jobs only while somebody wants to know.
        link.call("Subscribe", &()).await?;
        Ok(link)
    }

    /// Starts a scope, and returns the result of its job.
    async fn start(&self, scope: &SystemdScope, pid: u32, dialect: Dialect) -> zbus::Result<String> {
        // First, so that the end of the job is not missed.
        let mut jobs = self.ears.jobs.subscribe();
        let others: [(&str, Vec<Property>); 0] = [];
        let body = (scope.unit.as_str(), "fail", properties(scope, pid, dialect), others.as_slice());
        let _job: OwnedObjectPath = self.call("StartTransientUnit", &body).await?.body().deserialize()?;
        tokio::select! {
            result = end_of(&scope.unit, &mut jobs) => Ok(result),
            () = self.connection.closed() => Err(zbus::Error::Failure("the connection was closed".into())),
        }
    }

    async fn call<B: Serialize + DynamicType + Sync>(
        &self,
        method: &str,
        body: &B,
    ) -> zbus::Result<zbus::Message> {
        self.connection.call_method(Some(SYSTEMD), PATH, Some(MANAGER), method, body).await
    }
}

impl Ears {
    fn open(ended: MessageStream) -> Self {
        let jobs = broadcast::Sender::new(JOBS);
        Self { task: tokio::spawn(pass_on(ended, jobs.clone())), jobs }
    }
}

impl Drop for Ears {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Tells everybody who waits for the end of a job, until the connection is closed.
async fn pass_on(mut ended: MessageStream, jobs: broadcast::Sender<Job>) {
    while let Some(Ok(message)) = ended.next().await {
        if let Ok((_, _, unit, result)) =
            message.body().deserialize::<(u32, OwnedObjectPath, String, String)>()
        {
            // Nobody may be waiting.
            let _ = jobs.send(Job { unit, result });
        }
    }
}

/// Waits for the end of the job of a unit, and returns its result.
async fn end_of(unit: &str, jobs: &mut broadcast::Receiver<Job>) -> String {
    loop {
        match jobs.recv().await {
            Ok(job) if job.unit == unit => return job.result,
            Ok(_) | Err(RecvError::Lagged(_)) => {}
            // Not while the link is there, which has the other end.
            Err(RecvError::Closed) => return "unheard".to_owned(),
        }
    }
}

fn properties(scope: &SystemdScope, pid: u32, dialect: Dialect) -> Vec<Property> {
    let mut properties = vec![
        ("PIDs", Variant::from(vec![pid])),
        ("Description", Variant::from(scope.description.clone())),
        ("Slice", Variant::from(scope.slice.clone())),
        // A scope whose processes failed is nothing that a person has to clear away.
        ("CollectMode", Variant::from("inactive-or-failed")),
        ("MemoryAccounting", Variant::from(true)),
        ("TasksAccounting", Variant::from(true)),
    ];
    if dialect == Dialect::WithOomPolicy {
        // Else systemd ends the whole scope, the monitor included, where the kernel ended one process of it.
        properties.push(("OOMPolicy", Variant::from("continue")));
    }
    properties.extend(limits(scope));
    properties
}

/// All of them, so that an adjustment takes back what is no limit any more.
fn limits(scope: &SystemdScope) -> Vec<Property> {
    vec![
        ("MemoryMax", Variant::from(scope.memory.unwrap_or(INFINITY))),
        ("MemorySwapMax", Variant::from(if scope.memory.is_some() { 0 } else { INFINITY })),
        ("CPUQuotaPerSecUSec", Variant::from(scope.cpu.unwrap_or(INFINITY))),
        ("CPUWeight", Variant::from(scope.weight)),
        ("TasksMax", Variant::from(scope.tasks.unwrap_or(INFINITY))),
    ]
}

fn is_unknown_property(error: &fdo::Error) -> bool {
    matches!(error, fdo::Error::PropertyReadOnly(_) | fdo::Error::UnknownProperty(_))
}

fn refused(error: zbus::Error) -> Error {
    Error::new(Code::Unavailable, format!("Systemd did not do what it was asked: {error}"))
        .hint("Does `systemctl status` answer?")
}

fn timed_out(scope: &SystemdScope) -> Error {
    let seconds = PATIENCE.as_secs();
    Error::new(
        Code::TimedOut,
        format!("Systemd did not answer about `{}` within {seconds} seconds", scope.unit),
    )
    .hint("Does `systemctl list-jobs` show what it waits for?")
}

fn failed(scope: &SystemdScope, result: &str) -> Error {
    Error::new(
        Code::Unavailable,
        format!("Systemd could not make `{}`: its job ended as {result}", scope.unit),
    )
    .hint(format!("`journalctl --unit {}` may say why", scope.unit))
}

#[cfg(test)]
mod tests;
