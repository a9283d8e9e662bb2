//! The persistent queue: apalis on a SQLite file of its own.
//!
//! Three things are done differently from what apalis does by itself:
//!
//! - Its `setup()` turns `synchronous` off and takes a page cache of 256 MB. We run its migrations with our pragmas.
//! - It polls. Our worker sleeps until the [`Bell`] rings.
//! - It gives the jobs of a dead worker back when heartbeats have been missing for a while. There is never more
//!   than one worker here, so at a start every job that is not done is given back at once.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use apalis::prelude::{BackendExt, BoxDynError, Data, TaskBuilder, WorkerBuilder, WorkerContext};
use apalis_sqlite::{Config, SqliteConnectOptions, SqlitePool, SqlitePoolOptions, SqliteStorage, queries};
use mantyx_core::{Error, Result};
use tokio::sync::oneshot;

use crate::bell::Bell;
use crate::scheduler::{Runner, Tick};

/// The name of the queue in its file.
const QUEUE: &str = "ticks";

/// Nobody looks for heartbeats, so they are rare; each also looks for jobs, should the bell ever fail.
const HEARTBEAT: Duration = Duration::from_secs(3600);

/// How many jobs are taken from the file at once.
const BATCH: usize = 128;

/// How long the worker rests after a fault of its file.
const REST: Duration = Duration::from_secs(1);

/// Gives back what a worker had taken, and forgets the worker.
const RECOVER: [&str; 2] = [
    "UPDATE Jobs SET status = 'Pending', lock_by = NULL, lock_at = NULL WHERE status IN ('Queued', 'Running')",
    "DELETE FROM Workers WHERE id NOT IN (SELECT lock_by FROM Jobs WHERE lock_by IS NOT NULL)",
];

/// Forgets what was done so long ago, a day, that no reconcile will ask for it again. Worded as the index of apalis
/// is, so that it costs nothing when there is nothing.
const FORGET: &str = "DELETE FROM Jobs WHERE status IN ('Done', 'Failed', 'Killed') AND done_at IS NOT NULL \
                      AND done_at < strftime('%s', 'now') - 86400";

/// The queue, for the clock that fills it and the worker that empties it.
#[derive(Clone, Debug)]
pub(crate) struct Queue {
    pool: SqlitePool,
    bell: Bell,
}

impl Queue {
    /// Opens the file, or makes it. A file that cannot be used is replaced: the queue is disposable.
    pub(crate) async fn open(path: &Path) -> Result<Self> {
        let pool = match connect(path).await {
            Ok(pool) => pool,
            Err(error) => {
                tracing::warn!(path = %path.display(), ?error, "The queue is unusable, a new one is made");
                remove(path)?;
                connect(path).await?
            }
        };
        Ok(Self { pool, bell: Bell::default() })
    }

    /// Puts ticks into the queue. A tick that is there already, done or not, is left as it is.
    pub(crate) async fn push(&self, ticks: &[Tick]) -> Result<()> {
        let mut tasks = Vec::with_capacity(ticks.len());
        for tick in ticks {
            let job = serde_json::to_vec(tick).map_err(|error| Error::internal("write a job", error))?;
            let task = TaskBuilder::new(job).idempotency_key(key(tick)).max_attempts(1);
            // From the beginning of time: the clock may be set back before the worker looks.
            tasks.push(task.run_at_timestamp(0).build());
        }
        let fault = |error: BoxDynError| Error::internal("put a job into the queue", error);
        let mut transaction = self.pool.begin().await.map_err(|error| fault(error.into()))?;
        queries::push_tasks(&mut *transaction, QUEUE, &tasks).await.map_err(|error| fault(error.into()))?;
        transaction.commit().await.map_err(|error| fault(error.into()))?;
        self.bell.ring();
        Ok(())
    }

    /// Works until `stop` is dropped or sent to. A fault of the file is logged, and the work begun again.
    pub(crate) async fn work(self, runner: Arc<dyn Runner>, mut stop: oneshot::Receiver<()>) {
        for number in 0_u64.. {
            let outcome = match self.recover().await {
                Ok(()) => self.run_worker(number, Arc::clone(&runner), &mut stop).await,
                Err(error) => Err(error.into()),
            };
            let Err(error) = outcome else { break };
            tracing::error!(error = %error, "The queue failed and is tried again");
            if tokio::time::timeout(REST, &mut stop).await.is_ok() {
                break;
            }
        }
        self.pool.close().await;
    }

    async fn run_worker(
        &self,
        number: u64,
        runner: Arc<dyn Runner>,
        stop: &mut oneshot::Receiver<()>,
    ) -> Result<(), BoxDynError> {
        let config = Config::default().queue(QUEUE).batch_size(BATCH).heartbeat_interval(HEARTBEAT);
        let storage = SqliteStorage::<Tick>::new(&self.pool).with_config(config.lock_tasks(false));
        // apalis refuses a name that was seen within a heartbeat.
        let name = format!("{}-{}-{number}", std::process::id(), chrono::Utc::now().timestamp_micros());
        let context = WorkerContext::new(&name);
        let worker = WorkerBuilder::new(context.clone())
            .backend(storage.poll_with_stream(self.bell.rings()))
            .data(runner)
            .build(deliver);
        let mut running = tokio::spawn(worker.run());
        tokio::select! {
            outcome = &mut running => return outcome?.map_err(Into::into),
            _ = stop => {}
        }
        // A worker that has not begun cannot be stopped, and need not be.
        if context.stop().is_err() {
            return Ok(());
        }
        running.await?.map_err(Into::into)
    }

    async fn recover(&self) -> Result<()> {
        for statement in RECOVER {
            self.execute(statement).await?;
        }
        self.forget().await
    }

    /// Forgets old jobs, so that the file does not grow for ever.
    pub(crate) async fn forget(&self) -> Result<()> {
        self.execute(FORGET).await
    }

    async fn execute(&self, statement: &'static str) -> Result<()> {
        let done = sqlx::query(statement).execute(&self.pool).await;
        done.map(drop).map_err(|error| Error::internal("tidy the queue", error))
    }
}

/// In a task of its own, so that jobs start on all processors and a panic stays with the job.
async fn deliver(tick: Tick, runner: Data<Arc<dyn Runner>>) -> Result<(), BoxDynError> {
    let runner = Arc::clone(&runner);
    let delivered = tokio::spawn(async move { runner.due(tick).await }).await;
    let outcome = delivered.map_err(BoxDynError::from).and_then(|outcome| outcome.map_err(Into::into));
    if let Err(error) = &outcome {
        tracing::error!(schedule = %tick.schedule, due = %tick.due, %error, "A tick could not be handled");
    }
    outcome
}

fn key(tick: &Tick) -> String {
    format!("{}/{}", tick.schedule, tick.due.timestamp_micros())
}

async fn connect(path: &Path) -> Result<SqlitePool> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .busy_timeout(Duration::from_secs(5))
        .pragma("journal_mode", "WAL")
        .pragma("synchronous", "NORMAL")
        .pragma("cache_size", "-512");
    // One connection: the clock and the worker take turns instead of waiting for each other's locks.
    let pool = SqlitePoolOptions::new().max_connections(1).idle_timeout(None).max_lifetime(None);
    let opening = format!("open the queue `{}`", path.display());
    let pool = pool.connect_with(options).await.map_err(|error| Error::internal(&opening, error))?;
    SqliteStorage::migrations().run(&pool).await.map_err(|error| Error::internal(&opening, error))?;
    Ok(pool)
}

/// Removes the file and what SQLite keeps beside it.
fn remove(path: &Path) -> Result<()> {
    for suffix in ["", "-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        let file = PathBuf::from(name);
        match std::fs::remove_file(&file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::io(format!("remove `{}`", file.display()), error));
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use mantyx_core::ScheduleId;

    async fn count(queue: &Queue) -> i64 {
        sqlx::query_scalar("SELECT count(*) FROM Jobs").fetch_one(&queue.pool).await.unwrap()
    }

    async fn queue() -> (tempfile::TempDir, Queue) {
        let folder = tempfile::tempdir().unwrap();
        let queue = Queue::open(&folder.path().join("jobs.db")).await.unwrap();
        (folder, queue)
    }

    #[tokio::test]
    async fn a_tick_is_one_job_however_often_it_is_pushed() {
        let (_folder, queue) = queue().await;
        let tick = Tick { schedule: ScheduleId::generate(), due: chrono::Utc::now() };
        let other = Tick { schedule: ScheduleId::generate(), ..tick };
        queue.push(&[tick, tick]).await.unwrap();
        queue.push(&[tick, other]).await.unwrap();
        assert_eq!(count(&queue).await, 2);
    }

    #[tokio::test]
    async fn what_a_dead_worker_had_is_given_back_and_old_jobs_are_forgotten() {
        let (_folder, queue) = queue().await;
        let ticks = [0, 1, 2].map(|_| Tick { schedule: ScheduleId::generate(), due: chrono::Utc::now() });
        queue.push(&ticks).await.unwrap();
        let story = [
            "INSERT INTO Workers (id, worker_type, storage_name) VALUES ('dead', 'ticks', 'x')",
            "UPDATE Jobs SET status = 'Queued', lock_by = 'dead' WHERE rowid = 1",
            "UPDATE Jobs SET status = 'Done', done_at = strftime('%s', 'now') - 90000 WHERE rowid = 2",
            "UPDATE Jobs SET status = 'Done', done_at = strftime('%s', 'now') WHERE rowid = 3",
        ];
        for statement in story {
            queue.execute(statement).await.unwrap();
        }
        queue.recover().await.unwrap();
        let left: Vec<String> = sqlx::query_scalar("SELECT status FROM Jobs ORDER BY rowid")
            .fetch_all(&queue.pool)
            .await
            .unwrap();
        assert_eq!(left, ["Pending", "Done"]);
    }

    #[tokio::test]
    async fn the_pragmas_are_ours() {
        let (_folder, queue) = queue().await;
        let synchronous: i64 = sqlx::query_scalar("PRAGMA synchronous").fetch_one(&queue.pool).await.unwrap();
        let journal: String = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&queue.pool).await.unwrap();
        assert_eq!((synchronous, journal.as_str()), (1, "wal"));
    }
}
