//! What a process is told that becomes the app.

use std::collections::BTreeMap;
use std::time::Duration;

use mantyx_monitor::{EXECUTION_VARIABLE, Plan};
use serde::{Deserialize, Serialize};

use crate::deadlines;

/// What it has to do to become the app.
#[derive(Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) plan: Plan,
    /// All of it but `WATCHDOG_PID`.
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) watchdog: ToldOfWatchdog,
}

/// Whether it is told that the watchdog is meant for it (sd_watchdog_enabled(3)).
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ToldOfWatchdog {
    Yes,
    No,
}

impl Order {
    /// `environment` is the complete one that the launch said, and `notify_socket` where the app may say how it is.
    pub(crate) fn new(plan: Plan, mut environment: BTreeMap<String, String>, notify_socket: String) -> Self {
        environment.insert(EXECUTION_VARIABLE.to_owned(), plan.execution.to_string());
        // What is said of a watchdog is true or not there: it may come from the environment of the daemon itself.
        for variable in ["WATCHDOG_USEC", "WATCHDOG_PID"] {
            environment.remove(variable);
        }
        environment.insert("NOTIFY_SOCKET".to_owned(), notify_socket);
        let interval = plan.deadlines.watchdog_seconds.and_then(deadlines::positive);
        if let Some(interval) = interval {
            environment.insert("WATCHDOG_USEC".to_owned(), microseconds(interval));
        }
        let watchdog = if interval.is_some() { ToldOfWatchdog::Yes } else { ToldOfWatchdog::No };
        Self { plan, environment, watchdog }
    }
}

/// As sd_watchdog_enabled(3) reads it: an integer of 64 bits, and not 0.
fn microseconds(interval: Duration) -> String {
    u64::try_from(interval.as_micros()).unwrap_or(u64::MAX).max(1).to_string()
}
