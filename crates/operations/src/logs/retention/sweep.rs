//! Looking at the logs on the disk, and doing what the plan says.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::SystemTime;

use mantyx_core::{Error, Result};
use mantyx_logs::{Segment, compress_all, remove_oldest, remove_segments, segments_in};
use mantyx_registry::Registry;
use mantyx_registry::tables::{executions, operations};
use mantyx_settings::Layout;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::clock::{Clock, Reading};
use super::{CLOSE, FAR, Form, Limits, LogOnDisk, Removal, SegmentOnDisk, Standing, Writer, plan};
use crate::logs::source::blocking;
use crate::mantyx::Mantyx;

impl Mantyx {
    /// Keeps the logs within their limits, from now on.
    pub(crate) fn spawn_log_sweeper(&self) {
        let (registry, layout) = (self.registry().clone(), self.layout().clone());
        let settings = self.settings();
        let limits = Limits { retention: settings.log_retention, total_size: settings.log_total_size };
        let largest = settings.log_execution_size;
        let (mut executions, mut operations) = (registry.watch_executions(), registry.watch_operations());
        tokio::spawn(async move {
            let mut clock = Clock::new(Reading::take());
            loop {
                let now = clock.believe(Reading::take());
                let again = match sweep(&registry, &layout, now, limits, largest).await {
                    Ok(standing) => standing.look_again_in(limits),
                    Err(error) => {
                        tracing::warn!(?error, "the logs could not be tidied up; it is tried again");
                        FAR
                    }
                };
                // What ends meanwhile is heard afterwards.
                sleep(CLOSE).await;
                let change = a_change(&mut executions, &mut operations);
                // Whether anything has changed, or it is time.
                let _ = timeout(again.saturating_sub(CLOSE), change).await;
            }
        });
    }
}

/// Waits until an execution or an operation has changed. It may only have begun, which costs one look too many; but who
/// listens to what changes is told all of it, and keeps awake who tells.
pub(super) async fn a_change(executions: &mut watch::Receiver<()>, operations: &mut watch::Receiver<()>) {
    // Either fails only when the registry is gone, and whoever waits has one.
    let _ = tokio::select! {
        changed = executions.changed() => changed,
        changed = operations.changed() => changed,
    };
}

/// Looks once, at a moment. Who is alive is asked before the files are listed: what begins afterwards is fresh. The log of one
/// execution is limited by itself.
pub(super) async fn sweep(
    registry: &Registry,
    layout: &Layout,
    now: SystemTime,
    limits: Limits,
    largest: u64,
) -> Result<Standing> {
    let live = registry.read(executions::live).await?;
    let under_way = registry.read(operations::all_under_way).await?;
    let executions = live.into_iter().map(|row| row.id.0.to_string());
    let operations = under_way.into_iter().map(|row| format!("operation-{}", row.id.0));
    let alive: BTreeSet<String> = executions.chain(operations).collect();
    let folder = layout.all_logs();
    blocking(move || {
        let logs = look(&folder, &alive)?;
        let plan = plan(&logs, now, limits);
        // One that fails is tried again next time, and hinders no other.
        for removal in &plan.removals {
            if let Err(error) = take(removal) {
                tracing::warn!(?error, ?removal, "a log could not be tidied up");
            }
        }
        compress(plan.compressed)?;
        Ok(stand(&logs, largest))
    })
    .await
}

/// How much there was. What was removed may have been written again by now.
fn stand(logs: &[LogOnDisk], largest: u64) -> Standing {
    let size = |log: &LogOnDisk| log.segments.iter().map(|segment| segment.size).sum::<u64>();
    let alive = logs.iter().filter(|log| log.writer == Writer::Alive);
    let growth = alive.map(|log| largest.saturating_sub(size(log))).fold(0, u64::saturating_add);
    Standing { size: logs.iter().map(size).sum(), growth }
}

/// Anybody else goes first.
fn compress(segments: Vec<Segment>) -> Result<()> {
    if segments.is_empty() {
        return Ok(());
    }
    let thread = compress_all(segments).map_err(|e| Error::io("begin to compress old logs", e))?;
    thread
        .join()
        .map_err(|_| Error::internal("compress old logs", std::io::Error::other("the thread broke off")))
}

/// All logs of all apps.
fn look(folder: &Path, alive: &BTreeSet<String>) -> Result<Vec<LogOnDisk>> {
    let failed = |error| Error::io(format!("list the logs in `{}`", folder.display()), error);
    let mut logs = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let app = entry.map_err(failed)?.path();
        for (name, numbers) in if app.is_dir() { segments_in(&app).map_err(failed)? } else { continue } {
            let path = app.join(format!("{name}.log"));
            let segments: Vec<_> = numbers.iter().filter_map(|number| measure(&path, *number)).collect();
            let writer = if alive.contains(&name) { Writer::Alive } else { Writer::Gone };
            if !segments.is_empty() {
                logs.push(LogOnDisk { path, writer, segments });
            }
        }
    }
    Ok(logs)
}

/// A segment that has gone meanwhile is none.
fn measure(log: &Path, number: u32) -> Option<SegmentOnDisk> {
    let segment = Segment::new(log, number);
    let plain = fs::metadata(segment.plain()).map(|file| (file, Form::Plain));
    let compressed = || fs::metadata(segment.compressed()).map(|file| (file, Form::Compressed));
    let (file, form) = plain.or_else(|_| compressed()).ok()?;
    let form = if segment.is_remark() { Form::Remark } else { form };
    Some(SegmentOnDisk { number, size: file.len(), modified: file.modified().ok()?, form })
}

fn take(removal: &Removal) -> Result<()> {
    match removal {
        Removal::Whole(log, numbers) => remove_segments(log, numbers)
            .map_err(|e| Error::io(format!("remove the log `{}`", log.display()), e)),
        Removal::Oldest(log, from, through) => remove_oldest(log, *from, *through)
            .map_err(|e| Error::io(format!("shorten the log `{}`", log.display()), e)),
    }
}
