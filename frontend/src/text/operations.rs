//! The words about operations: what is being done, what came of it, and why a backup was made.

use mantyx_api_types::core::{BackupReason, OperationKind};

/// What an operation is doing, with its app's name behind it.
pub(crate) const fn doing(kind: OperationKind) -> &'static str {
    match kind {
        OperationKind::Install => "Installing",
        OperationKind::Update => "Updating",
        OperationKind::Rollback => "Rolling back",
        OperationKind::Configure => "Reconfiguring",
        OperationKind::Rename => "Renaming",
        OperationKind::Delete => "Deleting",
        OperationKind::Restore => "Restoring",
        OperationKind::Purge => "Deleting for good",
        OperationKind::Backup => "Backing up",
        OperationKind::RestoreBackup => "Restoring a backup",
        OperationKind::Export => "Exporting",
        OperationKind::Import => "Importing",
        OperationKind::Repair => "Repairing",
    }
}

/// All that there are.
const ALL: [OperationKind; 13] = [
    OperationKind::Install,
    OperationKind::Update,
    OperationKind::Rollback,
    OperationKind::Configure,
    OperationKind::Rename,
    OperationKind::Delete,
    OperationKind::Restore,
    OperationKind::Purge,
    OperationKind::Backup,
    OperationKind::RestoreBackup,
    OperationKind::Export,
    OperationKind::Import,
    OperationKind::Repair,
];

/// The operation of that name in the record.
pub(crate) fn named(name: &str) -> Option<OperationKind> {
    ALL.into_iter().find(|kind| kind.as_str() == name)
}

/// What an operation is called.
pub(crate) const fn operation(kind: OperationKind) -> &'static str {
    match kind {
        OperationKind::Install => "Install",
        OperationKind::Update => "Update",
        OperationKind::Rollback => "Rollback",
        OperationKind::Configure => "New configuration",
        OperationKind::Rename => "Rename",
        OperationKind::Delete => "Delete",
        OperationKind::Restore => "Restore",
        OperationKind::Purge => "Delete for good",
        OperationKind::Backup => "Backup",
        OperationKind::RestoreBackup => "Restore of a backup",
        OperationKind::Export => "Export",
        OperationKind::Import => "Import",
        OperationKind::Repair => "Repair",
    }
}

/// What a toast says once an operation is done; `app` is its name in backticks, and absent for all of Mantyx.
pub(crate) fn done(kind: OperationKind, app: Option<&str>) -> String {
    let app = app.unwrap_or("Mantyx");
    match kind {
        OperationKind::Install => format!("{app} is installed"),
        OperationKind::Update => format!("{app} is updated"),
        OperationKind::Rollback => format!("{app} is rolled back"),
        OperationKind::Configure => format!("{app} runs with its new configuration"),
        OperationKind::Rename => format!("The app is called {app} now"),
        OperationKind::Delete => format!("{app} is in the trash"),
        OperationKind::Restore => format!("{app} is back, switched off"),
        OperationKind::Purge => format!("{app} is gone for good"),
        OperationKind::Backup => format!("{app} is backed up"),
        OperationKind::RestoreBackup => format!("{app} is as it was in its backup"),
        OperationKind::Export => format!("{app} is exported"),
        OperationKind::Import => format!("{app} is imported"),
        OperationKind::Repair => format!("{app} has its environment again"),
    }
}

/// What an operation that came to nothing leaves behind.
pub(crate) const fn undone(kind: OperationKind) -> &'static str {
    match kind {
        OperationKind::Install | OperationKind::Backup | OperationKind::Export | OperationKind::Import => {
            "nothing of it remains"
        }
        _ => "everything is as it was before",
    }
}

/// Why a backup was made.
pub(crate) const fn backup_reason(reason: BackupReason) -> &'static str {
    match reason {
        BackupReason::Manual => "By hand",
        BackupReason::Schedule => "On schedule",
        BackupReason::Update => "Before an update",
        BackupReason::Rollback => "Before a rollback",
        BackupReason::Configure => "Before a new configuration",
        BackupReason::RestoreBackup => "Before another backup was restored",
    }
}
