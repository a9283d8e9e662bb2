//! Everything about an app that a person sets, and how a change to it is merged and checked.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use self::merge::{merge, sentence};
use crate::app::AppType;
use crate::error::{Error, FieldError, Result};
use crate::health::HealthCheck;
use crate::launch::Launch;
use crate::limits::Limits;
use crate::path::RelativePath;
use crate::restart::{AfterGivingUp, RestartPolicy, RestartRule};
use crate::stop_signal::StopSignal;
use crate::web_port::WebPort;

pub use rights::NeedsAdmin;

mod check;
mod merge;
mod rights;
#[cfg(test)]
mod tests;

/// The configuration of an instance. Immutable once stored: a change makes a new revision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Configuration {
    /// What is started.
    pub entrypoint: Launch,
    /// Passed behind the entrypoint, each as it is.
    #[serde(default)]
    pub arguments: Vec<String>,
    /// Where it is started, inside the source; the source itself when not given.
    #[serde(default)]
    pub working_directory: Option<RelativePath>,
    /// Environment variables of its own.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Which exits of a perpetual app lead to another start.
    #[serde(default)]
    pub restart_policy: RestartPolicy,
    /// Seconds before the second restart in a window; doubles from there up to 300. With 0 it is a tenth of a second.
    #[serde(default = "defaults::restart_delay")]
    pub restart_delay: u32,
    /// How many restarts a window allows before Mantyx gives up.
    #[serde(default = "defaults::restart_limit")]
    pub restart_limit: u32,
    /// The window, in seconds.
    #[serde(default = "defaults::restart_window")]
    pub restart_window: u32,
    /// The signal that asks it to end.
    #[serde(default)]
    pub stop_signal: StopSignal,
    /// Seconds between that signal and the end of everything that the app started.
    #[serde(default = "defaults::stop_grace")]
    pub stop_grace: u32,
    /// Which Pythons will do, as in `requires-python` (PEP 440), beside what the source itself says.
    #[serde(default)]
    pub python: Option<String>,
    /// The port of its own web page, given to it as `PORT`.
    #[serde(default)]
    pub web_port: Option<WebPort>,
    /// Whether it starts again with the machine.
    #[serde(default = "defaults::autostart")]
    pub autostart: bool,
    /// Whether a perpetual app that was given up is tried again: after 15 minutes, then less and less often up to
    /// once a day.
    #[serde(default = "defaults::retry")]
    pub retry: bool,
    /// How it is told whether the app is well.
    #[serde(default)]
    pub health: HealthCheck,
    /// Seconds within which the app has to say again and again that it is alive (`WATCHDOG=1`, sd_notify(3)).
    #[serde(default)]
    pub watchdog: Option<u32>,
    /// Seconds that one run of a scheduled app may take. To a perpetual app it means nothing.
    #[serde(default)]
    pub timeout: Option<u32>,
    /// What it may use of the machine.
    #[serde(default)]
    pub limits: Limits,
    /// The user that it runs as; the setting `app_user` when not given. Only a daemon that runs as root can change
    /// users, and only the scope `admin` can set it.
    #[serde(default)]
    pub user: Option<String>,
    /// Groups that it belongs to beside those of the user, such as `video` or `dialout`. Only the scope
    /// `admin` can set them.
    #[serde(default)]
    pub groups: Vec<String>,
}

mod defaults {
    pub(super) const fn restart_delay() -> u32 {
        5
    }
    pub(super) const fn restart_limit() -> u32 {
        3
    }
    pub(super) const fn restart_window() -> u32 {
        300
    }
    pub(super) const fn stop_grace() -> u32 {
        10
    }
    pub(super) const fn autostart() -> bool {
        true
    }
    pub(super) const fn retry() -> bool {
        true
    }
}

impl Configuration {
    /// The defaults for an entrypoint.
    #[must_use]
    pub fn new(entrypoint: Launch) -> Self {
        Self {
            entrypoint,
            arguments: Vec::new(),
            working_directory: None,
            env: BTreeMap::new(),
            restart_policy: RestartPolicy::default(),
            restart_delay: defaults::restart_delay(),
            restart_limit: defaults::restart_limit(),
            restart_window: defaults::restart_window(),
            stop_signal: StopSignal::default(),
            stop_grace: defaults::stop_grace(),
            python: None,
            web_port: None,
            autostart: defaults::autostart(),
            retry: defaults::retry(),
            health: HealthCheck::default(),
            watchdog: None,
            timeout: None,
            limits: Limits::default(),
            user: None,
            groups: Vec::new(),
        }
    }

    /// The rule that decides about restarts.
    #[must_use]
    pub fn restart_rule(&self) -> RestartRule {
        RestartRule {
            policy: self.restart_policy,
            delay: Duration::from_secs(self.restart_delay.into()),
            limit: self.restart_limit,
            window: Duration::from_secs(self.restart_window.into()),
            after_giving_up: if self.retry { AfterGivingUp::Retry } else { AfterGivingUp::Rest },
        }
    }

    /// Whether a process that was started with this configuration has to be started again before another one holds
    /// for it. How it is cared for changes under a live process.
    #[must_use]
    pub fn needs_restart(&self, other: &Self) -> bool {
        let launched = |c: &Self| {
            let launch =
                (c.entrypoint.clone(), c.arguments.clone(), c.working_directory.clone(), c.env.clone());
            (launch, c.python.clone(), c.web_port, c.user.clone(), c.groups.clone(), c.watchdog.is_some())
        };
        launched(self) != launched(other)
    }

    /// Seconds that one execution may take: a run may have such a limit, a service never has.
    #[must_use]
    pub fn run_timeout(&self, app_type: AppType) -> Option<u32> {
        match app_type {
            AppType::Scheduled => self.timeout,
            AppType::Perpetual => None,
        }
    }

    /// The names of its fields, for messages and forms.
    #[must_use]
    pub fn field_names() -> Vec<String> {
        match serde_json::to_value(Self::new(Launch::Console("x".into()))) {
            Ok(Value::Object(fields)) => fields.keys().cloned().collect(),
            _ => Vec::new(),
        }
    }

    /// This configuration with a merge patch (RFC 7396) applied, or every field that is wrong with the reason.
    pub fn patched(&self, patch: &Map<String, Value>) -> Result<Self> {
        let mut whole = self.to_map()?;
        let mut errors = Vec::new();
        for (field, value) in patch {
            let mut alone = self.to_map()?;
            merge(&mut alone, field, value);
            if let Err(error) = Self::from_map(alone) {
                errors.push(FieldError { field: field.clone(), detail: sentence(&error.to_string()) });
            }
            merge(&mut whole, field, value);
        }
        if !errors.is_empty() {
            return Err(Error::fields(errors));
        }
        let merged = Self::from_map(whole).map_err(|e| Error::field("configuration", e.to_string()))?;
        merged.check()?;
        Ok(merged)
    }

    fn to_map(&self) -> Result<Map<String, Value>> {
        match serde_json::to_value(self) {
            Ok(Value::Object(map)) => Ok(map),
            Ok(_) => Ok(Map::new()),
            Err(error) => Err(Error::internal("write the configuration as JSON", error)),
        }
    }

    fn from_map(map: Map<String, Value>) -> serde_json::Result<Self> {
        serde_json::from_value(Value::Object(map))
    }
}
