//! What becomes of processes, written down. The supervisor awaits each report before it goes on.

use std::sync::Arc;

use mantyx_core::{
    AppEvent, AppState, AppType, Code, Ending, Error, EventKind, ExecutionId, ExecutionStatus, Exit, Health,
    InstanceId, RestartRule, Result, Timestamp, Trigger,
};
use mantyx_registry::tables::executions::{Execution, Finish};
use mantyx_registry::tables::{apps, config_revisions, executions, instances};
use mantyx_registry::{Change, Json, Read, Registry, Word};
use mantyx_supervisor::{BoxFuture, Command, Condition, Ended, Observer, Report, Start};
use serde_json::json;
use tokio::sync::mpsc;

use crate::actions::is_for_a_restart;
use crate::folding::Folding;
use crate::house::House;
use crate::obituary;
use crate::starting;
use crate::unclear::Unclear;

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
}

impl Conductor {
    pub(crate) fn new(
        registry: Registry,
        house: Arc<House>,
        resume: mpsc::UnboundedSender<InstanceId>,
        unclear: Unclear,
    ) -> Self {
        Self { registry, house, resume, folding: Arc::default(), unclear }
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
                self.change(move |change| observed(change, &folding, instance, condition)).await
            }
            Report::Exited { instance, execution, ended } => self.exited(instance, execution, ended).await,
            Report::Waiting { instance, until, .. } => {
                let changes = instances::Changes { restarts_at: Some(Some(until)), ..Default::default() };
                self.change(move |change| wait(change, instance, &changes)).await
            }
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
                let well = ended.exit.is_some_and(Exit::is_success);
                let event = if well { AppEvent::Exited } else { AppEvent::Crashed };
                let reason = (!well).then(|| format!("The process {ended}, and its policy starts no other"));
                self.change(move |change| settle(change, instance, event, reason)).await
            }
            Report::GaveUp { instance, reason, retry_at, give_ups, .. } => {
                self.change(move |change| give_up(change, instance, reason, retry_at, give_ups)).await
            }
        }
    }

    /// The log is read first: nobody else can write to the database while this does.
    async fn exited(&self, instance: InstanceId, execution: ExecutionId, ended: Ended) -> Result<()> {
        let finish = obituary::write(&self.registry, &self.house.layout, execution, &ended).await;
        let folding = Arc::clone(&self.folding);
        self.change(move |change| {
            let Some(row) = executions::find(change, execution)? else { return Ok(()) };
            executions::finish(change, execution, &finish)?;
            change.touch_execution(execution);
            change.touch_app(row.app_id.0);
            record_end(change, &folding, &row, &finish)?;
            if is_scheduled(change, &row)? {
                return settle(change, instance, AppEvent::Finished, None);
            }
            lie_down(change, instance, &ended)
        })
        .await
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
    let again = matches!(trigger, Trigger::Restart | Trigger::Retry);
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
) -> Result<()> {
    let Some(row) = instances::find(change, instance)? else { return Ok(()) };
    record_health(change, folding, &row, &condition)?;
    instances::update(change, instance, &of_condition(condition))?;
    change.touch_app(row.app_id.0);
    Ok(())
}

/// What has no process is neither well nor ill. What could not be done for it is still true.
fn lie_down(change: &mut Change<'_, '_>, instance: InstanceId, ended: &Ended) -> Result<()> {
    let Some(row) = instances::find(change, instance)? else { return Ok(()) };
    let well = row.give_ups > 0 && was_well(change, &row, ended)?;
    let changes = instances::Changes {
        health: Some(Word(Health::Unknown)),
        health_detail: Some(None),
        status_text: Some(None),
        give_ups: well.then_some(0),
        ..Default::default()
    };
    instances::update(change, instance, &changes)
}

fn rule(db: &mut Read<'_>, instance: InstanceId) -> Result<RestartRule> {
    let row = instances::find(db, instance)?.ok_or_else(|| Error::not_found("instance", instance))?;
    Ok(config_revisions::get(db, row.revision_id.0)?.configuration.0.restart_rule())
}

/// Whether a process was well for a whole window: then it does not count any more that its app was given up before.
fn was_well(db: &mut Read<'_>, row: &instances::Instance, ended: &Ended) -> Result<bool> {
    let rule = rule(db, row.id.0)?;
    let healthy = matches!(row.health.0, Health::Healthy | Health::Unknown);
    Ok(healthy && ended.duration() >= rule.window)
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
) -> Result<()> {
    let turned = matches!(
        (row.health.0, condition.health),
        (Health::Healthy | Health::Starting, Health::Unhealthy) | (Health::Unhealthy, Health::Healthy)
    );
    let Some(app) = apps::find(change, row.app_id.0)?.filter(|_| turned) else { return Ok(()) };
    let Some(folded) = folding.unfold(app.id.0, condition.health.as_str(), change.now()) else {
        return Ok(());
    };
    let payload =
        json!({ "from": row.health.0, "to": condition.health, "detail": condition.detail, "folded": folded });
    change.record_app(EventKind::AppHealthChanged, &app, payload)
}

/// A service was restarted too often. It may be tried again later all the same.
fn give_up(
    change: &mut Change<'_, '_>,
    instance: InstanceId,
    reason: String,
    retry_at: Option<Timestamp>,
    give_ups: u32,
) -> Result<()> {
    let reason = with_cause(change, instance, reason)?;
    settle(change, instance, AppEvent::GaveUp, Some(reason))?;
    let changes = instances::Changes {
        restarts_at: Some(retry_at),
        give_ups: i32::try_from(give_ups).ok(),
        ..Default::default()
    };
    wait(change, instance, &changes)
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

/// A reason with what is known of why the last process ended.
fn with_cause(db: &mut Read<'_>, instance: InstanceId, reason: String) -> Result<String> {
    let Some(row) = instances::find(db, instance)? else { return Ok(reason) };
    let cause = executions::last_finished(db, row.app_id.0)?.and_then(|last| last.cause);
    // What could not be started says so in both.
    let news = cause.filter(|cause| !reason.contains(cause.trim_start_matches(obituary::NOT_STARTED)));
    Ok(news.map_or(reason.clone(), |cause| format!("{reason}. {cause}")))
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

/// What ended badly, and what somebody ended, is on the record; what went well says so by itself.
///
/// Its last lines stay with the execution: the record is for ever, and a log is not.
fn record_end(
    change: &mut Change<'_, '_>,
    folding: &Folding,
    row: &Execution,
    finish: &Finish,
) -> Result<()> {
    let status = finish.status.0;
    if status == ExecutionStatus::Success {
        return Ok(());
    }
    let Some(app) = apps::find(change, row.app_id.0)? else { return Ok(()) };
    let folded = match status {
        // By somebody, who does it as often as they mean it.
        ExecutionStatus::Cancelled => Some(0),
        _ => folding.unfold(app.id.0, status.as_str(), change.now()),
    };
    let Some(folded) = folded else { return Ok(()) };
    let (exit, ending) = (finish.exit.as_ref().map(|exit| exit.0), finish.ending.as_ref().map(|e| &e.0));
    let payload = json!({
        "execution": row.id.0,
        "status": status,
        "exit": exit,
        "ending": ending,
        "cause": finish.cause,
        "folded": folded,
    });
    change.record_app(EventKind::ExecutionFinished, &app, payload)
}

#[cfg(test)]
mod tests;
