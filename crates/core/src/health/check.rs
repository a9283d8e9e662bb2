//! How an app is looked at, how often, and when what is said about that cannot be.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::FieldError;

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
