//! The fields of the configuration that are one text each in the form: where each stands in the API, and how its
//! text becomes a value. A table, so that a further field is a row of it.

use mantyx_api_types::core::{AppType, FieldError};
use serde_json::{Map, Value, json};

/// A field of the form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    RestartDelay,
    RestartLimit,
    RestartWindow,
    StopGrace,
    Watchdog,
    Timeout,
    HealthInterval,
    HealthTimeout,
    StartPeriod,
    Failures,
    Successes,
    ProbeUrl,
    ProbeStatus,
    ProbeBody,
    ProbePort,
    ProbeCommand,
    Memory,
    Cpu,
    Processes,
    OpenFiles,
    Nice,
    OomScore,
    User,
    Groups,
}

/// How many there are.
pub(crate) const FIELDS: usize = 24;

/// What the text of a field says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A whole number that must be there.
    Count,
    /// One that may be absent.
    MaybeCount,
    /// One that may be absent, or the word for no limit where nothing is a limit too.
    CountOrUnlimited,
    /// One that may be absent, or below zero.
    MaybeSigned,
    /// A number of processors, or nothing.
    Cores,
    /// A size in a unit of its own, or nothing.
    Size,
    /// A text, or nothing.
    Word,
    /// Texts with commas between them.
    Words,
}

/// What a size is counted in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum SizeUnit {
    /// For a size that is neither of the others.
    Bytes,
    /// 1024 × 1024.
    #[default]
    Mebibytes,
    /// 1024 of those.
    Gibibytes,
}

impl SizeUnit {
    /// All.
    pub(crate) const ALL: [Self; 3] = [Self::Mebibytes, Self::Gibibytes, Self::Bytes];

    /// What it is called.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Bytes => "bytes",
            Self::Mebibytes => "MiB",
            Self::Gibibytes => "GiB",
        }
    }

    /// How many bytes it has.
    pub(crate) const fn bytes(self) -> u64 {
        match self {
            Self::Bytes => 1,
            Self::Mebibytes => 1 << 20,
            Self::Gibibytes => 1 << 30,
        }
    }

    /// The largest one that a size has a whole number of.
    pub(crate) fn of(bytes: u64) -> Self {
        let fits = |unit: &Self| bytes.is_multiple_of(unit.bytes());
        [Self::Gibibytes, Self::Mebibytes].into_iter().find(fits).unwrap_or(Self::Bytes)
    }
}

impl Field {
    /// All, in the order of the table.
    pub(crate) const ALL: [Self; FIELDS] = [
        Self::RestartDelay,
        Self::RestartLimit,
        Self::RestartWindow,
        Self::StopGrace,
        Self::Watchdog,
        Self::Timeout,
        Self::HealthInterval,
        Self::HealthTimeout,
        Self::StartPeriod,
        Self::Failures,
        Self::Successes,
        Self::ProbeUrl,
        Self::ProbeStatus,
        Self::ProbeBody,
        Self::ProbePort,
        Self::ProbeCommand,
        Self::Memory,
        Self::Cpu,
        Self::Processes,
        Self::OpenFiles,
        Self::Nice,
        Self::OomScore,
        Self::User,
        Self::Groups,
    ];

    /// Where it stands in the configuration, which is also how the daemon names it.
    pub(crate) const fn path(self) -> &'static str {
        match self {
            Self::RestartDelay => "restart_delay",
            Self::RestartLimit => "restart_limit",
            Self::RestartWindow => "restart_window",
            Self::StopGrace => "stop_grace",
            Self::Watchdog => "watchdog",
            Self::Timeout => "timeout",
            Self::HealthInterval => "health.interval",
            Self::HealthTimeout => "health.timeout",
            Self::StartPeriod => "health.start_period",
            Self::Failures => "health.failures",
            Self::Successes => "health.successes",
            Self::ProbeUrl => "health.probe.url",
            Self::ProbeStatus => "health.probe.status",
            Self::ProbeBody => "health.probe.body",
            Self::ProbePort => "health.probe.port",
            Self::ProbeCommand => "health.probe.command",
            Self::Memory => "limits.memory",
            Self::Cpu => "limits.cpu",
            Self::Processes => "limits.processes",
            Self::OpenFiles => "limits.open_files",
            Self::Nice => "limits.nice",
            Self::OomScore => "limits.oom_score",
            Self::User => "user",
            Self::Groups => "groups",
        }
    }

    const fn kind(self) -> Kind {
        match self {
            Self::RestartDelay | Self::RestartLimit | Self::RestartWindow | Self::StopGrace => Kind::Count,
            Self::HealthInterval | Self::HealthTimeout | Self::StartPeriod => Kind::Count,
            Self::Failures | Self::Successes => Kind::Count,
            Self::Watchdog | Self::Timeout | Self::ProbeStatus | Self::ProbePort => Kind::MaybeCount,
            Self::Processes => Kind::CountOrUnlimited,
            Self::OpenFiles => Kind::MaybeCount,
            Self::Nice | Self::OomScore => Kind::MaybeSigned,
            Self::Cpu => Kind::Cores,
            Self::Memory => Kind::Size,
            Self::ProbeUrl | Self::ProbeBody | Self::ProbeCommand | Self::User => Kind::Word,
            Self::Groups => Kind::Words,
        }
    }

    /// Whether it is a part of what a health check looks at, which is sent as a whole.
    pub(crate) fn is_of_probe(self) -> bool {
        self.path().starts_with("health.probe.")
    }

    /// Whether it is a limit that an app may be without.
    const fn is_limit(self) -> bool {
        matches!(self, Self::Memory | Self::Cpu | Self::Processes | Self::OpenFiles)
    }

    /// Whether it says anything about an app of that type.
    pub(crate) fn is_about(self, app_type: AppType) -> bool {
        let service = self.path().starts_with("restart_") || self.path().starts_with("health.");
        match app_type {
            AppType::Perpetual => self != Self::Timeout,
            AppType::Scheduled => !service && self != Self::Watchdog,
        }
    }

    /// Its text for what a configuration has there.
    pub(crate) fn read(self, configuration: &Value) -> String {
        match at(configuration, self.path()) {
            Some(Value::Number(number)) if self == Self::Memory => {
                let bytes = number.as_u64().unwrap_or_default();
                (bytes / SizeUnit::of(bytes).bytes()).to_string()
            }
            Some(Value::Number(number)) => {
                let text = number.to_string();
                text.strip_suffix(".0").map_or_else(|| text.clone(), ToOwned::to_owned)
            }
            Some(Value::String(text)) => text.clone(),
            Some(Value::Array(items)) => {
                items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
            }
            _ => String::new(),
        }
    }

    /// The value of a text, or what is wrong with it before it can be sent at all.
    pub(crate) fn value(self, text: &str, unit: SizeUnit) -> Result<Value, FieldError> {
        let (text, kind) = (text.trim(), self.kind());
        let (value, wanted) = match kind {
            Kind::Words => return Ok(words(text)),
            Kind::Count => (whole(text), "Give a whole number"),
            _ if text.is_empty() => (Some(Value::Null), ""),
            Kind::CountOrUnlimited if is_unlimited(text) => (Some(json!(UNLIMITED)), ""),
            // No limit is what nothing means there.
            _ if self.is_limit() && is_unlimited(text) => (Some(Value::Null), ""),
            Kind::Word => (Some(json!(text)), ""),
            Kind::MaybeCount => (whole(text), "Give a whole number, or nothing"),
            Kind::CountOrUnlimited => (whole(text), "Give a whole number, `unlimited`, or nothing"),
            Kind::MaybeSigned => {
                (text.parse::<i32>().ok().map(Value::from), "Give a whole number, or nothing")
            }
            Kind::Cores => (cores(text), "Give a number such as 0.5 or 2, or nothing"),
            Kind::Size => (size(text, unit), "Give a number such as 512 or 1.5, or nothing"),
        };
        let wrong = || FieldError { field: self.path().to_owned(), detail: wanted.to_owned() };
        value.ok_or_else(wrong)
    }
}

/// What the API calls no limit.
const UNLIMITED: &str = "unlimited";

fn is_unlimited(text: &str) -> bool {
    text.eq_ignore_ascii_case(UNLIMITED)
}

fn whole(text: &str) -> Option<Value> {
    text.parse::<u32>().ok().map(Value::from)
}

fn cores(text: &str) -> Option<Value> {
    let thousandths = u32::try_from(thousandths(text)?).ok()?;
    Some(json!(f64::from(thousandths) / 1000.0))
}

fn size(text: &str, unit: SizeUnit) -> Option<Value> {
    thousandths(text)?.checked_mul(unit.bytes()).map(|bytes| json!(bytes / 1000))
}

fn words(text: &str) -> Value {
    let words = text.split([',', ' ']).filter(|word| !word.is_empty());
    words.map(Value::from).collect()
}

/// A number with at most three digits behind the point, in thousandths. Reading an `f64` would do more than is
/// wanted and be a part of the page that can be weighed.
fn thousandths(text: &str) -> Option<u64> {
    let (whole, part) = text.split_once(['.', ',']).unwrap_or((text, "0"));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if part.is_empty() || part.len() > 3 || !digits(part) || !digits(whole) {
        return None;
    }
    let whole: u64 = whole.parse().ok()?;
    let part: u64 = format!("{part:0<3}").parse().ok()?;
    whole.checked_mul(1000)?.checked_add(part)
}

/// What stands at a path such as `limits.memory`.
pub(crate) fn at<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(value, |value, name| value.get(name))
}

/// Puts a value at a path of a merge patch.
pub(crate) fn set_at(whole: &mut Map<String, Value>, path: &str, value: Value) {
    match path.split_once('.') {
        None => {
            whole.insert(path.to_owned(), value);
        }
        Some((name, rest)) => {
            let inner = whole.entry(name).or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(inner) = inner {
                set_at(inner, rest, value);
            }
        }
    }
}

/// What is said about exactly this path.
pub(crate) fn error_at(errors: &[FieldError], path: &str) -> Option<String> {
    let about =
        |error: &&FieldError| error.field.strip_prefix("configuration.").unwrap_or(&error.field) == path;
    errors.iter().find(about).map(|error| error.detail.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_has_its_place() {
        for (place, field) in Field::ALL.into_iter().enumerate() {
            assert_eq!(field as usize, place, "{}", field.path());
        }
    }

    #[test]
    fn texts_become_values() {
        let mib = SizeUnit::Mebibytes;
        let value = |field: Field, text: &str| field.value(text, mib).map_err(|error| error.field);
        assert_eq!(value(Field::RestartDelay, " 5 "), Ok(json!(5)));
        assert_eq!(value(Field::RestartDelay, ""), Err("restart_delay".into()));
        assert_eq!(value(Field::Timeout, ""), Ok(Value::Null));
        assert_eq!(value(Field::Nice, "-5"), Ok(json!(-5)));
        assert_eq!(value(Field::Processes, "-5"), Err("limits.processes".into()));
        assert_eq!(value(Field::Processes, " Unlimited "), Ok(json!("unlimited")));
        for field in [Field::Memory, Field::Cpu, Field::OpenFiles] {
            assert_eq!(value(field, "unlimited"), Ok(Value::Null), "{}", field.path());
        }
        assert_eq!(value(Field::Nice, "unlimited"), Err("limits.nice".into()));
        assert_eq!(value(Field::Timeout, "unlimited"), Err("timeout".into()));
        assert_eq!(value(Field::Cpu, "0.5"), Ok(json!(0.5)));
        assert_eq!(value(Field::Cpu, "2"), Ok(json!(2.0)));
        assert_eq!(value(Field::Memory, "1.5"), Ok(json!(1_572_864)));
        assert_eq!(value(Field::Memory, "much"), Err("limits.memory".into()));
        assert_eq!(value(Field::Groups, "video, dialout"), Ok(json!(["video", "dialout"])));
        assert_eq!(value(Field::Groups, ""), Ok(json!([])));
        assert_eq!(value(Field::User, ""), Ok(Value::Null));
    }

    #[test]
    fn values_become_texts() {
        let configuration = json!({"limits": {"memory": 512u64 << 20, "cpu": 2.0, "nice": -3, "processes": null},
            "groups": ["video", "dialout"], "health": {"probe": {"kind": "http", "url": "/health"}}});
        let fields =
            [Field::Memory, Field::Cpu, Field::Nice, Field::Processes, Field::Groups, Field::ProbeUrl];
        assert_eq!(
            fields.map(|field| field.read(&configuration)),
            ["512", "2", "-3", "", "video, dialout", "/health"]
        );
        assert_eq!(
            [1u64 << 30, 3 << 20, 1000].map(SizeUnit::of),
            [SizeUnit::Gibibytes, SizeUnit::Mebibytes, SizeUnit::Bytes]
        );
    }

    #[test]
    fn no_limit_of_processes_is_read_as_it_is_sent() {
        let configuration = json!({"limits": {"processes": "unlimited"}});
        let text = Field::Processes.read(&configuration);
        let sent = Field::Processes.value(&text, SizeUnit::default());
        assert_eq!(sent.ok().as_ref(), at(&configuration, "limits.processes"));
    }

    #[test]
    fn numbers_have_at_most_three_digits_behind_the_point() {
        let read = ["0.5", "2", "1.25", "0,125", "1.", "1.2345", "-1", ".5", ""].map(thousandths);
        let wanted = [Some(500), Some(2000), Some(1250), Some(125), None, None, None, None, None];
        assert_eq!(read, wanted);
    }

    #[test]
    fn errors_stand_at_their_own_field() {
        let error = |field: &str| FieldError { field: field.into(), detail: field.into() };
        let errors = [error("health.timeout"), error("configuration.limits.memory")];
        assert_eq!(error_at(&errors, "timeout"), None);
        assert_eq!(error_at(&errors, "health.timeout").as_deref(), Some("health.timeout"));
        assert!(error_at(&errors, "limits.memory").is_some());
    }
}
