//! Who has asked for the stop that is under way.
//!
//! The end of a process settles what it was stopped for, in one transaction: a daemon that dies between the two, or a
//! database that takes no second write, would leave an app that runs by its state and that nobody wants to run. So the
//! end has to know in whose name it settles that.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mantyx_core::{Actor, InstanceId};

/// Who has asked for the stop that is under way, for each instance. Shared by who stops and who writes down the end.
#[derive(Clone, Default)]
pub(crate) struct Stops {
    by: Arc<Mutex<HashMap<InstanceId, Actor>>>,
}

/// A stop that is under way, until it is dropped.
#[must_use = "a stop is under way for as long as this lives"]
pub(crate) struct Stopping {
    stops: Stops,
    instance: InstanceId,
}

impl Stops {
    /// A stop begins. There is one at a time for each instance: whoever asks for one holds the app's lock.
    pub(crate) fn begin(&self, instance: InstanceId, by: Actor) -> Stopping {
        self.locked().insert(instance, by);
        Stopping { stops: self.clone(), instance }
    }

    /// Who asked for it; Mantyx, when it goes on with what an earlier daemon was asked for.
    pub(crate) fn who(&self, instance: InstanceId) -> Actor {
        self.locked().get(&instance).cloned().unwrap_or(Actor::Mantyx)
    }

    fn locked(&self) -> MutexGuard<'_, HashMap<InstanceId, Actor>> {
        self.by.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Stopping {
    fn drop(&mut self) {
        self.stops.locked().remove(&self.instance);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_has_its_owner_while_it_is_under_way() {
        let (stops, instance) = (Stops::default(), InstanceId::generate());
        let owner = Actor::Token { name: "owner".into(), address: "::1".into() };
        let stopping = stops.begin(instance, owner.clone());
        assert_eq!(stops.clone().who(instance), owner);
        assert_eq!(stops.who(InstanceId::generate()), Actor::Mantyx);
        drop(stopping);
        assert_eq!(stops.who(instance), Actor::Mantyx);
    }
}
