//! What a new app is told, from a form or from JSON: one flat list of fields, in which those of the configuration
//! stand beside those of the app.

use mantyx_api_types::{GitSource, NewApp};
use mantyx_core::{Configuration, Error, FieldError, Launch, RelativePath, Result, SecretName};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::words;

/// Everything at once, in a form.
const APP: &str = "app";

/// The fields of [`NewApp`].
const OWN: [&str; 7] = ["name", "display_name", "description", "tags", "type", "schedule", "configuration"];

/// Where a repository is.
#[derive(Deserialize)]
struct Repository {
    url: String,
    #[serde(rename = "ref")]
    reference: Option<String>,
    subdir: Option<RelativePath>,
    credential: Option<SecretName>,
    #[serde(default)]
    submodules: bool,
}

/// What a text field of a form means: JSON where the field takes it, the text itself everywhere else.
pub(crate) fn value_of(field: &str, text: String) -> Value {
    let json = serde_json::from_str::<Value>(&text).ok();
    match field {
        "tags" => json.filter(Value::is_array).unwrap_or_else(|| split(&text)),
        APP | "configuration" => json.unwrap_or(Value::String(text)),
        own if OWN.contains(&own) => Value::String(text),
        // `3.12` is a number, but not where a version is meant.
        field => json.filter(|value| fits(field, value)).unwrap_or(Value::String(text)),
    }
}

fn split(text: &str) -> Value {
    text.split(',').map(str::trim).filter(|tag| !tag.is_empty()).collect()
}

/// Whether a field of the configuration takes this value.
fn fits(field: &str, value: &Value) -> bool {
    let patch = Map::from_iter([(field.to_owned(), value.clone())]);
    let any = Configuration::new(Launch::Console("any".into()));
    // Objects and lists are JSON on purpose: what is wrong with them is said of them.
    value.is_object() || value.is_array() || any.patched(&patch).is_ok()
}

/// Sorts the fields into those of the app and those of its configuration, and refuses all others by name.
pub(crate) fn from_fields(mut fields: Map<String, Value>) -> Result<NewApp> {
    if let Some(whole) = fields.remove(APP) {
        return if fields.is_empty() { parse(APP, whole) } else { Err(either(&fields)) };
    }
    let known = Configuration::field_names();
    let (mut app, mut configuration, mut errors) = (Map::new(), Map::new(), Vec::new());
    for (field, value) in fields {
        if OWN.contains(&field.as_str()) {
            let alone = Value::from_iter([(field.clone(), value.clone())]);
            if let Err(error) = serde_json::from_value::<NewApp>(alone) {
                errors.push(FieldError { field: field.clone(), detail: words::sentence(&error.to_string()) });
            }
            app.insert(field, value);
        } else if known.contains(&field) {
            configuration.insert(field, value);
        } else {
            errors.push(FieldError { field, detail: "There is no such field".into() });
        }
    }
    if !errors.is_empty() {
        return Err(Error::fields(errors).hint("/docs lists the fields of a new app"));
    }
    let mut app: NewApp = parse(APP, Value::Object(app))?;
    app.configuration.extend(configuration);
    Ok(app)
}

/// A repository with everything that a new app is told.
pub(crate) fn git_source(mut fields: Map<String, Value>) -> Result<GitSource> {
    let own = ["url", "ref", "subdir", "credential", "submodules"];
    let of_repository = own.map(|field| fields.remove_entry(field));
    let repository = Value::Object(of_repository.into_iter().flatten().collect());
    let Repository { url, reference, subdir, credential, submodules } =
        serde_json::from_value(repository).map_err(|error| words::of_value(&error, "url"))?;
    Ok(GitSource { url, reference, subdir, credential, submodules, app: from_fields(fields)? })
}

fn parse(field: &str, value: Value) -> Result<NewApp> {
    serde_json::from_value(value).map_err(|error| Error::field(field, words::sentence(&error.to_string())))
}

fn either(others: &Map<String, Value>) -> Error {
    let names: Vec<&str> = others.keys().map(String::as_str).collect();
    Error::field(APP, format!("It says everything, so there is no place for {} beside it", names.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use mantyx_core::AppType;
    use serde_json::json;

    fn form(pairs: &[(&str, &str)]) -> Result<NewApp> {
        from_fields(
            pairs.iter().map(|(name, text)| ((*name).into(), value_of(name, (*text).into()))).collect(),
        )
    }

    fn wrong_fields(error: &Error) -> Vec<&str> {
        error.field_errors().iter().map(|e| e.field.as_str()).collect()
    }

    #[test]
    fn fields_of_a_form_are_text_or_json() {
        let app = form(&[
            ("name", "2048"),
            ("type", "scheduled"),
            ("tags", "home, mail"),
            ("description", "[not json"),
            ("entrypoint", "main.py"),
            ("python", "3.12"),
            ("restart_limit", "5"),
            ("autostart", "false"),
            ("web_port", "auto"),
            ("env", "{\"A\": \"1\"}"),
        ])
        .unwrap();
        assert_eq!(app.name.unwrap().as_str(), "2048");
        assert_eq!(app.r#type, Some(AppType::Scheduled));
        assert_eq!(app.tags, ["home", "mail"]);
        let expected = json!({
            "entrypoint": "main.py", "python": "3.12", "restart_limit": 5, "autostart": false,
            "web_port": "auto", "env": {"A": "1"}
        });
        assert_eq!(Value::Object(app.configuration), expected);
    }

    #[test]
    fn every_wrong_field_is_named() {
        let error = form(&[("name", "No Name"), ("colour", "red"), ("type", "daily")]).unwrap_err();
        assert_eq!(wrong_fields(&error), ["colour", "name", "type"]);
    }

    #[test]
    fn a_whole_app_stands_alone() {
        let whole = "{\"name\": \"x\", \"configuration\": {\"restart_limit\": 1}}";
        assert_eq!(form(&[("app", whole)]).unwrap().configuration["restart_limit"], 1);
        assert_eq!(wrong_fields(&form(&[("app", whole), ("name", "y")]).unwrap_err()), ["app"]);
        assert_eq!(wrong_fields(&form(&[("app", "{\"nam\": 1}")]).unwrap_err()), ["app"]);
    }

    #[test]
    fn a_repository_takes_the_same_fields() {
        let source = |value: Value| git_source(value.as_object().unwrap().clone());
        let git =
            source(json!({"url": "https://x/y", "ref": "v1", "restart_limit": 2, "name": "y"})).unwrap();
        assert_eq!(
            (git.reference.as_deref(), &git.app.configuration["restart_limit"]),
            (Some("v1"), &json!(2))
        );
        assert!(!git.submodules && source(json!({"url": "x", "submodules": true})).unwrap().submodules);
        assert_eq!(wrong_fields(&source(json!({"name": "y"})).unwrap_err()), ["url"]);
        assert_eq!(wrong_fields(&source(json!({"url": "x", "brnch": "y"})).unwrap_err()), ["brnch"]);
    }
}
