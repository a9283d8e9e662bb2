//! Work that goes on when whoever asked for it has gone: watching it, calling it off, and insisting on its end.

use std::collections::HashMap;
use std::future::Future;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mantyx_api_types::{LiveMessage, OperationView};
use mantyx_core::{Actor, AppId, Code, Error, OperationId, OperationStatus, Result};
use mantyx_platform::atomic::sync_file_systems;
use mantyx_registry::tables::{config_revisions, instances, operations};
use mantyx_registry::{Change, Read, views};
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

/// The same for what looks at a flag now and then: it is set once the token is cancelled.
pub(crate) async fn blocking_until<T: Send + 'static>(
    cancel: &CancellationToken,
    work: impl FnOnce(&AtomicBool) -> Result<T> + Send + 'static,
) -> Result<T> {
    let called_off = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&called_off);
    let doing = blocking(move || work(&flag));
    tokio::pin!(doing);
    tokio::select! {
        done = &mut doing => done,
        () = cancel.cancelled() => {
            called_off.store(true, Ordering::Relaxed);
            doing.await
        }
    }
}

/// Makes all that was written below some folders survive a loss of power.
pub(crate) async fn write_out(folders: impl IntoIterator<Item = PathBuf>) -> Result<()> {
    let folders: Vec<PathBuf> = folders.into_iter().collect();
    blocking(move || sync_file_systems(&folders.iter().map(PathBuf::as_path).collect::<Vec<_>>())).await
}

/// The tokens that call operations off.
#[derive(Clone, Default)]
pub(crate) struct Cancellations {
    tokens: Arc<Mutex<HashMap<OperationId, CancellationToken>>>,
    down: CancellationToken,
}

impl Cancellations {
    pub(crate) fn add(&self, id: OperationId) -> CancellationToken {
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

    /// Whether the daemon goes down.
    pub(crate) fn are_down(&self) -> bool {
        self.down.is_cancelled()
    }

    /// Waits until the daemon goes down.
    pub(crate) async fn down(&self) {
        self.down.cancelled().await;
    }

    pub(crate) fn remove(&self, id: OperationId) {
        self.locked().remove(&id);
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, HashMap<OperationId, CancellationToken>> {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Mantyx {
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
        let (patience, view) = self
            .registry()
            .read(move |db| {
                let row = operations::find(db, id)?.ok_or_else(|| Error::not_found("operation", id))?;
                let app = row.app_id.map(|app| app.0).filter(|_| row.cancellable);
                Ok((patience(db, app)?, views::operation(db, row)?))
            })
            .await?;
        if !view.cancellable || !self.inner().cancellations.cancel(id) {
            let detail =
                format!("The operation `{id}` ({}) cannot be cancelled any more", view.kind.as_str());
            return Err(Error::new(Code::NotCancellable, detail).hint("Wait until it has ended"));
        }
        self.wait_operation(id, patience).await
    }

    /// Stop and delete go before what can be called off: that ends first.
    pub(crate) async fn call_off_operation_of(&self, app: AppId) -> Result<()> {
        let under_way = move |db: &mut Read<'_>| {
            let row = operations::under_way(db, app)?.filter(|row| row.cancellable);
            row.map(|row| Ok((row.id.0, patience(db, Some(app))?))).transpose()
        };
        match self.registry().read(under_way).await? {
            Some((id, patience)) if self.inner().cancellations.cancel(id) => {
                self.wait_operation(id, patience).await.map(drop)
            }
            _ => Ok(()),
        }
    }
}

/// How long a cancelled operation may take to end: what it has started may take its whole grace to stop.
fn patience(db: &mut Read<'_>, app: Option<AppId>) -> Result<Duration> {
    let Some(app) = app else { return Ok(CANCEL_PATIENCE) };
    let revision = instances::of_app(db, app)?.revision_id.0;
    let grace = config_revisions::get(db, revision)?.configuration.0.stop_grace;
    Ok(CANCEL_PATIENCE + Duration::from_secs(grace.into()))
}

/// Between two attempts at what has to be done in the end: a second, doubling up to a minute.
pub(crate) const FIRST_PAUSE: Duration = Duration::from_secs(1);
pub(crate) const LAST_PAUSE: Duration = Duration::from_secs(60);

/// How long a cancelled operation may take to end when nothing has to be stopped for that.
const CANCEL_PATIENCE: Duration = Duration::from_secs(30);
