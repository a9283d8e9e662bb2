//! Long work: an operation with steps that is written down before each step is taken.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::Utc;
use mantyx_api_types::{LiveMessage, OperationView, Problem};
use mantyx_core::{
    Actor, AppId, AppName, Code, Error, EventKind, OperationId, OperationKind, OperationStatus, Result,
    StepStatus, Subject,
};
use mantyx_registry::tables::operations::{self, Operation, StepChanges};
use mantyx_registry::{Change, Json, Registry, Word, views};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::mantyx::Mantyx;

/// Runs work to its end even when whoever asked has gone: a request that is dropped must not leave half of it.
pub(crate) async fn whole<T: Send + 'static>(
    work: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    let outcome = tokio::spawn(work).await;
    outcome.unwrap_or_else(|error| Err(Error::internal("finish the work", error)))
}

/// Does what may wait for a disk or for a directory of accounts on a thread that may wait.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let outcome = tokio::task::spawn_blocking(work).await;
    outcome.unwrap_or_else(|error| Err(Error::internal("finish the work", error)))
}

/// The tokens that call operations off.
#[derive(Clone, Default)]
pub(crate) struct Cancellations {
    tokens: Arc<Mutex<HashMap<OperationId, CancellationToken>>>,
    down: CancellationToken,
}

impl Cancellations {
    fn add(&self, id: OperationId) -> CancellationToken {
        let token = CancellationToken::new();
        self.locked().insert(id, token.clone());
        token
    }

    /// Calls one operation off, and says whether it was under way here.
    pub(crate) fn cancel(&self, id: OperationId) -> bool {
        self.locked().get(&id).map(CancellationToken::cancel).is_some()
    }

    /// The daemon goes down: what fails from now on fails for that, and is left for the next one to settle.
    pub(crate) fn go_down(&self) {
        self.down.cancel();
    }

    /// Waits until the daemon goes down.
    pub(crate) async fn down(&self) {
        self.down.cancelled().await;
    }

    fn remove(&self, id: OperationId) {
        self.locked().remove(&id);
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, HashMap<OperationId, CancellationToken>> {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What an operation is about.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    pub(crate) kind: OperationKind,
    pub(crate) app: AppId,
    pub(crate) name: AppName,
    /// What it needs to be carried on after a crash.
    pub(crate) request: Value,
    pub(crate) titles: &'static [&'static str],
}

/// An operation that is under way, as its own steps see it.
#[derive(Clone)]
pub(crate) struct Work {
    pub(crate) id: OperationId,
    pub(crate) actor: Actor,
    pub(crate) cancel: CancellationToken,
    registry: Registry,
}

impl Work {
    /// Takes one step: says that it begins, does it, says what came of it.
    ///
    /// The step hands back a value, and a few words for people when there is something to say.
    pub(crate) async fn step<T, F>(&self, position: i32, action: F) -> Result<T>
    where
        F: Future<Output = Result<(T, Option<String>)>>,
    {
        if self.cancel.is_cancelled() {
            return Err(Error::new(Code::Cancelled, "The operation was cancelled"));
        }
        self.mark(position, StepStatus::Running, None).await?;
        match action.await {
            Ok((value, detail)) => {
                self.mark(position, StepStatus::Done, detail).await?;
                Ok(value)
            }
            Err(error) => {
                self.mark(position, StepStatus::Failed, Some(error.detail().to_owned())).await?;
                Err(error)
            }
        }
    }

    async fn mark(&self, position: i32, status: StepStatus, detail: Option<String>) -> Result<()> {
        let id = self.id;
        let begins = status == StepStatus::Running;
        self.registry
            .change(&self.actor, move |change| {
                let now = Some(change.now());
                let changes = StepChanges {
                    status: Some(Word(status)),
                    detail,
                    started_at: now.filter(|_| begins),
                    finished_at: now.filter(|_| !begins),
                };
                operations::update_step(change, id, position, &changes)?;
                change.touch_operation(id);
                Ok(())
            })
            .await
    }
}

impl Mantyx {
    /// Writes an operation down. Refused while the app has another.
    pub(crate) async fn begin(&self, actor: &Actor, order: Order) -> Result<Work> {
        let id = OperationId::generate();
        self.registry().change(actor, move |change| write_down(change, id, order)).await?;
        Ok(self.work(id, actor.clone()))
    }

    pub(crate) fn work(&self, id: OperationId, actor: Actor) -> Work {
        Work { id, actor, cancel: self.inner().cancellations.add(id), registry: self.registry().clone() }
    }

    /// Carries an operation out in the background, to its end.
    pub(crate) fn carry_out(&self, work: Work, steps: impl Future<Output = Result<()>> + Send + 'static) {
        let mantyx = self.clone();
        tokio::spawn(async move {
            // A panic in a step is a failure like another: the operation must end.
            let outcome = whole(steps).await;
            mantyx.conclude(&work, outcome).await;
        });
    }

    /// Writes down how an operation ended. An app whose operation never ends cannot be changed any more, so this is
    /// tried until it is done.
    pub(crate) async fn conclude(&self, work: &Work, outcome: Result<()>) {
        let (id, status) = (work.id, status_of(&outcome));
        let problem = outcome.err().map(|error| {
            tracing::info!(?error, operation = %id, "an operation did not succeed");
            Problem::from(&error)
        });
        if problem.is_some() && self.inner().cancellations.down.is_cancelled() {
            return;
        }
        let end = move |change: &mut Change<'_, '_>| write_end(change, id, status, problem.clone());
        if self.insist(&work.actor, "the end of an operation", end).await.is_some() {
            self.inner().cancellations.remove(id);
        }
    }

    /// Changes the database, again and again until it can be done; `None` when the daemon goes down before that.
    pub(crate) async fn insist<T, W>(&self, actor: &Actor, what: &'static str, work: W) -> Option<T>
    where
        T: Send + 'static,
        W: Fn(&mut Change<'_, '_>) -> Result<T> + Clone + Send + 'static,
    {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.registry().change(actor, work.clone()).await {
                Ok(value) => return Some(value),
                Err(error) => tracing::error!(?error, "{what} could not be recorded yet"),
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => pause = (pause * 2).min(LAST_PAUSE),
                () = self.inner().cancellations.down() => return None,
            }
        }
    }

    /// One operation.
    pub async fn operation(&self, id: OperationId) -> Result<OperationView> {
        self.registry()
            .read(move |db| {
                let row = operations::find(db, id)?.ok_or_else(|| Error::not_found("operation", id))?;
                views::operation(db, row)
            })
            .await
    }

    /// One operation, once it has ended or `at_most` is over.
    pub async fn wait_operation(&self, id: OperationId, at_most: Duration) -> Result<OperationView> {
        // Listening comes before the first look, so that an end between the two is not missed.
        let mut live = self.subscribe();
        let deadline = tokio::time::Instant::now() + at_most;
        loop {
            let view = self.operation(id).await?;
            if view.status != OperationStatus::Running {
                return Ok(view);
            }
            let heard = async {
                loop {
                    match live.recv().await {
                        Ok(LiveMessage::Operation { operation }) if operation.id != id => {}
                        Ok(LiveMessage::Operation { .. }) | Err(_) => return,
                        Ok(_) => {}
                    }
                }
            };
            if tokio::time::timeout_at(deadline, heard).await.is_err() {
                return self.operation(id).await;
            }
        }
    }

    /// Calls an operation off, where that is safe, and answers once it has ended.
    pub async fn cancel_operation(&self, _actor: &Actor, id: OperationId) -> Result<OperationView> {
        let view = self.operation(id).await?;
        if !view.cancellable || !self.inner().cancellations.cancel(id) {
            let detail =
                format!("The operation `{id}` ({}) cannot be cancelled any more", view.kind.as_str());
            return Err(Error::new(Code::NotCancellable, detail).hint("Wait until it has ended"));
        }
        self.wait_operation(id, CANCEL_PATIENCE).await
    }

    /// Stop and delete go before an install: it is called off first.
    pub(crate) async fn cancel_install_of(&self, app: AppId) -> Result<()> {
        let row = self.registry().read(move |db| operations::under_way(db, app)).await?;
        match row {
            Some(row)
                if row.kind.0 == OperationKind::Install && self.inner().cancellations.cancel(row.id.0) =>
            {
                self.wait_operation(row.id.0, CANCEL_PATIENCE).await.map(drop)
            }
            _ => Ok(()),
        }
    }
}

/// Between two attempts at what has to be done in the end: a second, doubling up to a minute.
pub(crate) const FIRST_PAUSE: Duration = Duration::from_secs(1);
pub(crate) const LAST_PAUSE: Duration = Duration::from_secs(60);

/// How long a cancelled operation may take to end.
const CANCEL_PATIENCE: Duration = Duration::from_secs(30);

fn write_down(change: &mut Change<'_, '_>, id: OperationId, order: Order) -> Result<()> {
    let row = Operation {
        id: Word(id),
        app_id: Word(order.app),
        app_name: Word(order.name),
        kind: Word(order.kind),
        status: Word(OperationStatus::Running),
        request: Json(order.request),
        problem: None,
        actor: Json(change.actor().clone()),
        started_at: change.now(),
        finished_at: None,
    };
    operations::insert(change, &row, order.titles)?;
    change.touch_operation(id);
    change.touch_app(order.app);
    change.record(EventKind::OperationStarted, &subject(&row), json!({ "kind": order.kind }))
}

fn write_end(
    change: &mut Change<'_, '_>,
    id: OperationId,
    status: OperationStatus,
    problem: Option<Problem>,
) -> Result<()> {
    let Some(row) = operations::find(change, id)? else { return Ok(()) };
    let detail = problem.as_ref().map(|problem| problem.detail.clone());
    let problem = problem.map(serde_json::to_value).transpose();
    let problem = problem.map_err(|error| Error::internal("write the problem", error))?;
    operations::finish(change, id, status, problem, Utc::now())?;
    change.touch_operation(id);
    change.touch_app(row.app_id.0);
    let payload = json!({ "kind": row.kind.0, "status": status, "detail": detail });
    change.record(EventKind::OperationFinished, &subject(&row), payload)
}

fn subject(row: &Operation) -> Subject {
    Subject { kind: "operation".into(), id: row.id.0.to_string(), name: row.app_name.0.to_string() }
}

fn status_of(outcome: &Result<()>) -> OperationStatus {
    match outcome {
        Ok(()) => OperationStatus::Succeeded,
        Err(error) if error.code() == Code::Cancelled => OperationStatus::Cancelled,
        Err(_) => OperationStatus::Failed,
    }
}
