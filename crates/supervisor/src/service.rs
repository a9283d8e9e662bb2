//! The service of an instance, that runs or waits, and how it is seen from outside.

use mantyx_core::{
    AfterGivingUp, ExecutionId, RestartHistory, RestartPolicy, RestartRule, Timestamp, Trigger,
};
use tokio::time::{Instant, sleep_until};

use crate::ended::Ended;
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
    pub outlook: Outlook,
}

/// Whether a service is kept running.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outlook {
    /// It is.
    KeptRunning,
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
    /// Why it is started: as the next in a row, after it was given up, or after its machine was shut down.
    pub(crate) trigger: Trigger,
    /// How the process before it ended, where that is known.
    pub(crate) last: Option<Box<Ended>>,
}

impl Waiting {
    pub(crate) const fn outlook(&self) -> Outlook {
        match self.trigger {
            Trigger::Retry => Outlook::GivenUp,
            _ => Outlook::KeptRunning,
        }
    }

    /// Whether it would still be due by this rule.
    pub(crate) fn is_wanted_by(&self, rule: &RestartRule) -> bool {
        match self.trigger {
            Trigger::Retry => {
                rule.policy != RestartPolicy::Never && rule.after_giving_up == AfterGivingUp::Retry
            }
            // Its end says nothing of the app, and so no rule of the app is asked.
            Trigger::Boot => true,
            _ => self.last.as_ref().is_none_or(|last| rule.policy.wants_another(last.judged())),
        }
    }
}

impl Service {
    /// How it stands; `None` when there is none.
    pub(crate) fn status(&self) -> Option<ServiceStatus> {
        match self {
            Self::Off => None,
            Self::Running(live, history) => Some(ServiceStatus {
                pid: Some(live.process.pid),
                execution: Some(live.execution),
                started_at: Some(live.process.started_at),
                restarts: history.count(),
                restarts_at: None,
                outlook: Outlook::KeptRunning,
            }),
            Self::Waiting(waiting) => Some(ServiceStatus {
                pid: None,
                execution: None,
                started_at: None,
                restarts: waiting.history.count(),
                restarts_at: Some(waiting.at),
                outlook: waiting.outlook(),
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
