//! Beginning a saga, and taking one step after the other.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;
use mantyx_api_types::OperationView;
use mantyx_core::{
    Actor, AppId, AppName, Code, Error, EventKind, Kind, OperationId, OperationStatus, Result, StepStatus,
    Subject,
};
use mantyx_registry::tables::operations::{self, Operation, StepChanges};
use mantyx_registry::{Change, Json, Word, views};
use serde_json::{Value, json};

use super::fault::{self, Moment};
use super::{Cancel, Commit, Memory, OnFailure, Saga, Said, Step, Task};
use crate::alone::refuse_beside;
use crate::mantyx::Mantyx;
use crate::obituary::without_last_words;
use crate::work::{FIRST_PAUSE, LAST_PAUSE};

/// What a saga is about: an app and its name, or all of Mantyx.
pub(crate) type About = Option<(AppId, AppName)>;

impl Mantyx {
    /// Writes a saga down and takes its steps in the background. Refused while the app has another.
    pub(crate) async fn begin<M: Memory>(
        &self,
        actor: &Actor,
        saga: &'static Saga<M>,
        about: About,
        memory: M,
    ) -> Result<OperationView> {
        let task = Task::new(self.clone(), OperationId::generate(), actor.clone());
        let (id, remembered) = (task.id, to_json(&memory)?);
        let written = self
            .registry()
            .change(actor, move |change| {
                write_down(change, saga, id, about, remembered)?;
                let row = operations::find(change, id)?.ok_or_else(|| Error::not_found("operation", id))?;
                views::operation(change, row)
            })
            .await;
        match &written {
            Ok(_) => drop(tokio::spawn(task.carry_out(saga, memory, 0))),
            Err(_) => self.inner().cancellations.remove(id),
        }
        written
    }
}

impl Task {
    /// Takes the steps from one on, which is marked as running, and undoes them where one fails.
    pub(super) async fn carry_out<M: Memory>(self, saga: &'static Saga<M>, memory: M, from: usize) {
        match self.go(saga, memory, from).await {
            Ok(()) => self.inner().cancellations.remove(self.id),
            Err(stopped) => self.go_back(saga, stopped).await,
        }
    }

    async fn go<M: Memory>(
        &self,
        saga: &'static Saga<M>,
        mut memory: M,
        from: usize,
    ) -> Result<(), Stopped<M>> {
        for (at, step) in saga.steps.iter().enumerate().skip(from) {
            if let Err(error) = self.take(saga, &mut memory, at, step).await {
                return Err(Stopped { at, memory, error });
            }
        }
        Ok(())
    }

    /// Takes a step, again and again where that is what is to be done about its failure.
    async fn take<M: Memory>(
        &self,
        saga: &'static Saga<M>,
        memory: &mut M,
        at: usize,
        step: &'static Step<M>,
    ) -> Result<()> {
        let mut pause = FIRST_PAUSE;
        loop {
            let known = memory.clone();
            let attempt = or_panic(self.attempt(saga, memory, at, step)).await;
            // Nobody knows how far a panic came with what it was writing down.
            let attempt = attempt.inspect_err(|_| *memory = known).unwrap_or_else(Err);
            let Err(error) = attempt else { return Ok(()) };
            if !step.on_failure.is_again(&error) {
                return Err(error);
            }
            tracing::error!(?error, operation = %self.id, step = step.name, "a step could not be done yet");
            self.tell_of_delay(at, format!("Could not be done yet: {}", error.detail())).await;
            tokio::select! {
                () = tokio::time::sleep(pause) => pause = (pause * 2).min(LAST_PAUSE),
                () = self.cancel.cancelled(), if step.cancel == Cancel::Safe => {}
                () = self.inner().cancellations.down() => return Err(error),
            }
        }
    }

    async fn attempt<M: Memory>(
        &self,
        saga: &'static Saga<M>,
        memory: &mut M,
        at: usize,
        step: &'static Step<M>,
    ) -> Result<()> {
        fault::at(self, saga.kind, step.name, Moment::Before)?;
        self.refuse_if_cancelled(step.cancel)?;
        let said = (step.act)(self, memory).await?;
        fault::at(self, saga.kind, step.name, Moment::Acted)?;
        self.refuse_if_cancelled(step.cancel)?;
        self.mark_done(saga, memory, at, said).await
    }

    fn refuse_if_cancelled(&self, cancel: Cancel) -> Result<()> {
        if cancel == Cancel::Safe && self.cancel.is_cancelled() {
            return Err(called_off());
        }
        Ok(())
    }

    /// The commit of a step, its end, the beginning of the next one, and what is known by now: all or nothing.
    async fn mark_done<M: Memory>(
        &self,
        saga: &'static Saga<M>,
        memory: &M,
        at: usize,
        Said { detail, commit }: Said,
    ) -> Result<()> {
        let (id, remembered) = (self.id, to_json(memory)?);
        self.registry()
            .change(&self.actor, move |change| {
                commit.map_or(Ok(()), |commit: Commit| commit(change))?;
                let now = Some(change.now());
                let done = StepChanges {
                    status: Some(Word(StepStatus::Done)),
                    detail: Some(detail),
                    finished_at: now,
                    ..StepChanges::default()
                };
                operations::update_step(change, id, position(at), &done)?;
                let changes =
                    operations::Changes { memory: Some(Json(remembered)), ..operations::Changes::default() };
                operations::update(change, id, &changes)?;
                if at + 1 == saga.steps.len() {
                    return write_end(change, id, OperationStatus::Succeeded, None);
                }
                mark_running(change, saga, id, at + 1)
            })
            .await
    }
}

impl OnFailure {
    fn is_again(self, error: &Error) -> bool {
        match self {
            Self::Undo => false,
            Self::Wait => error.code().kind() == Kind::Unavailable,
            Self::Insist => true,
        }
    }
}

/// What comes of work, or that it panicked: a failure like another, because the operation must end.
pub(super) async fn or_panic<T>(work: impl Future<Output = T>) -> std::result::Result<T, Error> {
    AssertUnwindSafe(work).catch_unwind().await.map_err(|panic| {
        let said = panic.downcast_ref::<&str>().map(|said| (*said).to_owned());
        let said = said.or_else(|| panic.downcast_ref::<String>().cloned());
        Error::internal("finish the work", said.unwrap_or_else(|| "it panicked".to_owned()))
    })
}

/// Somebody has called the operation off.
pub(super) fn called_off() -> Error {
    Error::new(Code::Cancelled, "The operation was cancelled")
}

/// Where a saga could not go on.
pub(super) struct Stopped<M> {
    /// The step.
    pub(super) at: usize,
    pub(super) memory: M,
    pub(super) error: Error,
}

pub(super) fn position(at: usize) -> i32 {
    i32::try_from(at).unwrap_or(i32::MAX)
}

pub(super) fn to_json<M: Memory>(memory: &M) -> Result<Value> {
    serde_json::to_value(memory).map_err(|error| Error::internal("write what an operation remembers", error))
}

fn write_down<M: Memory>(
    change: &mut Change<'_, '_>,
    saga: &'static Saga<M>,
    id: OperationId,
    about: About,
    memory: Value,
) -> Result<()> {
    refuse_beside(change, saga.kind)?;
    let (app, name) = about.unzip();
    let row = Operation {
        id: Word(id),
        app_id: app.map(Word),
        app_name: name.map(Word),
        kind: Word(saga.kind),
        status: Word(OperationStatus::Running),
        memory: Json(memory),
        cancellable: false,
        problem: None,
        actor: Json(change.actor().clone()),
        started_at: change.now(),
        finished_at: None,
    };
    operations::insert(change, &row, saga.steps.iter().map(|step| (step.name, step.title)))?;
    mark_running(change, saga, id, 0)?;
    announce(change, &row);
    change.record(EventKind::OperationStarted, &subject(&row), json!({ "kind": saga.kind }))
}

/// A step begins, and with it the operation can be called off, or not any more.
fn mark_running<M: Memory>(
    change: &mut Change<'_, '_>,
    saga: &'static Saga<M>,
    id: OperationId,
    at: usize,
) -> Result<()> {
    let begins = StepChanges {
        status: Some(Word(StepStatus::Running)),
        started_at: Some(change.now()),
        ..StepChanges::default()
    };
    operations::update_step(change, id, position(at), &begins)?;
    let cancellable = saga.steps.get(at).is_some_and(|step| step.cancel == Cancel::Safe);
    let changes = operations::Changes { cancellable: Some(cancellable), ..operations::Changes::default() };
    operations::update(change, id, &changes)?;
    change.touch_operation(id);
    Ok(())
}

/// An operation is over.
pub(super) fn write_end(
    change: &mut Change<'_, '_>,
    id: OperationId,
    status: OperationStatus,
    problem: Option<Value>,
) -> Result<()> {
    let Some(row) = operations::find(change, id)? else { return Ok(()) };
    let detail = problem.as_ref().and_then(in_record);
    let now = change.now();
    operations::finish(change, id, status, problem, now)?;
    announce(change, &row);
    let payload = json!({ "kind": row.kind.0, "status": status, "detail": detail });
    change.record(EventKind::OperationFinished, &subject(&row), payload)
}

/// What the record says of a failure. It is kept for ever, and the lines of a log are not.
fn in_record(problem: &Value) -> Option<String> {
    problem.get("detail")?.as_str().map(|detail| without_last_words(detail).to_owned())
}

fn announce(change: &mut Change<'_, '_>, row: &Operation) {
    change.touch_operation(row.id.0);
    if let Some(app) = row.app_id {
        change.touch_app(app.0);
    }
}

fn subject(row: &Operation) -> Subject {
    let name = row.app_name.as_ref().map_or_else(|| "Mantyx".to_owned(), |name| name.0.to_string());
    Subject { kind: "operation".into(), id: row.id.0.to_string(), name }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::obituary::last_words;

    #[test]
    fn the_lines_of_a_log_stay_in_the_log() {
        let words = last_words(&["token=secret".to_owned()]).unwrap();
        let told =
            "`clock` did not stay alive: The process exited with code 3. It ended 4 ms after its start";
        assert_eq!(in_record(&json!({ "detail": format!("{told}. {words}") })).as_deref(), Some(told));
        assert_eq!(in_record(&json!({ "detail": told })).as_deref(), Some(told));
        assert_eq!(in_record(&json!({})), None);
    }
}
