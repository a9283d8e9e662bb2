//! What is held against what should be, and what came of it.

use chrono::{DateTime, Utc};
use mantyx_core::AppName;
use serde::{Deserialize, Serialize};

/// What became of something that is not as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It is as it should be again, or will be when its operation has ended.
    Repaired,
    /// It is for a person to decide about: nothing that Mantyx does not know is ever deleted.
    Reported,
}

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Finding {
    /// The app that it is about, if it is about one.
    pub app: Option<AppName>,
    /// What it is, in a sentence.
    pub detail: String,
    /// What became of it.
    pub outcome: Outcome,
}

/// What the last look found. The database says what should be; files, environments and processes are what is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReconcileView {
    /// When it was looked.
    pub at: DateTime<Utc>,
    /// What is not as it should be; empty when all is well.
    pub findings: Vec<Finding>,
}
