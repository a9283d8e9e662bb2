//! Everything about an app that a person sets, and how a change to it is merged and checked.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::{Error, FieldError, Result};
use crate::health::HealthCheck;
use crate::launch::Launch;
use crate::limits::{Limits, is_account_name};
use crate::path::RelativePath;
use crate::restart::{AfterGivingUp, RestartPolicy, RestartRule};

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
    /// Seconds before the second restart in a window; doubles from there up to 300.
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
    /// Seconds that one run of a scheduled app may take.
    #[serde(default)]
    pub timeout: Option<u32>,
    /// What it may use of the machine.
    #[serde(default)]
    pub limits: Limits,
    /// The user that it runs as; the setting `app_user` when not given. Only a daemon that runs as root can change
    /// users.
    #[serde(default)]
    pub user: Option<String>,
    /// Groups that it belongs to beside those of the user, such as `video` or `dialout`.
    #[serde(default)]
    pub groups: Vec<String>,
}

/// The port of an app's own web page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(untagged)]
pub enum WebPort {
    /// This one.
    Fixed(u16),
    /// `"auto"`: one of the pool, kept from then on.
    Auto(Auto),
}

/// The word `auto`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Auto {
    /// Mantyx chooses.
    Auto,
}

impl WebPort {
    /// Mantyx chooses.
    pub const AUTO: Self = Self::Auto(Auto::Auto);
}

/// The signals that can ask an app to end (signal(7)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "UPPERCASE")]
pub enum StopSignal {
    /// SIGTERM, what service managers send.
    #[default]
    Term,
    /// SIGINT, as Ctrl-C.
    Int,
    /// SIGQUIT.
    Quit,
    /// SIGHUP.
    Hup,
    /// SIGUSR1.
    Usr1,
    /// SIGUSR2.
    Usr2,
}

impl StopSignal {
    /// The number on Linux (signal(7), the common architectures).
    #[must_use]
    pub const fn number(self) -> i32 {
        match self {
            Self::Hup => 1,
            Self::Int => 2,
            Self::Quit => 3,
            Self::Usr1 => 10,
            Self::Usr2 => 12,
            Self::Term => 15,
        }
    }
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

    /// What types alone cannot say.
    pub fn check(&self) -> Result<()> {
        let mut errors = self.health.check(self.web_port.is_some());
        errors.extend(self.limits.check());
        errors.extend(self.env.keys().filter_map(|name| refusal_of_variable(name)));
        let mut wrong = |field: &str, detail: String| {
            errors.push(FieldError { field: field.into(), detail });
        };
        for (field, mut texts) in [
            ("env", self.env.values().collect::<Vec<_>>().into_iter()),
            ("arguments", self.arguments.iter().collect::<Vec<_>>().into_iter()),
        ] {
            if texts.any(|text| text.contains('\0')) {
                wrong(field, "A value cannot have a NUL character".into());
            }
        }
        if self.restart_window == 0 {
            wrong("restart_window", "A window has at least one second".into());
        }
        if self.stop_grace > 3600 {
            wrong("stop_grace", "An app gets at most an hour to end".into());
        }
        if self.watchdog == Some(0) {
            wrong("watchdog", "An app needs at least a second to say that it is alive".into());
        }
        if self.timeout == Some(0) {
            wrong("timeout", "A run needs at least a second".into());
        }
        let accounts = self.user.iter().map(|name| ("user", name));
        for (field, name) in accounts.chain(self.groups.iter().map(|name| ("groups", name))) {
            if !is_account_name(name) {
                wrong(field, format!("`{name}` cannot be the name of an account"));
            }
        }
        if let Some(WebPort::Fixed(port)) = self.web_port
            && port < 1024
        {
            wrong("web_port", "A port goes from 1024 to 65535; say `auto` and Mantyx chooses one".into());
        }
        if errors.is_empty() { Ok(()) } else { Err(Error::fields(errors)) }
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

/// Variables that a person cannot set, because apps rely on what Mantyx says there.
const RESERVED: [&str; 9] = [
    "APP_NAME",
    "APP_DATA_DIR",
    "APP_RELEASE",
    "PORT",
    "VIRTUAL_ENV",
    "HOME",
    "NOTIFY_SOCKET",
    "WATCHDOG_USEC",
    "WATCHDOG_PID",
];

fn refusal_of_variable(name: &str) -> Option<FieldError> {
    let detail = if !is_variable(name) {
        format!("`{name}` is not a name for a variable: letters, digits and `_`, no digit first")
    } else if RESERVED.contains(&name) || name.starts_with("MANTYX_") {
        format!("`{name}` is set by Mantyx itself")
    } else {
        return None;
    };
    Some(FieldError { field: "env".to_owned(), detail })
}

fn is_variable(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// One key of a merge patch: null removes, objects merge, everything else replaces. What is of another kind replaces
/// as well: the fields of a `tcp` probe mean nothing to an `http` one.
fn merge(target: &mut Map<String, Value>, key: &str, patch: &Value) {
    match (target.get_mut(key), patch) {
        (_, Value::Null) => {
            target.remove(key);
        }
        (Some(Value::Object(old)), Value::Object(new)) if !is_of_another_kind(old, new) => {
            for (inner, value) in new {
                merge(old, inner, value);
            }
        }
        (_, value) => {
            target.insert(key.to_owned(), value.clone());
        }
    }
}

fn is_of_another_kind(old: &Map<String, Value>, new: &Map<String, Value>) -> bool {
    new.get("kind").is_some_and(|kind| old.get("kind").is_some_and(|before| before != kind))
}

/// Serde's messages start in lower case and sometimes end with a position that means nothing here.
fn sentence(message: &str) -> String {
    let message = message.split(" at line ").next().unwrap_or(message);
    let mut chars = message.chars();
    match chars.next() {
        Some(first) => first.to_uppercase().chain(chars).collect(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::Probe;
    use serde_json::json;

    fn base() -> Configuration {
        Configuration::new(Launch::parse("main.py").unwrap())
    }

    fn patch(value: Value) -> Result<Configuration> {
        let Value::Object(patch) = value else { unreachable!() };
        base().patched(&patch)
    }

    #[test]
    fn merges_like_rfc_7396() {
        let one = patch(json!({"env": {"A": "1", "B": "2"}, "restart_limit": 7})).unwrap();
        let two =
            one.patched(json!({"env": {"A": null}, "restart_limit": null}).as_object().unwrap()).unwrap();
        assert_eq!(two.env, BTreeMap::from([("B".into(), "2".into())]));
        assert_eq!(two.restart_limit, 3);
    }

    #[test]
    fn says_every_wrong_field() {
        let error = patch(json!({"restart_limit": -1, "entrypoint": "", "colour": "red"})).unwrap_err();
        let mut fields: Vec<&str> = error.field_errors().iter().map(|e| e.field.as_str()).collect();
        fields.sort_unstable();
        assert_eq!(fields, ["colour", "entrypoint", "restart_limit"]);
    }

    #[test]
    fn variables_of_mantyx_stay_its_own() {
        for name in ["PORT", "MANTYX_URL", "1A", "A-B", ""] {
            assert!(patch(json!({"env": {name: "x"}})).is_err(), "{name}");
        }
    }

    #[test]
    fn a_probe_of_another_kind_forgets_the_fields_of_the_old_one() {
        let web =
            json!({"web_port": 8080, "health": {"interval": 5, "probe": {"kind": "http", "body": "ok"}}});
        let http = patch(web).unwrap();
        let kept = http.patched(json!({"health": {"probe": {"status": 204}}}).as_object().unwrap()).unwrap();
        assert_eq!(
            kept.health.probe,
            Probe::Http { url: "/".into(), status: Some(204), body: Some("ok".into()) }
        );
        let tcp = kept.patched(json!({"health": {"probe": {"kind": "tcp"}}}).as_object().unwrap()).unwrap();
        assert_eq!((tcp.health.probe, tcp.health.interval), (Probe::Tcp { port: None }, 5));
    }

    #[test]
    fn an_account_is_named_like_one() {
        assert!(patch(json!({"user": "www-data", "groups": ["video", "dialout"]})).is_ok());
        for name in ["", "a b", "-x", "../x"] {
            assert!(patch(json!({"user": name})).is_err(), "{name}");
        }
    }

    #[test]
    fn what_was_stored_before_limits_were_known_is_still_read() {
        let old = json!({"entrypoint": "main.py", "restart_policy": "always"});
        let configuration: Configuration = serde_json::from_value(old).unwrap();
        assert_eq!((configuration.limits, configuration.retry), (Limits::default(), true));
    }

    #[test]
    fn a_port_is_a_number_or_auto() {
        assert_eq!(patch(json!({"web_port": "auto"})).unwrap().web_port, Some(WebPort::AUTO));
        assert_eq!(patch(json!({"web_port": 8080})).unwrap().web_port, Some(WebPort::Fixed(8080)));
        assert!(patch(json!({"web_port": 80})).is_err());
        assert!(patch(json!({"web_port": 0})).is_err());
        assert!(patch(json!({"web_port": "any"})).is_err());
    }
}
