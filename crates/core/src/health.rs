//! Whether an app is well: what is looked at, and what follows from what was seen. A pure decision.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::FieldError;

/// How an app is, beside the state that it is in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// Nothing looks at it, or nothing runs.
    #[default]
    Unknown,
    /// It has begun and was not yet seen to be ready.
    Starting,
    /// It does what is expected.
    Healthy,
    /// It failed its check as often as it may.
    Unhealthy,
}

impl Health {
    /// The name in the database and the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Starting => "starting",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
        }
    }
}

/// How an app is looked at, and how often.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct HealthCheck {
    /// What is looked at.
    pub probe: Probe,
    /// When the app counts as ready.
    pub readiness: Readiness,
    /// Seconds between two looks.
    pub interval: u32,
    /// Seconds that one look may take.
    pub timeout: u32,
    /// Seconds after the start in which a failure does not count, and within which the app is to be ready.
    pub start_period: u32,
    /// Failures in a row after which the app is unhealthy.
    pub failures: u32,
    /// Successes in a row after which it is healthy again.
    pub successes: u32,
}

/// What is looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Probe {
    /// Nothing: an app that is alive is well.
    #[default]
    None,
    /// A GET request is answered as expected.
    Http {
        /// A whole address (`http://…`, `https://…`), or a path on the app's own web port.
        #[serde(default = "root_path")]
        url: String,
        /// The status that is expected; any from 200 to 399 when not given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        status: Option<u16>,
        /// A text that the answer must contain.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        body: Option<String>,
    },
    /// A connection can be made.
    Tcp {
        /// The port on this machine; the app's own web port when not given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        port: Option<u16>,
    },
    /// A command line, run in the app's environment and folder, ends with 0.
    Exec {
        /// The command line.
        command: String,
    },
}

/// When an app that has begun counts as ready.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Readiness {
    /// When its probe succeeds; without a probe, when its web port answers or it says so itself.
    #[default]
    Observed,
    /// When it says `READY=1` by `sd_notify(3)`, and not before.
    Notified,
}

fn root_path() -> String {
    "/".to_owned()
}

impl Default for HealthCheck {
    fn default() -> Self {
        Self {
            probe: Probe::None,
            readiness: Readiness::Observed,
            interval: 30,
            timeout: 10,
            start_period: 60,
            failures: 3,
            successes: 1,
        }
    }
}

impl HealthCheck {
    /// What types alone cannot say. `has_web_port` tells whether the app has a port of its own.
    pub(crate) fn check(&self, has_web_port: bool) -> Vec<FieldError> {
        let mut errors = Vec::new();
        let mut wrong = |field: &str, detail: &str| {
            errors.push(FieldError { field: format!("health.{field}"), detail: detail.to_owned() });
        };
        let counts = [("failures", self.failures), ("successes", self.successes), ("timeout", self.timeout)];
        for (field, count) in counts.into_iter().chain([("interval", self.interval)]) {
            if count == 0 || count > 86_400 {
                wrong(field, "It goes from 1 to 86400");
            }
        }
        if self.start_period > 86_400 {
            wrong("start_period", "An app gets at most a day to become ready");
        }
        match &self.probe {
            Probe::Http { url, .. } if !url.starts_with('/') && !is_web_address(url) => {
                wrong(
                    "probe.url",
                    "Give a path such as `/health`, or an address with `http://` or `https://`",
                );
            }
            Probe::Http { url, .. } if has_credentials(url) => {
                wrong(
                    "probe.url",
                    "Leave user and password out: everybody who may read Mantyx can read them",
                );
            }
            Probe::Http { url, .. } if url.starts_with('/') && !has_web_port => {
                wrong("probe.url", "A path needs a web port: give the app one, or give a whole address");
            }
            Probe::Tcp { port: None } if !has_web_port => {
                wrong("probe.port", "Give a port, or give the app a web port");
            }
            Probe::Http { status: Some(status), .. } if !(100..600).contains(status) => {
                wrong("probe.status", "A status goes from 100 to 599");
            }
            Probe::Exec { command } if command.trim().is_empty() || command.contains('\0') => {
                wrong("probe.command", "Give a command line");
            }
            _ => {}
        }
        errors
    }

    /// The time between two looks at an app that is ready.
    #[must_use]
    pub fn interval(&self) -> Duration {
        Duration::from_secs(self.interval.into())
    }

    /// The time that one look may take.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout.into())
    }

    /// The time after the start within which an app is to be ready.
    #[must_use]
    pub fn start_period(&self) -> Duration {
        Duration::from_secs(self.start_period.into())
    }
}

fn is_web_address(url: &str) -> bool {
    ["http://", "https://"].iter().any(|scheme| url.strip_prefix(scheme).is_some_and(|rest| !rest.is_empty()))
}

/// Whether an address names a user, as in `http://user:password@host/` (RFC 3986, section 3.2.1).
fn has_credentials(url: &str) -> bool {
    let Some((_, rest)) = url.split_once("://") else { return false };
    rest.split(['/', '\\', '?', '#']).next().is_some_and(|authority| authority.contains('@'))
}

/// What was seen of an app at one look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Observation {
    /// The probe succeeded, or the app said that it is ready.
    Well,
    /// The probe failed: why, as a sentence.
    Ill(String),
}

/// How an app has done so far in this execution.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HealthRecord {
    health: Health,
    detail: Option<String>,
    failures: u32,
    successes: u32,
}

impl HealthRecord {
    /// An app that has just begun. One that nothing looks at is neither well nor ill.
    #[must_use]
    pub fn begun(is_looked_at: IsLookedAt) -> Self {
        let health = match is_looked_at {
            IsLookedAt::Yes => Health::Starting,
            IsLookedAt::No => Health::Unknown,
        };
        Self { health, ..Self::default() }
    }

    /// An app that is taken over while it lives, and was last known like this. What it still had to show, it has to
    /// show anew.
    #[must_use]
    pub fn resumed(is_looked_at: IsLookedAt, known: Health) -> Self {
        match (is_looked_at, known) {
            (IsLookedAt::Yes, Health::Healthy | Health::Unhealthy) => {
                Self { health: known, ..Self::default() }
            }
            _ => Self::begun(is_looked_at),
        }
    }

    /// How it is now.
    #[must_use]
    pub const fn health(&self) -> Health {
        self.health
    }

    /// What the last failure was, while there is something to say.
    #[must_use]
    pub fn detail(&self) -> Option<&str> {
        self.detail.as_deref()
    }

    /// Takes note of what was seen `age` after the start, and says whether anything changed for a reader.
    ///
    /// Within the start period a failure counts only for an app that was healthy before.
    pub fn observe(&mut self, check: &HealthCheck, age: Duration, seen: Observation) -> Changed {
        let before = (self.health, self.detail.clone());
        match seen {
            Observation::Well => self.succeed(check),
            Observation::Ill(detail) => self.fail(check, age, detail),
        }
        if before == (self.health, self.detail.clone()) { Changed::No } else { Changed::Yes }
    }

    /// The app has had all its time, and that alone makes it ill.
    pub fn overdue(&mut self, detail: String) -> Changed {
        let before = self.clone();
        (self.health, self.detail, self.successes) = (Health::Unhealthy, Some(detail), 0);
        if before == *self { Changed::No } else { Changed::Yes }
    }

    fn succeed(&mut self, check: &HealthCheck) {
        self.failures = 0;
        self.successes = self.successes.saturating_add(1);
        // One that begins is ready at the first success; one that was ill has to prove itself.
        if self.health != Health::Unhealthy || self.successes >= check.successes {
            (self.health, self.detail) = (Health::Healthy, None);
        }
    }

    fn fail(&mut self, check: &HealthCheck, age: Duration, detail: String) {
        self.successes = 0;
        self.detail = Some(detail);
        if self.health == Health::Starting && age < check.start_period() {
            return;
        }
        self.failures = self.failures.saturating_add(1);
        if self.failures >= check.failures {
            self.health = Health::Unhealthy;
        }
    }
}

/// Whether anything looks at an app.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IsLookedAt {
    /// A probe, its web port, or its own word.
    Yes,
    /// Nothing does.
    No,
}

/// Whether an observation changed what a reader is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Changed {
    /// It did.
    Yes,
    /// Everything is as it was.
    No,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(failures: u32, successes: u32) -> HealthCheck {
        HealthCheck { failures, successes, ..HealthCheck::default() }
    }

    fn ill() -> Observation {
        Observation::Ill("Nobody answers".into())
    }

    const LATER: Duration = Duration::from_secs(3600);

    #[test]
    fn an_app_has_its_start_period_and_then_its_failures() {
        let (check, mut record) = (check(2, 1), HealthRecord::begun(IsLookedAt::Yes));
        assert_eq!(record.health(), Health::Starting);
        for second in 0..60 {
            let _ = record.observe(&check, Duration::from_secs(second), ill());
            assert_eq!(record.health(), Health::Starting, "{second}");
        }
        let _ = record.observe(&check, Duration::from_secs(60), ill());
        assert_eq!(record.health(), Health::Starting);
        assert_eq!(record.observe(&check, Duration::from_secs(90), ill()), Changed::Yes);
        assert_eq!((record.health(), record.detail()), (Health::Unhealthy, Some("Nobody answers")));
    }

    #[test]
    fn one_that_was_ill_has_to_prove_itself() {
        let (check, mut record) = (check(1, 3), HealthRecord::begun(IsLookedAt::Yes));
        assert_eq!(record.observe(&check, Duration::ZERO, Observation::Well), Changed::Yes);
        assert_eq!(record.health(), Health::Healthy);
        let _ = record.observe(&check, Duration::ZERO, ill());
        assert_eq!(record.health(), Health::Unhealthy);
        for expected in [Health::Unhealthy, Health::Unhealthy, Health::Healthy] {
            let _ = record.observe(&check, LATER, Observation::Well);
            assert_eq!(record.health(), expected);
        }
        assert_eq!(record.detail(), None);
    }

    #[test]
    fn one_that_is_taken_over_is_as_it_was_until_it_fails() {
        let (check, of) = (check(2, 1), |known| HealthRecord::resumed(IsLookedAt::Yes, known));
        let mut well = of(Health::Healthy);
        let _ = well.observe(&check, LATER, ill());
        assert_eq!(well.health(), Health::Healthy);
        let _ = well.observe(&check, LATER, ill());
        assert_eq!(well.health(), Health::Unhealthy);
        assert_eq!(of(Health::Unhealthy).health(), Health::Unhealthy);
        assert_eq!(of(Health::Unknown).health(), Health::Starting);
        let nobody_looks = HealthRecord::resumed(IsLookedAt::No, Health::Healthy);
        assert_eq!(nobody_looks.health(), Health::Unknown);
    }

    #[test]
    fn a_probe_needs_something_to_look_at() {
        let of = |probe| HealthCheck { probe, ..HealthCheck::default() };
        let http = |url: &str| of(Probe::Http { url: url.into(), status: None, body: None });
        assert!(http("/health").check(true).is_empty());
        assert_eq!(http("/health").check(false)[0].field, "health.probe.url");
        assert!(http("https://box/x").check(false).is_empty());
        assert_eq!(http("box/x").check(true)[0].field, "health.probe.url");
        assert_eq!(http("http://me:secret@box/x").check(true)[0].field, "health.probe.url");
        assert!(http("http://box/@me").check(true).is_empty());
        assert_eq!(of(Probe::Tcp { port: None }).check(false)[0].field, "health.probe.port");
        assert_eq!(of(Probe::Exec { command: " ".into() }).check(false)[0].field, "health.probe.command");
        let never = HealthCheck { interval: 0, failures: 0, ..HealthCheck::default() };
        assert_eq!(never.check(false).len(), 2);
    }

    proptest! {
        #[test]
        fn unhealthy_only_after_enough_failures_in_a_row(
            failures in 1u32..5, successes in 1u32..5, looks in prop::collection::vec(any::<bool>(), 1..60)
        ) {
            let (check, mut record) = (check(failures, successes), HealthRecord::begun(IsLookedAt::Yes));
            let (mut ill_in_row, mut well_in_row) = (0, 0);
            for well in looks {
                let before = record.health();
                let _ = record.observe(&check, LATER, if well { Observation::Well } else { ill() });
                (ill_in_row, well_in_row) = if well { (0, well_in_row + 1) } else { (ill_in_row + 1, 0) };
                match (before, record.health()) {
                    (Health::Unhealthy, Health::Healthy) => prop_assert!(well_in_row >= successes),
                    (Health::Unhealthy, now) => prop_assert_eq!(now, Health::Unhealthy),
                    (_, Health::Unhealthy) => prop_assert!(ill_in_row >= failures),
                    (_, Health::Healthy) => prop_assert!(well || ill_in_row < failures),
                    (_, now) => prop_assert!(!well && now == before),
                }
            }
        }
    }
}
