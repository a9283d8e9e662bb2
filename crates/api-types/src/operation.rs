//! Operations: long work that can be watched.

use chrono::{DateTime, Utc};
use mantyx_core::{AppId, AppName, OperationId, OperationKind, OperationStatus, StepStatus};
use serde::{Deserialize, Serialize};

use crate::problem::Problem;

/// A long piece of work.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct OperationView {
    /// Its identity.
    pub id: OperationId,
    /// What is being done.
    pub kind: OperationKind,
    /// The app that it is about; absent when it is about all of Mantyx.
    pub app_id: Option<AppId>,
    /// That app's name.
    pub app: Option<AppName>,
    /// How it stands.
    pub status: OperationStatus,
    /// Its steps, in order.
    pub steps: Vec<StepView>,
    /// Whether it can be called off now.
    pub cancellable: bool,
    /// Why it failed; while it is running: why what it did is being undone.
    pub problem: Option<Problem>,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
}

/// One step of an operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StepView {
    /// What it is called: `build`, `activate`.
    pub name: String,
    /// What it does, for people.
    pub title: String,
    /// How it stands.
    pub status: StepStatus,
    /// What came of it: `Environment built, 31 packages`.
    pub detail: Option<String>,
    /// When it began.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
}
