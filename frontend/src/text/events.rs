//! The words of the record: what happened, and who caused it.

use mantyx_api_types::EventView;
use mantyx_api_types::core::{Actor, EventKind};

use super::operations;

/// What happened, with its subject behind it.
pub(crate) const fn event(kind: EventKind) -> &'static str {
    match kind {
        EventKind::AppCreated => "Added",
        EventKind::AppChanged => "Changed its state:",
        EventKind::AppHealthChanged => "Changed its health:",
        EventKind::AppConfigured => "Configured",
        EventKind::AppUpdated => "Updated",
        EventKind::AppReverted => "Put back to what ran before:",
        EventKind::AppTrackingChanged => "Another way of following the repository of",
        EventKind::AppUpdateAvailable => "An update is available for",
        EventKind::AppDeleted => "Moved to the trash:",
        EventKind::AppRestored => "Brought back from the trash:",
        EventKind::AppPurged => "Deleted for good:",
        EventKind::FileWritten => "Wrote a file of",
        EventKind::FileRemoved => "Removed a file of",
        EventKind::BackupMade => "Made a backup of",
        EventKind::BackupRemoved => "Removed a backup of",
        EventKind::ExecutionStarted => "A run began:",
        EventKind::ExecutionFinished => "A run ended:",
        EventKind::ScheduleCreated => "Made the schedule",
        EventKind::ScheduleChanged => "Changed the schedule",
        EventKind::ScheduleDeleted => "Removed the schedule",
        EventKind::ScheduleSkipped => "Left out a run of the schedule",
        EventKind::OperationStarted => "An operation began:",
        EventKind::OperationFinished => "An operation ended:",
        EventKind::TokenCreated => "Made the token",
        EventKind::TokenRevoked => "Revoked the token",
        EventKind::LoginSucceeded => "Logged in",
        EventKind::LoginFailed => "Could not log in",
        EventKind::PasswordSet => "Set the password",
        EventKind::SecretSet => "Set the secret",
        EventKind::SecretRemoved => "Removed the secret",
        EventKind::SettingChanged => "Changed the setting",
        EventKind::DaemonStarted => "Mantyx came up",
        EventKind::DaemonStopped => "Mantyx went down",
        EventKind::ExportFetched => "Fetched an export of everything",
        EventKind::ExportRemoved => "Removed an export",
        EventKind::DaemonImported => "Took over another Mantyx",
        EventKind::DaemonRepaired => "Mended something",
    }
}

/// The same with what the record says of an operation: which it is, and how it ended.
pub(crate) fn told(event: &EventView) -> String {
    let said = |name: &str| event.payload.get(name).and_then(|value| value.as_str());
    let operation = said("kind").and_then(operations::named).map(operations::operation);
    match (event.kind, operation, said("status")) {
        (EventKind::FileWritten, ..) => format!("Wrote {} of", said("path").unwrap_or("a file")),
        (EventKind::FileRemoved, ..) => format!("Removed {} of", said("path").unwrap_or("a file")),
        (EventKind::OperationStarted, Some(operation), _) => format!("{operation} began:"),
        (EventKind::OperationFinished, Some(operation), Some("succeeded")) => format!("{operation} is done:"),
        (EventKind::OperationFinished, Some(operation), Some("cancelled")) => {
            format!("{operation} was called off:")
        }
        (EventKind::OperationFinished, Some(operation), _) => format!("{operation} failed:"),
        (kind, ..) => self::event(kind).to_owned(),
    }
}

/// Who caused it: `by Mantyx`, `by owner from 10.0.0.7`.
pub(crate) fn actor(actor: &Actor) -> String {
    match actor {
        Actor::Mantyx => "by Mantyx".to_owned(),
        Actor::Webhook { address } => format!("by a webhook from {address}"),
        Actor::Token { name, address } => format!("by {name} from {address}"),
    }
}

/// The same where only the name was kept.
pub(crate) fn by(name: &str) -> String {
    match name {
        "mantyx" => "Mantyx".to_owned(),
        "webhook" => "a webhook".to_owned(),
        other => other.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_is_called_by_its_name() {
        let told = |kind: &str, payload: serde_json::Value| {
            let event = serde_json::json!({"sequence": 1, "at": "2026-11-20T05:00:00Z", "kind": kind, "payload": payload,
                "actor": {"kind": "mantyx"}, "subject": {"kind": "operation", "id": "1", "name": "wiki"}, "hash": "0"});
            super::told(&serde_json::from_value(event).unwrap())
        };
        let ended = |status: &str| serde_json::json!({"kind": "restore_backup", "status": status});
        assert_eq!(told("operation.started", serde_json::json!({"kind": "export"})), "Export began:");
        assert_eq!(told("operation.finished", ended("failed")), "Restore of a backup failed:");
        assert_eq!(told("operation.finished", ended("succeeded")), "Restore of a backup is done:");
        assert_eq!(told("operation.finished", serde_json::json!({})), "An operation ended:");
        assert_eq!(told("secret.set", serde_json::json!({"kind": "token"})), "Set the secret");
        assert_eq!(told("file.written", serde_json::json!({"path": "in/a.txt"})), "Wrote in/a.txt of");
    }

    #[test]
    fn a_webhook_is_an_actor_as_others_are() {
        assert_eq!(actor(&Actor::Mantyx), "by Mantyx");
        assert_eq!(actor(&Actor::Webhook { address: "10.0.0.7".into() }), "by a webhook from 10.0.0.7");
        let owner = Actor::Token { name: "owner".into(), address: "::1".into() };
        assert_eq!(actor(&owner), "by owner from ::1");
        assert_eq!(["mantyx", "webhook", "owner"].map(by), ["Mantyx", "a webhook", "owner"]);
    }
}
