//! The processes of an instance: one that is alive, a service that runs or waits, and how that is seen from outside.

use std::time::Duration;

use mantyx_core::{ExecutionId, RestartHistory, RestartRule, Timestamp};
use mantyx_monitor::StopTerms;
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::{Instant, sleep_until};

/// How the service of an instance stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServiceStatus {
    /// Its process; none while it waits for a restart.
    pub pid: Option<u32>,
    /// The execution that the process is.
    pub execution: Option<ExecutionId>,
    /// When the process began.
    pub started_at: Option<Timestamp>,
    /// The restarts that counted at the last one.
    pub restarts: u32,
    /// When it is started again.
    pub restarts_at: Option<Timestamp>,
}

/// A process that is watched. Dropping it ends the watch.
pub(crate) struct Live {
    pub(crate) execution: ExecutionId,
    pub(crate) pid: u32,
    pub(crate) started_at: Timestamp,
    pub(crate) stop: StopTerms,
    pub(crate) orders: UnboundedSender<StopTerms>,
}

/// The service of an instance.
pub(crate) enum Service {
    /// Nothing runs and nothing is due.
    Off,
    /// Its process is alive.
    Running(Live, RestartRule, RestartHistory),
    /// Its process has ended, and it is started again.
    Waiting(Waiting),
}

/// A restart that is due.
pub(crate) struct Waiting {
    pub(crate) due: Instant,
    pub(crate) at: Timestamp,
    pub(crate) history: RestartHistory,
    /// How long it waits when nobody can say what to run.
    pub(crate) retry: Duration,
}

impl Service {
    /// How it stands; `None` when there is none.
    pub(crate) fn status(&self) -> Option<ServiceStatus> {
        match self {
            Self::Off => None,
            Self::Running(live, _, history) => Some(ServiceStatus {
                pid: Some(live.pid),
                execution: Some(live.execution),
                started_at: Some(live.started_at),
                restarts: history.count(),
                restarts_at: None,
            }),
            Self::Waiting(waiting) => Some(ServiceStatus {
                pid: None,
                execution: None,
                started_at: None,
                restarts: waiting.history.count(),
                restarts_at: Some(waiting.at),
            }),
        }
    }

    /// Completes when a restart is due.
    pub(crate) async fn due(&self) {
        match self {
            // A timer would be up to a millisecond late.
            Self::Waiting(waiting) if waiting.due <= Instant::now() => {}
            Self::Waiting(waiting) => sleep_until(waiting.due).await,
            Self::Off | Self::Running(..) => std::future::pending().await,
        }
    }
}
