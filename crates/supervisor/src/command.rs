//! What is to be run, and why.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use mantyx_core::{AppId, ExecutionId, RestartRule, ScheduleId, Timestamp, Trigger};
use mantyx_monitor::StopTerms;

/// Why a process is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start {
    /// What caused it.
    pub trigger: Trigger,
    /// The schedule that was due, and when it was.
    pub schedule: Option<(ScheduleId, Timestamp)>,
}

impl Start {
    /// Not by a schedule.
    #[must_use]
    pub const fn by(trigger: Trigger) -> Self {
        Self { trigger, schedule: None }
    }
}

/// Everything about one process to start.
#[derive(Clone, PartialEq, Eq)]
pub struct Command {
    /// The execution that it is.
    pub execution: ExecutionId,
    /// The app that it belongs to.
    pub app: AppId,
    /// The program, as an absolute path.
    pub program: PathBuf,
    /// Its arguments, each as it is.
    pub arguments: Vec<String>,
    /// The folder that it starts in, as an absolute path.
    pub directory: PathBuf,
    /// Its complete environment; it inherits nothing.
    pub environment: BTreeMap<String, String>,
    /// The log to append to, as an absolute path.
    pub log: PathBuf,
    /// The number of the signal that asks it to end (signal(7)).
    pub stop_signal: i32,
    /// How long it has to end after that.
    pub stop_grace: Duration,
    /// How a service is started again. It means nothing for a run.
    pub rule: RestartRule,
}

impl Command {
    pub(crate) fn stop(&self) -> StopTerms {
        StopTerms { signal: self.stop_signal, grace_seconds: self.stop_grace.as_secs_f64() }
    }
}

/// Without the environment, which may hold secrets.
impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Command")
            .field("execution", &self.execution)
            .field("program", &self.program)
            .field("arguments", &self.arguments)
            .field("directory", &self.directory)
            .finish_non_exhaustive()
    }
}
