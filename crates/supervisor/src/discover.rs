//! What the run folder says when a daemon comes up.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use mantyx_core::{AppId, Ending, ExecutionId, Exit, InstanceId, Timestamp};
use mantyx_monitor::{
    ExitRecord, MainProcess, Message, Plan, Record, Request, RunFolder, Terms, VERSION, process,
};
use tokio::time::{Instant, sleep, timeout_at};

use crate::ended::Ended;
use crate::link::{Link, is_gone};
use crate::tree;

/// How long an answer is waited for. A monitor that is alive and needs longer is busy, or swapped out.
const PATIENCE: Duration = Duration::from_secs(10);
/// From this version on the record names the web port.
const NAMES_PORT: u32 = 3;
/// How long a monitor that is just starting its process is left alone.
const PAUSE: Duration = Duration::from_millis(5);

/// An execution that an earlier daemon began.
#[derive(Clone, Debug, PartialEq)]
pub struct Discovered {
    /// Which.
    pub execution: ExecutionId,
    /// Of this instance.
    pub instance: InstanceId,
    /// Of this app.
    pub app: AppId,
    /// What became of it.
    pub found: Found,
    /// What is written down of it, while there is something that it could hold for.
    pub(crate) written: Option<Written>,
}

/// What the record says of a process that may be alive.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Written {
    /// The terms that hold for it.
    pub(crate) terms: Terms,
    /// The port that it was given.
    pub(crate) web_port: WebPort,
}

/// What is known of the port that a process was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WebPort {
    /// It is this one, or none.
    Known(Option<u16>),
    /// Its monitor is of an earlier version.
    Unknown,
}

/// What became of an execution while nobody watched.
#[derive(Clone, Debug, PartialEq)]
pub enum Found {
    /// Its process is alive, under its monitor.
    Live {
        /// The process.
        pid: u32,
        /// When it began.
        started_at: Timestamp,
    },
    /// It ended, and its monitor wrote down how.
    Ended(Ended),
    /// Its monitor is gone without a word. What was left of it has been killed.
    Lost,
}

/// Looks at one execution. `None` when nothing readable is known of it: then what there is of it is removed.
pub(crate) async fn discover(
    folder: &Arc<RunFolder>,
    execution: ExecutionId,
) -> io::Result<Option<Discovered>> {
    if let Some(exit) = readable(folder.exit_record(execution))? {
        let (instance, app) = (exit.instance, exit.app);
        let found = Found::Ended(ended(exit));
        return Ok(Some(Discovered { execution, instance, app, found, written: None }));
    }
    if let Some(record) = readable(folder.record(execution))? {
        return look(folder, record).await.map(Some);
    }
    tracing::warn!(%execution, "the records of an execution cannot be read and are removed");
    match tree::end(folder, execution).await {
        Ok(()) => folder.forget(execution)?,
        Err(survivors) => tracing::error!(%execution, "{survivors}"),
    }
    Ok(None)
}

/// How it ended. What a signal ended in an earlier boot, and no daemon took note of, was ended with the machine: apps and
/// monitors are told to end at the same time, and the app may be the first to do so.
fn ended(exit: ExitRecord) -> Ended {
    let boot = exit.boot_id.clone();
    let mut ended = Ended::from(exit);
    let by_signal = matches!((&ended.ending, ended.exit), (Ending::Exited, Some(Exit::Signal(_))));
    if by_signal && boot.is_some_and(|boot| process::boot_id().is_ok_and(|now| now != boot)) {
        ended.ending = Ending::ShutDown;
    }
    ended
}

/// A power failure can tear a record that had not reached the disk. It is as good as none: its processes are gone
/// as well.
fn readable<T>(read: io::Result<Option<T>>) -> io::Result<Option<T>> {
    use io::ErrorKind::{InvalidData, UnexpectedEof};
    match read {
        Err(error) if matches!(error.kind(), InvalidData | UnexpectedEof) => Ok(None),
        other => other,
    }
}

async fn look(folder: &Arc<RunFolder>, record: Record) -> io::Result<Discovered> {
    let found = match (live(folder, &record).await, &record.main) {
        (Ok(Some(main)), _) => alive(&main),
        (Ok(None), _) => over(folder, &record).await?,
        // Out of descriptors, perhaps, or not allowed to, or in no hurry. Whoever watches it goes on trying.
        (Err(error), Some(main)) => {
            tracing::warn!(%error, execution = %record.plan.execution, "the monitor cannot be reached");
            alive(main)
        }
        (Err(error), None) => return Err(error),
    };
    let Plan { execution, instance, app, stop, deadlines, confinement, web_port, .. } = record.plan;
    let terms = Terms { stop, deadlines, confinement };
    let web_port = if record.version < NAMES_PORT { WebPort::Unknown } else { WebPort::Known(web_port) };
    Ok(Discovered { execution, instance, app, found, written: Some(Written { terms, web_port }) })
}

fn alive(main: &MainProcess) -> Found {
    Found::Live { pid: main.id.pid, started_at: main.started_at }
}

/// It may have ended in the right way between two looks. What does not die is alive: whoever watches it finds no
/// monitor, and says that it is lost when it is gone.
async fn over(folder: &Arc<RunFolder>, record: &Record) -> io::Result<Found> {
    let execution = record.plan.execution;
    if let Some(exit) = readable(folder.exit_record(execution))? {
        return Ok(Found::Ended(ended(exit)));
    }
    let Err(survivors) = tree::end(folder, execution).await else { return Ok(Found::Lost) };
    tracing::error!(%execution, "{survivors}");
    let main = record.main.unwrap_or(MainProcess { id: record.monitor, started_at: Utc::now() });
    Ok(alive(&main))
}

/// The process, if it is alive: the monitor is the very process that wrote the record, in this boot, and it
/// answers on its socket for this execution.
async fn live(folder: &RunFolder, record: &Record) -> io::Result<Option<MainProcess>> {
    if process::boot_id()? != record.boot_id || !record.monitor.is_alive() {
        return Ok(None);
    }
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        let answer = timeout_at(deadline, greet(folder, record.plan.execution)).await;
        match answer {
            Ok(Ok(Message::Hello { main: Some(main), .. })) => return Ok(Some(main)),
            Ok(Ok(Message::Hello { main: None, .. })) => sleep(PAUSE).await,
            // It says that it has ended, or hangs up.
            Ok(Ok(_)) => return Ok(None),
            Err(_) => break,
            // It was given its launch a moment ago, and has not opened its socket.
            Ok(Err(error)) if record.main.is_none() && is_early(&error) && record.monitor.is_alive() => {
                sleep(PAUSE).await;
            }
            Ok(Err(error)) if is_gone(&error) || is_hung_up(&error) => return Ok(None),
            Ok(Err(error)) => return Err(error),
        }
    }
    Err(io::ErrorKind::TimedOut.into())
}

async fn greet(folder: &RunFolder, execution: ExecutionId) -> io::Result<Message> {
    let mut link = Link::connect(folder, execution).await?;
    link.ask(&Request::Hello { version: VERSION }).await?;
    match link.next().await? {
        Message::Hello { execution: other, .. } if other != execution => {
            Err(io::ErrorKind::InvalidData.into())
        }
        message => Ok(message),
    }
}

/// Whether a socket is not there (yet).
fn is_early(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
}

fn is_hung_up(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, InvalidData, UnexpectedEof};
    matches!(error.kind(), BrokenPipe | ConnectionReset | InvalidData | UnexpectedEof)
}

#[cfg(test)]
mod tests {
    use super::*;
    use mantyx_monitor::{Outcome, Wish};

    fn exit(exit: Exit, boot: Option<&str>) -> ExitRecord {
        ExitRecord {
            version: VERSION,
            execution: ExecutionId::generate(),
            instance: InstanceId::generate(),
            app: AppId::generate(),
            outcome: Outcome::Exited(exit),
            wish: Wish::None,
            started_at: None,
            finished_at: Utc::now(),
            cpu_seconds: 0.0,
            peak_memory: 0,
            dropped_lines: 0,
            ending: Some(Ending::Exited),
            boot_id: boot.map(str::to_owned),
        }
    }

    #[test]
    fn what_a_signal_ended_in_an_earlier_boot_ended_with_the_machine() {
        let now = process::boot_id().unwrap();
        assert_eq!(ended(exit(Exit::Signal(15), Some("another"))).ending, Ending::ShutDown);
        for own in [
            exit(Exit::Signal(15), Some(&now)),
            exit(Exit::Signal(15), None),
            exit(Exit::Code(1), Some("another")),
        ] {
            assert_eq!(ended(own).ending, Ending::Exited);
        }
        let by = Ending::Stopped { by: "owner".to_owned() };
        let stopped = ExitRecord { ending: Some(by.clone()), ..exit(Exit::Signal(15), Some("another")) };
        assert_eq!(ended(stopped).ending, by);
    }
}
