//! How a process is cared for while it lives. All of it can be changed under a live process.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use mantyx_core::{HealthCheck, Identity, IsLookedAt, Limits, Probe, Readiness, RestartRule};
use mantyx_monitor::{Deadlines, StopTerms};

/// How a process is cared for while it lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Care {
    /// How a service is started again. It means nothing for a run.
    pub rule: RestartRule,
    /// The number of the signal that asks it to end (signal(7)).
    pub stop_signal: i32,
    /// How long it has to end after that.
    pub stop_grace: Duration,
    /// How it is told whether a service is well. It means nothing for a run.
    pub health: HealthCheck,
    /// The port that it was given for its own web page.
    pub web_port: Option<u16>,
    /// From where the daemon is reached, and so its apps are to be.
    pub reach: Reach,
    /// How long it may be silent, where it has to say that it is alive.
    pub watchdog: Option<Duration>,
    /// How long it may take.
    pub timeout: Option<Duration>,
    /// What it may use.
    pub limits: Limits,
    /// Where it finds itself, and so do its probes.
    pub surroundings: Surroundings,
    /// What of all this cannot be done here, as sentences.
    pub warnings: Vec<String>,
}

/// From where something is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// From this machine only.
    Machine,
    /// From the network.
    Network,
}

/// Where a process finds itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Surroundings {
    /// The folder that it starts in, as an absolute path.
    pub directory: PathBuf,
    /// Its complete environment; it inherits nothing.
    pub environment: BTreeMap<String, String>,
    /// As whom it runs; as the daemon itself when not given.
    pub identity: Option<Identity>,
}

impl Care {
    pub(crate) fn stop(&self) -> StopTerms {
        StopTerms { signal: self.stop_signal, grace_seconds: self.stop_grace.as_secs_f64() }
    }

    pub(crate) fn deadlines(&self) -> Deadlines {
        Deadlines {
            watchdog_seconds: self.watchdog.map(|time| time.as_secs_f64()),
            // It is the watchdog's and nothing else's.
            start_period_seconds: self.watchdog.map_or(0.0, |_| self.health.start_period().as_secs_f64()),
            timeout_seconds: self.timeout.map(|time| time.as_secs_f64()),
        }
    }

    /// Whether anything but the app's own word says how it is.
    pub(crate) fn is_looked_at(&self) -> IsLookedAt {
        let probed = self.health.probe != Probe::None || self.web_port.is_some();
        if probed || self.health.readiness == Readiness::Notified { IsLookedAt::Yes } else { IsLookedAt::No }
    }
}

/// Without the environment, which may hold secrets.
impl fmt::Debug for Surroundings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Surroundings")
            .field("directory", &self.directory)
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}
