//! Why an execution ended, told from its exit, from who ended it, and from its last words.

use std::path::Path;

use mantyx_core::{Ending, ExecutionStatus};
use mantyx_registry::tables::executions::Finish;
use mantyx_registry::{Json, Word};
use mantyx_supervisor::{Ended, cause};

/// Stands before why a process never began.
pub(crate) const NOT_STARTED: &str = "It could not be started: ";
/// How many of the last lines of a log are looked at for a cause.
const LOOKED_AT: usize = 40;
/// How many of them are kept, and how many characters of each.
const KEPT: usize = 10;
const LONGEST: usize = 500;

/// How an execution stands once its process has ended.
pub(crate) fn finish(ended: &Ended, log: &Path) -> Finish {
    let status = status(ended);
    let lines = if status == ExecutionStatus::Success { Vec::new() } else { last_lines(log) };
    let cause = cause(ended, status, &lines);
    Finish {
        status: Word(status),
        exit: ended.exit.map(Json),
        cause,
        finished_at: Some(ended.finished),
        cpu_seconds: Some(ended.cpu_seconds),
        peak_memory: i64::try_from(ended.peak_memory).ok(),
        ending: Some(Json(ended.ending.clone())),
        last_lines: Json(kept(lines, status)),
        dropped_lines: i64::try_from(ended.dropped_lines).unwrap_or(i64::MAX),
    }
}

fn status(ended: &Ended) -> ExecutionStatus {
    match (&ended.ending, ended.exit) {
        (Ending::Stopped { .. }, _) => ExecutionStatus::Cancelled,
        (Ending::TimedOut { .. }, _) => ExecutionStatus::Timeout,
        (Ending::NotStarted { .. }, _) => ExecutionStatus::Failed,
        (Ending::Lost, _) | (_, None) => ExecutionStatus::Lost,
        (Ending::Exited, Some(exit)) if exit.is_success() => ExecutionStatus::Success,
        (_, Some(_)) => ExecutionStatus::Failed,
    }
}

fn cause(ended: &Ended, status: ExecutionStatus, lines: &[String]) -> Option<String> {
    Some(match &ended.ending {
        Ending::NotStarted { reason } => format!("{NOT_STARTED}{reason}"),
        Ending::Stopped { by } => format!("Stopped by {by}"),
        Ending::Unhealthy { detail } => format!("It failed its health check: {detail}"),
        Ending::WatchdogExpired => "It did not say in time that it is alive (`WATCHDOG=1`)".to_owned(),
        Ending::TimedOut { after } => {
            format!("It took longer than {after} s: give it more time, or see in its log where it waits")
        }
        Ending::OutOfMemory { limit: Some(limit) } => {
            format!("It needed more memory than its limit of {} MiB: raise the limit, or let it need less", limit >> 20)
        }
        Ending::OutOfMemory { limit: None } => {
            "The machine had no memory left, and the kernel ended it: give the app a limit, or the machine more \
             memory"
                .to_owned()
        }
        Ending::Lost => "Its monitor was killed, so nobody could see how it ended".to_owned(),
        Ending::Exited if status == ExecutionStatus::Failed => {
            return ended.exit.and_then(|exit| cause::recognise(lines, exit));
        }
        Ending::Exited => return None,
    })
}

fn last_lines(log: &Path) -> Vec<String> {
    let text = |record: mantyx_logs::Record| String::from_utf8_lossy(&record.text).into_owned();
    match mantyx_logs::tail(log, LOOKED_AT) {
        Ok((records, _)) => records.into_iter().map(text).collect(),
        Err(_) => Vec::new(),
    }
}

/// What somebody stopped has no last words that explain anything.
fn kept(mut lines: Vec<String>, status: ExecutionStatus) -> Vec<String> {
    if status == ExecutionStatus::Cancelled {
        return Vec::new();
    }
    lines.drain(..lines.len().saturating_sub(KEPT));
    lines.into_iter().map(|line| line.chars().take(LONGEST).collect()).collect()
}
