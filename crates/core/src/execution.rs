//! One process from start to exit: why it began and how it ended.

use serde::{Deserialize, Serialize};

/// What caused a process to start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// A person asked.
    Manual,
    /// A schedule was due.
    Schedule,
    /// The daemon came up.
    Boot,
    /// The process before it ended.
    Restart,
    /// It had been given up, and is tried again after a long while.
    Retry,
    /// Another release or configuration was taken into use.
    Update,
}

/// How an execution stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ExecutionStatus {
    /// Decided, not yet a process.
    Pending,
    /// Alive.
    Running,
    /// Ended with 0.
    Success,
    /// Ended with anything else, or could not start.
    Failed,
    /// Ended because it took too long.
    Timeout,
    /// Ended because somebody stopped it.
    Cancelled,
    /// Ended while nobody could see how.
    Lost,
}

impl Trigger {
    /// The name in the database and the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Manual => "manual",
            Self::Schedule => "schedule",
            Self::Boot => "boot",
            Self::Restart => "restart",
            Self::Retry => "retry",
            Self::Update => "update",
        }
    }
}

impl ExecutionStatus {
    /// The name in the database and the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Success => "success",
            Self::Failed => "failed",
            Self::Timeout => "timeout",
            Self::Cancelled => "cancelled",
            Self::Lost => "lost",
        }
    }

    /// Whether it is over.
    #[must_use]
    pub const fn is_final(self) -> bool {
        !matches!(self, Self::Pending | Self::Running)
    }
}

/// Why an execution ended, beside the exit that the kernel told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Ending {
    /// By itself.
    Exited,
    /// Somebody stopped it.
    Stopped {
        /// Who, and by what, as a person reads it: `owner (restart)`.
        by: String,
    },
    /// Its monitor was told to end (SIGTERM), as everything is when the machine is shut down. Nobody meant the app.
    ShutDown,
    /// The kernel ended it because there was no memory left.
    OutOfMemory {
        /// The app's own limit in bytes, when it was that; none when the whole machine had no memory left.
        limit: Option<u64>,
    },
    /// It failed its health check.
    Unhealthy {
        /// What the last look said.
        detail: String,
    },
    /// It did not say in time that it is alive (`WATCHDOG=1`, sd_notify(3)).
    WatchdogExpired,
    /// It took longer than it may.
    TimedOut {
        /// Seconds that it had.
        after: u32,
    },
    /// It never began.
    NotStarted {
        /// Why, as a sentence.
        reason: String,
    },
    /// Nobody saw how.
    Lost,
}

/// How a process ended, as the kernel told its parent (wait(2)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Exit {
    /// By itself, with this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

impl Exit {
    /// Ended with 0.
    #[must_use]
    pub const fn is_success(self) -> bool {
        matches!(self, Self::Code(0))
    }
}
