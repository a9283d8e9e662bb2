//! A change of settings while the daemon runs: what becomes of the file and of the settings, decided before anything
//! is written.

use std::path::Path;

use mantyx_core::{Error, FieldError, Result};
use serde_json::{Map, Value};

use crate::document;
use crate::layers::{self, Source};
use crate::settings::{Effect, Setting, Settings};

/// New values by name; null is the default.
pub type Patch = Map<String, Value>;

/// What a patch makes of everything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The whole text of the file, for which nothing has been written yet.
    pub text: String,
    /// The settings that the file then stands for, as far as they are live.
    pub settings: Settings,
    /// What has another value than before, in the order of the reference.
    pub changed: Vec<Changed>,
}

/// One setting with another value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// Its name.
    pub name: &'static str,
    /// The value until now, as `Listed::value` says it.
    pub from: Value,
    /// The value from now on.
    pub to: Value,
}

impl Settings {
    /// What becomes of the text of the file and of these settings. What was written into the file by hand meanwhile
    /// is taken over too, as far as it is live.
    ///
    /// # Errors
    /// Field by field: a name that is no setting, one that needs a restart, one that a variable or a flag decides, a
    /// value that cannot be read. Also a file that cannot be read as it is.
    pub fn change(&self, text: &str, patch: &Patch) -> Result<Change> {
        let file = self.layout().settings_file();
        let text = edit(&file, text, self.accept(patch)?)?;
        let mut values = layers::from_file(&file, &text)?;
        values.override_with(self.given.stronger_than_a_file());
        let mut settings = self.clone();
        settings.take_live(&values)?;
        let changed = self.differences(&settings);
        Ok(Change { text, settings, changed })
    }

    /// The values of a patch as they are written, or all that is wrong with it.
    fn accept(&self, patch: &Patch) -> Result<Vec<(&'static Setting, Value)>> {
        let (mut accepted, mut refused) = (Vec::new(), Vec::new());
        for (name, value) in patch {
            match self.accept_one(name, value) {
                Ok(entry) => accepted.push(entry),
                Err(detail) => refused.push(FieldError { field: name.clone(), detail }),
            }
        }
        if refused.is_empty() { Ok(accepted) } else { Err(Error::fields(refused)) }
    }

    fn accept_one(&self, name: &str, value: &Value) -> Result<(&'static Setting, Value), String> {
        let setting = self.changeable(name)?;
        if value.is_null() {
            return Ok((setting, Value::Null));
        }
        let text = as_text(value).ok_or_else(|| format!("This is no value. It takes {}", setting.form))?;
        let value = setting.normalise(&text);
        let value = value.map_err(|why| format!("Could not read `{text}`: {why}. It takes {}", setting.form));
        Ok((setting, value?))
    }

    /// The setting of this name, or why nothing that is written into the file would change it now.
    fn changeable(&self, name: &str) -> Result<&'static Setting, String> {
        let setting = layers::find(name).ok_or_else(|| unknown(name))?;
        match (setting.effect, self.source(setting)) {
            (Effect::Restart, _) => Err(self.at_the_next_start()),
            (Effect::Live, Source::Variable(variable)) => Err(decided("the variable", &variable)),
            (Effect::Live, Source::Flag(flag)) => Err(decided("the flag", &flag)),
            (Effect::Live, Source::Default | Source::File(_)) => Ok(setting),
        }
    }

    fn at_the_next_start(&self) -> String {
        let file = self.layout().settings_file();
        format!("This takes effect at the next start: set it in `{}` and restart Mantyx", file.display())
    }

    fn differences(&self, newer: &Self) -> Vec<Changed> {
        let pairs = self.list().into_iter().zip(newer.list());
        let differing = pairs.filter(|(old, new)| old.value != new.value);
        differing
            .map(|(old, new)| Changed { name: old.setting.name, from: old.value, to: new.value })
            .collect()
    }
}

/// The text with the new values. Nothing is written.
fn edit(file: &Path, text: &str, entries: Vec<(&Setting, Value)>) -> Result<String> {
    let mut text = text.to_owned();
    for (setting, value) in entries {
        let edited = match value {
            Value::Null => document::unset(&text, setting.name),
            value => {
                let value = toml::Value::try_from(value)
                    .map_err(|error| Error::internal(format!("write `{}` as TOML", setting.name), error))?;
                document::set(&text, setting.name, &value)
            }
        };
        text = edited.map_err(|error| layers::not_toml(file, &error))?;
    }
    Ok(text)
}

fn unknown(name: &str) -> String {
    match layers::nearest(name) {
        Some(setting) => format!("There is no such setting. Did you mean `{}`?", setting.name),
        None => "There is no such setting".to_owned(),
    }
}

fn decided(what: &str, name: &str) -> String {
    format!(
        "The daemon was started with {what} `{name}`, which wins over the file: restart Mantyx without it"
    )
}

/// A value as a variable or a flag would say it.
fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(switch) => Some(switch.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests;
