//! How JSON is read: text to a value of JSON first, then to a type.
//!
//! The detour costs a little time, which nobody notices, and saves a lot of page: the readers of all types are
//! compiled for one source instead of for text, for values and for the buffers of tagged enums.

use mantyx_api_types::LiveMessage;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::reader;

/// Reads a text, or finds that it does not say what is wanted.
pub(super) fn read<T: DeserializeOwned>(text: &str) -> Option<T> {
    serde_json::from_str::<Value>(text).ok().and_then(reader::from_value)
}

/// Reads a message of the socket. `None` for one that this page does not know, or has no use for.
pub(super) fn message(text: &str) -> Option<LiveMessage> {
    let mut fields: Map<String, Value> = serde_json::from_str(text).ok()?;
    let kind = fields.remove("tell")?;
    let fields = &mut fields;
    Some(match kind.as_str()? {
        "hello" => LiveMessage::Hello {
            version: take(fields, "version")?,
            apps: take(fields, "apps")?,
            operations: take(fields, "operations")?,
            host: take(fields, "host")?,
        },
        "app" => LiveMessage::App { app: take(fields, "app")? },
        "event" => LiveMessage::Event { event: take(fields, "event")? },
        "app_gone" => LiveMessage::AppGone { id: take(fields, "id")? },
        "execution" => LiveMessage::Execution { execution: take(fields, "execution")? },
        "operation" => LiveMessage::Operation { operation: take(fields, "operation")? },
        "log" => LiveMessage::Log {
            subscription: take(fields, "subscription")?,
            lines: take(fields, "lines")?,
            skipped: take::<Option<u64>>(fields, "skipped")?.unwrap_or_default(),
            place: take(fields, "place")?,
        },
        "log_gap" => {
            LiveMessage::LogGap { subscription: take(fields, "subscription")?, gap: take(fields, "gap")? }
        }
        "log_end" => {
            LiveMessage::LogEnd { subscription: take(fields, "subscription")?, error: take(fields, "error")? }
        }
        "host" => LiveMessage::Host { host: take(fields, "host")? },
        "usage" => LiveMessage::Usage { at: take(fields, "at")?, apps: take(fields, "apps")? },
        _ => return None,
    })
}

/// A field; one that is absent is `null`.
fn take<T: DeserializeOwned>(fields: &mut Map<String, Value>, name: &str) -> Option<T> {
    reader::from_value(fields.remove(name).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn reads_messages_as_the_shared_types_do() {
        let host = json!({"cpu": 0.5, "cpu_count": 2, "memory_used": 1, "memory_total": 2, "disk_used": 3, "disk_total": 4});
        let id = "0190a6c0-0000-7000-8000-000000000001";
        let line = json!({"at": "2026-11-20T05:00:00Z", "stream": "stderr", "text": "x", "partial": false,
            "source": {"kind": "operation", "id": id}});
        let operation = json!({"id": id, "kind": "install", "app_id": id, "app": "wiki", "status": "running",
            "steps": [], "cancellable": true, "problem": null, "started_at": "2026-11-20T05:00:00Z", "finished_at": null});
        for said in [
            json!({"tell": "hello", "version": "1", "apps": [], "operations": [operation], "host": host}),
            json!({"tell": "operation", "operation": operation}),
            json!({"tell": "app_gone", "id": id}),
            json!({"tell": "event", "event": {"sequence": 7, "at": "2026-11-20T05:00:00Z", "kind": "secret.set",
                "actor": {"kind": "webhook", "address": "::1"}, "payload": {"host": null}, "hash": "0",
                "subject": {"kind": "secret", "id": "github", "name": "github"}}}),
            json!({"tell": "log", "subscription": 1, "lines": [line]}),
            json!({"tell": "log", "subscription": 1, "lines": [], "skipped": 12, "place": "7.0.12.1"}),
            json!({"tell": "log_gap", "subscription": 1, "gap": "removed"}),
            json!({"tell": "log_end", "subscription": 1, "error": null}),
            json!({"tell": "host", "host": host}),
            json!({"tell": "usage", "at": "2026-11-20T05:00:00Z", "apps": [
                {"app": id, "cpu": 0.5, "memory": 1024, "processes": 2}, {"app": id, "cpu": 1, "memory": 0, "processes": 0},
            ]}),
        ] {
            let text = said.to_string();
            let expected: LiveMessage = serde_json::from_str(&text).unwrap();
            assert_eq!(message(&text), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_it_does_not_know_is_nothing() {
        assert_eq!(message(r#"{"tell":"weather"}"#), None);
        assert_eq!(message("[]"), None);
        assert_eq!(read::<u32>("1 2"), None);
    }
}
