//! A saga that is under way, as its own steps see it.

use std::ops::Deref;

use mantyx_core::{Actor, OperationId};
use tokio_util::sync::CancellationToken;

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
    pub(super) fn new(mantyx: Mantyx, id: OperationId, actor: Actor) -> Self {
        let cancel = mantyx.inner().cancellations.add(id);
        Self { id, actor, cancel, mantyx }
    }
}

impl Deref for Task {
    type Target = Mantyx;

    fn deref(&self) -> &Mantyx {
        &self.mantyx
    }
}
