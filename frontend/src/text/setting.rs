//! Settings: their values as texts, and texts as values.

use mantyx_api_types::{SettingSource, SettingView};
use serde_json::Value;

/// A value as a person writes it; nothing for none.
pub(crate) fn text_of(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(text_of).collect::<Vec<_>>().join(", "),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => value.to_string(),
    }
}

/// What was written, as a value of the kind that a setting has. What it cannot be goes out as text, and the daemon says
/// what is wrong with it. Nothing is the default.
pub(crate) fn value_of(setting: &SettingView, text: &str) -> Value {
    let text = text.trim();
    let is = |kind: fn(&Value) -> bool| kind(&setting.value) || kind(&setting.default);
    let said = || Value::String(text.to_owned());
    match text {
        "" => Value::Null,
        _ if is(Value::is_number) => text.parse::<u64>().map_or_else(|_| said(), Value::from),
        "true" | "false" if is(Value::is_boolean) => Value::Bool(text == "true"),
        _ if is(Value::is_array) => {
            text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(Value::from).collect()
        }
        _ => said(),
    }
}

/// Where a value comes from, in a sentence's end.
pub(crate) fn source(source: &SettingSource) -> String {
    match source {
        SettingSource::Default => "the default".to_owned(),
        SettingSource::File { path } => format!("from the file `{path}`"),
        SettingSource::Variable { name } => format!("from the variable `{name}` of the daemon"),
        SettingSource::Flag { name } => format!("from the flag `{name}` of the daemon"),
    }
}

/// Whether a change would hold: what a variable or a flag says goes before the file.
pub(crate) const fn can_change(setting: &SettingView) -> bool {
    setting.live && matches!(setting.source, SettingSource::Default | SettingSource::File { .. })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn setting(value: Value) -> SettingView {
        SettingView {
            name: "releases_kept".into(),
            description: String::new(),
            form: String::new(),
            default: value.clone(),
            value,
            source: SettingSource::Default,
            live: true,
        }
    }

    #[test]
    fn values_read_as_they_are_written() {
        let values = [json!(7), json!("14 days"), json!(true), json!(["a", "b"]), json!(null)];
        for value in values {
            assert_eq!(value_of(&setting(value.clone()), &text_of(&value)), value);
        }
    }

    #[test]
    fn what_it_cannot_be_is_for_the_daemon_to_refuse() {
        assert_eq!(value_of(&setting(json!(7)), " many "), json!("many"));
        assert_eq!(value_of(&setting(json!(true)), "maybe"), json!("maybe"));
        assert_eq!(value_of(&setting(json!(7)), " "), Value::Null);
    }

    #[test]
    fn what_a_flag_says_cannot_be_changed() {
        let mut flagged = setting(json!(7));
        assert!(can_change(&flagged));
        flagged.source = SettingSource::Flag { name: "--releases-kept".into() };
        assert!(!can_change(&flagged));
    }
}
