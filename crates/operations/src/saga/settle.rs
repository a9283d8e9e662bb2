//! After a start: what an earlier daemon left unfinished is carried on or undone.

use std::pin::Pin;

use mantyx_api_types::Problem;
use mantyx_core::{AppId, Code, Error, OperationKind, OperationStatus, Result, StepStatus};
use mantyx_registry::tables::operations::{self, Operation};
use mantyx_registry::tables::{apps, instances};
use mantyx_registry::{Change, Read};

use super::forward::{Stopped, write_end};
use super::{ALL, Cancel, Memory, OnDeath, Saga, Task};
use crate::mantyx::Mantyx;

/// A saga of any memory: what of it can be listed, and taken up again.
pub(crate) trait AnySaga: Sync {
    /// What people call it.
    fn kind(&self) -> OperationKind;

    /// Its steps, and whether each has an undo.
    fn steps(&self) -> Vec<(&'static str, bool)>;

    /// Whether nothing is done, or is done any more, to what anybody uses, as its steps stand.
    fn leaves_alone(&self, steps: &[operations::Step]) -> bool;

    /// What is to be done about what an earlier daemon left: it ends with the operation.
    fn take_up(
        &'static self,
        task: Task,
        row: &Operation,
        steps: &[operations::Step],
    ) -> Result<Pin<Box<dyn Future<Output = ()> + Send>>>;
}

impl<M: Memory> AnySaga for Saga<M> {
    fn kind(&self) -> OperationKind {
        self.kind
    }

    fn steps(&self) -> Vec<(&'static str, bool)> {
        self.steps.iter().map(|step| (step.name, step.undo.is_some())).collect()
    }

    fn leaves_alone(&self, steps: &[operations::Step]) -> bool {
        let is_safe =
            |name: &str| self.steps.iter().any(|step| step.name == name && step.cancel == Cancel::Safe);
        let is_off = |status| matches!(status, StepStatus::Pending | StepStatus::Undone);
        steps.iter().all(|step| is_off(step.status.0) || is_safe(&step.name))
    }

    fn take_up(
        &'static self,
        task: Task,
        row: &Operation,
        steps: &[operations::Step],
    ) -> Result<Pin<Box<dyn Future<Output = ()> + Send>>> {
        let memory: M = serde_json::from_value(row.memory.0.clone())
            .map_err(|error| Error::internal("read what an operation remembers", error))?;
        let known = steps.iter().map(|step| step.name.as_str());
        if !known.eq(self.steps.iter().map(|step| step.name)) {
            let detail =
                format!("Another version of Mantyx began the {}, in other steps", self.kind.as_str());
            return Err(Error::new(Code::Interrupted, detail));
        }
        let at =
            steps.iter().position(|step| matches!(step.status.0, StepStatus::Running | StepStatus::Failed));
        let at = at.unwrap_or_default();
        if let Some(problem) = &row.problem {
            let problem: Problem = serde_json::from_value(problem.0.clone())
                .map_err(|error| Error::internal("read why an operation failed", error))?;
            // What is undone stays undone: files that it removed are not there any more for the undo of a later step.
            let undone = steps.iter().position(|step| step.status.0 == StepStatus::Undone);
            return Ok(Box::pin(task.undo(self, memory, undone.unwrap_or(at + 1), problem)));
        }
        match self.steps.get(at).map_or(OnDeath::Undo, |step| step.on_death) {
            OnDeath::Resume => Ok(Box::pin(task.carry_out(self, memory, at))),
            OnDeath::ResumeOneBefore => Ok(Box::pin(task.carry_out(self, memory, at.saturating_sub(1)))),
            OnDeath::Undo => {
                let stopped = Stopped { at, memory, error: interrupted(self.kind) };
                Ok(Box::pin(task.go_back(self, stopped)))
            }
        }
    }
}

impl Mantyx {
    /// Takes up every operation that is not over. They go on beside everything else: one may wait for its app's whole
    /// grace.
    pub(crate) async fn settle_operations(&self) -> Result<()> {
        let unfinished = |db: &mut Read<'_>| {
            let rows = operations::all_under_way(db)?;
            rows.into_iter()
                .map(|row| Ok((operations::steps(db, row.id.0)?, row)))
                .collect::<Result<Vec<_>>>()
        };
        for (steps, row) in self.registry().read(unfinished).await? {
            let (id, kind) = (row.id.0, row.kind.0);
            tracing::info!(operation = %id, kind = kind.as_str(), "an interrupted operation is settled");
            if let Err(error) = self.settle_operation(&row, &steps).await {
                tracing::error!(?error, operation = %id, "an interrupted operation could not be settled");
            }
        }
        Ok(())
    }

    async fn settle_operation(&self, row: &Operation, steps: &[operations::Step]) -> Result<()> {
        let task = Task::new(self.clone(), row.id.0, row.actor.0.clone());
        let saga = ALL.iter().find(|saga| saga.kind() == row.kind.0);
        let taken = match saga {
            Some(saga) => saga.take_up(task, row, steps),
            None => Err(interrupted(row.kind.0)),
        };
        match taken {
            Ok(work) => drop(tokio::spawn(self.clone().settle_with(work, row.app_id.map(|id| id.0)))),
            Err(error) => self.abandon(row, &error).await?,
        }
        let what = format!("The operation {} was taken up again", row.kind.0.as_str());
        match &row.app_name {
            Some(name) => self.repaired(&name.0, what).await,
            None => Ok(()),
        }
    }

    /// What the boot leaves to an operation comes up when that has ended, as everything else came up at the boot.
    async fn settle_with(self, work: Pin<Box<dyn Future<Output = ()> + Send>>, app: Option<AppId>) {
        work.await;
        let Some(app) = app.filter(|_| !self.inner().cancellations.are_down()) else { return };
        let _lock = self.inner().locks.app(app).await;
        let now = move |db: &mut Read<'_>| match apps::find(db, app)? {
            Some(row) if operations::under_way(db, app)?.is_none() => {
                Ok(Some((instances::of_app(db, app)?, row)))
            }
            _ => Ok(None),
        };
        let up = match self.registry().read(now).await {
            Ok(Some((instance, row))) => self.bring_up(&row, &instance).await,
            Ok(None) => Ok(()),
            Err(error) => Err(error),
        };
        if let Err(error) = up {
            tracing::error!(?error, %app, "an app could not be brought up");
        }
    }

    /// What nobody can carry on is over, so that its app can be changed again.
    async fn abandon(&self, row: &Operation, error: &Error) -> Result<()> {
        let (id, problem) = (row.id.0, serde_json::to_value(Problem::from(error)).ok());
        let end = move |change: &mut Change<'_, '_>| write_end(change, id, OperationStatus::Failed, problem);
        self.registry().change(&row.actor.0, end).await?;
        self.inner().cancellations.remove(id);
        Ok(())
    }
}

/// Whether an operation that is not over leaves alone what runs: then nothing has to wait for it.
pub(crate) fn leaves_alone(db: &mut Read<'_>, row: &Operation) -> Result<bool> {
    let steps = operations::steps(db, row.id.0)?;
    let saga = ALL.iter().find(|saga| saga.kind() == row.kind.0);
    Ok(saga.is_some_and(|saga| saga.leaves_alone(&steps)))
}

fn interrupted(kind: OperationKind) -> Error {
    Error::new(
        Code::Interrupted,
        format!("Mantyx ended in the middle of the {}", kind.as_str().replace('_', " ")),
    )
    .hint("Try it again")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::switch::UPDATE;
    use mantyx_core::OperationId;
    use mantyx_registry::Word;

    #[test]
    fn what_was_not_taken_down_or_is_up_again_waits_for_nothing() {
        use StepStatus::{Done, Failed, Pending, Running, Undone};
        let step = |name: &str, status| operations::Step {
            operation_id: Word(OperationId::generate()),
            position: 0,
            name: name.to_owned(),
            title: String::new(),
            status: Word(status),
            detail: None,
            started_at: None,
            finished_at: None,
        };
        let alone = |steps: &[(&str, StepStatus)]| {
            UPDATE.leaves_alone(&steps.iter().map(|(name, status)| step(name, *status)).collect::<Vec<_>>())
        };
        assert!(alone(&[("place", Done), ("build", Running), ("stop", Pending)]));
        assert!(alone(&[("build", Failed), ("stop", Pending)]), "it is undone");
        assert!(!alone(&[("build", Done), ("stop", Running)]));
        assert!(
            !alone(&[("build", Done), ("stop", Done), ("watch", Running)]),
            "that can be called off, but"
        );
        assert!(alone(&[("build", Done), ("stop", Undone), ("watch", Failed)]));
    }
}
