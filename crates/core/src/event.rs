//! The words of the audit log: who did what to which thing.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Who caused a change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Actor {
    /// Mantyx itself: a restart, a schedule, a repair.
    Mantyx,
    /// Somebody who knows the secret of a webhook.
    Webhook {
        /// The address that it came from.
        address: String,
    },
    /// A person or a program with a token.
    Token {
        /// The token's name.
        name: String,
        /// The address that it came from.
        address: String,
    },
}

/// What was changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Subject {
    /// The kind of thing: `app`, `schedule`, `operation`, `token`, `daemon`.
    pub kind: String,
    /// Its id, or its name where it has no id.
    pub id: String,
    /// What people call it.
    pub name: String,
}

/// What happened, as `noun.past_participle`: `app.created`, `execution.finished`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum EventKind {
    /// A source was accepted.
    #[serde(rename = "app.created")]
    AppCreated,
    /// The state changed, or an event left it as it was.
    #[serde(rename = "app.changed")]
    AppChanged,
    /// It fell ill, or is well again.
    #[serde(rename = "app.health_changed")]
    AppHealthChanged,
    /// The configuration, the name or the description changed.
    #[serde(rename = "app.configured")]
    AppConfigured,
    /// Another release, or another configuration with a restart, was taken into use.
    #[serde(rename = "app.updated")]
    AppUpdated,
    /// What was taken into use did not do: what was there before is in use again.
    #[serde(rename = "app.reverted")]
    AppReverted,
    /// How its git origin is followed was set or changed.
    #[serde(rename = "app.tracking_changed")]
    AppTrackingChanged,
    /// Its git origin has a commit that nobody had told of before.
    #[serde(rename = "app.update_available")]
    AppUpdateAvailable,
    /// The app went to the trash.
    #[serde(rename = "app.deleted")]
    AppDeleted,
    /// The app came back from the trash.
    #[serde(rename = "app.restored")]
    AppRestored,
    /// The app is gone for good.
    #[serde(rename = "app.purged")]
    AppPurged,
    /// A file among the app's own was written by somebody.
    #[serde(rename = "file.written")]
    FileWritten,
    /// Something among the app's own files was removed by somebody.
    #[serde(rename = "file.removed")]
    FileRemoved,
    /// A backup was made.
    #[serde(rename = "backup.made")]
    BackupMade,
    /// A backup was removed.
    #[serde(rename = "backup.removed")]
    BackupRemoved,
    /// A process began.
    #[serde(rename = "execution.started")]
    ExecutionStarted,
    /// A process ended.
    #[serde(rename = "execution.finished")]
    ExecutionFinished,
    /// A schedule was made.
    #[serde(rename = "schedule.created")]
    ScheduleCreated,
    /// A schedule was changed.
    #[serde(rename = "schedule.changed")]
    ScheduleChanged,
    /// A schedule was removed.
    #[serde(rename = "schedule.deleted")]
    ScheduleDeleted,
    /// A tick led to no execution.
    #[serde(rename = "schedule.skipped")]
    ScheduleSkipped,
    /// A long piece of work began.
    #[serde(rename = "operation.started")]
    OperationStarted,
    /// A long piece of work ended.
    #[serde(rename = "operation.finished")]
    OperationFinished,
    /// A token was made.
    #[serde(rename = "token.created")]
    TokenCreated,
    /// A token was revoked.
    #[serde(rename = "token.revoked")]
    TokenRevoked,
    /// Somebody logged in.
    #[serde(rename = "login.succeeded")]
    LoginSucceeded,
    /// Somebody could not log in.
    #[serde(rename = "login.failed")]
    LoginFailed,
    /// The password was set.
    #[serde(rename = "password.set")]
    PasswordSet,
    /// A secret was made, or replaced.
    #[serde(rename = "secret.set")]
    SecretSet,
    /// A secret was removed.
    #[serde(rename = "secret.removed")]
    SecretRemoved,
    /// A setting of the daemon was changed.
    #[serde(rename = "setting.changed")]
    SettingChanged,
    /// The daemon came up.
    #[serde(rename = "daemon.started")]
    DaemonStarted,
    /// The daemon went down.
    #[serde(rename = "daemon.stopped")]
    DaemonStopped,
    /// Somebody fetched all of Mantyx.
    #[serde(rename = "export.fetched")]
    ExportFetched,
    /// An export was removed before its time.
    #[serde(rename = "export.removed")]
    ExportRemoved,
    /// All of another Mantyx was taken from an archive.
    #[serde(rename = "daemon.imported")]
    DaemonImported,
    /// Reconcile mended something.
    #[serde(rename = "daemon.repaired")]
    DaemonRepaired,
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mantyx => f.write_str("mantyx"),
            Self::Webhook { .. } => f.write_str("webhook"),
            Self::Token { name, .. } => f.write_str(name),
        }
    }
}
