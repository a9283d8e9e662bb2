//! The daemon and its machine.

use chrono::{DateTime, Utc};
use mantyx_core::LimitMechanism;
use serde::{Deserialize, Serialize};

/// Whether the daemon is well. The only view that needs no credentials.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HealthView {
    /// `ok` or `degraded`.
    pub status: String,
    /// What is not well, as sentences.
    pub reasons: Vec<String>,
}

/// The machine at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HostView {
    /// How busy all processors are together, from 0 to 1.
    pub cpu: f64,
    /// Processors.
    pub cpu_count: u32,
    /// Memory in use, in bytes.
    pub memory_used: u64,
    /// Memory in all, in bytes.
    pub memory_total: u64,
    /// Bytes in use on the disk that holds the root.
    pub disk_used: u64,
    /// Bytes in all on that disk.
    pub disk_total: u64,
}

/// A Python that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PythonView {
    /// Its version, such as `3.11.7`.
    pub version: String,
    /// Where it is.
    pub path: String,
}

/// The daemon, its machine and what it found there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SystemView {
    /// The version of the daemon.
    pub version: String,
    /// When it came up.
    pub started_at: DateTime<Utc>,
    /// The folder that holds everything.
    pub root: String,
    /// The name of the machine.
    pub host_name: String,
    /// The IANA time zone of the machine.
    pub timezone: String,
    /// The machine now.
    pub host: HostView,
    /// The Pythons that were found, the newest first.
    pub pythons: Vec<PythonView>,
    /// The version of uv, when it is there.
    pub uv: Option<String>,
    /// Whether a password is set for `admin`.
    pub password_set: bool,
    /// The largest upload, in bytes.
    pub upload_limit: u64,
    /// How apps are held to their limits.
    pub limits: LimitsView,
    /// The user that apps run as when they say nothing else; none when Mantyx cannot change users.
    pub app_user: Option<String>,
    /// What of this machine stands in the way of something, as sentences.
    pub warnings: Vec<String>,
}

/// How apps are held to their limits on this machine, and to which of them as a whole: everything that an app started,
/// together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LimitsView {
    /// By what means.
    pub mechanism: LimitMechanism,
    /// Whether memory is limited as a whole.
    pub memory: bool,
    /// Whether processors are limited.
    pub cpu: bool,
    /// Whether processes are limited.
    pub processes: bool,
}
