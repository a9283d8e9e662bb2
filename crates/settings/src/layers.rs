//! Where values come from: the file, the environment, flags. Each layer knows its keys and remembers where each
//! value stood, so that a refusal can point there.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use mantyx_core::{Code, Error, Result};
use toml::Value;

use crate::settings::{SETTINGS, Setting};
use crate::value::Notation;
use crate::variables;

/// How every variable of Mantyx begins.
pub(crate) const PREFIX: &str = "MANTYX_";

/// The least likeness of two keys (Jaro-Winkler, 0 to 1) at which one may have been meant as the other.
const LIKENESS: f64 = 0.8;

/// Where the value of a setting comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Nobody said anything else.
    Default,
    /// The file of the settings, by its path.
    File(PathBuf),
    /// A variable of the daemon's environment, by its name: `MANTYX_BIND`.
    Variable(String),
    /// A flag of `mantyx serve`, by its name: `--bind`.
    Flag(String),
}

impl Source {
    /// Where a value of this key stands, for people.
    fn place(&self, key: &str) -> String {
        match self {
            Self::Default => format!("the default of `{key}`"),
            Self::File(file) => format!("`{key}` in `{}`", file.display()),
            Self::Variable(name) => format!("the variable `{name}`"),
            Self::Flag(name) => format!("the flag `{name}`"),
        }
    }
}

/// Values by key, as text. What is not there has its default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Values(BTreeMap<&'static str, Given>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Given {
    text: String,
    source: Source,
}

impl Values {
    /// Puts the values of a stronger layer over these.
    pub(crate) fn override_with(&mut self, stronger: Self) {
        self.0.extend(stronger.0);
    }

    /// Those of the environment and of flags, which a file cannot change.
    pub(crate) fn stronger_than_a_file(&self) -> Self {
        let mut stronger = self.clone();
        stronger.0.retain(|_, given| matches!(given.source, Source::Variable(_) | Source::Flag(_)));
        stronger
    }

    /// Takes over what others say about one setting, be it nothing.
    pub(crate) fn take(&mut self, name: &'static str, others: &Self) {
        match others.0.get(name) {
            Some(given) => self.0.insert(name, given.clone()),
            None => self.0.remove(name),
        };
    }

    /// Where the value of a setting comes from.
    pub(crate) fn source(&self, name: &str) -> Source {
        self.0.get(name).map_or(Source::Default, |given| given.source.clone())
    }

    /// Reads one value, or its default.
    pub(crate) fn read<T>(&self, name: &str, default: &str, notation: &Notation<T>) -> Result<T> {
        let Some(Given { text, source }) = self.0.get(name) else {
            return (notation.read)(default)
                .map_err(|why| Error::internal(format!("read the default of `{name}`"), why));
        };
        (notation.read)(text).map_err(|why| {
            let detail = format!("Could not read {}, which is `{text}`: {why}", source.place(name));
            Error::new(Code::Invalid, detail).hint(format!("It takes {}", notation.form))
        })
    }

    fn insert(&mut self, setting: &Setting, text: String, source: Source) {
        self.0.insert(setting.name, Given { text, source });
    }
}

/// The text of a file; none when there is no file.
pub(crate) fn text_of(path: &Path) -> Result<String> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(Error::io(format!("read `{}`", path.display()), error)),
    }
}

/// The values of the text of a TOML file.
pub(crate) fn from_file(path: &Path, text: &str) -> Result<Values> {
    let table: toml::Table = toml::from_str(text).map_err(|error| not_toml(path, &error))?;
    let mut values = Values::default();
    for (key, value) in table {
        let setting = find(&key).ok_or_else(|| {
            let what = format!("There is no setting `{key}`, which stands in `{}`", path.display());
            unknown(what, &key, |setting| setting.name.to_owned())
        })?;
        let source = Source::File(path.to_owned());
        let text = as_text(&value).ok_or_else(|| {
            let detail = format!("Could not read {}: it is a table", source.place(setting.name));
            Error::new(Code::Invalid, detail).hint(format!("It takes {}", setting.form))
        })?;
        values.insert(setting, text, source);
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
        values.insert(setting, text, Source::Variable(name));
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
        values.insert(setting, text, Source::Flag(setting.flag()));
    }
    Ok(values)
}

/// The setting of this name.
pub(crate) fn find(key: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.name == key)
}

/// The setting that may have been meant by a key that is none.
pub(crate) fn nearest(key: &str) -> Option<&'static Setting> {
    let likeness = |setting: &&Setting| strsim::jaro_winkler(key, setting.name);
    let nearest = SETTINGS.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    nearest.filter(|setting| likeness(setting) >= LIKENESS)
}

/// The refusal of a key, with the nearest known one in the layer's own spelling.
fn unknown(what: String, key: &str, spelling: impl Fn(&Setting) -> String) -> Error {
    let error = Error::new(Code::Invalid, what);
    match nearest(key) {
        Some(setting) => error.hint(format!("Did you mean `{}`?", spelling(setting))),
        None => error.hint("docs/settings.md lists every setting"),
    }
}

/// The refusal of a file that is not TOML.
pub(crate) fn not_toml(path: &Path, error: &toml::de::Error) -> Error {
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
