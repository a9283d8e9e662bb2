//! Every change that takes several steps: each is persisted before it is taken, and each has an undo.
//!
//! A [`Saga`] is a list of [`Step`]s over a *memory*, which is all that it knows: what was asked for, and what its steps
//! have found and chosen so far. The memory is a row of the database, so another daemon can carry on where one died.
//!
//! ```text
//! begin ─ act 1 ─┬─ act 2 ─┬─ … ─ act n ─┬ succeeded
//!                │ failed, cancelled, or died where nothing may be carried on
//!                └─ undo 2 ─ undo 1 ──────┴ failed
//! ```
//!
//! - What an act does to rows is not done by the act: it hands back a [commit](Said::commit). That, the new memory, the
//!   end of the step and the beginning of the next one are one transaction, so no change of rows happens twice or is
//!   forgotten.
//! - What an act does to files and processes it may have done in part when it fails or the daemon dies. Whatever it
//!   makes has a name that stood in the memory before, so its undo finds all of it. An undo that is run again finds
//!   nothing left to do.
//! - An undo has to succeed in the end: it is tried until it does, because an app that is half of one thing and half of
//!   another helps nobody. So has what is left to do once everything is in use.
//! - A panic is a failure like another, with what was known before the act.
//! - `operation.problem` is written before the first undo, so a daemon that dies while it goes back goes on going back.
//!
//! [`ALL`] lists every saga, for the next daemon that finds one unfinished and for the test that kills it at each step.

use std::pin::Pin;

use mantyx_api_types::Problem;
use mantyx_core::{AppName, Kind, OperationKind, Result};
use mantyx_registry::Change;
use serde::Serialize;
use serde::de::DeserializeOwned;

pub(crate) use all::ALL;
pub(crate) use settle::leaves_alone;
pub(crate) use task::Task;

mod all;
mod back;
mod fault;
mod forward;
mod settle;
mod task;

pub use fault::fault_points;

/// What a step does, as a future that borrows the task and its memory.
pub(crate) type Doing<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;

type Act<M> = for<'a> fn(&'a Task, &'a mut M) -> Doing<'a, Said>;
type Undo<M> = for<'a> fn(&'a Task, &'a mut M) -> Doing<'a, ()>;
type Failed<M> = fn(&mut Change<'_, '_>, &M, &Problem) -> Result<()>;

/// What a saga remembers: enough to carry it on and to undo it.
pub(crate) trait Memory: Clone + Serialize + DeserializeOwned + Send + Sync + 'static {}

impl<M: Clone + Serialize + DeserializeOwned + Send + Sync + 'static> Memory for M {}

/// One kind of change.
pub(crate) struct Saga<M: 'static> {
    /// What people call it.
    pub(crate) kind: OperationKind,
    /// What is done, in order.
    pub(crate) steps: &'static [Step<M>],
    /// What a failure means for the app, written together with the end of the operation. Mostly nothing: all is as it was.
    pub(crate) failed: Option<Failed<M>>,
}

/// One step of a saga.
pub(crate) struct Step<M> {
    name: &'static str,
    title: &'static str,
    act: Act<M>,
    undo: Option<Undo<M>>,
    cancel: Cancel,
    on_death: OnDeath,
    on_failure: OnFailure,
}

/// Whether a saga may be called off while a step is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cancel {
    /// Nothing that anybody uses has changed yet.
    Safe,
    /// It has.
    TooLate,
}

/// What the next daemon does about a step in which this one died.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OnDeath {
    /// The whole saga is undone.
    Undo,
    /// The act is taken again, which must lead to the same as taking it once.
    Resume,
    /// The same, and so is the act before it: what that one began may be gone by now.
    ResumeOneBefore,
}

/// What is done about an act that fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OnFailure {
    /// The whole saga is undone.
    Undo,
    /// The same, unless only the room or the database was missing: then it is taken again, until it is done.
    Wait,
    /// It is taken again, until it is done: there is no way back any more.
    Insist,
}

/// What came of an act.
#[derive(Default)]
pub(crate) struct Said {
    detail: Option<String>,
    commit: Option<Commit>,
}

type Commit = Box<dyn FnOnce(&mut Change<'_, '_>) -> Result<()> + Send>;

/// A step that is undone if it fails or the daemon dies in it, and that cannot be called off.
pub(crate) const fn step<M>(name: &'static str, title: &'static str, act: Act<M>) -> Step<M> {
    Step {
        name,
        title,
        act,
        undo: None,
        cancel: Cancel::TooLate,
        on_death: OnDeath::Undo,
        on_failure: OnFailure::Undo,
    }
}

impl<M> Step<M> {
    /// How everything that the act may have done is taken back.
    pub(crate) const fn undo(self, undo: Undo<M>) -> Self {
        Self { undo: Some(undo), ..self }
    }

    /// The saga may be called off while this step is under way. The act ends soon when its task is cancelled.
    pub(crate) const fn cancellable(self) -> Self {
        Self { cancel: Cancel::Safe, ..self }
    }

    /// The next daemon takes the act again.
    pub(crate) const fn resume(self) -> Self {
        Self { on_death: OnDeath::Resume, ..self }
    }

    /// The act only looks at what the one before has begun. The next daemon takes both again, and a look that there is
    /// no room for says nothing against what is looked at: it is taken again as well.
    pub(crate) const fn look(self) -> Self {
        Self { on_death: OnDeath::ResumeOneBefore, on_failure: OnFailure::Wait, ..self }
    }

    /// Everything is in use, and what the act removes cannot be brought back: it is taken again until it is done,
    /// whatever goes wrong.
    pub(crate) const fn insist(self) -> Self {
        Self { on_death: OnDeath::Resume, on_failure: OnFailure::Insist, ..self }
    }
}

impl Said {
    /// It is done, and there is nothing to say.
    pub(crate) fn nothing() -> Self {
        Self::default()
    }

    /// It is done, in a few words for people.
    pub(crate) fn detail(detail: impl Into<String>) -> Self {
        Self { detail: Some(detail.into()), commit: None }
    }

    /// Changes in the database what this would change with the end of its step, for a step that does several of them.
    pub(crate) fn carry_out(self, change: &mut Change<'_, '_>) -> Result<()> {
        self.commit.map_or(Ok(()), |commit| commit(change))
    }

    /// What changes in the database together with the end of the step.
    pub(crate) fn commit(
        self,
        commit: impl FnOnce(&mut Change<'_, '_>) -> Result<()> + Send + 'static,
    ) -> Self {
        Self { commit: Some(Box::new(commit)), ..self }
    }
}

/// What came of tidying up. What there was no room for, or what a locked database did not take, is done a little later;
/// what cannot be done for another reason is left to the next change, or to the next look at everything.
pub(crate) fn tidied(app: &AppName, done: impl IntoIterator<Item = Result<()>>) -> Result<Said> {
    let mut later = Ok(Said::nothing());
    for error in done.into_iter().filter_map(Result::err) {
        tracing::warn!(?error, %app, "what is left of a change could not be tidied");
        if error.code().kind() == Kind::Unavailable {
            later = Err(error);
        }
    }
    later
}
