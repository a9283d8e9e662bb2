//! A long piece of work that a person asked for and can watch.

use serde::{Deserialize, Serialize};

/// What is being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum OperationKind {
    /// Builds the environment of a release.
    Install,
    /// Takes a new release into use: other code, or the same with other packages.
    Update,
    /// Takes an earlier release into use again.
    Rollback,
    /// Takes another configuration into use, with a restart.
    Configure,
    /// Gives an app another name.
    Rename,
    /// Moves an app to the trash.
    Delete,
    /// Moves an app out of the trash.
    Restore,
    /// Removes an app for good.
    Purge,
    /// Makes again what is missing of what is active.
    Repair,
    /// Keeps an app as it is.
    Backup,
    /// Takes what a backup kept into use again.
    RestoreBackup,
    /// Writes all of Mantyx into one archive.
    Export,
    /// Takes all of another Mantyx from an archive.
    Import,
}

/// Why a backup was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum BackupReason {
    /// Somebody asked for it.
    Manual,
    /// It was due.
    Schedule,
    /// A new release was about to replace the active one.
    Update,
    /// An earlier release was about to replace the active one.
    Rollback,
    /// Another configuration was about to replace the active one.
    Configure,
    /// What another backup kept was about to replace what is there.
    RestoreBackup,
}

/// How an operation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum OperationStatus {
    /// Under way.
    Running,
    /// Done.
    Succeeded,
    /// Failed; what it had done is undone.
    Failed,
    /// Called off; what it had done is undone.
    Cancelled,
}

/// How one step of an operation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum StepStatus {
    /// Not begun.
    Pending,
    /// Under way.
    Running,
    /// Done.
    Done,
    /// Failed.
    Failed,
    /// Done, then undone.
    Undone,
}

impl OperationKind {
    /// Whether runs of a scheduled app go on and begin while it is under way: each runs from what is active at its
    /// beginning, and nothing that it runs from is moved or replaced.
    #[must_use]
    pub const fn leaves_runs_alone(self) -> bool {
        matches!(self, Self::Update | Self::Rollback | Self::Configure | Self::Backup | Self::Export)
    }

    /// The name in the database and the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Install => "install",
            Self::Update => "update",
            Self::Rollback => "rollback",
            Self::Configure => "configure",
            Self::Rename => "rename",
            Self::Delete => "delete",
            Self::Restore => "restore",
            Self::Purge => "purge",
            Self::Repair => "repair",
            Self::Backup => "backup",
            Self::RestoreBackup => "restore_backup",
            Self::Export => "export",
            Self::Import => "import",
        }
    }
}

impl OperationStatus {
    /// The name in the database and the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}
