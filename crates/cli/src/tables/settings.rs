//! The settings of Mantyx as a table.

use mantyx_api_types::{SettingSource, SettingView};
use serde_json::Value;

use crate::output::table;

pub(crate) fn settings(settings: &[SettingView]) -> String {
    let rows = settings.iter().map(|setting| {
        [
            setting.name.clone(),
            said(&setting.value),
            said(&setting.default),
            source(&setting.source),
            if setting.live { "at once" } else { "at the next start" }.to_owned(),
        ]
    });
    table(["NAME", "VALUE", "DEFAULT", "FROM", "A CHANGE HOLDS"], rows.collect(), "There are no settings")
}

/// A value as a person types it.
pub(crate) fn said(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(said).collect::<Vec<_>>().join(", "),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => value.to_string(),
    }
}

fn source(source: &SettingSource) -> String {
    match source {
        SettingSource::Default => "default".to_owned(),
        SettingSource::File { path } => path.clone(),
        SettingSource::Variable { name } | SettingSource::Flag { name } => name.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_setting_is_a_row() {
        let setting = |name: &str, value: Value, source: SettingSource, live| SettingView {
            name: name.into(),
            description: String::new(),
            form: String::new(),
            value,
            default: json!("30 days"),
            source,
            live,
        };
        let variable = SettingSource::Variable { name: "MANTYX_BIND".into() };
        let said = settings(&[
            setting("log_retention", json!("30 days"), SettingSource::Default, true),
            setting(
                "allowed_hosts",
                json!(["a", "b"]),
                SettingSource::File { path: "/r/mantyx.toml".into() },
                false,
            ),
            setting("releases_kept", json!(5), variable, true),
        ]);
        let expected = "\
NAME           VALUE    DEFAULT  FROM            A CHANGE HOLDS
log_retention  30 days  30 days  default         at once
allowed_hosts  a, b     30 days  /r/mantyx.toml  at the next start
releases_kept  5        30 days  MANTYX_BIND     at once";
        assert_eq!(said, expected);
    }
}
