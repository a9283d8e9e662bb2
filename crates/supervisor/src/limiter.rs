//! What holds processes to their limits on this machine: planned here, carried out by the monitor, and by systemd
//! where that manages the machine.

use std::sync::Arc;

use mantyx_core::{ConfinementId, Limits, Result};
use mantyx_limits::{Confinement, Groups, Offer, plan};
use tokio::task::JoinHandle;

use crate::scope::ScopeManager;

/// What holds processes to their limits on this machine.
pub struct Limiter {
    offer: Arc<Offer>,
    scopes: Option<ScopeManager>,
}

impl Limiter {
    /// Looks at what the machine offers. `name` is a short word that no other Mantyx on this machine has.
    pub async fn detect(name: &str) -> Self {
        let offer = Offer::detect(name);
        if offer.mechanism() != mantyx_core::LimitMechanism::Systemd {
            return Self { offer: Arc::new(offer), scopes: None };
        }
        match ScopeManager::connect().await {
            Ok(scopes) => Self { offer: Arc::new(offer), scopes: Some(scopes) },
            Err(error) => {
                tracing::warn!(?error, "systemd makes no scopes; control groups are used directly");
                Self { offer: Arc::new(Offer::detect_direct(name)), scopes: None }
            }
        }
    }

    /// Uses nothing but limits of single processes.
    #[must_use]
    pub fn rlimits() -> Self {
        Self { offer: Arc::new(Offer::rlimits()), scopes: None }
    }

    /// What the machine offers.
    #[must_use]
    pub fn offer(&self) -> &Offer {
        &self.offer
    }

    pub(crate) fn plan(&self, limits: &Limits, id: ConfinementId) -> Confinement {
        plan(limits, &self.offer, id)
    }

    /// Where a process can wait that is to be confined with this id later; nowhere where systemd has to put it there.
    pub(crate) fn bare(&self, id: ConfinementId) -> Option<Confinement> {
        self.scopes.is_none().then(|| self.plan(&Limits::NONE, id).bare())
    }

    /// Removes the groups in which a process has waited whose monitor is gone. It goes on by itself; who wants to see the
    /// end of it waits.
    pub(crate) fn clear(&self, id: ConfinementId) -> JoinHandle<()> {
        let bare = self.bare(id).unwrap_or_default();
        tokio::task::spawn_blocking(move || {
            if let Err(error) = Groups::of(&bare).remove() {
                tracing::debug!(%error, "the groups of a monitor on standby stay until the next daemon");
            }
        })
    }

    /// A start is foreseen. The kernel needs some milliseconds until it lets a process into a group, and they need
    /// not be waited for if it hears of that early.
    pub(crate) fn foresee_start(&self) {
        let offer = Arc::clone(&self.offer);
        tokio::task::spawn_blocking(move || offer.warm_up());
    }

    /// Puts a monitor, which has not begun, where its app is held to its limits.
    pub(crate) async fn admit(&self, confinement: &Confinement, monitor: Option<u32>) -> Result<()> {
        match (&self.scopes, &confinement.scope, monitor) {
            (Some(scopes), Some(scope), Some(monitor)) => scopes.start(scope, monitor).await,
            _ => Ok(()),
        }
    }

    /// Changes the limits that systemd keeps of a live process. The rest is up to its monitor.
    pub(crate) async fn adjust(&self, confinement: &Confinement) -> Result<()> {
        match (&self.scopes, &confinement.scope) {
            (Some(scopes), Some(scope)) => scopes.adjust(scope).await,
            _ => Ok(()),
        }
    }

    /// Removes the folders that groups lay in, where none is left in them.
    pub(crate) fn release(&self) {
        Offer::clone(&self.offer).release();
    }
}
