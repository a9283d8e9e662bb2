//! Secrets as a table.

use chrono::{DateTime, Utc};
use mantyx_api_types::SecretView;
use mantyx_core::{AppName, SecretKind};

use crate::output::{relative, table};

pub(crate) fn secrets(secrets: &[SecretView], now: DateTime<Utc>) -> String {
    let rows = secrets.iter().map(|secret| {
        [
            secret.name.to_string(),
            kind(secret.kind).to_owned(),
            secret.host.clone().unwrap_or_else(|| "any".to_owned()),
            secret.used_by.iter().map(AppName::as_str).collect::<Vec<_>>().join(", "),
            relative(secret.set_at, now),
            secret.set_by.clone(),
        ]
    });
    let header = ["NAME", "KIND", "SENT TO", "USED BY", "SET", "BY"];
    table(header, rows.collect(), "There are no secrets yet: `mantyx secret set NAME` makes one")
}

/// As it is typed.
const fn kind(kind: SecretKind) -> &'static str {
    match kind {
        SecretKind::Token => "token",
        SecretKind::SshKey => "ssh-key",
        SecretKind::Text => "text",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_secret_is_a_row() {
        let secret = |name: &str, kind: &str, host: Option<&str>, used_by: &[&str]| {
            let view = json!({
                "name": name, "kind": kind, "host": host, "used_by": used_by,
                "set_at": "2026-01-01T00:00:00Z", "set_by": "owner"
            });
            serde_json::from_value::<SecretView>(view).unwrap()
        };
        let all =
            [secret("deploy", "ssh_key", Some("github.com"), &["a", "b"]), secret("mail", "text", None, &[])];
        let expected = "\
NAME    KIND     SENT TO     USED BY  SET             BY
deploy  ssh-key  github.com  a, b     1 min 30 s ago  owner
mail    text     any                  1 min 30 s ago  owner";
        let now = "2026-01-01T00:01:30Z".parse().unwrap();
        assert_eq!(secrets(&all, now), expected);
        assert!(secrets(&[], now).contains("mantyx secret set"));
    }
}
