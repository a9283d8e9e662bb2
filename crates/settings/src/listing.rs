//! All settings with their values, for people. None of them is a secret: those are variables only, which are not
//! listed.

use serde_json::Value;

use crate::layers::Source;
use crate::settings::{SETTINGS, Setting, Settings};

/// One setting as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its row of the table: name, form, meaning, effect.
    pub setting: &'static Setting,
    /// The value now, as a patch would say it: text with a unit, a number, a list; null when there is none.
    pub value: Value,
    /// The value when nobody says otherwise.
    pub default: Value,
    /// Where the value comes from.
    pub source: Source,
}

impl Settings {
    /// Every setting but the root, in the order of the reference.
    #[must_use]
    pub fn list(&self) -> Vec<Listed> {
        let listed = |(setting, value): (&'static Setting, Value)| Listed {
            setting,
            value,
            default: setting.normalise(setting.default).unwrap_or_default(),
            source: self.source(setting),
        };
        SETTINGS.iter().zip(self.values()).map(listed).collect()
    }

    /// Where the value of a setting comes from.
    #[must_use]
    pub fn source(&self, setting: &Setting) -> Source {
        self.given.source(setting.name)
    }
}
