//! What apps use over time.

use chrono::{DateTime, Utc};
use mantyx_core::AppId;
use serde::{Deserialize, Serialize};

/// What one app uses now: everything that it started, together.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AppUsage {
    /// The app.
    pub app: AppId,
    /// Processors, as a mean since the look before: 1.5 is one and a half.
    pub cpu: f64,
    /// Bytes of memory that are in use.
    pub memory: u64,
    /// Processes.
    pub processes: u32,
}

/// What an app used within one span of time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UsagePoint {
    /// When the span ended.
    pub at: DateTime<Utc>,
    /// Processors, as a mean.
    pub cpu: f64,
    /// The most processors of any look within the span.
    pub cpu_max: f64,
    /// Bytes of memory, as a mean.
    pub memory: u64,
    /// The most memory of any look within the span, in bytes.
    pub memory_max: u64,
}

/// Which time is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum UsageSpan {
    /// The last hour, every few seconds.
    #[default]
    Hour,
    /// The last day, minute by minute.
    Day,
    /// The last month, hour by hour.
    Month,
}

/// What an app used over time, and how it fared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AppMetrics {
    /// Which time it is.
    pub span: UsageSpan,
    /// Seconds between two points.
    pub resolution: u32,
    /// The oldest first; where nothing was alive there is no point.
    pub points: Vec<UsagePoint>,
    /// Every time that it was alive within the span, the oldest first.
    pub lives: Vec<Life>,
    /// The share of the span that it was alive, from 0 to 1; of a younger app, since it was made.
    pub uptime: f64,
    /// Restarts by itself within the span.
    pub restarts: u32,
}

/// One execution on a line of time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Life {
    /// Which.
    pub execution: mantyx_core::ExecutionId,
    /// Why it began.
    pub trigger: mantyx_core::Trigger,
    /// How it stands.
    pub status: mantyx_core::ExecutionStatus,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
    /// Why it ended, in a sentence.
    pub cause: Option<String>,
}

/// The last ten minutes of an app, for a line beside its name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Sparkline {
    /// The app.
    pub app: AppId,
    /// The oldest first.
    pub points: Vec<UsagePoint>,
}
