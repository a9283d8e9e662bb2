//! What the run folder says when a daemon comes up.

use std::io;
use std::time::Duration;

use mantyx_core::{AppId, ExecutionId, InstanceId, Timestamp};
use mantyx_monitor::{MainProcess, Message, Plan, Record, Request, RunFolder, StopTerms, VERSION, process};
use tokio::time::{Instant, sleep, timeout_at};

use crate::ended::Ended;
use crate::link::{Link, is_gone};
use crate::tree;

/// A monitor that does not answer for this long never will.
const PATIENCE: Duration = Duration::from_secs(10);
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
    /// How it is to be stopped, while there is something to stop.
    pub(crate) stop: Option<StopTerms>,
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
pub(crate) async fn discover(folder: &RunFolder, execution: ExecutionId) -> io::Result<Option<Discovered>> {
    if let Some(exit) = readable(folder.exit_record(execution))? {
        let (instance, app) = (exit.instance, exit.app);
        return Ok(Some(Discovered {
            execution,
            instance,
            app,
            found: Found::Ended(exit.into()),
            stop: None,
        }));
    }
    if let Some(record) = readable(folder.record(execution))? {
        return look(folder, record).await.map(Some);
    }
    tracing::warn!(%execution, "the records of an execution cannot be read and are removed");
    tree::end(folder, execution).await;
    folder.forget(execution)?;
    Ok(None)
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

async fn look(folder: &RunFolder, record: Record) -> io::Result<Discovered> {
    let found = match live(folder, &record).await? {
        Some(main) => Found::Live { pid: main.id.pid, started_at: main.started_at },
        None => over(folder, record.plan.execution).await?,
    };
    let Plan { execution, instance, app, stop, .. } = record.plan;
    Ok(Discovered { execution, instance, app, found, stop: Some(stop) })
}

/// It may have ended in the right way between two looks.
async fn over(folder: &RunFolder, execution: ExecutionId) -> io::Result<Found> {
    if let Some(exit) = readable(folder.exit_record(execution))? {
        return Ok(Found::Ended(exit.into()));
    }
    tree::end(folder, execution).await;
    Ok(Found::Lost)
}

/// The process, if it is alive: the monitor is the very process that wrote the record, in this boot, and it
/// answers on its socket for this execution.
async fn live(folder: &RunFolder, record: &Record) -> io::Result<Option<MainProcess>> {
    if process::boot_id()? != record.boot_id || !record.monitor.is_alive() {
        return Ok(None);
    }
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer = timeout_at(deadline, greet(folder, record.plan.execution)).await;
        match answer {
            Ok(Ok(Message::Hello { main: Some(main), .. })) => return Ok(Some(main)),
            Ok(Ok(Message::Hello { main: None, .. })) => sleep(PAUSE).await,
            // It says that it has ended, hangs up, or does not answer.
            Ok(Ok(_)) | Err(_) => return Ok(None),
            Ok(Err(error)) if is_gone(&error) || is_hung_up(&error) => return Ok(None),
            Ok(Err(error)) => return Err(error),
        }
    }
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

fn is_hung_up(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, InvalidData, UnexpectedEof};
    matches!(error.kind(), BrokenPipe | ConnectionReset | InvalidData | UnexpectedEof)
}
