//! Looking at the logs on the disk, and doing what the plan says.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mantyx_core::{Error, Result};
use mantyx_logs::{Segment, compress_all, remove_oldest, remove_segments, segments_in};
use mantyx_registry::Registry;
use mantyx_registry::tables::{executions, operations};
use mantyx_settings::{Layout, Live};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::ledger::{Ledger, Newest};
use super::{CLOSE, FAR, Form, Limits, LogOnDisk, Moment, Removal, SegmentOnDisk, Standing, Writer, plan};
use crate::clock::{Clock, Reading};
use crate::launch;
use crate::logs::operation_log_path;
use crate::logs::source::blocking;
use crate::mantyx::Mantyx;

impl Mantyx {
    /// Keeps the logs within their limits, from now on.
    pub(crate) fn spawn_log_sweeper(&self) {
        let (live, mut changed) = (self.inner().live.clone(), self.inner().settings_changed.subscribe());
        let (mut limits, largest) = (limits_of(&live), self.settings().log_execution_size);
        let (registry, layout) = (self.registry().clone(), self.layout().clone());
        let (mut executions, mut operations) = (registry.watch_executions(), registry.watch_operations());
        let mut sweeper = Sweeper::new(registry, layout, limits, largest);
        tokio::spawn(async move {
            let (mut clock, mut failures) = (Clock::new(Reading::take()), 0);
            loop {
                let now = Reading::take();
                match sweeper.look(Moment { shown: now.wall, believed: clock.believe(now) }).await {
                    Ok(standing) => {
                        failures = 0;
                        let wait = async {
                            // What ends meanwhile is heard afterwards.
                            sleep(CLOSE).await;
                            let change = a_change(&mut executions, &mut operations);
                            // Whether anything has changed, or it is time.
                            let _ =
                                timeout(standing.look_again_in(limits).saturating_sub(CLOSE), change).await;
                        };
                        tokio::select! {
                            () = wait => {}
                            // It fails only when the daemon is gone.
                            _ = changed.changed() => {}
                        }
                        limits = limits_of(&live);
                        sweeper.keep_to(limits);
                    }
                    Err(error) => {
                        tracing::warn!(?error, "the logs could not be tidied up; it is tried again");
                        sleep(pause_after(failures)).await;
                        failures += 1;
                    }
                }
            }
        });
    }
}

fn limits_of(live: &Live) -> Limits {
    let now = live.now();
    Limits { retention: now.log_retention, total_size: now.log_total_size }
}

/// How long after so many failures before it is tried again: what fails may be over soon, or never.
pub(super) fn pause_after(failures: u32) -> Duration {
    CLOSE.saturating_mul(2_u32.saturating_pow(failures)).min(FAR)
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

/// Looks at the logs again and again: at all of them when it is time, else at those that were written to.
pub(super) struct Sweeper {
    registry: Registry,
    layout: Layout,
    limits: Limits,
    /// The limit of the log of one execution, which is kept elsewhere.
    largest: u64,
    /// What is known since all were looked at; nothing before that, and after a failure.
    ledger: Option<Ledger>,
}

impl Sweeper {
    pub(super) fn new(registry: Registry, layout: Layout, limits: Limits, largest: u64) -> Self {
        Self { registry, layout, limits, largest, ledger: None }
    }

    /// Keeps to these limits from now on: when they are others, all logs are looked at next.
    fn keep_to(&mut self, limits: Limits) {
        if self.limits != limits {
            self.limits = limits;
            self.ledger = None;
        }
    }

    /// Looks once, at a moment.
    pub(super) async fn look(&mut self, now: Moment) -> Result<Standing> {
        if let Some(mut ledger) = self.ledger.take() {
            ledger.catch_up(&self.registry, &self.layout).await?;
            let (alive, largest) = (self.alive().await?, self.largest);
            let measured = blocking(move || Ok((ledger.measure(alive, largest)?, ledger))).await?;
            let (standing, ledger) = measured;
            if !ledger.is_due(standing, self.limits) {
                self.ledger = Some(ledger);
                return Ok(standing);
            }
        }
        self.sweep(now).await
    }

    /// Looks at all of them. Who is alive is asked before the files are listed: what begins afterwards is fresh.
    async fn sweep(&mut self, now: Moment) -> Result<Standing> {
        let newest = Newest::read(&self.registry).await?;
        let (alive, folder) = (self.alive().await?, self.layout.all_logs());
        let (limits, largest) = (self.limits, self.largest);
        let swept = blocking(move || {
            let logs = look(&folder, &alive)?;
            let plan = plan(&logs, now, limits);
            // One that fails hinders no other.
            let removed: Vec<Result<()>> = plan.removals.iter().map(take).collect();
            compress(plan.compressed)?;
            removed.into_iter().collect::<Result<()>>()?;
            let (standing, over) = stand(&logs, plan.freed, largest);
            Ok((standing, Ledger::new(standing, over, alive, newest)))
        });
        let (standing, ledger) = swept.await?;
        self.ledger = Some(ledger);
        Ok(standing)
    }

    /// The logs that are written to.
    async fn alive(&self) -> Result<BTreeSet<PathBuf>> {
        let live = self.registry.read(executions::live).await?;
        let under_way = self.registry.read(operations::all_under_way).await?;
        let executions = live.iter().map(|row| launch::log_path(&self.layout, row.app_id.0, row.id.0));
        let operations = under_way
            .iter()
            .filter_map(|row| Some(operation_log_path(&self.layout, row.app_id?.0, row.id.0)));
        Ok(executions.chain(operations).collect())
    }
}

/// How much there is, now that so much is gone, and how much of it is in logs that are over. What was removed may have
/// been written again by now.
fn stand(logs: &[LogOnDisk], freed: u64, largest: u64) -> (Standing, u64) {
    let size = |log: &LogOnDisk| log.segments.iter().map(|segment| segment.size).sum::<u64>();
    let alive = || logs.iter().filter(|log| log.writer == Writer::Alive);
    let growth = alive().map(|log| largest.saturating_sub(size(log))).fold(0, u64::saturating_add);
    let left = logs.iter().map(size).sum::<u64>().saturating_sub(freed);
    (Standing { size: left, growth }, left.saturating_sub(alive().map(size).sum()))
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
fn look(folder: &Path, alive: &BTreeSet<PathBuf>) -> Result<Vec<LogOnDisk>> {
    let failed = |error| Error::io(format!("list the logs in `{}`", folder.display()), error);
    let mut logs = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let app = entry.map_err(failed)?.path();
        for (name, numbers) in if app.is_dir() { segments_in(&app).map_err(failed)? } else { continue } {
            let path = app.join(format!("{name}.log"));
            let mut segments: Vec<_> = numbers.iter().filter_map(|number| measure(&path, *number)).collect();
            // Most logs have one segment, and then nothing was removed before it.
            if let [first, _, ..] = &mut segments[..]
                && Segment::new(&path, first.number).is_remark()
            {
                first.form = Form::Remark;
            }
            let writer = if alive.contains(&path) { Writer::Alive } else { Writer::Gone };
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
        Removal::Whole(log, numbers) => remove_segments(log, numbers)
            .map_err(|e| Error::io(format!("remove the log `{}`", log.display()), e)),
        Removal::Oldest(log, from, through) => remove_oldest(log, *from, *through)
            .map_err(|e| Error::io(format!("shorten the log `{}`", log.display()), e)),
    }
}
