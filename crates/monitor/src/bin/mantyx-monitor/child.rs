//! The process itself: how it is started.

use std::collections::BTreeMap;
use std::io::{self, PipeReader, Read};
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use mantyx_limits::Prepared;
use mantyx_monitor::process::ProcessId;
use mantyx_monitor::{EXECUTION_VARIABLE, MainProcess, Plan};

use crate::deadlines;
use crate::exec::{Preparation, Step};
use crate::reason::{Failure, reason};

/// A process that has begun, and the ends of its pipes.
pub(crate) struct Child {
    pub(crate) process: MainProcess,
    pub(crate) stdout: Option<OwnedFd>,
    pub(crate) stderr: Option<OwnedFd>,
}

/// What a process is given by its monitor, besides what was planned.
pub(crate) struct Dowry {
    /// The complete environment that the launch said.
    pub(crate) environment: BTreeMap<String, String>,
    /// Where it may say how it is.
    pub(crate) notify_socket: String,
    /// The out-of-memory score that it begins with.
    pub(crate) oom_score: Option<String>,
    /// What it is held to.
    pub(crate) limits: Option<Arc<Prepared>>,
}

/// Starts what was planned, or says in a sentence why it cannot be.
pub(crate) fn start(plan: &Plan, dowry: Dowry) -> Result<Child, String> {
    spawn(plan, dowry).map_err(|failure| reason(plan, &failure))
}

fn spawn(plan: &Plan, dowry: Dowry) -> Result<Child, Failure> {
    let (failed, say_failed) = io::pipe()?;
    let mut command = Command::new(&plan.program);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    preparation(plan, dowry)?.install(&mut command, say_failed);
    let spawned = command.spawn();
    // With the command goes the last end of the pipe that can be written to.
    drop(command);
    let mut child = spawned.map_err(|error| Failure { step: step(failed), error })?;
    Ok(Child {
        // The process cannot be gone: nobody else waits for it, so at least its entry is there.
        process: MainProcess { id: ProcessId::of(child.id())?, started_at: Utc::now() },
        stdout: child.stdout.take().map(OwnedFd::from),
        stderr: child.stderr.take().map(OwnedFd::from),
    })
}

fn preparation(plan: &Plan, dowry: Dowry) -> io::Result<Preparation> {
    let mut environment = dowry.environment;
    environment.insert(EXECUTION_VARIABLE.to_owned(), plan.execution.to_string());
    // What is said of a watchdog is true or not there: it may come from the environment of the daemon itself.
    for variable in ["WATCHDOG_USEC", "WATCHDOG_PID"] {
        environment.remove(variable);
    }
    environment.insert("NOTIFY_SOCKET".to_owned(), dowry.notify_socket);
    let interval = plan.deadlines.watchdog_seconds.and_then(deadlines::positive);
    if let Some(interval) = interval {
        environment.insert("WATCHDOG_USEC".to_owned(), microseconds(interval));
    }
    let mut preparation = Preparation::new(plan, environment.into_iter())?;
    if interval.is_some() {
        preparation = preparation.with_watchdog();
    }
    Ok(preparation.with_oom_score(dowry.oom_score).with_limits(dowry.limits))
}

/// As sd_watchdog_enabled(3) reads it: an integer of 64 bits, and not 0.
fn microseconds(interval: Duration) -> String {
    u64::try_from(interval.as_micros()).unwrap_or(u64::MAX).max(1).to_string()
}

/// The step at which the child gave up; none when there was no child.
fn step(mut failed: PipeReader) -> Option<Step> {
    let mut byte = [0];
    failed.read_exact(&mut byte).ok()?;
    Step::named(byte[0])
}
