//! One lock for each app, so that what is asked of it happens one after the other.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use mantyx_core::AppId;
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

/// The locks of all apps, shared by everything that changes one.
#[derive(Clone, Default)]
pub(crate) struct AppLocks {
    locks: Arc<Mutex<HashMap<AppId, Arc<AsyncMutex<()>>>>>,
    names: Arc<AsyncMutex<()>>,
}

impl AppLocks {
    /// Waits until nothing else is being asked of the app.
    pub(crate) async fn app(&self, id: AppId) -> OwnedMutexGuard<()> {
        let lock = {
            let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(locks.entry(id).or_default())
        };
        lock.lock_owned().await
    }

    /// Waits until nothing else is giving a folder a name.
    pub(crate) async fn names(&self) -> OwnedMutexGuard<()> {
        Arc::clone(&self.names).lock_owned().await
    }
}
