//! Looking at the logs on the disk, and doing what the plan says.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use mantyx_core::{Error, Result};
use mantyx_logs::{Segment, compress_all, remove_oldest, segments_in};
use mantyx_platform::folders;
use mantyx_registry::Registry;
use mantyx_registry::tables::{executions, operations};
use mantyx_settings::Layout;
use tokio::time::{MissedTickBehavior, interval};

use super::{Form, Limits, LogOnDisk, Removal, SegmentOnDisk, Writer, plan};
use crate::logs::source::blocking;
use crate::mantyx::Mantyx;

/// How often the logs are looked at.
const PERIOD: Duration = Duration::from_secs(3600);

impl Mantyx {
    /// Keeps the logs within their limits, now and every hour.
    pub(crate) fn spawn_log_sweeper(&self) {
        let (registry, layout) = (self.registry().clone(), self.layout().clone());
        let settings = self.settings();
        let limits = Limits { retention: settings.log_retention, total_size: settings.log_total_size };
        tokio::spawn(async move {
            let mut clock = interval(PERIOD);
            clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                clock.tick().await;
                if let Err(error) = sweep(&registry, &layout, limits).await {
                    tracing::warn!(?error, "the logs could not be tidied up; the next attempt is in an hour");
                }
            }
        });
    }
}

/// Looks once. Who is alive is asked before the files are listed: what begins afterwards is fresh.
pub(super) async fn sweep(registry: &Registry, layout: &Layout, limits: Limits) -> Result<()> {
    let live = registry.read(executions::live).await?;
    let under_way = registry.read(operations::all_under_way).await?;
    let executions = live.into_iter().map(|row| row.id.0.to_string());
    let operations = under_way.into_iter().map(|row| format!("operation-{}", row.id.0));
    let alive: BTreeSet<String> = executions.chain(operations).collect();
    let folder = layout.all_logs();
    blocking(move || {
        let logs = look(&folder, &alive)?;
        let plan = plan(&logs, SystemTime::now(), limits);
        // One that fails is tried again next time, and hinders no other.
        for removal in &plan.removals {
            if let Err(error) = take(removal) {
                tracing::warn!(?error, ?removal, "a log could not be tidied up");
            }
        }
        compress(plan.compressed)
    })
    .await
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
    Some(SegmentOnDisk { number, size: file.len(), modified: file.modified().ok()?, form })
}

fn take(removal: &Removal) -> Result<()> {
    match removal {
        Removal::Whole(log, numbers) => numbers.iter().try_for_each(|number| {
            let segment = Segment::new(log, *number);
            folders::remove(&segment.unfinished())?;
            folders::remove(&segment.plain())?;
            folders::remove(&segment.compressed())
        }),
        Removal::Oldest(log, from, through) => remove_oldest(log, *from, *through)
            .map_err(|e| Error::io(format!("shorten the log `{}`", log.display()), e)),
    }
}
