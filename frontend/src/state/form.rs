//! What the form about an app holds, and the requests that it becomes. Texts stay as they were typed until they
//! are sent: the daemon judges them, and its words stand at the field.

use std::collections::BTreeMap;

use mantyx_api_types::core::{
    AppType, CatchUp, Configuration, FieldError, Overlap, Probe, Readiness, RestartPolicy, ScheduleSpec,
    StopSignal, Timing, WebPort,
};
use mantyx_api_types::{AppPatch, AppView, ScheduleView};
use serde_json::{Map, Value, json};

use super::fields::{FIELDS, Field, SizeUnit, at, set_at};

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

/// What a health check looks at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum ProbeChoice {
    /// Nothing.
    #[default]
    None,
    /// An answer over HTTP.
    Http,
    /// A connection.
    Tcp,
    /// A command.
    Exec,
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
    /// Whether one that was given up is tried again.
    pub(crate) retry: bool,
    /// The signal that asks it to end.
    pub(crate) stop_signal: StopSignal,
    /// What its health check looks at.
    pub(crate) probe: ProbeChoice,
    /// When it counts as ready.
    pub(crate) readiness: Readiness,
    /// What the limit of its memory is counted in.
    pub(crate) memory_unit: SizeUnit,
    /// The fields that are one text each.
    texts: [String; FIELDS],
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
            retry: configuration.retry,
            stop_signal: configuration.stop_signal,
            probe: probe_choice(&configuration.health.probe),
            readiness: configuration.health.readiness,
            memory_unit: configuration.limits.memory.map(SizeUnit::of).unwrap_or_default(),
            texts: texts(configuration),
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

    /// The text of a field.
    pub(crate) fn text(&self, field: Field) -> &str {
        &self.texts[field as usize]
    }

    /// Another text for a field.
    pub(crate) fn set_text(&mut self, field: Field, text: String) {
        self.texts[field as usize] = text;
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
        set("retry", json!(self.retry), json!(before.retry));
        set("stop_signal", json!(self.stop_signal), json!(before.stop_signal));
        set("env", Value::Object(self.env_patch(&before.env)), json!({}));
        self.patch_texts(&json!(before), &mut configuration)?;
        Ok(AppPatch {
            display_name: changed(&self.display_name, &app.display_name),
            r#type: (self.app_type != app.r#type).then_some(self.app_type),
            configuration,
            ..AppPatch::default()
        })
    }

    fn patch_texts(&self, before: &Value, patch: &mut Map<String, Value>) -> Result<(), FieldError> {
        let single = |field: &Field| !field.is_of_probe() && field.is_about(self.app_type);
        for field in Field::ALL.into_iter().filter(single) {
            let now = field.value(self.text(field), self.memory_unit)?;
            if at(before, field.path()) != Some(&now) {
                set_at(patch, field.path(), now);
            }
        }
        if self.app_type == AppType::Scheduled {
            return Ok(());
        }
        let readiness = json!(self.readiness);
        if at(before, "health.readiness") != Some(&readiness) {
            set_at(patch, "health.readiness", readiness);
        }
        let now = self.probe()?;
        match at(before, "health.probe") {
            Some(then) if *then == now => {}
            then => set_at(patch, "health.probe", probe_patch(now, then)),
        }
        Ok(())
    }

    /// What the health check looks at, as a whole.
    fn probe(&self) -> Result<Value, FieldError> {
        let (kind, fields): (_, &[Field]) = match self.probe {
            ProbeChoice::None => ("none", &[]),
            ProbeChoice::Http => ("http", &[Field::ProbeUrl, Field::ProbeStatus, Field::ProbeBody]),
            ProbeChoice::Tcp => ("tcp", &[Field::ProbePort]),
            ProbeChoice::Exec => ("exec", &[Field::ProbeCommand]),
        };
        let mut probe = Map::from_iter([("kind".to_owned(), json!(kind))]);
        for field in fields {
            let value = field.value(self.text(*field), self.memory_unit)?;
            let name = field.path().rsplit('.').next().unwrap_or_default();
            // A command line and an address are texts even when they are empty: the daemon says what is missing.
            let required = matches!(field, Field::ProbeUrl | Field::ProbeCommand);
            match value {
                Value::Null if required => probe.insert(name.to_owned(), json!("")),
                Value::Null => None,
                value => probe.insert(name.to_owned(), value),
            };
        }
        Ok(Value::Object(probe))
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

/// A probe of the kind that it was before loses what it does not say any more; one of another kind begins anew.
fn probe_patch(now: Value, then: Option<&Value>) -> Value {
    let (Value::Object(mut now), Some(Value::Object(then))) = (now, then) else { return json!({}) };
    if now.get("kind") == then.get("kind") {
        for name in then.keys() {
            now.entry(name).or_insert(Value::Null);
        }
    }
    Value::Object(now)
}

const fn probe_choice(probe: &Probe) -> ProbeChoice {
    match probe {
        Probe::None => ProbeChoice::None,
        Probe::Http { .. } => ProbeChoice::Http,
        Probe::Tcp { .. } => ProbeChoice::Tcp,
        Probe::Exec { .. } => ProbeChoice::Exec,
    }
}

/// The texts of a configuration. A path is suggested to whoever chooses HTTP.
fn texts(configuration: &Configuration) -> [String; FIELDS] {
    let configuration = json!(configuration);
    let mut texts = Field::ALL.map(|field| field.read(&configuration));
    let url = &mut texts[Field::ProbeUrl as usize];
    if url.is_empty() {
        "/".clone_into(url);
    }
    texts
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
mod tests;
