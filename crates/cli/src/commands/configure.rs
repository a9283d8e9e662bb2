//! What is set about an app: shown, and changed by assignments such as `limits.memory=256MiB`.

use mantyx_api_types::{AppPatch, ConfigurationView, OperationView};
use mantyx_core::{Code, Error, RestartPolicy};
use serde_json::{Map, Value, json};

use super::{Session, operation};
use crate::arguments::{AppArgs, ConfigurationArgs, SetArgs};
use crate::failure::{Failure, Result};
use crate::output;

pub(super) async fn show(what: AppArgs, session: Session) -> Result<()> {
    let view: ConfigurationView =
        session.client.get(&format!("/api/apps/{}/configuration", what.app), &[]).await?;
    session.output.show(&view, said)
}

pub(super) async fn set(what: SetArgs, session: Session) -> Result<()> {
    let mut configuration = Map::new();
    for assignment in &what.assignments {
        assign(&mut configuration, assignment).map_err(Failure::Usage)?;
    }
    let patch = AppPatch { configuration, ..AppPatch::default() };
    let address = format!("/api/apps/{}", what.app);
    // What somebody else sets in the meantime is not overwritten.
    let seen: ConfigurationView = session.client.get(&format!("{address}/configuration"), &[]).await?;
    if what.restart {
        return set_and_restart(&session, &what, seen.revision, &patch).await;
    }
    let view: ConfigurationView = session.client.patch_revision(&address, seen.revision, &patch).await?;
    session.output.show(&view, |view| {
        let rest = if view.restart_needed { "; restart the app to let all of it take effect" } else { "" };
        format!("`{}` is at revision {}{rest}", what.app, view.revision)
    })
}

async fn set_and_restart(session: &Session, what: &SetArgs, revision: u32, patch: &AppPatch) -> Result<()> {
    let address = format!("/api/apps/{}?restart=true", what.app);
    let operation: OperationView = session.client.patch_revision(&address, revision, patch).await?;
    let operation = operation::see_through(session, operation).await?;
    session.output.show(&operation, |_| format!("`{}` goes by its new configuration", what.app))
}

/// The fields of a configuration that flags give.
pub(super) fn flags(what: &ConfigurationArgs) -> impl Iterator<Item = (String, Value)> {
    let env: Map<String, Value> = what.env.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    let fields = [
        ("entrypoint", what.entrypoint.as_ref().map(|launch| json!(launch))),
        ("arguments", (!what.arguments.is_empty()).then(|| json!(what.arguments))),
        ("env", (!env.is_empty()).then_some(Value::Object(env))),
        ("web_port", what.web_port.clone()),
        ("restart_policy", what.restart_policy.map(|policy| json!(RestartPolicy::from(policy)))),
        ("python", what.python.as_ref().map(|constraint| json!(constraint))),
    ];
    fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)))
}

/// Puts one assignment into a merge patch. A value is JSON where it reads as such, else a text; a variable is always a
/// text. Nothing behind the sign removes the field, which then has its default again.
fn assign(patch: &mut Map<String, Value>, assignment: &str) -> Result<(), Error> {
    let (field, text) = assignment.split_once('=').ok_or_else(|| {
        Error::new(Code::Invalid, format!("`{assignment}` is no assignment"))
            .hint("Write the field, `=` and the value, such as `limits.memory=256MiB`")
    })?;
    let value = match text {
        "" => Value::Null,
        text if field.starts_with("env.") => Value::String(text.to_owned()),
        text => value_of(text),
    };
    let mut place = patch;
    let mut names = field.split('.').peekable();
    while let Some(name) = names.next() {
        if names.peek().is_none() {
            place.insert(name.to_owned(), value);
            break;
        }
        let inner = place.entry(name).or_insert_with(|| Value::Object(Map::new()));
        place = inner.as_object_mut().ok_or_else(|| {
            Error::new(Code::Invalid, format!("`{field}` is set twice, once as a whole and once in part"))
        })?;
    }
    Ok(())
}

/// JSON where a text reads as such, else the text.
pub(super) fn value_of(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}

fn said(view: &ConfigurationView) -> String {
    let configuration = serde_json::to_value(&view.configuration).unwrap_or_default();
    let mut lines = Vec::new();
    flatten("", &configuration, &mut lines);
    let facts = lines.iter().map(|(name, value)| (name.as_str(), Some(value.clone()))).collect();
    output::facts(facts)
}

/// Every field under its dotted name, as it can be set again.
fn flatten(name: &str, value: &Value, lines: &mut Vec<(String, String)>) {
    match value {
        Value::Object(fields) => {
            for (field, value) in fields {
                let name = if name.is_empty() { field.clone() } else { format!("{name}.{field}") };
                flatten(&name, value, lines);
            }
        }
        Value::Null => {}
        Value::String(text) => lines.push((name.to_owned(), text.clone())),
        other => lines.push((name.to_owned(), other.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn patch(assignments: &[&str]) -> Result<Value, Error> {
        let mut patch = Map::new();
        assignments.iter().try_for_each(|assignment| assign(&mut patch, assignment))?;
        Ok(Value::Object(patch))
    }

    #[test]
    fn assignments_are_a_merge_patch() {
        let assignments = [
            "limits.memory=256MiB",
            "limits.cpu=1.5",
            "env.CITY=Berlin = hot",
            "env.PORTS=8080",
            "env.QUOTED=\"x\"",
            "env.OLD=",
            "retry=false",
            "health.probe={\"kind\":\"tcp\"}",
            "watchdog=",
        ];
        let expected = json!({
            "limits": {"memory": "256MiB", "cpu": 1.5},
            "env": {"CITY": "Berlin = hot", "PORTS": "8080", "QUOTED": "\"x\"", "OLD": null},
            "retry": false,
            "health": {"probe": {"kind": "tcp"}},
            "watchdog": null,
        });
        assert_eq!(patch(&assignments).unwrap(), expected);
    }

    #[test]
    fn what_cannot_be_assigned_is_said() {
        assert!(patch(&["limits.memory"]).unwrap_err().detail().contains("`limits.memory`"));
        assert!(patch(&["limits=1", "limits.memory=2"]).unwrap_err().detail().contains("twice"));
    }

    #[test]
    fn fields_are_shown_by_the_names_that_set_them() {
        let mut lines = Vec::new();
        flatten("", &json!({"retry": true, "limits": {"cpu": null, "nice": 5}, "user": "me"}), &mut lines);
        let lines: Vec<String> = lines.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(lines, ["limits.nice=5", "retry=true", "user=me"]);
    }
}
