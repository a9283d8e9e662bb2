//! The append-only record of everything that changed.

use chrono::{DateTime, Utc};
use mantyx_core::{Actor, EventKind, Subject};
use serde::{Deserialize, Serialize};

/// Something that changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EventView {
    /// Counted from 1 without gaps; also the SSE id.
    pub sequence: i64,
    /// When.
    pub at: DateTime<Utc>,
    /// Who.
    pub actor: Actor,
    /// What was changed.
    pub subject: Subject,
    /// What happened.
    pub kind: EventKind,
    /// The particulars.
    pub payload: serde_json::Value,
    /// SHA-256 over the hash before it and this event, in hexadecimal.
    pub hash: String,
}
