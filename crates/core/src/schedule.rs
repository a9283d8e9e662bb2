//! What a schedule says. When it is due is worked out by the scheduler.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// When a schedule is due.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Timing {
    /// Five fields as in Vixie cron: minute, hour, day of the month, month, day of the week (0 or 7 is Sunday).
    Cron {
        /// The five fields, or `@daily` and friends.
        expression: String,
    },
    /// Every so many seconds from an anchor, without drift.
    Interval {
        /// The distance in seconds, at least 1.
        seconds: u64,
        /// Where it counts from; the moment of creation when it is not given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        anchor: Option<DateTime<Utc>>,
    },
}

/// What happens to runs that fell due while Mantyx was down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum CatchUp {
    /// They are recorded as skipped.
    #[default]
    None,
    /// One run stands for them all.
    One,
}

/// What happens to a run that falls due while another is going.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Overlap {
    /// It is recorded as skipped.
    #[default]
    Skip,
    /// It runs beside the other.
    Parallel,
}

/// Everything that a person says about a schedule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ScheduleSpec {
    /// When it is due.
    pub timing: Timing,
    /// The IANA time zone that cron fields are read in; that of Mantyx when it is not given.
    #[serde(default)]
    pub timezone: String,
    /// What happens to missed runs.
    #[serde(default)]
    pub catch_up: CatchUp,
    /// What happens to overlapping runs.
    #[serde(default)]
    pub overlap: Overlap,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_that_no_timing_has_is_refused() {
        let read = |text: &str| serde_json::from_str::<Timing>(text);
        assert!(read(r#"{"kind": "cron", "expression": "@daily"}"#).is_ok());
        assert!(read(r#"{"kind": "interval", "seconds": 5, "anchor": "2026-01-01T00:00:00Z"}"#).is_ok());
        assert!(read(r#"{"kind": "cron", "expression": "@daily", "seconds": 5}"#).is_err());
        assert!(read(r#"{"kind": "interval", "seconds": 5, "ancor": null}"#).is_err());
    }
}
