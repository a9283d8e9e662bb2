//! Backups of an app, and all of Mantyx in one archive.

use chrono::{DateTime, Utc};
use mantyx_core::{BackupId, BackupReason};
use serde::{Deserialize, Serialize};

/// A backup of an app.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BackupView {
    /// Its identity.
    pub id: BackupId,
    /// Why it was made.
    pub reason: BackupReason,
    /// The release that was active.
    pub release: u32,
    /// The configuration that was active.
    pub revision: u32,
    /// Whether it holds the app's own files.
    pub data: bool,
    /// How many bytes its files have in all. Files of a release that is still kept take no room of their own.
    pub bytes: u64,
    /// When it was made.
    pub made_at: DateTime<Utc>,
    /// By whom.
    pub made_by: String,
}

/// What to keep.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct BackupRequest {
    /// Whether the app's own files are kept too. What is written to them meanwhile may be kept in part: stop the app
    /// first where that matters.
    pub data: bool,
}

/// What to take from a backup.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct BackupRestoreRequest {
    /// Whether the app's own files are replaced by those that were kept.
    pub data: bool,
}
