//! The words of an app's life: its states and its events, and what they are called.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Where an app is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum AppState {
    /// Validated source is staged; nothing was installed, nothing has run.
    Uploaded,
    /// An environment is built; nothing runs before it is enabled.
    Installed,
    /// Schedules are armed; a perpetual app is about to start.
    Enabled,
    /// Switched off: nothing runs, whoever asks.
    Disabled,
    /// A process is alive, or is being restarted.
    Running,
    /// A perpetual app that was stopped or ended well.
    Stopped,
    /// The first install failed, or a perpetual app ended badly.
    Failed,
    /// In the trash.
    Deleted,
}

/// What can happen to an app.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum AppEvent {
    /// The environment was built.
    Install,
    /// The environment could not be built.
    InstallFailed,
    /// A person switches it on.
    Enable,
    /// A perpetual app is started.
    Start,
    /// A scheduled app runs once, now.
    Run,
    /// The last live run of a scheduled app ended.
    Finished,
    /// A perpetual app ended well and is not started again.
    Exited,
    /// A perpetual app ended badly and is not started again.
    Crashed,
    /// A perpetual app was restarted too often.
    GaveUp,
    /// A person stops it.
    Stop,
    /// A person restarts a perpetual app.
    Restart,
    /// A person switches it off.
    Disable,
    /// The daemon came up and the app was not adopted.
    Boot,
    /// New code.
    Update,
    /// Back to an earlier release.
    Rollback,
    /// Another configuration.
    Configure,
    /// Another name.
    Rename,
    /// To the trash.
    Delete,
    /// Out of the trash.
    Restore,
    /// Gone for good.
    Purge,
}
impl AppState {
    /// Every state.
    pub const ALL: [Self; 8] = [
        Self::Uploaded,
        Self::Installed,
        Self::Enabled,
        Self::Disabled,
        Self::Running,
        Self::Stopped,
        Self::Failed,
        Self::Deleted,
    ];

    /// Where every app begins, when its source has been validated (the event `ingest`).
    pub const FIRST: Self = Self::Uploaded;

    /// The name in the database and the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Uploaded => "uploaded",
            Self::Installed => "installed",
            Self::Enabled => "enabled",
            Self::Disabled => "disabled",
            Self::Running => "running",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
            Self::Deleted => "deleted",
        }
    }
}

impl AppEvent {
    /// Every event.
    pub const ALL: [Self; 20] = [
        Self::Install,
        Self::InstallFailed,
        Self::Enable,
        Self::Start,
        Self::Run,
        Self::Finished,
        Self::Exited,
        Self::Crashed,
        Self::GaveUp,
        Self::Stop,
        Self::Restart,
        Self::Disable,
        Self::Boot,
        Self::Update,
        Self::Rollback,
        Self::Configure,
        Self::Rename,
        Self::Delete,
        Self::Restore,
        Self::Purge,
    ];

    /// Those that a person can ask for today, in the order that a page shows them.
    pub const REQUESTS: [Self; 14] = [
        Self::Install,
        Self::Enable,
        Self::Start,
        Self::Run,
        Self::Stop,
        Self::Restart,
        Self::Disable,
        Self::Update,
        Self::Rollback,
        Self::Configure,
        Self::Rename,
        Self::Delete,
        Self::Restore,
        Self::Purge,
    ];

    /// The name in the database and the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Install => "install",
            Self::InstallFailed => "install_failed",
            Self::Enable => "enable",
            Self::Start => "start",
            Self::Run => "run",
            Self::Finished => "finished",
            Self::Exited => "exited",
            Self::Crashed => "crashed",
            Self::GaveUp => "gave_up",
            Self::Stop => "stop",
            Self::Restart => "restart",
            Self::Disable => "disable",
            Self::Boot => "boot",
            Self::Update => "update",
            Self::Rollback => "rollback",
            Self::Configure => "configure",
            Self::Rename => "rename",
            Self::Delete => "delete",
            Self::Restore => "restore",
            Self::Purge => "purge",
        }
    }
}

impl fmt::Display for AppState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for AppEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
