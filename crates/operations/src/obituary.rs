//! Why an execution ended, told from its exit, from who ended it, and from its last words.

use std::io;
use std::path::Path;
use std::time::Duration;

use mantyx_core::{Ending, ExecutionId, ExecutionStatus};
use mantyx_registry::tables::executions::{self, Finish};
use mantyx_registry::{Json, Registry, Word};
use mantyx_settings::Layout;
use mantyx_supervisor::{Ended, cause};
use tokio::time::timeout;

use crate::launch;

/// Stands before why a process never began.
pub(crate) const NOT_STARTED: &str = "It could not be started: ";
/// Stands behind what is known without the log.
const UNREADABLE: &str = "Its log could not be read, so its last lines are not known";
/// How many of the last lines of a log are looked at for a cause.
const LOOKED_AT: usize = 40;
/// How many of them are kept, and how many characters of each.
const KEPT: usize = 10;
const LONGEST: usize = 500;
/// How long a disk may take to show them. What follows from an end waits for that.
const PATIENCE: Duration = Duration::from_secs(2);

/// What the last lines of a log are.
enum Words {
    Read(Vec<String>),
    /// Nobody has to know them.
    Unasked,
    /// The disk did not show them, or not in time.
    Unreadable,
}

/// How an execution stands once its process has ended. The log of one that ended badly is read, and where that takes
/// too long it is said.
pub(crate) async fn write(
    registry: &Registry,
    layout: &Layout,
    execution: ExecutionId,
    ended: &Ended,
) -> Finish {
    if !is_to_be_explained(ended) {
        return finish(ended, Words::Unasked);
    }
    let (layout, shown) = (layout.clone(), ended.clone());
    let find = registry.read_then(
        move |db| executions::find(db, execution),
        move |row| {
            let log = row.map(|row| launch::log_path(&layout, row.app_id.0, execution));
            Ok(finish(&shown, log.map_or(Words::Unasked, |log| last_lines(&log))))
        },
    );
    match timeout(PATIENCE, find).await {
        Ok(Ok(finish)) => finish,
        failed => {
            tracing::warn!(%execution, ?failed, "the last lines of a process could not be read");
            finish(ended, Words::Unreadable)
        }
    }
}

/// What went well, and what somebody ended, has no last words that explain anything.
fn is_to_be_explained(ended: &Ended) -> bool {
    !matches!(status(ended), ExecutionStatus::Success | ExecutionStatus::Cancelled)
}

fn finish(ended: &Ended, words: Words) -> Finish {
    let status = status(ended);
    let (lines, unreadable) = match words {
        Words::Read(lines) => (lines, None),
        Words::Unasked => (Vec::new(), None),
        Words::Unreadable => (Vec::new(), Some(UNREADABLE)),
    };
    let known = cause(ended, status, &lines);
    let cause = match (known, unreadable) {
        (Some(cause), Some(unreadable)) => Some(format!("{cause}. {unreadable}")),
        (cause, unreadable) => cause.or(unreadable.map(str::to_owned)),
    };
    Finish {
        status: Word(status),
        exit: ended.exit.map(Json),
        cause,
        finished_at: Some(ended.finished),
        cpu_seconds: Some(ended.cpu_seconds),
        peak_memory: i64::try_from(ended.peak_memory).ok(),
        ending: Some(Json(ended.ending.clone())),
        last_lines: Json(kept(lines)),
        dropped_lines: i64::try_from(ended.dropped_lines).unwrap_or(i64::MAX),
    }
}

fn status(ended: &Ended) -> ExecutionStatus {
    match (&ended.ending, ended.exit) {
        (Ending::Stopped { .. } | Ending::ShutDown, _) => ExecutionStatus::Cancelled,
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
        Ending::ShutDown => "It was ended together with Mantyx or the machine".to_owned(),
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
            let known = ended.exit.and_then(|exit| cause::recognise(lines, exit));
            return known.or_else(|| at_once(ended));
        }
        Ending::Exited => return None,
    })
}

/// Who ends within a second most often never got as far as its work.
fn at_once(ended: &Ended) -> Option<String> {
    let ran = ended.duration();
    (ran < Duration::from_secs(1)).then(|| {
        format!(
            "It ended {} ms after its start, and its last lines name no cause that is known",
            ran.as_millis()
        )
    })
}

/// A process that wrote nothing may have no log.
fn last_lines(log: &Path) -> Words {
    let text = |record: mantyx_logs::Record| String::from_utf8_lossy(&record.text).into_owned();
    match mantyx_logs::tail(log, LOOKED_AT) {
        Ok((records, _)) => Words::Read(records.into_iter().map(text).collect()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Words::Read(Vec::new()),
        Err(error) => {
            tracing::warn!(?error, log = %log.display(), "a log could not be read");
            Words::Unreadable
        }
    }
}

fn kept(mut lines: Vec<String>) -> Vec<String> {
    lines.drain(..lines.len().saturating_sub(KEPT));
    lines.into_iter().map(|line| line.chars().take(LONGEST).collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::{TimeDelta, Utc};
    use mantyx_core::Exit;
    use mantyx_logs::{LogWriter, Stream};

    fn ended(ending: Ending, exit: Option<Exit>, milliseconds: i64) -> Ended {
        let finished = Utc::now();
        Ended {
            exit,
            ending,
            started: Some(finished - TimeDelta::milliseconds(milliseconds)),
            finished,
            cpu_seconds: 0.5,
            peak_memory: 4096,
            dropped_lines: 3,
        }
    }

    fn finished(ended: &Ended, log: &str) -> Finish {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("0.log");
        let mut writer = LogWriter::open(&path).unwrap();
        writer.write(Stream::Stderr, std::time::UNIX_EPOCH, log.as_bytes()).unwrap();
        writer.close().unwrap();
        finish(ended, last_lines(&path))
    }

    #[test]
    fn a_crash_has_its_cause_and_its_last_words() {
        let lines = (0..50).map(|n| format!("line {n}")).collect::<Vec<_>>().join("\n");
        let log = format!("{lines}\n{}\nModuleNotFoundError: No module named 'flask'\n", "x".repeat(900));
        let finish = finished(&ended(Ending::Exited, Some(Exit::Code(1)), 5000), &log);
        assert_eq!(finish.status.0, ExecutionStatus::Failed);
        assert!(finish.cause.unwrap().contains("`flask`"));
        assert_eq!(finish.last_lines.0.len(), KEPT);
        assert_eq!(finish.last_lines.0[KEPT - 2].len(), LONGEST);
        assert_eq!(finish.dropped_lines, 3);
    }

    #[test]
    fn every_ending_has_its_status_and_says_why() {
        let by = || Ending::Stopped { by: "owner (stop)".into() };
        let killed = Some(Exit::Signal(9));
        let cases = [
            (by(), Some(Exit::Code(0)), ExecutionStatus::Cancelled, "Stopped by owner (stop)"),
            (Ending::OutOfMemory { limit: Some(64 << 20) }, killed, ExecutionStatus::Failed, "64 MiB"),
            (Ending::OutOfMemory { limit: None }, killed, ExecutionStatus::Failed, "no memory left"),
            (
                Ending::Unhealthy { detail: "503".into() },
                killed,
                ExecutionStatus::Failed,
                "health check: 503",
            ),
            (Ending::WatchdogExpired, killed, ExecutionStatus::Failed, "WATCHDOG=1"),
            (Ending::TimedOut { after: 9 }, killed, ExecutionStatus::Timeout, "longer than 9 s"),
            (Ending::NotStarted { reason: "no".into() }, None, ExecutionStatus::Failed, "be started: no"),
            (Ending::Lost, None, ExecutionStatus::Lost, "Its monitor was killed"),
            (Ending::Exited, Some(Exit::Code(7)), ExecutionStatus::Failed, "200 ms after its start"),
        ];
        for (ending, exit, status, says) in cases {
            let finish = finished(&ended(ending.clone(), exit, 200), "busy\n");
            assert_eq!(finish.status.0, status, "{ending:?}");
            assert!(finish.cause.unwrap().contains(says), "{ending:?}");
        }
    }

    #[test]
    fn what_went_well_has_nothing_to_explain() {
        let well = ended(Ending::Exited, Some(Exit::Code(0)), 10);
        assert!(!is_to_be_explained(&well));
        let finish = finish(&well, Words::Unasked);
        assert_eq!((finish.status.0, finish.cause), (ExecutionStatus::Success, None));
        assert!(finish.last_lines.0.is_empty());
        for ending in [Ending::ShutDown, Ending::Stopped { by: "owner (stop)".into() }] {
            assert!(!is_to_be_explained(&ended(ending, Some(Exit::Signal(15)), 10)));
        }
    }

    #[test]
    fn a_log_that_cannot_be_read_is_said_and_one_that_is_not_there_is_none() {
        let crash = ended(Ending::Exited, Some(Exit::Code(1)), 5000);
        let folder = tempfile::tempdir().unwrap();
        let unread = finish(&crash, last_lines(&folder.path().join("none.log")));
        assert_eq!(unread.cause, None);
        let unread = finish(&crash, Words::Unreadable);
        assert_eq!(unread.cause.as_deref(), Some(UNREADABLE));
        let ill = finish(&ended(Ending::WatchdogExpired, Some(Exit::Signal(6)), 9), Words::Unreadable);
        let cause = ill.cause.unwrap();
        assert!(cause.contains("WATCHDOG=1") && cause.ends_with(UNREADABLE), "{cause}");
    }
}
