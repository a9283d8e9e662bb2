//! Where values come from: the file, the environment, flags. Each layer knows its keys and remembers where each
//! value stood, so that a refusal can point there.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use mantyx_core::{Code, Error, Result};
use toml::Value;

use crate::settings::{SETTINGS, Setting};
use crate::value::Reader;
use crate::variables;

/// How every variable of Mantyx begins.
pub(crate) const PREFIX: &str = "MANTYX_";

/// The least likeness of two keys (Jaro-Winkler, 0 to 1) at which one may have been meant as the other.
const LIKENESS: f64 = 0.8;

/// Values by key, as text.
#[derive(Debug, Default)]
pub(crate) struct Values(BTreeMap<&'static str, Given>);

#[derive(Debug)]
struct Given {
    text: String,
    place: Place,
}

/// Where a value stood.
#[derive(Debug)]
enum Place {
    Key(&'static str, PathBuf),
    Variable(String),
    Flag(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key, file) => write!(f, "`{key}` in `{}`", file.display()),
            Self::Variable(name) => write!(f, "the variable `{name}`"),
            Self::Flag(name) => write!(f, "the flag `{name}`"),
        }
    }
}

impl Values {
    /// Puts the values of a stronger layer over these.
    pub(crate) fn override_with(&mut self, stronger: Self) {
        self.0.extend(stronger.0);
    }

    /// Reads one value, or its default.
    pub(crate) fn read<T>(&self, name: &str, default: &str, reader: &Reader<T>) -> Result<T> {
        let Some(given) = self.0.get(name) else {
            return (reader.read)(default)
                .map_err(|why| Error::internal(format!("read the default of `{name}`"), why));
        };
        (reader.read)(&given.text).map_err(|why| {
            let detail = format!("Could not read {}, which is `{}`: {why}", given.place, given.text);
            Error::new(Code::Invalid, detail).hint(format!("It takes {}", reader.form))
        })
    }

    fn insert(&mut self, setting: &Setting, text: String, place: Place) {
        self.0.insert(setting.name, Given { text, place });
    }
}

/// The values of a TOML file; none when there is no file.
pub(crate) fn from_file(path: &Path) -> Result<Values> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Values::default()),
        Err(error) => return Err(Error::io(format!("read `{}`", path.display()), error)),
    };
    let table: toml::Table = toml::from_str(&text).map_err(|error| not_toml(path, &error))?;
    let mut values = Values::default();
    for (key, value) in table {
        let setting = find(&key).ok_or_else(|| {
            let what = format!("There is no setting `{key}`, which stands in `{}`", path.display());
            unknown(what, &key, |setting| setting.name.to_owned())
        })?;
        let place = Place::Key(setting.name, path.to_owned());
        let text = as_text(&value).ok_or_else(|| {
            Error::new(Code::Invalid, format!("Could not read {place}: it is a table"))
                .hint(format!("It takes {}", setting.form))
        })?;
        values.insert(setting, text, place);
    }
    Ok(values)
}

/// The values of `MANTYX_*`. An empty variable counts as none, as everywhere in a shell.
pub(crate) fn from_environment(environment: BTreeMap<String, String>) -> Result<Values> {
    let mut values = Values::default();
    for (name, text) in environment {
        let Some(key) = name.strip_prefix(PREFIX) else { continue };
        if text.is_empty() || variables::ALL.iter().any(|variable| variable.name == name) {
            continue;
        }
        let setting = find(&key.to_lowercase()).ok_or_else(|| {
            let what = format!("There is no setting for the variable `{name}`");
            unknown(what, &key.to_lowercase(), Setting::variable)
        })?;
        values.insert(setting, text, Place::Variable(name));
    }
    Ok(values)
}

/// The values of the command line.
pub(crate) fn from_flags(flags: BTreeMap<String, String>) -> Result<Values> {
    let mut values = Values::default();
    for (name, text) in flags {
        let key = name.trim_start_matches('-').replace('-', "_");
        let setting =
            find(&key).ok_or_else(|| unknown(format!("There is no flag `--{name}`"), &key, Setting::flag))?;
        values.insert(setting, text, Place::Flag(setting.flag()));
    }
    Ok(values)
}

fn find(key: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.name == key)
}

/// The refusal of a key, with the nearest known one in the layer's own spelling.
fn unknown(what: String, key: &str, spelling: impl Fn(&Setting) -> String) -> Error {
    let likeness = |setting: &&Setting| strsim::jaro_winkler(key, setting.name);
    let nearest = SETTINGS.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    let error = Error::new(Code::Invalid, what);
    match nearest.filter(|setting| likeness(setting) >= LIKENESS) {
        Some(setting) => error.hint(format!("Did you mean `{}`?", spelling(setting))),
        None => error.hint("docs/settings.md lists every setting"),
    }
}

fn not_toml(path: &Path, error: &toml::de::Error) -> Error {
    let detail = format!("`{}` is not TOML: {}", path.display(), error.message());
    Error::new(Code::Invalid, detail).hint("Write one `name = value` a line; see https://toml.io")
}

/// A value as a variable or a flag would say it. A table says nothing.
fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::Table(_) => None,
        Value::String(text) => Some(text.clone()),
        Value::Array(items) => {
            let items: Option<Vec<String>> = items.iter().map(as_text).collect();
            items.map(|items| items.join(","))
        }
        other => Some(other.to_string()),
    }
}
