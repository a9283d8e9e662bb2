//! The handle: work on the database off the async threads, and the announcements.

use std::sync::{Arc, Mutex, PoisonError};

use mantyx_api_types::LiveMessage;
use mantyx_core::{Actor, Error, Result};
use mantyx_store::{Durability, Read, Store};
use tokio::sync::{broadcast, watch};

use crate::change::{Change, Changed, announcements};

/// How far a listener may fall behind before it has to start over.
const BACKLOG: usize = 1024;

/// A handle that can be cloned freely.
#[derive(Clone)]
pub struct Registry {
    store: Arc<Store>,
    live: broadcast::Sender<LiveMessage>,
    /// Changed whenever an execution was.
    executions: watch::Sender<()>,
    /// Held from the change to its announcement: what is told comes in the order in which it became true.
    order: Arc<Mutex<()>>,
}

impl Registry {
    /// A registry over an open database.
    #[must_use]
    pub fn new(store: Store) -> Self {
        Self {
            store: Arc::new(store),
            live: broadcast::Sender::new(BACKLOG),
            executions: watch::Sender::default(),
            order: Arc::default(),
        }
    }

    /// Listens to everything that changes from now on.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<LiveMessage> {
        self.live.subscribe()
    }

    /// Tells listeners something that is not a change of the database, such as how busy the machine is.
    pub fn tell(&self, message: LiveMessage) {
        // Nobody listening is fine.
        let _ = self.live.send(message);
    }

    /// Is marked as changed whenever an execution began, ended or changed. It says no more, so that whoever watches
    /// may sleep through thousands of them.
    #[must_use]
    pub fn watch_executions(&self) -> watch::Receiver<()> {
        self.executions.subscribe()
    }

    /// Whether anybody listens.
    #[must_use]
    pub fn is_heard(&self) -> bool {
        self.live.receiver_count() > 0
    }

    /// Reads several things that belong together.
    pub async fn read<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Read<'_>) -> Result<T> + Send + 'static,
    {
        let store = Arc::clone(&self.store);
        blocking(move || store.read(work)).await
    }

    /// Changes several things at once, or none of them, and announces what changed.
    pub async fn change<T, F>(&self, actor: &Actor, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Change<'_, '_>) -> Result<T> + Send + 'static,
    {
        let (registry, actor) = (self.clone(), actor.clone());
        blocking(move || registry.change_now(Durability::PowerLoss, &actor, work)).await
    }

    /// The same for what happened to processes, which Mantyx saw and nobody asked for.
    pub async fn note<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Change<'_, '_>) -> Result<T> + Send + 'static,
    {
        let registry = self.clone();
        blocking(move || registry.change_now(Durability::Crash, &Actor::Mantyx, work)).await
    }

    fn change_now<T>(
        &self,
        durability: Durability,
        actor: &Actor,
        work: impl FnOnce(&mut Change<'_, '_>) -> Result<T>,
    ) -> Result<T> {
        let _order = self.order.lock().unwrap_or_else(PoisonError::into_inner);
        let (value, changed) = self.store.write_with(durability, |tx| {
            let mut change = Change::new(tx, actor);
            let value = work(&mut change)?;
            Ok((value, change.into_changed()))
        })?;
        if changed.iter().any(|changed| matches!(changed, Changed::Execution(_))) {
            self.executions.send_replace(());
        }
        // Who begins to listen after the commit reads what it did.
        if self.is_heard() {
            self.announce(changed);
        }
        Ok(value)
    }

    /// The change is committed: failing to announce it must not look as if it had not happened.
    fn announce(&self, changed: Vec<Changed>) {
        match self.store.read(|db| announcements(db, changed)) {
            Ok(messages) => messages.into_iter().for_each(|message| self.tell(message)),
            Err(error) => tracing::error!(?error, "a change could not be announced"),
        }
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let outcome = tokio::task::spawn_blocking(work).await;
    outcome.unwrap_or_else(|error| Err(Error::internal("use the database", error)))
}
