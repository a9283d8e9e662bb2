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
