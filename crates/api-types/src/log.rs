//! Log lines.

use chrono::{DateTime, Utc};
use mantyx_core::{ExecutionId, OperationId};
use serde::{Deserialize, Serialize};

/// Which stream of a process a line came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum LogStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Whose log it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "kind", content = "id", rename_all = "snake_case")]
pub enum LogSource {
    /// A process of an app.
    Execution(ExecutionId),
    /// An operation, such as an install.
    Operation(OperationId),
}

/// One line as a process wrote it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LogLine {
    /// When its first byte was read, to the nanosecond.
    pub at: DateTime<Utc>,
    /// Where it was written.
    pub stream: LogStream,
    /// Whose line it is.
    pub source: LogSource,
    /// The text with its ANSI sequences; bytes that are not UTF-8 are replaced.
    pub text: String,
    /// Whether the line goes on in the next one.
    pub partial: bool,
}
