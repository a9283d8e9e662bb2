//! What becomes of processes, written down. The supervisor awaits each report before it goes on.

use std::sync::Arc;

use mantyx_core::{
    AppEvent, AppState, AppType, Code, Ending, Error, EventKind, ExecutionId, Health, InstanceId,
    RestartRule, Result, Timestamp, Trigger,
};
use mantyx_registry::tables::executions::Execution;
use mantyx_registry::tables::{apps, config_revisions, executions, instances};
use mantyx_registry::{Change, Json, Read, Registry, Word};
use mantyx_supervisor::{BoxFuture, Command, Condition, Observer, Report, Start};
use serde_json::json;
use tokio::sync::mpsc;

use crate::actions::is_for_a_restart;
use crate::folding::{Folding, Verdict};
use crate::house::House;
use crate::standing::is_for_a_switch;
use crate::starting;
use crate::stops::Stops;
use crate::unclear::Unclear;

pub(crate) use ends::record_end;

mod ends;

/// Persists what the supervisor does.
pub(crate) struct Conductor {
    registry: Registry,
    house: Arc<House>,
    /// Instances that are to be started though a stop was their end. Starting one is not for a report to wait for.
    resume: mpsc::UnboundedSender<InstanceId>,
    /// What was recorded lately.
    folding: Arc<Folding>,
    /// Beside what nothing is started.
    unclear: Unclear,
    /// Who has asked for what is being stopped.
    stops: Stops,
}

impl Conductor {
    pub(crate) fn new(
        registry: Registry,
        house: Arc<House>,
        resume: mpsc::UnboundedSender<InstanceId>,
        unclear: Unclear,
        stops: Stops,
    ) -> Self {
        Self { registry, house, resume, folding: Arc::default(), unclear, stops }
    }

    async fn change<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Change<'_, '_>) -> Result<T> + Send + 'static,
    {
        self.registry.note(work).await
    }

    async fn take(&self, report: Report) -> Result<()> {
        match report {
            Report::Started { instance, execution, pid, at, condition } => {
                let process = Process { execution, pid, at };
                self.change(move |change| started(change, instance, process, condition)).await
            }
            Report::Observed { instance, condition, .. } => {
                let folding = Arc::clone(&self.folding);
                let work = move |change: &mut Change<'_, '_>| observed(change, &folding, instance, condition);
                self.keep(self.change(work).await?);
                Ok(())
            }
            Report::Exited { instance, execution, ended } => self.exited(instance, execution, ended).await,
            Report::Waiting { instance, until, .. } => {
                let changes = instances::Changes { restarts_at: Some(Some(until)), ..Default::default() };
                self.change(move |change| wait(change, instance, &changes)).await
            }
            // The operation that stopped it starts it again.
            Report::Rested { ended, .. } if is_for_a_switch(&ended.ending) => Ok(()),
            // A person stopped it under a daemon that has died since, or it went down with the machine.
            Report::Rested { instance, ended }
                if ended.was_asked_for() || ended.ending == Ending::ShutDown =>
            {
                let to_be_started = ended.ending == Ending::ShutDown || is_for_a_restart(&ended.ending);
                if to_be_started {
                    // Nobody listens while the daemon goes down; the next start looks for itself.
                    let _ = self.resume.send(instance);
                    return Ok(());
                }
                self.change(move |change| settle(change, instance, AppEvent::Exited, None)).await
            }
            Report::Rested { instance, ended } => {
                self.change(move |change| ends::rest(change, instance, &ended)).await
            }
            Report::GaveUp { instance, ended, reason, retry_at, give_ups, .. } => {
                let work = move |change: &mut Change<'_, '_>| {
                    ends::give_up(change, instance, &ended, reason, retry_at, give_ups)
                };
                self.change(work).await
            }
        }
    }

    /// Remembers what was recorded, and what was only counted, now that it is committed.
    fn keep(&self, verdict: Option<Verdict>) {
        if let Some(verdict) = verdict {
            self.folding.keep(verdict);
        }
    }
}

impl Observer for Conductor {
    fn prepare(&self, instance: InstanceId, start: Start) -> BoxFuture<'_, Result<Command>> {
        Box::pin(async move {
            self.unclear.refuse(instance)?;
            starting::prepare(&self.registry, &self.house, instance, start).await
        })
    }

    fn rule(&self, instance: InstanceId) -> BoxFuture<'_, Result<RestartRule>> {
        Box::pin(self.registry.read(move |db| rule(db, instance)))
    }

    fn report(&self, report: Report) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.take(report))
    }
}

/// A process that is alive.
#[derive(Clone, Copy)]
struct Process {
    execution: ExecutionId,
    pid: u32,
    at: Timestamp,
}

fn started(
    change: &mut Change<'_, '_>,
    instance: InstanceId,
    process: Process,
    condition: Condition,
) -> Result<()> {
    executions::set_running(change, process.execution, process.pid, process.at)?;
    change.touch_execution(process.execution);
    let Some(execution) = executions::find(change, process.execution)? else { return Ok(()) };
    let Some(row) = instances::find(change, instance)? else { return Ok(()) };
    change.touch_app(row.app_id.0);
    if is_scheduled(change, &execution)? {
        // Of a run only its outcome counts, and there may be another beside it.
        let changes = instances::Changes { warnings: Some(Json(condition.warnings)), ..Default::default() };
        return instances::update(change, instance, &changes);
    }
    let trigger = execution.trigger.0;
    let again = matches!(trigger, Trigger::Restart | Trigger::Retry | Trigger::Boot);
    if again && row.state.0 == AppState::Failed {
        settle(change, instance, AppEvent::Start, None)?;
    }
    let changes = instances::Changes {
        restarts: (trigger == Trigger::Restart).then_some(row.restarts + 1),
        restarts_at: Some(None),
        // Whoever starts it by hand expects something new of it.
        give_ups: (!again).then_some(0),
        ..of_condition(condition)
    };
    instances::update(change, instance, &changes)
}

/// How an instance is has changed. What is as it was is not announced.
fn observed(
    change: &mut Change<'_, '_>,
    folding: &Folding,
    instance: InstanceId,
    condition: Condition,
) -> Result<Option<Verdict>> {
    let Some(row) = instances::find(change, instance)? else { return Ok(None) };
    let verdict = record_health(change, folding, &row, &condition)?;
    instances::update(change, instance, &of_condition(condition))?;
    change.touch_app(row.app_id.0);
    Ok(verdict)
}

fn rule(db: &mut Read<'_>, instance: InstanceId) -> Result<RestartRule> {
    let row = instances::find(db, instance)?.ok_or_else(|| Error::not_found("instance", instance))?;
    Ok(config_revisions::get(db, row.revision_id.0)?.configuration.0.restart_rule())
}

fn of_condition(condition: Condition) -> instances::Changes {
    instances::Changes {
        health: Some(Word(condition.health)),
        health_detail: Some(condition.detail),
        status_text: Some(condition.status_text),
        warnings: Some(Json(condition.warnings)),
        ..Default::default()
    }
}

/// The record says when an app fell ill and when it was well again.
fn record_health(
    change: &mut Change<'_, '_>,
    folding: &Folding,
    row: &instances::Instance,
    condition: &Condition,
) -> Result<Option<Verdict>> {
    let turned = matches!(
        (row.health.0, condition.health),
        (Health::Healthy | Health::Starting, Health::Unhealthy) | (Health::Unhealthy, Health::Healthy)
    );
    let Some(app) = apps::find(change, row.app_id.0)?.filter(|_| turned) else { return Ok(None) };
    let verdict = folding.judge(app.id.0, condition.health.as_str(), change.now());
    if let Some(folded) = verdict.folded {
        let (from, to) = (row.health.0, condition.health);
        let payload = json!({ "from": from, "to": to, "detail": condition.detail, "folded": folded });
        change.record_app(EventKind::AppHealthChanged, &app, payload)?;
    }
    Ok(Some(verdict))
}

/// Something is due, unless a person was quicker to switch the app off.
fn wait(change: &mut Change<'_, '_>, instance: InstanceId, changes: &instances::Changes) -> Result<()> {
    match instances::find(change, instance)? {
        Some(row) if matches!(row.state.0, AppState::Running | AppState::Failed) => {
            change.touch_app(row.app_id.0);
            instances::update(change, instance, changes)
        }
        _ => Ok(()),
    }
}

/// Applies an event that processes caused. A person may have been quicker: then their state stands.
fn settle(
    change: &mut Change<'_, '_>,
    instance: InstanceId,
    event: AppEvent,
    reason: Option<String>,
) -> Result<()> {
    let Some(row) = instances::find(change, instance)? else { return Ok(()) };
    match change.apply(row.app_id.0, event, reason) {
        Err(error) if error.code() == Code::IllegalState => {
            tracing::debug!(%event, state = %row.state.0, "an event of a process came too late");
            Ok(())
        }
        other => other.map(drop),
    }
}

fn is_scheduled(db: &mut Read<'_>, row: &Execution) -> Result<bool> {
    Ok(apps::find(db, row.app_id.0)?.is_some_and(|app| app.app_type.0 == AppType::Scheduled))
}

#[cfg(test)]
mod tests;
