//! Going back: everything that a saga has done is undone, the last step first.

use mantyx_api_types::Problem;
use mantyx_core::{Code, Error, OperationStatus, Result, StepStatus};
use mantyx_registry::tables::operations::{self, StepChanges};
use mantyx_registry::{Change, Json, Word};
use serde_json::Value;

use super::fault::{self, Moment};
use super::forward::{Stopped, or_panic, position, to_json, write_end};
use super::{Memory, Saga, Step, Task};
use crate::work::{FIRST_PAUSE, LAST_PAUSE};

impl Task {
    /// Undoes what was done and says why. When the daemon goes down before that is finished, the next one goes on.
    pub(super) async fn go_back<M: Memory>(self, saga: &'static Saga<M>, stopped: Stopped<M>) {
        // What fails while the daemon goes down fails for that: the next one carries it on.
        if self.inner().cancellations.are_down() {
            return;
        }
        let Stopped { at, memory, error } = stopped;
        tracing::info!(?error, operation = %self.id, "an operation is undone");
        let problem = Problem::from(&error);
        if self.mark_failed(at, &problem).await.is_none() {
            return;
        }
        self.undo(saga, memory, at + 1, problem).await;
    }

    /// Undoes the first steps, the last of them first, and ends the operation.
    pub(super) async fn undo<M: Memory>(
        self,
        saga: &'static Saga<M>,
        mut memory: M,
        steps: usize,
        problem: Problem,
    ) {
        for (at, step) in saga.steps.iter().enumerate().take(steps).rev() {
            if self.undo_step(saga, &mut memory, at, step).await.is_none() {
                return;
            }
        }
        self.end_failed(saga, memory, problem).await;
    }

    /// Written before the first undo, and says which step it was that failed.
    async fn mark_failed(&self, at: usize, problem: &Problem) -> Option<()> {
        let (id, problem) = (self.id, problem.clone());
        let mark = move |change: &mut Change<'_, '_>| {
            let failed = StepChanges {
                status: Some(Word(StepStatus::Failed)),
                detail: Some(Some(problem.detail.clone())),
                finished_at: Some(change.now()),
                ..StepChanges::default()
            };
            operations::update_step(change, id, position(at), &failed)?;
            let changes = operations::Changes {
                problem: Some(Json(as_json(&problem)?)),
                cancellable: Some(false),
                ..operations::Changes::default()
            };
            operations::update(change, id, &changes)?;
            change.touch_operation(id);
            Ok(())
        };
        self.insist(&self.actor, "why an operation failed", mark).await
    }

    /// One undo, again and again until it is done; `None` when the daemon goes down before that.
    async fn undo_step<M: Memory>(
        &self,
        saga: &'static Saga<M>,
        memory: &mut M,
        at: usize,
        step: &'static Step<M>,
    ) -> Option<()> {
        let Some(undo) = step.undo else { return Some(()) };
        let mut pause = FIRST_PAUSE;
        loop {
            let known = memory.clone();
            let undone = async {
                fault::at(self, saga.kind, step.name, Moment::Undoing)?;
                undo(self, memory).await?;
                fault::at(self, saga.kind, step.name, Moment::Undone)
            };
            let undone = or_panic(undone).await.inspect_err(|_| *memory = known).unwrap_or_else(Err);
            let Err(error) = undone else { break };
            tracing::error!(?error, operation = %self.id, step = step.name, "a step could not be undone yet");
            self.tell_of_delay(at, format!("Could not be undone yet: {}", error.detail())).await;
            tokio::select! {
                () = tokio::time::sleep(pause) => pause = (pause * 2).min(LAST_PAUSE),
                () = self.inner().cancellations.down() => return None,
            }
        }
        let remembered = to_json(memory).ok()?;
        let id = self.id;
        let mark = move |change: &mut Change<'_, '_>| mark_undone(change, id, at, remembered.clone());
        self.insist(&self.actor, "that a step was undone", mark).await
    }

    /// Whoever watches is told why it takes so long. That may be what keeps the database from being written too.
    pub(super) async fn tell_of_delay(&self, at: usize, detail: String) {
        let id = self.id;
        let tell = move |change: &mut Change<'_, '_>| {
            let changes = StepChanges { detail: Some(Some(detail)), ..StepChanges::default() };
            operations::update_step(change, id, position(at), &changes)?;
            change.touch_operation(id);
            Ok(())
        };
        if let Err(error) = self.registry().change(&self.actor, tell).await {
            tracing::warn!(?error, operation = %id, "nobody can be told of it either");
        }
    }

    async fn end_failed<M: Memory>(&self, saga: &'static Saga<M>, memory: M, problem: Problem) {
        let (id, failed) = (self.id, saga.failed);
        let status = match problem.code {
            Code::Cancelled => OperationStatus::Cancelled,
            _ => OperationStatus::Failed,
        };
        let end = move |change: &mut Change<'_, '_>| {
            failed.map_or(Ok(()), |failed| failed(change, &memory, &problem))?;
            write_end(change, id, status, Some(as_json(&problem)?))
        };
        if self.insist(&self.actor, "the end of an operation", end).await.is_some() {
            self.inner().cancellations.remove(id);
        }
    }
}

/// The step that failed stays the one that failed.
fn mark_undone(
    change: &mut Change<'_, '_>,
    id: mantyx_core::OperationId,
    at: usize,
    memory: Value,
) -> Result<()> {
    let row = operations::steps(change, id)?.into_iter().nth(at);
    if row.is_some_and(|row| row.status.0 == StepStatus::Done) {
        let undone = StepChanges { status: Some(Word(StepStatus::Undone)), ..StepChanges::default() };
        operations::update_step(change, id, position(at), &undone)?;
    }
    let changes = operations::Changes { memory: Some(Json(memory)), ..operations::Changes::default() };
    operations::update(change, id, &changes)?;
    change.touch_operation(id);
    Ok(())
}

fn as_json(problem: &Problem) -> Result<Value> {
    serde_json::to_value(problem).map_err(|error| Error::internal("write the problem", error))
}
