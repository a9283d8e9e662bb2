//! What the form about an app holds, and the requests that it becomes. Texts stay as they were typed until they
//! are sent: the daemon judges them, and its words stand at the field.

use std::collections::BTreeMap;

use mantyx_api_types::core::{
    AppType, CatchUp, Configuration, FieldError, Overlap, RestartPolicy, ScheduleSpec, Timing, WebPort,
};
use mantyx_api_types::{AppPatch, AppView, ScheduleView};
use serde_json::{Map, Value, json};

/// Whether an app has a web page of its own, and where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum PortChoice {
    /// It has none.
    #[default]
    None,
    /// Mantyx chooses its port.
    Auto,
    /// A person chooses.
    Fixed,
}

/// How a schedule is said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum TimingChoice {
    /// As a cron line.
    #[default]
    Cron,
    /// As a distance.
    Interval,
}

/// What an interval is counted in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Seconds.
    Seconds,
    /// Minutes.
    #[default]
    Minutes,
    /// Hours.
    Hours,
}

impl Unit {
    /// How many seconds it has.
    pub(crate) const fn seconds(self) -> u64 {
        match self {
            Self::Seconds => 1,
            Self::Minutes => 60,
            Self::Hours => 3600,
        }
    }
}

/// A row of the editor for environment variables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Variable {
    /// Tells rows apart while they are edited.
    pub(crate) key: u32,
    /// The name.
    pub(crate) name: String,
    /// The value.
    pub(crate) value: String,
}

/// Everything that the form holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Form {
    /// The name in addresses.
    pub(crate) name: String,
    /// The name for people.
    pub(crate) display_name: String,
    /// Scheduled or perpetual.
    pub(crate) app_type: AppType,
    /// The text form of a launch.
    pub(crate) entrypoint: String,
    /// Which exits lead to another start.
    pub(crate) restart_policy: RestartPolicy,
    /// Whether it starts with the machine.
    pub(crate) autostart: bool,
    /// Whether it has a web page.
    pub(crate) port: PortChoice,
    /// The port that a person chose.
    pub(crate) port_number: String,
    /// Its environment variables.
    pub(crate) variables: Vec<Variable>,
    /// How the schedule is said.
    pub(crate) timing: TimingChoice,
    /// The cron line.
    pub(crate) cron: String,
    /// How many units an interval has.
    pub(crate) every: String,
    /// The unit.
    pub(crate) unit: Unit,
    /// The IANA time zone of the schedule.
    pub(crate) timezone: String,
    /// What a schedule says beside its timing, kept as it is.
    rules: (CatchUp, Overlap),
}

impl Form {
    /// The form of an app as it is.
    pub(crate) fn read(
        app: &AppView,
        configuration: &Configuration,
        schedule: Option<&ScheduleView>,
        timezone: &str,
    ) -> Self {
        let (port, port_number) = match configuration.web_port {
            None => (PortChoice::None, String::new()),
            Some(WebPort::Auto(_)) => (PortChoice::Auto, String::new()),
            Some(WebPort::Fixed(port)) => (PortChoice::Fixed, port.to_string()),
        };
        let mut form = Self {
            name: app.name.to_string(),
            display_name: app.display_name.clone(),
            app_type: app.r#type,
            entrypoint: configuration.entrypoint.to_string(),
            restart_policy: configuration.restart_policy,
            autostart: configuration.autostart,
            port,
            port_number,
            variables: variables(&configuration.env),
            timing: TimingChoice::Cron,
            cron: "0 6 * * *".to_owned(),
            every: "15".to_owned(),
            unit: Unit::Minutes,
            timezone: timezone.to_owned(),
            rules: (CatchUp::default(), Overlap::default()),
        };
        if let Some(schedule) = schedule {
            form.read_schedule(&schedule.spec);
        }
        form
    }

    fn read_schedule(&mut self, spec: &ScheduleSpec) {
        self.timezone.clone_from(&spec.timezone);
        self.rules = (spec.catch_up, spec.overlap);
        match &spec.timing {
            Timing::Cron { expression } => {
                self.timing = TimingChoice::Cron;
                self.cron.clone_from(expression);
            }
            Timing::Interval { seconds, .. } => {
                let unit = [Unit::Hours, Unit::Minutes, Unit::Seconds]
                    .into_iter()
                    .find(|unit| seconds.is_multiple_of(unit.seconds()))
                    .unwrap_or(Unit::Seconds);
                self.timing = TimingChoice::Interval;
                self.unit = unit;
                self.every = (seconds / unit.seconds()).to_string();
            }
        }
    }

    /// A row for another variable.
    pub(crate) fn add_variable(&mut self) {
        let key = self.variables.iter().map(|variable| variable.key + 1).max().unwrap_or(0);
        self.variables.push(Variable { key, ..Variable::default() });
    }

    /// The schedule that it says, or what is wrong with a field before it can be sent at all.
    pub(crate) fn schedule(&self) -> Result<ScheduleSpec, FieldError> {
        let timing = match self.timing {
            TimingChoice::Cron => Timing::Cron { expression: self.cron.trim().to_owned() },
            TimingChoice::Interval => Timing::Interval { seconds: self.seconds()?, anchor: None },
        };
        let (catch_up, overlap) = self.rules;
        Ok(ScheduleSpec { timing, timezone: self.timezone.trim().to_owned(), catch_up, overlap })
    }

    fn seconds(&self) -> Result<u64, FieldError> {
        let wrong = || error("seconds", "An interval is a whole number, at least 1");
        let every: u64 = self.every.trim().parse().map_err(|_| wrong())?;
        every.checked_mul(self.unit.seconds()).filter(|seconds| *seconds > 0).ok_or_else(wrong)
    }

    /// What differs from an app as it is, or what is wrong before it can be sent at all.
    pub(crate) fn patch(&self, app: &AppView, before: &Configuration) -> Result<AppPatch, FieldError> {
        let changed = |now: &str, then: &str| (now.trim() != then).then(|| now.trim().to_owned());
        let mut configuration = Map::new();
        let mut set = |field: &str, now: Value, then: Value| {
            if now != then {
                configuration.insert(field.to_owned(), now);
            }
        };
        set("entrypoint", json!(self.entrypoint.trim()), json!(before.entrypoint));
        set("restart_policy", json!(self.restart_policy), json!(before.restart_policy));
        set("autostart", json!(self.autostart), json!(before.autostart));
        set("web_port", self.port()?, json!(before.web_port));
        set("env", Value::Object(self.env_patch(&before.env)), json!({}));
        Ok(AppPatch {
            display_name: changed(&self.display_name, &app.display_name),
            r#type: (self.app_type != app.r#type).then_some(self.app_type),
            configuration,
            ..AppPatch::default()
        })
    }

    fn port(&self) -> Result<Value, FieldError> {
        match self.port {
            PortChoice::None => Ok(Value::Null),
            PortChoice::Auto => Ok(json!("auto")),
            PortChoice::Fixed => match self.port_number.trim().parse::<u16>() {
                Ok(port) if port > 0 => Ok(json!(port)),
                _ => Err(error("web_port", "A port is a whole number from 1 to 65535")),
            },
        }
    }

    /// A merge patch: new and changed ones with their value, removed ones with null. Rows without a name are left out.
    fn env_patch(&self, before: &BTreeMap<String, String>) -> Map<String, Value> {
        let now: BTreeMap<&str, &str> = self
            .variables
            .iter()
            .map(|variable| (variable.name.trim(), variable.value.as_str()))
            .filter(|(name, _)| !name.is_empty())
            .collect();
        let removed = before.keys().filter(|name| !now.contains_key(name.as_str()));
        let changed = now.iter().filter(|(name, value)| before.get(**name).is_none_or(|old| old != **value));
        removed
            .map(|name| (name.clone(), Value::Null))
            .chain(changed.map(|(name, value)| ((*name).to_owned(), json!(value))))
            .collect()
    }
}

fn variables(env: &BTreeMap<String, String>) -> Vec<Variable> {
    (0..)
        .zip(env)
        .map(|(key, (name, value))| Variable { key, name: name.clone(), value: value.clone() })
        .collect()
}

fn error(field: &str, detail: &str) -> FieldError {
    FieldError { field: field.to_owned(), detail: detail.to_owned() }
}

/// What is said about a field: by its own name or by that of a part of it, such as `spec.timing.expression`.
pub(crate) fn errors_at(errors: &[FieldError], names: &[&str]) -> Option<String> {
    let about = |error: &&FieldError| error.field.split('.').any(|part| names.contains(&part));
    let details: Vec<&str> = errors.iter().filter(about).map(|error| error.detail.as_str()).collect();
    (!details.is_empty()).then(|| details.join(". "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use mantyx_api_types::core::{AppState, Launch};

    fn app() -> AppView {
        serde_json::from_value(json!({
            "id": "0190a6c0-0000-7000-8000-000000000001", "name": "wiki", "display_name": "", "description": "",
            "tags": [], "type": "perpetual", "state": AppState::Uploaded, "reason": null, "legal_events": [],
            "operation": null, "pid": null, "execution": null, "started_at": null, "restarts_at": null,
            "restarts": 0, "release": 1, "origin": {"kind": "archive", "file": "wiki.zip"},
            "last_execution": null, "next_run": null, "web_port": null, "web_url": null,
            "created_at": "2026-11-20T05:00:00Z", "updated_at": "2026-11-20T05:00:00Z"
        }))
        .unwrap()
    }

    fn configuration() -> Configuration {
        let mut configuration = Configuration::new(Launch::parse("main.py").unwrap());
        configuration.env = BTreeMap::from([("A".into(), "1".into()), ("B".into(), "2".into())]);
        configuration
    }

    fn form() -> Form {
        Form::read(&app(), &configuration(), None, "Europe/Berlin")
    }

    #[test]
    fn what_was_not_touched_is_not_sent() {
        assert_eq!(form().patch(&app(), &configuration()).unwrap(), AppPatch::default());
    }

    #[test]
    fn what_was_touched_is_sent_and_accepted() {
        let mut form = form();
        form.entrypoint = " -m wiki ".into();
        form.port = PortChoice::Auto;
        form.variables[0].value = "9".into();
        form.variables.remove(1);
        form.add_variable();
        form.variables[1].name = "C".into();
        let patch = form.patch(&app(), &configuration()).unwrap();
        assert_eq!(
            Value::Object(patch.configuration.clone()),
            json!({"entrypoint": "-m wiki", "web_port": "auto", "env": {"A": "9", "B": null, "C": ""}})
        );
        let after = configuration().patched(&patch.configuration).unwrap();
        assert_eq!(after.env, BTreeMap::from([("A".into(), "9".into()), ("C".into(), String::new())]));
        assert_eq!(Form::read(&app(), &after, None, "Europe/Berlin").entrypoint, "-m wiki");
    }

    #[test]
    fn a_port_that_is_none_stays_at_its_field() {
        let mut form = form();
        form.port = PortChoice::Fixed;
        for text in ["", "0", "65536", "x"] {
            form.port_number = text.into();
            assert_eq!(form.patch(&app(), &configuration()).unwrap_err().field, "web_port", "{text}");
        }
    }

    #[test]
    fn an_interval_is_read_in_its_largest_unit() {
        for (seconds, every, unit) in
            [(7200, "2", Unit::Hours), (900, "15", Unit::Minutes), (90, "90", Unit::Seconds)]
        {
            let timing = Timing::Interval { seconds, anchor: None };
            let spec = ScheduleSpec {
                timing,
                timezone: "UTC".into(),
                catch_up: CatchUp::One,
                overlap: Overlap::Skip,
            };
            let mut form = form();
            form.read_schedule(&spec);
            assert_eq!((form.every.as_str(), form.unit), (every, unit));
            assert_eq!(form.schedule().unwrap(), spec);
        }
    }

    #[test]
    fn an_error_finds_its_field() {
        let errors = [error("configuration.env", "No"), error("spec.timing.expression", "Too far")];
        assert_eq!(errors_at(&errors, &["env"]).as_deref(), Some("No"));
        assert_eq!(errors_at(&errors, &["expression", "schedule"]).as_deref(), Some("Too far"));
        assert_eq!(errors_at(&errors, &["name"]), None);
    }
}
