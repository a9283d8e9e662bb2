//! A process has ended, or a service is given up: what is written down of it, and what that means for its app.

use std::sync::Arc;

use mantyx_core::{
    AppEvent, Ending, EventKind, ExecutionId, ExecutionStatus, Exit, Health, InstanceId, Result, Timestamp,
};
use mantyx_registry::tables::executions::{Execution, Finish};
use mantyx_registry::tables::{apps, executions, instances};
use mantyx_registry::{Change, Read, Word};
use mantyx_supervisor::Ended;
use serde_json::json;

use super::{Conductor, is_scheduled, rule, settle, wait};
use crate::actions::settled_by;
use crate::folding::{Folding, Verdict};
use crate::obituary;

impl Conductor {
    /// The log is read first: nobody else can write to the database while this does.
    pub(super) async fn exited(
        &self,
        instance: InstanceId,
        execution: ExecutionId,
        ended: Ended,
    ) -> Result<()> {
        let finish = obituary::write(&self.registry, &self.house.layout, execution, &ended).await;
        let (folding, asked_for) = (Arc::clone(&self.folding), settled_by(&ended.ending));
        let work = move |change: &mut Change<'_, '_>| {
            let Some(row) = executions::find(change, execution)? else { return Ok(None) };
            executions::finish(change, execution, &finish)?;
            change.touch_execution(execution);
            change.touch_app(row.app_id.0);
            let verdict = record_unless_folded(change, &folding, &row, &finish)?;
            settle_end(change, &row, instance, &ended)?;
            Ok(verdict)
        };
        let verdict = match asked_for {
            // Whoever asked is told that it is done, so no loss of power may undo it.
            Some(_) => self.registry.change(&self.stops.who(instance), work).await?,
            None => self.change(work).await?,
        };
        self.keep(verdict);
        Ok(())
    }
}

/// What follows from an end for its app. What a person stopped it for is so from now on: a daemon that dies a moment
/// later leaves nothing to be made up for.
fn settle_end(
    change: &mut Change<'_, '_>,
    row: &Execution,
    instance: InstanceId,
    ended: &Ended,
) -> Result<()> {
    let scheduled = is_scheduled(change, row)?;
    if !scheduled {
        lie_down(change, instance, ended)?;
    }
    match settled_by(&ended.ending) {
        None | Some(AppEvent::Stop) if scheduled => settle(change, instance, AppEvent::Finished, None),
        None => Ok(()),
        // The others have their grace.
        Some(_) if scheduled && !executions::live_of(change, instance)?.is_empty() => Ok(()),
        Some(event) => settle(change, instance, event, None),
    }
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

/// Whether a process was well for a whole window: then it does not count any more that its app was given up before.
fn was_well(db: &mut Read<'_>, row: &instances::Instance, ended: &Ended) -> Result<bool> {
    let rule = rule(db, row.id.0)?;
    let healthy = matches!(row.health.0, Health::Healthy | Health::Unknown);
    Ok(healthy && ended.duration() >= rule.window)
}

/// A service has ended, and its policy starts no other.
pub(super) fn rest(change: &mut Change<'_, '_>, instance: InstanceId, ended: &Ended) -> Result<()> {
    if ended.exit.is_some_and(Exit::is_success) {
        return settle(change, instance, AppEvent::Exited, None);
    }
    let reason = format!("The process {ended}, and its policy starts no other");
    fail(change, instance, ended, AppEvent::Crashed, reason)
}

/// A service was restarted too often. It may be tried again later all the same.
pub(super) fn give_up(
    change: &mut Change<'_, '_>,
    instance: InstanceId,
    ended: &Ended,
    reason: String,
    retry_at: Option<Timestamp>,
    give_ups: u32,
) -> Result<()> {
    fail(change, instance, ended, AppEvent::GaveUp, reason)?;
    let changes = instances::Changes {
        restarts_at: Some(retry_at),
        give_ups: i32::try_from(give_ups).ok(),
        ..Default::default()
    };
    wait(change, instance, &changes)
}

/// An app has failed, for a reason that is told with why its last process ended and what that said last. The record of
/// events is for ever, and a log is not: its lines stay out of it.
fn fail(
    change: &mut Change<'_, '_>,
    instance: InstanceId,
    ended: &Ended,
    event: AppEvent,
    reason: String,
) -> Result<()> {
    let Some(row) = instances::find(change, instance)? else { return Ok(()) };
    let last = match &ended.ending {
        // The reason says why, and of a start that could not even be prepared there is no execution.
        Ending::NotStarted { .. } => None,
        _ => executions::last_finished(change, row.app_id.0)?,
    };
    let (cause, lines) = last.map(|last| (last.cause, last.last_lines.0)).unwrap_or_default();
    let reason = cause.map_or(reason.clone(), |cause| format!("{reason}. {cause}"));
    settle(change, instance, event, Some(reason.clone()))?;
    let Some(words) = obituary::last_words(&lines) else { return Ok(()) };
    let reason = Some(Some(format!("{reason}. {words}")));
    wait(change, instance, &instances::Changes { reason, ..Default::default() })
}

/// What ended badly, and what somebody ended, is on the record; what went well says so by itself.
fn record_unless_folded(
    change: &mut Change<'_, '_>,
    folding: &Folding,
    row: &Execution,
    finish: &Finish,
) -> Result<Option<Verdict>> {
    match finish.status.0 {
        ExecutionStatus::Success => Ok(None),
        // By somebody, who does it as often as they mean it.
        ExecutionStatus::Cancelled => record_end(change, row, finish, 0).map(|()| None),
        status => {
            let verdict = folding.judge(row.app_id.0, status.as_str(), change.now());
            if let Some(folded) = verdict.folded {
                record_end(change, row, finish, folded)?;
            }
            Ok(Some(verdict))
        }
    }
}

/// Puts the end of an execution on the record, for itself and for as many of its kind as were folded into it.
///
/// Its last lines stay with the execution: the record is for ever, and a log is not.
pub(crate) fn record_end(
    change: &mut Change<'_, '_>,
    row: &Execution,
    finish: &Finish,
    folded: u32,
) -> Result<()> {
    let Some(app) = apps::find(change, row.app_id.0)? else { return Ok(()) };
    let (exit, ending) = (finish.exit.as_ref().map(|exit| exit.0), finish.ending.as_ref().map(|e| &e.0));
    let payload = json!({
        "execution": row.id.0,
        "status": finish.status.0,
        "exit": exit,
        "ending": ending,
        "cause": finish.cause,
        "folded": folded,
    });
    change.record_app(EventKind::ExecutionFinished, &app, payload)
}
