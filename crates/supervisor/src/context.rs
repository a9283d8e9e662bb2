//! What every task of the supervisor shares.

use std::hash::{BuildHasher, RandomState};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use mantyx_core::{Error, ExecutionId, Result};
use mantyx_logs::Rotation;
use mantyx_monitor::RunFolder;
use tokio::sync::watch;
use tokio::time::sleep;

use crate::limiter::Limiter;
use crate::observer::{Observer, Report};
use crate::standby::Reserve;

const FIRST_RETRY: Duration = Duration::from_millis(50);
const LONGEST_RETRY: Duration = Duration::from_secs(30);

/// What every task of the supervisor shares.
pub(crate) struct Context {
    pub(crate) observer: Arc<dyn Observer>,
    pub(crate) folder: Arc<RunFolder>,
    pub(crate) monitor_program: PathBuf,
    pub(crate) limiter: Limiter,
    pub(crate) rotation: Rotation,
    pub(crate) reserve: Reserve,
    pub(crate) down: watch::Sender<bool>,
}

/// What became of a report.
#[derive(PartialEq, Eq)]
pub(crate) enum Reported {
    /// It is kept.
    Kept,
    /// The supervisor goes down; the run folder will say it to the next one.
    Abandoned,
}

impl Context {
    /// Completes when the supervisor goes down.
    pub(crate) async fn down(&self) {
        let mut down = self.down.subscribe();
        // It fails only when the sender is gone, and that is part of `self`.
        let _ = down.wait_for(|down| *down).await;
    }

    /// A start is about to come. One that nobody waits for takes less time when the kernel hears of it early; for one
    /// that somebody waits for that would only hold up the forks of others.
    pub(crate) fn foresee_start(&self) {
        if !self.reserve.has_one() {
            self.limiter.foresee_start();
        }
    }

    /// Reports until it is kept. The database may be locked or its disk full for a while, and an exit that was
    /// not kept would leave an execution running for ever.
    pub(crate) async fn report(&self, report: Report) -> Reported {
        let mut pause = FIRST_RETRY;
        while let Err(error) = self.observer.report(report.clone()).await {
            tracing::error!(?error, ?report, retry_in = ?pause, "what happened to a process could not be kept");
            tokio::select! {
                () = sleep(pause) => pause = longer(pause),
                () = self.down() => return Reported::Abandoned,
            }
        }
        Reported::Kept
    }

    /// Removes what the run folder says about an execution.
    pub(crate) async fn forget(&self, execution: ExecutionId) -> Result<()> {
        let doing = || format!("remove the records of execution `{execution}`");
        blocking(&self.folder, move |folder| folder.forget(execution))
            .await
            .map_err(|error| Error::io(doing(), error))
    }
}

/// The pause after this one.
pub(crate) fn longer(pause: Duration) -> Duration {
    (pause * 2).clamp(FIRST_RETRY, LONGEST_RETRY)
}

/// Reads or writes the run folder where that may take its time.
pub(crate) async fn blocking<T: Send + 'static>(
    folder: &Arc<RunFolder>,
    work: impl FnOnce(&RunFolder) -> std::io::Result<T> + Send + 'static,
) -> std::io::Result<T> {
    let folder = Arc::clone(folder);
    tokio::task::spawn_blocking(move || work(&folder)).await.map_err(std::io::Error::other)?
}

/// A number from 0 up to 1 that differs from call to call: enough to spread what is to happen, no use for secrets.
#[allow(clippy::cast_precision_loss, reason = "32 bits fit into the 52 of a double")]
pub(crate) fn random() -> f64 {
    (RandomState::new().hash_one(0) >> 32) as f64 / (1u64 << 32) as f64
}
