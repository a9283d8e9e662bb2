//! What is to be run, and why.

use std::path::PathBuf;

use mantyx_core::{AppId, ExecutionId, ScheduleId, Timestamp, Trigger};

use crate::care::Care;

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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// The execution that it is.
    pub execution: ExecutionId,
    /// The app that it belongs to.
    pub app: AppId,
    /// The program, as an absolute path; or a name that is looked up in the PATH of its environment.
    pub program: PathBuf,
    /// Its arguments, each as it is.
    pub arguments: Vec<String>,
    /// The log to append to, as an absolute path.
    pub log: PathBuf,
    /// How it is cared for while it lives, and where it finds itself.
    pub care: Care,
}
