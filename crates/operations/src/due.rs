//! What happens when a schedule is due.

use chrono::{TimeDelta, Utc};
use mantyx_core::{
    Actor, AppId, AppState, CatchUp, Code, EventKind, InstanceId, Overlap, Result, ScheduleId, Subject,
    Timestamp, Trigger,
};
use mantyx_registry::tables::schedules::{self, Schedule};
use mantyx_registry::tables::ticks::{self, Recorded};
use mantyx_registry::tables::{executions, instances, operations};
use mantyx_registry::{Change, Read, Registry};
use mantyx_scheduler::{BoxFuture, Runner, Tick};
use mantyx_supervisor::{Start, Supervisor};
use serde_json::json;
use tokio::sync::{OwnedMutexGuard, watch};

use crate::locks::AppLocks;
use crate::starting::decided;

/// A run that is later than this was missed.
const GRACE: TimeDelta = TimeDelta::seconds(60);

/// Starts the runs that the scheduler finds due.
#[derive(Clone)]
pub(crate) struct DueRunner {
    registry: Registry,
    supervisor: Supervisor,
    locks: AppLocks,
    /// Whether this daemon knows what is alive. A tick that an earlier daemon left in the queue waits for that.
    up: watch::Receiver<bool>,
}

/// What follows from a due instant.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Run(InstanceId),
    Skip(&'static str),
    /// Until an operation has ended.
    Wait,
    /// The schedule is gone, off, or its app is not enabled: nothing is due any more.
    Moot,
}

impl DueRunner {
    pub(crate) fn new(
        registry: Registry,
        supervisor: Supervisor,
        locks: AppLocks,
        up: watch::Receiver<bool>,
    ) -> Self {
        Self { registry, supervisor, locks, up }
    }

    async fn when_up(&self, tick: Tick) -> Result<()> {
        // It fails when the daemon goes down before it was up; the queue keeps the tick.
        let _ = self.up.clone().wait_for(|up| *up).await;
        self.take(tick).await
    }

    /// Decides about an instant once nothing has the folders of its app in its hands.
    async fn decide(&self, app: AppId, tick: Tick) -> Result<(OwnedMutexGuard<()>, Verdict)> {
        let (mut operations, arrived) = (self.registry.watch_operations(), Utc::now());
        loop {
            let lock = self.locks.app(app).await;
            let decide = move |change: &mut Change<'_, '_>| decide(change, tick, arrived);
            let verdict = self.registry.change(&Actor::Mantyx, decide).await?;
            if verdict != Verdict::Wait {
                return Ok((lock, verdict));
            }
            drop(lock);
            // It fails only when the registry is gone, and this has one.
            let _ = operations.changed().await;
        }
    }

    /// Runs or skips what is due. Either is written down together with how far the schedule has been decided.
    pub(crate) async fn take(&self, tick: Tick) -> Result<()> {
        let id = tick.schedule;
        let app = self.registry.read(move |db| app_of(db, id)).await?;
        let Some(app) = app else { return Ok(()) };
        let (_lock, verdict) = self.decide(app, tick).await?;
        let Verdict::Run(instance) = verdict else { return Ok(()) };
        let start = Start { trigger: Trigger::Schedule, schedule: Some((id, tick.due)) };
        match self.supervisor.start_run(instance, start).await {
            Ok(_) => Ok(()),
            // The queue delivered the instant twice: its run is there.
            Err(error) if error.code() == Code::AlreadyClaimed => Ok(()),
            // The process could not be started: its execution says so.
            Err(error) if error.code() == Code::StartFailed => Err(error),
            Err(error) => {
                let reason = error.detail().to_owned();
                self.registry.change(&Actor::Mantyx, move |change| skip(change, tick, &reason)).await?;
                Err(error)
            }
        }
    }
}

impl Runner for DueRunner {
    fn due(&self, tick: Tick) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.when_up(tick))
    }
}

fn app_of(db: &mut Read<'_>, id: ScheduleId) -> Result<Option<AppId>> {
    let Some(schedule) = schedules::find(db, id)? else { return Ok(None) };
    Ok(instances::find(db, schedule.instance_id.0)?.map(|instance| instance.app_id.0))
}

/// `arrived` is when it was known to be due: what has to wait for an operation is not late for that.
fn decide(change: &mut Change<'_, '_>, tick: Tick, arrived: Timestamp) -> Result<Verdict> {
    let Some(schedule) = schedules::find(change, tick.schedule)? else { return Ok(Verdict::Moot) };
    let verdict = judge(change, &schedule, tick, arrived)?;
    match verdict {
        // Decided together with the claim of the execution.
        Verdict::Run(_) | Verdict::Wait => {}
        Verdict::Skip(reason) => skip(change, tick, reason)?,
        Verdict::Moot => decided(change, tick.schedule, tick.due)?,
    }
    Ok(verdict)
}

fn judge(db: &mut Read<'_>, schedule: &Schedule, tick: Tick, arrived: Timestamp) -> Result<Verdict> {
    let Some(instance) = instances::find(db, schedule.instance_id.0)? else { return Ok(Verdict::Moot) };
    if !schedule.enabled || !matches!(instance.state.0, AppState::Enabled | AppState::Running) {
        return Ok(Verdict::Moot);
    }
    let operation = operations::under_way(db, instance.app_id.0)?;
    if operation.is_some_and(|row| !row.kind.0.leaves_runs_alone()) {
        return Ok(Verdict::Wait);
    }
    let late = arrived - tick.due > GRACE;
    if late && schedule.spec.0.catch_up == CatchUp::None {
        return Ok(Verdict::Skip(MISSED));
    }
    let busy = !executions::live_of(db, instance.id.0)?.is_empty();
    if busy && schedule.spec.0.overlap == Overlap::Skip {
        return Ok(Verdict::Skip("The run before it was still going"));
    }
    Ok(Verdict::Run(instance.id.0))
}

/// Why a run was missed.
pub(crate) const MISSED: &str = "Mantyx was down or busy when it was due";

fn skip(change: &mut Change<'_, '_>, tick: Tick, reason: &str) -> Result<()> {
    let Some(schedule) = schedules::find(change, tick.schedule)? else { return Ok(()) };
    record_skipped(change, &schedule, tick.due, tick.due, 1, reason)?;
    decided(change, tick.schedule, tick.due)
}

/// Records instants that lead to no run. Neighbours with one reason are one row, and one event.
pub(crate) fn record_skipped(
    change: &mut Change<'_, '_>,
    schedule: &Schedule,
    first: Timestamp,
    last: Timestamp,
    count: i64,
    reason: &str,
) -> Result<()> {
    if ticks::record(change, schedule.id.0, first, last, count, reason)? == Recorded::Continued {
        return Ok(());
    }
    let subject =
        Subject { kind: "schedule".into(), id: schedule.id.0.to_string(), name: schedule.name.clone() };
    let payload = json!({ "first": first, "last": last, "count": count, "reason": reason });
    change.record(EventKind::ScheduleSkipped, &subject, payload)
}
