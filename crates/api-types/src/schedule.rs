//! Schedules and what is shown while one is edited.

use chrono::{DateTime, Utc};
use mantyx_core::{AppName, ScheduleId, ScheduleSpec};
use serde::{Deserialize, Serialize};

/// One schedule of an app.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ScheduleView {
    /// Its identity.
    pub id: ScheduleId,
    /// The app's name.
    pub app: AppName,
    /// What people call it.
    pub name: String,
    /// Whether it is on; it fires only while the app is enabled too.
    pub enabled: bool,
    /// What it says.
    pub spec: ScheduleSpec,
    /// The same in words.
    pub words: String,
    /// The next ten instants.
    pub next: Vec<DateTime<Utc>>,
}

/// A schedule to make.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewSchedule {
    /// The app's name.
    pub app: AppName,
    /// What people call it.
    pub name: String,
    /// Whether it is on; true when not given.
    #[serde(default = "on")]
    pub enabled: bool,
    /// What it says.
    pub spec: ScheduleSpec,
}

/// A change to a schedule. Absent fields stay as they are.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct SchedulePatch {
    /// What people call it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Whether it is on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// What it says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spec: Option<ScheduleSpec>,
}

/// What a schedule would do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SchedulePreview {
    /// It in words.
    pub words: String,
    /// The next ten instants.
    pub next: Vec<DateTime<Utc>>,
}

const fn on() -> bool {
    true
}
