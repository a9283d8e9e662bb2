//! All of Mantyx in one archive.

use chrono::{DateTime, Utc};
use mantyx_core::OperationId;
use serde::{Deserialize, Serialize};

/// What is exported beside what always is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct ExportRequest {
    /// Whether the logs of apps come along.
    pub logs: bool,
}

/// An archive of all of Mantyx that can be fetched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ExportView {
    /// The operation that made it.
    pub id: OperationId,
    /// Of which moment its database is.
    pub made_at: DateTime<Utc>,
    /// The name that it is fetched under.
    pub file_name: String,
    /// How long it is.
    pub bytes: u64,
    /// How many files are in it.
    pub files: u64,
    /// How long these are in all.
    pub content_bytes: u64,
    /// Whether it holds the logs of apps.
    pub logs: bool,
    /// What is not in it as it was on the disk, as sentences; the first hundred.
    pub left_out: Vec<String>,
    /// How many there are of these.
    pub left_out_count: u64,
    /// When it is removed.
    pub kept_until: DateTime<Utc>,
}
