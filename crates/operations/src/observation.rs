//! What apps use over time: looks every few seconds, kept at falling resolution.
//!
//! A look goes over the processes of all executions that are alive. It is kept in memory for an hour; minutes are
//! kept in the database for a day, and hours for a month. Whoever listens is told at once. The task sleeps without a
//! timer while nothing is alive, and looks half as often while nobody listens.
//!
//! - `news`: which executions are alive, and which have ended
//! - `meter`: executions and their trees of processes
//! - `summary`: spans of time, and how short ones become longer ones
//! - `recent`: the last hour, in memory
//! - `minutes`: what is not in the database yet
//! - `history`: minutes and hours, in the database
//! - `lives`: when an app was alive
//! - `queries`: what can be read of all this
//! - `exposition`: the same for Prometheus
//!
//! Memory is what is resident, added up over the processes of a tree. Where a control group holds the tree, its own
//! count could take the place of that sum in `meter`.

pub(crate) mod exposition;
mod history;
mod lives;
mod meter;
mod minutes;
mod news;
mod queries;
mod recent;
mod summary;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use chrono::Utc;
use mantyx_api_types::LiveMessage;
use mantyx_core::{Error, ExecutionId, Result, Timestamp};
use mantyx_registry::Registry;
use mantyx_registry::tables::executions;
use tokio::sync::watch;
use tokio::time::sleep;

use crate::mantyx::Mantyx;
use meter::{Looked, Meter};
use minutes::Minutes;
use news::News;
use recent::Recent;

/// Between two looks while somebody listens.
const HEARD: Duration = Duration::from_secs(5);
/// Between two looks while nobody does.
const UNHEARD: Duration = Duration::from_secs(10);
/// From the first sign of life to the first look: of a younger process there is nothing to say yet.
const FIRST: Duration = Duration::from_secs(1);

/// What was seen so far. Clones are handles to the same.
#[derive(Clone)]
pub(crate) struct Observation {
    recent: Arc<Mutex<Recent>>,
    /// Held while they are written.
    minutes: Arc<tokio::sync::Mutex<Minutes>>,
    /// When this daemon began to look, in seconds since 1970.
    began: i64,
    /// The same by a clock that nobody sets.
    since: Instant,
}

impl Observation {
    /// Nothing was seen yet.
    pub(crate) fn new() -> Self {
        let (began, since) = (Utc::now().timestamp(), Instant::now());
        Self { recent: Arc::default(), minutes: Arc::default(), began, since }
    }

    pub(crate) fn recent(&self) -> MutexGuard<'_, Recent> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long this daemon has been up.
    pub(crate) fn uptime(&self) -> Duration {
        self.since.elapsed()
    }

    /// Writes the minutes that are over.
    async fn record(&self, minutes: &mut Minutes, registry: &Registry) -> Result<()> {
        if let Some(there) = minutes.record(registry).await? {
            self.recent().keep(&there);
        }
        Ok(())
    }
}

impl Mantyx {
    /// Looks at what apps use for as long as the daemon lives.
    pub(crate) async fn spawn_observation(&self) -> Result<()> {
        let inner = self.inner();
        let meter = Meter::new(&inner.settings.monitor_program()?, inner.host.processors())?;
        let observer = Observer {
            registry: inner.registry.clone(),
            observation: inner.observation.clone(),
            meter: Arc::new(Mutex::new(meter)),
            idle: true,
            newest: inner.registry.read(executions::newest).await?,
        };
        tokio::spawn(observer.run());
        Ok(())
    }

    /// Writes down what apps used and nothing has written yet, because the daemon goes down.
    pub(crate) async fn flush_observation(&self) {
        let observation = &self.inner().observation;
        let mut minutes = observation.minutes.lock().await;
        minutes.close();
        if let Err(error) = observation.record(&mut minutes, self.registry()).await {
            tracing::warn!(%error, "what apps used in the last minute could not be written down");
        }
    }
}

/// The task that looks.
struct Observer {
    registry: Registry,
    observation: Observation,
    meter: Arc<Mutex<Meter>>,
    /// Whether nothing is alive.
    idle: bool,
    /// The newest execution that is known: those that come after it are news.
    newest: Option<ExecutionId>,
}

impl Observer {
    async fn run(mut self) {
        let mut changed = self.registry.watch_executions();
        changed.mark_changed();
        loop {
            self.wait(&mut changed).await;
            if changed.has_changed().unwrap_or(false)
                && let Err(error) = self.read_executions(&mut changed).await
            {
                tracing::warn!(%error, "what is alive could not be read");
            }
            if let Err(error) = self.look().await {
                tracing::warn!(%error, "what apps use could not be observed");
            }
        }
    }

    /// Until the next look. A minute in which something was alive has to be brought to its end.
    async fn wait(&self, changed: &mut watch::Receiver<()>) {
        if !self.idle || !self.observation.minutes.lock().await.is_empty() {
            return sleep(if self.registry.is_heard() { HEARD } else { UNHEARD }).await;
        }
        // It fails only when the registry is gone, and this task has one.
        let _ = changed.changed().await;
        changed.mark_changed();
        sleep(FIRST).await;
    }

    async fn read_executions(&mut self, changed: &mut watch::Receiver<()>) -> Result<()> {
        changed.mark_unchanged();
        let (newest, followed) = (self.newest, lock(&self.meter).followed());
        let read = self.registry.read(move |db| News::read(db, newest, &followed)).await;
        let News { alive, ended, newest } = read.inspect_err(|_| changed.mark_changed())?;
        (self.idle, self.newest) = (alive.is_empty(), newest);
        lock(&self.meter).follow(&alive, &ended);
        Ok(())
    }

    async fn look(&mut self) -> Result<()> {
        let meter = Arc::clone(&self.meter);
        let look = tokio::task::spawn_blocking(move || lock(&meter).look());
        let looked = look.await.map_err(|error| Error::internal("look at processes", error))??;
        let now = Utc::now();
        self.observation.recent().take(now.timestamp(), &looked);
        self.tell(now, &looked);
        let mut minutes = self.observation.minutes.lock().await;
        minutes.take(now.timestamp(), &looked);
        self.observation.record(&mut minutes, &self.registry).await
    }

    fn tell(&self, at: Timestamp, looked: &[Looked]) {
        if self.registry.is_heard() {
            let apps = looked.iter().filter_map(Looked::usage).collect();
            self.registry.tell(LiveMessage::Usage { at, apps });
        }
    }
}

fn lock(meter: &Mutex<Meter>) -> MutexGuard<'_, Meter> {
    meter.lock().unwrap_or_else(PoisonError::into_inner)
}
