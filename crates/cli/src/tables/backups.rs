//! Backups as a table.

use chrono::{DateTime, Utc};
use mantyx_api_types::BackupView;
use mantyx_core::BackupReason;

use super::bytes;
use crate::output::{relative, table};

pub(crate) fn backups(backups: &[BackupView], now: DateTime<Utc>) -> String {
    let rows = backups.iter().map(|backup| {
        [
            backup.id.to_string(),
            reason(backup.reason).to_owned(),
            backup.release.to_string(),
            if backup.data { "with" } else { "without" }.to_owned(),
            bytes(backup.bytes),
            relative(backup.made_at, now),
            backup.made_by.clone(),
        ]
    });
    let header = ["ID", "WHY", "RELEASE", "DATA", "SIZE", "MADE", "BY"];
    table(header, rows.collect(), "There are no backups yet: `mantyx backup create APP` makes one")
}

const fn reason(reason: BackupReason) -> &'static str {
    match reason {
        BackupReason::Manual => "asked for",
        BackupReason::Schedule => "schedule",
        BackupReason::Update => "before an update",
        BackupReason::Rollback => "before a rollback",
        BackupReason::Configure => "before a configuration",
        BackupReason::RestoreBackup => "before a restore",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mantyx_core::BackupId;

    #[test]
    fn a_backup_is_a_row() {
        let now = "2026-01-01T00:01:30Z".parse().unwrap();
        let backup = BackupView {
            id: BackupId::generate(),
            reason: BackupReason::Update,
            release: 3,
            revision: 7,
            data: false,
            bytes: 2048,
            made_at: "2026-01-01T00:00:00Z".parse().unwrap(),
            made_by: "owner".into(),
        };
        let said = backups(std::slice::from_ref(&backup), now);
        let row = "before an update  3        without  2.0 KiB  1 min 30 s ago  owner";
        assert_eq!(said.lines().last(), Some(format!("{}  {row}", backup.id).as_str()), "{said}");
        assert!(backups(&[], now).contains("mantyx backup create"));
    }
}
