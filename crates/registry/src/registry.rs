//! The handle: work on the database off the async threads, and the announcements.

use std::sync::{Arc, Mutex, PoisonError};

use mantyx_api_types::LiveMessage;
use mantyx_core::{Actor, Error, EventKind, Result};
use mantyx_store::{Durability, Read, Store};
use tokio::sync::{broadcast, watch};

use crate::change::{Change, Changed, announcements};
use crate::memo::{Version, Versions};

/// How far a listener may fall behind before it has to start over.
const BACKLOG: usize = 1024;

/// A handle that can be cloned freely.
#[derive(Clone)]
pub struct Registry {
    pub(crate) store: Arc<Store>,
    versions: Versions,
    live: broadcast::Sender<LiveMessage>,
    /// Changed whenever somebody begins to listen.
    arrivals: watch::Sender<()>,
    /// Changed whenever somebody may be let in no more.
    credentials: watch::Sender<()>,
    /// Changed whenever an execution was.
    executions: watch::Sender<()>,
    /// Changed whenever an operation was.
    operations: watch::Sender<()>,
    /// Held from the change to its announcement: what is told comes in the order in which it became true.
    order: Arc<Mutex<()>>,
}

impl Registry {
    /// A registry over an open database.
    #[must_use]
    pub fn new(store: Store) -> Self {
        Self {
            store: Arc::new(store),
            versions: Versions::default(),
            live: broadcast::Sender::new(BACKLOG),
            arrivals: watch::Sender::default(),
            credentials: watch::Sender::default(),
            executions: watch::Sender::default(),
            operations: watch::Sender::default(),
            order: Arc::default(),
        }
    }

    /// Listens to everything that changes from now on.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<LiveMessage> {
        let receiver = self.live.subscribe();
        self.arrivals.send_replace(());
        receiver
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

    /// The same of operations.
    #[must_use]
    pub fn watch_operations(&self) -> watch::Receiver<()> {
        self.operations.subscribe()
    }

    /// Is marked as changed whenever a token was revoked or the password was set. Whoever watches listens to nothing
    /// else: nothing is told, and nothing is kept awake, on their account.
    #[must_use]
    pub fn watch_credentials(&self) -> watch::Receiver<()> {
        self.credentials.subscribe()
    }

    /// The version of what is read after this call, for a [`Memo`](crate::Memo). Every change moves it on before it is
    /// told to anybody, whoever asked for it included.
    #[must_use]
    pub fn version(&self) -> Version {
        self.versions.now()
    }

    /// Whether anybody listens.
    #[must_use]
    pub fn is_heard(&self) -> bool {
        self.live.receiver_count() > 0
    }

    /// Sleeps until somebody listens.
    pub async fn heard(&self) {
        let mut arrivals = self.arrivals.subscribe();
        while !self.is_heard() {
            // It fails only when this registry is gone.
            let _ = arrivals.changed().await;
        }
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

    /// Reads, and goes on with what was read where it may wait for a disk: on the same thread, when the transaction is
    /// over, so that the two cost no more than the one.
    pub async fn read_then<T, U, F, G>(&self, work: F, then: G) -> Result<U>
    where
        U: Send + 'static,
        F: FnOnce(&mut Read<'_>) -> Result<T> + Send + 'static,
        G: FnOnce(T) -> Result<U> + Send + 'static,
    {
        let store = Arc::clone(&self.store);
        blocking(move || store.read(work).and_then(then)).await
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
        let written = self.store.write_with(durability, |tx| {
            let mut change = Change::new(tx, actor);
            let value = work(&mut change)?;
            Ok((value, change.into_changed()))
        });
        // Also after an error: a commit that failed half way may show all the same.
        self.versions.move_on();
        let (value, changed) = written?;
        self.mark(&changed);
        // Who begins to listen after the commit reads what it did.
        if self.is_heard() {
            self.announce(changed);
        }
        Ok(value)
    }

    fn mark(&self, changed: &[Changed]) {
        if changed.iter().any(|changed| matches!(changed, Changed::Execution(_))) {
            self.executions.send_replace(());
        }
        if changed.iter().any(|changed| matches!(changed, Changed::Operation(_))) {
            self.operations.send_replace(());
        }
        if changed.iter().any(ends_tokens) {
            self.credentials.send_replace(());
        }
    }

    /// The change is committed: failing to announce it must not look as if it had not happened.
    fn announce(&self, changed: Vec<Changed>) {
        match self.store.read(|db| announcements(db, changed)) {
            Ok(messages) => messages.into_iter().for_each(|message| self.tell(message)),
            Err(error) => tracing::error!(?error, "a change could not be announced"),
        }
    }
}

fn ends_tokens(changed: &Changed) -> bool {
    matches!(changed, Changed::Event(event) if matches!(event.kind, EventKind::TokenRevoked | EventKind::PasswordSet))
}

pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let outcome = tokio::task::spawn_blocking(work).await;
    outcome.unwrap_or_else(|error| Err(Error::internal("use the database", error)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::Pin;

    use mantyx_core::{ExecutionId, OperationId, Subject};
    use serde_json::Value;

    fn registry() -> (tempfile::TempDir, Registry) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("mantyx.db")).unwrap();
        (folder, Registry::new(store))
    }

    async fn record(registry: &Registry, kind: EventKind) {
        let subject = Subject { kind: "token".into(), id: "1".into(), name: "ci".into() };
        let work = move |change: &mut Change<'_, '_>| change.record(kind, &subject, Value::Null);
        registry.change(&Actor::Mantyx, work).await.unwrap();
    }

    #[tokio::test]
    async fn who_watches_tokens_hears_of_nothing_else_and_is_no_listener() {
        let (_folder, registry) = registry();
        let credentials = registry.watch_credentials();
        record(&registry, EventKind::AppChanged).await;
        assert!(!credentials.has_changed().unwrap() && !registry.is_heard());
        for kind in [EventKind::TokenRevoked, EventKind::PasswordSet] {
            let credentials = registry.watch_credentials();
            record(&registry, kind).await;
            assert!(credentials.has_changed().unwrap(), "{kind:?}");
        }
    }

    #[tokio::test]
    async fn executions_and_operations_are_watched_apart() {
        let (_folder, registry) = registry();
        for (touched, expected) in [("execution", (true, false)), ("operation", (false, true))] {
            let (executions, operations) = (registry.watch_executions(), registry.watch_operations());
            let work = move |change: &mut Change<'_, '_>| {
                match touched {
                    "execution" => change.touch_execution(ExecutionId::generate()),
                    _ => change.touch_operation(OperationId::generate()),
                }
                Ok(())
            };
            registry.note(work).await.unwrap();
            let seen = (executions.has_changed().unwrap(), operations.has_changed().unwrap());
            assert_eq!(seen, expected, "{touched}");
        }
        assert!(!registry.is_heard());
    }

    #[tokio::test]
    async fn who_waits_for_a_listener_sleeps_until_there_is_one() {
        let (_folder, registry) = registry();
        let heard = registry.heard();
        tokio::pin!(heard);
        assert!(!is_ready(heard.as_mut()).await);
        drop(registry.subscribe());
        assert!(!is_ready(heard.as_mut()).await, "they are gone again");
        let _listener = registry.subscribe();
        assert!(is_ready(heard.as_mut()).await);
        registry.heard().await;
    }

    /// Whether a future ends when it is asked once.
    async fn is_ready(future: Pin<&mut impl Future<Output = ()>>) -> bool {
        tokio::select! {
            biased;
            () = future => true,
            () = std::future::ready(()) => false,
        }
    }
}
