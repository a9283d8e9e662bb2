//! What a new app is told: the `mantyx.toml` of its folder, with flags over it.
//!
//! The file has the fields of a new app and of its configuration side by side, as the API takes them:
//!
//! ```toml
//! name = "weather"
//! schedule = "30 8 * * 1-5"
//! entrypoint = "main.py"
//!
//! [env]
//! CITY = "Berlin"
//! ```

use std::path::Path;

use mantyx_api_types::NewApp;
use mantyx_core::{Code, Configuration, Error, Result};
use serde_json::{Map, Value};

/// The name of the file.
pub(crate) const FILE: &str = "mantyx.toml";

/// The fields of a new app that are no configuration.
const OWN: [&str; 6] = ["name", "display_name", "description", "tags", "type", "schedule"];

/// The fields that a folder declares; none when it has no such file.
pub(crate) fn read(folder: &Path) -> Result<Map<String, Value>> {
    let path = folder.join(FILE);
    match std::fs::read_to_string(&path) {
        Ok(text) => parse(&text)
            .map_err(|why| Error::new(Code::Invalid, format!("`{}` cannot be read: {why}", path.display()))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Map::new()),
        Err(error) => Err(Error::io(format!("read `{}`", path.display()), error)),
    }
}

fn parse(text: &str) -> Result<Map<String, Value>, String> {
    toml::from_str(text).map_err(|error| error.message().to_owned())
}

/// Lays flags over declared fields. Variables are merged one by one.
pub(crate) fn overlay(fields: &mut Map<String, Value>, flags: Map<String, Value>) {
    for (field, value) in flags {
        match (fields.get_mut(&field), value) {
            (Some(Value::Object(old)), Value::Object(new)) => old.extend(new),
            (_, value) => {
                fields.insert(field, value);
            }
        }
    }
}

/// Sorts the fields into those of the app and those of its configuration.
pub(crate) fn into_new_app(fields: Map<String, Value>) -> Result<NewApp> {
    let known = Configuration::field_names();
    let (own, configuration): (Map<_, _>, Map<_, _>) =
        fields.into_iter().partition(|(field, _)| OWN.contains(&field.as_str()));
    if let Some(unknown) = configuration.keys().find(|field| !known.contains(field)) {
        let fields: Vec<&str> = OWN.into_iter().chain(known.iter().map(String::as_str)).collect();
        return Err(Error::new(Code::Invalid, format!("There is no field `{unknown}` of an app"))
            .hint(format!("There are {}", fields.join(", "))));
    }
    let mut app: NewApp = serde_json::from_value(Value::Object(own))
        .map_err(|error| Error::new(Code::Invalid, format!("Not accepted: {error}")))?;
    app.configuration = configuration;
    Ok(app)
}

/// The fields of a form that say the same. Those of the configuration travel as JSON.
pub(crate) fn form_fields(app: &NewApp) -> Vec<(String, String)> {
    let text = |name: &str, value: Option<String>| value.map(|value| (name.to_owned(), value));
    let own = [
        text("name", app.name.as_ref().map(ToString::to_string)),
        text("display_name", app.display_name.clone()),
        text("description", app.description.clone()),
        text("tags", (!app.tags.is_empty()).then(|| Value::from(app.tags.clone()).to_string())),
        text("type", app.r#type.map(|kind| kind.as_str().to_owned())),
        text("schedule", app.schedule.clone()),
    ];
    let configuration = app.configuration.iter().map(|(field, value)| (field.clone(), value.to_string()));
    own.into_iter().flatten().chain(configuration).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use mantyx_core::AppType;
    use serde_json::json;

    fn map(value: &Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap()
    }

    #[test]
    fn a_folder_declares_and_flags_win() {
        let folder = tempfile::tempdir().unwrap();
        assert!(read(folder.path()).unwrap().is_empty());
        let text = "name = 'weather'\ntype = 'scheduled'\nrestart_limit = 2\n[env]\nA = '1'\nB = '1'\n";
        std::fs::write(folder.path().join(FILE), text).unwrap();
        let mut fields = read(folder.path()).unwrap();
        overlay(&mut fields, map(&json!({"name": "other", "env": {"B": "2"}})));
        let app = into_new_app(fields).unwrap();
        assert_eq!((app.name.unwrap().as_str(), app.r#type), ("other", Some(AppType::Scheduled)));
        assert_eq!(
            Value::Object(app.configuration),
            json!({"restart_limit": 2, "env": {"A": "1", "B": "2"}})
        );
    }

    #[test]
    fn what_no_app_has_is_refused() {
        let error = into_new_app(map(&json!({"colour": "red"}))).unwrap_err();
        assert!(error.detail().contains("`colour`") && error.hint_text().unwrap().contains("entrypoint"));
        assert!(into_new_app(map(&json!({"name": "Not A Name"}))).is_err());
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(FILE), "name = ").unwrap();
        assert!(read(folder.path()).unwrap_err().detail().contains(FILE));
    }

    #[test]
    fn a_form_says_what_the_app_says() {
        let fields = json!({"name": "x", "tags": ["a", "b,c"], "web_port": "auto", "env": {"A": "1"}});
        let form = form_fields(&into_new_app(map(&fields)).unwrap());
        let expected =
            [("name", "x"), ("tags", "[\"a\",\"b,c\"]"), ("env", "{\"A\":\"1\"}"), ("web_port", "\"auto\"")];
        assert_eq!(form, expected.map(|(name, text)| (name.to_owned(), text.to_owned())));
    }
}
