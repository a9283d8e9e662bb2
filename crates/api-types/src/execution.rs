//! Executions: one process from start to exit.

use chrono::{DateTime, Utc};
use mantyx_core::{AppName, Ending, ExecutionId, ExecutionStatus, Exit, ScheduleId, Trigger};
use serde::{Deserialize, Serialize};

/// One process from start to exit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ExecutionView {
    /// Its identity; ids sort by time.
    pub id: ExecutionId,
    /// The app's name.
    pub app: AppName,
    /// The number of the release that ran.
    pub release: u32,
    /// The number of the configuration revision that it ran with.
    pub revision: u32,
    /// Why it began.
    pub trigger: Trigger,
    /// The schedule that was due, and when it was.
    pub schedule: Option<ScheduleId>,
    /// How it stands.
    pub status: ExecutionStatus,
    /// The process, while it is alive.
    pub pid: Option<u32>,
    /// How it ended.
    pub exit: Option<Exit>,
    /// Why it ended; none while it has not.
    pub ending: Option<Ending>,
    /// Why it ended, in a sentence, when there is more to say than the exit.
    pub cause: Option<String>,
    /// The last lines of its log when it ended badly; at most ten, and each at most 500 characters.
    pub last_lines: Vec<String>,
    /// When the process began; the moment of the decision before that.
    pub started_at: DateTime<Utc>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
    /// Processor seconds of the process and the children it waited for.
    pub cpu_seconds: Option<f64>,
    /// The most memory that it had, in bytes.
    pub peak_memory: Option<u64>,
    /// Log lines that could not be written.
    pub dropped_lines: u64,
}

/// What a row says of the newest execution that has ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LastExecution {
    /// Its identity.
    pub id: ExecutionId,
    /// How it ended.
    pub status: ExecutionStatus,
    /// How the process ended.
    pub exit: Option<Exit>,
    /// Why it ended.
    pub ending: Option<Ending>,
    /// Why, in a sentence.
    pub cause: Option<String>,
    /// When the process began.
    pub started_at: DateTime<Utc>,
    /// When it ended.
    pub finished_at: DateTime<Utc>,
}
