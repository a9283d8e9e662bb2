//! Webhooks: a forge says that somebody has pushed, and what an app follows is looked at.
//!
//! Nobody logs in here. The last part of the address is the secret of the hook, 32 random bytes of which only the hash is
//! kept; what signs a delivery is the same secret, so whoever came this far has shown it already, and it need not lie
//! anywhere to be compared with. What a delivery says is believed only so far that somebody looks: what is then taken
//! into use is what the repository itself says.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use mantyx_api_types::{TrackingOutcome, TrackingResult, UpdateCheck};
use mantyx_core::{Actor, Code, Error, Result, TrackingMode};
use mantyx_registry::Read;
use mantyx_registry::tables::apps;
use mantyx_registry::tables::trackings::{self, Tracking};

use crate::access::digest;
use crate::mantyx::Mantyx;
use crate::throttle::Throttle;
use crate::tracking::{Followed, active_origin, read_back};

mod delivery;
mod signature;

use delivery::Told;

pub use delivery::HookDelivery;
pub use signature::HookSignature;

/// Those who guess are slowed down. Whoever knows a secret never is: all of a forge may come from one address, and so may
/// everything behind a proxy.
#[derive(Default)]
pub(crate) struct Guesses(Mutex<Throttle>);

impl Mantyx {
    /// Takes a delivery.
    ///
    /// # Errors
    /// `not_found` for a secret that is none, in the same time as any other; `hook_signature`; `slow_down` when either
    /// comes too often from an address.
    pub async fn receive_hook(
        &self,
        secret: &str,
        address: &str,
        delivery: HookDelivery,
    ) -> Result<TrackingOutcome> {
        // Before anything is known, so that it takes as long whether there is such a hook or not.
        let (is_signed, hash) = (delivery.is_signed_with(secret), digest(secret));
        let hook = self.registry().read(move |db| find(db, &hash)).await?;
        let Some(hook) = hook else {
            return Err(self
                .inner()
                .guesses
                .count(address, Error::new(Code::NotFound, "There is no such webhook")));
        };
        if !is_signed {
            let error = Error::new(Code::HookSignature, "The signature of the delivery is not right")
                .hint("Give the last part of the hook's address as its secret, or as its secret token");
            return Err(self.inner().guesses.count(address, error));
        }
        self.deliver(address, &hook, &delivery).await
    }

    /// A forge does not wait for long, and pushes come in swarms: the look itself is nothing that it hears of.
    async fn deliver(&self, address: &str, hook: &Hook, delivery: &HookDelivery) -> Result<TrackingOutcome> {
        let told = delivery.told(hook.follows.as_deref(), hook.last.as_deref())?;
        let (result, detail) = match told {
            Told::Ping => (TrackingResult::Ping, "The webhook is known".to_owned()),
            Told::Other(event) => (TrackingResult::Ignored, format!("Ignored: `{event}` is not a push")),
            Told::Elsewhere(pushed) => (
                TrackingResult::Ignored,
                format!("Ignored: `{pushed}` is another branch than the one followed"),
            ),
            Told::Gone => (TrackingResult::Ignored, "Ignored: what is followed was removed".to_owned()),
            Told::Pushed if hook.row.mode.0 == TrackingMode::Off => {
                (TrackingResult::Ignored, "Ignored: the app is not followed at the moment".to_owned())
            }
            Told::Pushed => {
                self.look_soon(Actor::Webhook { address: address.to_owned() }, hook.row.app_id.0).await?;
                (TrackingResult::Queued, "What is followed is looked at".to_owned())
            }
        };
        Ok(TrackingOutcome { result, detail, head: None, operation: None })
    }
}

impl Guesses {
    /// Counts a failure, and says it, or that there were too many.
    fn count(&self, address: &str, error: Error) -> Error {
        let (now, mut throttle) = (Instant::now(), self.0.lock().unwrap_or_else(PoisonError::into_inner));
        if let Some(wait) = throttle.wait(address, now) {
            return Error::new(Code::SlowDown, "Too many deliveries were refused")
                .hint(format!("Try again in {} s", wait.as_secs() + 1));
        }
        throttle.failed(address, now);
        error
    }
}

/// A hook of an app that is not in the trash.
struct Hook {
    row: Tracking,
    /// What is followed, where that has a name.
    follows: Option<String>,
    /// What was followed when somebody last looked.
    last: Option<String>,
}

fn find(db: &mut Read<'_>, hash: &str) -> Result<Option<Hook>> {
    let Some(row) = trackings::find_by_hook(db, hash)? else { return Ok(None) };
    let app = apps::find(db, row.app_id.0)?.filter(|app| app.deleted_at.is_none());
    let Some(app) = app else { return Ok(None) };
    let origin = active_origin(db, app.id.0)?;
    let followed = Followed::of(&app.name.0, origin, row.reference.clone());
    let last = read_back::<UpdateCheck>(row.found.clone()).map(|found| found.reference);
    Ok(Some(Hook { follows: followed.ok().and_then(|followed| followed.reference), last, row }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guessing_becomes_slow() {
        let guesses = Guesses::default();
        let guess = |address| guesses.count(address, Error::new(Code::NotFound, "No")).code();
        let codes: Vec<Code> = (0..6).map(|_| guess("a")).collect();
        assert_eq!(codes[..5], [Code::NotFound; 5]);
        assert_eq!((codes[5], guess("b")), (Code::SlowDown, Code::NotFound));
    }
}
