//! The service of an instance, that runs or waits, and how it is seen from outside.

use std::time::Duration;

use mantyx_core::{ExecutionId, RestartHistory, Timestamp, Trigger};
use tokio::time::{Instant, sleep_until};

use crate::live::Live;

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
    /// Whether it is kept running, or was given up for now.
    pub hope: Hope,
}

/// Whether a service is kept running.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hope {
    /// It is.
    Kept,
    /// It was given up, and is tried again after a long while.
    GivenUp,
}

/// The service of an instance.
pub(crate) enum Service {
    /// Nothing runs and nothing is due.
    Off,
    /// Its process is alive.
    Running(Box<Live>, RestartHistory),
    /// Its process has ended, and it is started again.
    Waiting(Waiting),
}

/// A start that is due.
pub(crate) struct Waiting {
    pub(crate) due: Instant,
    pub(crate) at: Timestamp,
    pub(crate) history: RestartHistory,
    pub(crate) hope: Hope,
    /// How long it waits when nobody can say what to run.
    pub(crate) retry: Duration,
}

impl Waiting {
    /// Why the start that is due happens.
    pub(crate) const fn trigger(&self) -> Trigger {
        match self.hope {
            Hope::Kept => Trigger::Restart,
            Hope::GivenUp => Trigger::Retry,
        }
    }
}

impl Service {
    /// How it stands; `None` when there is none.
    pub(crate) fn status(&self) -> Option<ServiceStatus> {
        match self {
            Self::Off => None,
            Self::Running(live, history) => Some(ServiceStatus {
                pid: Some(live.pid),
                execution: Some(live.execution),
                started_at: Some(live.started_at),
                restarts: history.count(),
                restarts_at: None,
                hope: Hope::Kept,
            }),
            Self::Waiting(waiting) => Some(ServiceStatus {
                pid: None,
                execution: None,
                started_at: None,
                restarts: waiting.history.count(),
                restarts_at: Some(waiting.at),
                hope: waiting.hope,
            }),
        }
    }

    /// Completes when a start is due.
    pub(crate) async fn due(&self) {
        match self {
            // A timer would be up to a millisecond late.
            Self::Waiting(waiting) if waiting.due <= Instant::now() => {}
            Self::Waiting(waiting) => sleep_until(waiting.due).await,
            Self::Off | Self::Running(..) => std::future::pending().await,
        }
    }
}
