//! Why an execution ended, told from its exit, from who ended it, and from its last words.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::time::Duration;

use mantyx_core::{AppId, AppType, Ending, ExecutionId, ExecutionStatus, Result};
use mantyx_logs::{Completeness, MAX_TEXT, Record};
use mantyx_registry::tables::apps;
use mantyx_registry::tables::executions::{self, Finish};
use mantyx_registry::{Json, Read, Registry, Word};
use mantyx_settings::Layout;
use mantyx_supervisor::{Ended, cause};
use tokio::time::timeout;

use crate::launch;

/// Stands before why a process never began.
pub(crate) const NOT_STARTED: &str = "It could not be started: ";
/// Stands behind what is known without the log.
const UNREADABLE: &str = "Its log could not be read, so its last lines are not known";
/// How many of the last lines of a log are looked at for a cause, and in how many records they are looked for: a line that
/// stays open has one a second.
const LOOKED_AT: usize = 40;
const RECORDS: usize = 400;
/// How many bytes of a line are put together of its pieces.
const WHOLE: usize = 2 * MAX_TEXT;
/// How many of them are kept, and how many characters of each.
const KEPT: usize = 10;
const LONGEST: usize = 500;
/// How many of those are told in a sentence.
const TOLD: usize = 3;
/// What such a sentence begins with.
const LAST_WORDS: &str = "Its last lines: ";
/// How long a disk may take to show them. What follows from an end waits for that.
const PATIENCE: Duration = Duration::from_secs(2);

/// What the last lines of a log are.
enum Words {
    Read(Vec<String>),
    /// Nobody has to know them, nor why it ended.
    Unasked,
    /// The disk did not show them, or not in time.
    Unreadable,
}

/// How an execution stands once its process has ended. Its log is read, but for a run that went well, and where that
/// takes too long it is said.
pub(crate) async fn write(
    registry: &Registry,
    layout: &Layout,
    execution: ExecutionId,
    ended: &Ended,
) -> Finish {
    let (layout, shown) = (layout.clone(), ended.clone());
    let find = registry.read_then(
        move |db| whose(db, execution),
        move |whose| {
            let words = match whose {
                Some((app, kind)) if is_to_be_explained(&shown, kind) => {
                    last_lines(&launch::log_path(&layout, app, execution))
                }
                _ => Words::Unasked,
            };
            Ok(finish(&shown, words))
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

fn whose(db: &mut Read<'_>, execution: ExecutionId) -> Result<Option<(AppId, AppType)>> {
    let Some(row) = executions::find(db, execution)? else { return Ok(None) };
    Ok(apps::find(db, row.app_id.0)?.map(|app| (app.id.0, app.app_type.0)))
}

/// A run that went well explains nothing. A service is not meant to end at all.
fn is_to_be_explained(ended: &Ended, kind: AppType) -> bool {
    kind == AppType::Perpetual || status(ended) != ExecutionStatus::Success
}

fn finish(ended: &Ended, words: Words) -> Finish {
    let status = status(ended);
    let (lines, known) = match words {
        Words::Unasked => (Vec::new(), None),
        Words::Read(lines) => {
            let known = cause(ended, &lines);
            (lines, known)
        }
        Words::Unreadable => (Vec::new(), unread(ended)),
    };
    Finish {
        status: Word(status),
        exit: ended.exit.map(Json),
        cause: known,
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

/// That it ended at once, and why it ended, as far as either is so and known.
fn cause(ended: &Ended, lines: &[String]) -> Option<String> {
    let known = known(ended, lines);
    let Some(at_once) = at_once(ended) else { return known };
    Some(match known {
        Some(known) => format!("{at_once}. {known}"),
        None if ended.is_success() => format!("{at_once}, as if it had nothing to do (exit code 0)"),
        None => format!("{at_once}, and its last lines name no cause that is known"),
    })
}

/// What is known where the log could not be read. Of what went well nobody misses anything.
fn unread(ended: &Ended) -> Option<String> {
    let known = known(ended, &[]);
    let parts = [at_once(ended), known, (!ended.is_success()).then(|| UNREADABLE.to_owned())];
    let sentences: Vec<String> = parts.into_iter().flatten().collect();
    (!sentences.is_empty()).then(|| sentences.join(". "))
}

fn known(ended: &Ended, lines: &[String]) -> Option<String> {
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
        Ending::Exited => return cause::recognise(lines, ended.exit?),
    })
}

/// Who ends by itself within a second most often never got as far as its work.
fn at_once(ended: &Ended) -> Option<String> {
    let by_itself = matches!(ended.ending, Ending::Exited | Ending::OutOfMemory { .. });
    let ran = ended.duration();
    (by_itself && ended.exit.is_some() && ran < Duration::from_secs(1))
        .then(|| format!("It ended {} ms after its start", ran.as_millis()))
}

/// The end of a log as a sentence, for who reads why an app has failed and not how its last process ended.
pub(crate) fn last_words(lines: &[String]) -> Option<String> {
    let said: Vec<&str> = lines.iter().map(|line| line.trim()).filter(|line| !line.is_empty()).collect();
    let last = &said[said.len().saturating_sub(TOLD)..];
    let quoted: Vec<String> = last.iter().map(|line| format!("`{}`", line.replace('`', "'"))).collect();
    (!quoted.is_empty()).then(|| format!("{LAST_WORDS}{}", quoted.join(" ")))
}

/// What is told of an end, without the lines of a log: for what is kept for longer than the log.
pub(crate) fn without_last_words(told: &str) -> &str {
    told.split_once(&format!(". {LAST_WORDS}")).map_or(told, |(before, _)| before)
}

/// A process that wrote nothing may have no log.
fn last_lines(log: &Path) -> Words {
    match mantyx_logs::tail(log, RECORDS) {
        Ok((records, _)) => {
            let mut lines = joined(records);
            lines.drain(..lines.len().saturating_sub(LOOKED_AT));
            Words::Read(lines)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Words::Read(Vec::new()),
        Err(error) => {
            tracing::warn!(?error, log = %log.display(), "a log could not be read");
            Words::Unreadable
        }
    }
}

/// The lines that records are pieces of, as they are seen in the end; one that has not ended comes last.
fn joined(records: Vec<Record>) -> Vec<String> {
    let (mut lines, mut open) = (Vec::new(), BTreeMap::<_, Vec<u8>>::new());
    for Record { stream, completeness, text, .. } in records {
        let line = open.entry(stream.as_str()).or_default();
        line.extend(text);
        line.drain(..drawn_from(line));
        line.truncate(WHOLE);
        if completeness == Completeness::Full {
            lines.extend(open.remove(stream.as_str()));
        }
    }
    let text = |line: Vec<u8>| String::from_utf8_lossy(&line).trim_end_matches('\r').to_owned();
    lines.into_iter().chain(open.into_values()).map(text).collect()
}

/// Where the last drawing begins of a line that is drawn over itself.
fn drawn_from(line: &[u8]) -> usize {
    let seen = line.len() - line.iter().rev().take_while(|byte| **byte == b'\r').count();
    line[..seen].iter().rposition(|byte| *byte == b'\r').map_or(0, |at| at + 1)
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
    fn a_line_in_pieces_is_one_of_its_last_words() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("0.log");
        let mut writer = LogWriter::open(&path).unwrap();
        let mut write = |stream, second, text: &str| {
            let at = std::time::UNIX_EPOCH + Duration::from_secs(second);
            writer.write(stream, at, text.as_bytes()).unwrap();
        };
        write(Stream::Stderr, 0, "begun\n");
        for second in 0..100 {
            write(Stream::Stdout, second * 2, &format!("\r{second} %"));
        }
        write(Stream::Stderr, 200, &format!("{}\n", "x".repeat(20 * MAX_TEXT)));
        write(Stream::Stdout, 300, "\rall\r\n");
        write(Stream::Stdout, 301, "no end");
        writer.close().unwrap();
        let Words::Read(lines) = last_lines(&path) else { panic!("no lines") };
        assert_eq!(lines.len(), 4, "{lines:?}");
        assert_eq!([&lines[0], &lines[2], &lines[3]], ["begun", "all", "no end"]);
        assert_eq!(lines[1].len(), WHOLE);
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
            (Ending::Exited, Some(Exit::Code(7)), ExecutionStatus::Failed, "200 ms after its start, and its"),
            (Ending::Exited, Some(Exit::Code(0)), ExecutionStatus::Success, "200 ms after its start, as if"),
        ];
        for (ending, exit, status, says) in cases {
            let finish = finished(&ended(ending.clone(), exit, 200), "busy\n");
            assert_eq!(finish.status.0, status, "{ending:?}");
            assert!(finish.cause.unwrap().contains(says), "{ending:?}");
        }
    }

    #[test]
    fn who_ends_at_once_is_told_so_with_the_cause() {
        let log = "ModuleNotFoundError: No module named 'flask'\n";
        let crash = |milliseconds| finished(&ended(Ending::Exited, Some(Exit::Code(1)), milliseconds), log);
        let cause = crash(999).cause.unwrap();
        assert!(cause.starts_with("It ended 999 ms after its start. The module `flask`"), "{cause}");
        assert!(crash(1000).cause.unwrap().starts_with("The module `flask`"));
        let out = Ending::OutOfMemory { limit: None };
        let cause = finished(&ended(out, Some(Exit::Signal(9)), 20), "").cause.unwrap();
        assert!(cause.starts_with("It ended 20 ms after its start. The machine had no memory"), "{cause}");
    }

    #[test]
    fn only_a_run_that_went_well_has_nothing_to_explain() {
        let well = ended(Ending::Exited, Some(Exit::Code(0)), 10);
        assert!(!is_to_be_explained(&well, AppType::Scheduled));
        assert!(is_to_be_explained(&well, AppType::Perpetual));
        let finish = finish(&well, Words::Unasked);
        assert_eq!((finish.status.0, finish.cause), (ExecutionStatus::Success, None));
        assert!(finish.last_lines.0.is_empty());
        for ending in [Ending::ShutDown, Ending::Stopped { by: "owner (stop)".into() }] {
            let stopped = ended(ending, Some(Exit::Signal(15)), 10);
            assert!(is_to_be_explained(&stopped, AppType::Scheduled));
            let finish = finished(&stopped, "I was busy\n");
            assert_eq!(
                (finish.status.0, finish.last_lines.0),
                (ExecutionStatus::Cancelled, vec!["I was busy".into()])
            );
        }
    }

    #[test]
    fn the_last_words_are_few_and_quoted() {
        let lines = ["one", "two", " three", "", "`four`", "  "].map(str::to_owned);
        assert_eq!(last_words(&lines).as_deref(), Some("Its last lines: `two` `three` `'four'`"));
        assert_eq!(last_words(&lines[5..]), None);
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
        let well = ended(Ending::Exited, Some(Exit::Code(0)), 5000);
        assert_eq!(finish(&well, Words::Unreadable).cause, None);
    }
}
