//! Whether an app is well: what is looked at, and what follows from what was seen. A pure decision.

use serde::{Deserialize, Serialize};

pub use check::{HealthCheck, Probe, Readiness};
pub use record::{Changed, HealthRecord, IsLookedAt, Observation};

mod check;
mod record;
#[cfg(test)]
mod tests;

/// How an app is, beside the state that it is in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// Nothing looks at it, or nothing runs.
    #[default]
    Unknown,
    /// It has begun and was not yet seen to be ready.
    Starting,
    /// It does what is expected.
    Healthy,
    /// It failed its check as often as it may.
    Unhealthy,
}

impl Health {
    /// The name in the database and the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Starting => "starting",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
        }
    }
}
