//! A saga that is under way, as its own steps see it.

use std::ops::Deref;

use mantyx_core::{Actor, OperationId, Result};
use tokio_util::sync::CancellationToken;

use super::forward::called_off;
use crate::mantyx::Mantyx;

/// What a step is given beside the memory. It is a handle of Mantyx too.
#[derive(Clone)]
pub(crate) struct Task {
    /// The operation.
    pub(crate) id: OperationId,
    /// Who asked.
    pub(crate) actor: Actor,
    /// Is cancelled when somebody calls the operation off.
    pub(crate) cancel: CancellationToken,
    mantyx: Mantyx,
}

impl Task {
    pub(crate) fn new(mantyx: Mantyx, id: OperationId, actor: Actor) -> Self {
        let cancel = mantyx.inner().cancellations.add(id);
        Self { id, actor, cancel, mantyx }
    }

    /// Waits for something, unless somebody calls the operation off before it comes.
    pub(crate) async fn wait_for<T>(&self, work: impl Future<Output = T>) -> Result<T> {
        tokio::select! {
            done = work => Ok(done),
            () = self.cancel.cancelled() => Err(called_off()),
        }
    }
}

impl Deref for Task {
    type Target = Mantyx;

    fn deref(&self) -> &Mantyx {
        &self.mantyx
    }
}
