//! The whole database: copied while it is in use, and beside another one whose rows are taken over.

use std::path::Path;
use std::sync::Arc;

use mantyx_core::Result;

use crate::registry::{Registry, blocking};

impl Registry {
    /// Writes a consistent copy to a file that is not there yet. Everybody else goes on meanwhile.
    pub async fn copy_to(&self, path: &Path) -> Result<()> {
        let (store, path) = (Arc::clone(&self.store), path.to_owned());
        blocking(move || store.copy_to(&path)).await
    }

    /// Has another database beside this one, for [`take_over`](mantyx_store::transfer::take_over) in a change.
    pub async fn attach(&self, path: &Path) -> Result<()> {
        let (store, path) = (Arc::clone(&self.store), path.to_owned());
        blocking(move || store.attach(&path)).await
    }

    /// Lets go of it. When there is none, that is fine.
    pub async fn detach(&self) -> Result<()> {
        let store = Arc::clone(&self.store);
        blocking(move || store.detach()).await
    }
}
