//! The settings of the daemon.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Where the value of a setting comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum SettingSource {
    /// Nobody set it.
    Default,
    /// The settings file.
    File {
        /// Where that is.
        path: String,
    },
    /// An environment variable of the daemon, which goes before the file.
    Variable {
        /// Its name.
        name: String,
    },
    /// A flag of the daemon, which goes before all.
    Flag {
        /// Its name.
        name: String,
    },
}

/// One setting.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SettingView {
    /// Its name in the settings file.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// What it takes, with its unit.
    pub form: String,
    /// What it is now, as a change takes it.
    pub value: Value,
    /// What it is when nobody sets it.
    pub default: Value,
    /// Where the value comes from.
    pub source: SettingSource,
    /// Whether it can be changed while the daemon runs.
    pub live: bool,
}
