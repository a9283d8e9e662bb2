//! Instances of which nobody can tell whether something of them is alive: a record in the run folder cannot be read, or
//! what was found cannot be written down.
//!
//! Whatever a state says then, nothing is started beside what may be alive, and nothing is said to be stopped. A
//! process that is alive goes on under its monitor meanwhile, with its log and its limits.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mantyx_core::{Code, Error, ExecutionId, InstanceId, Result};

/// Each execution that may be alive, with its instance and with why. Shared by whoever starts and stops.
#[derive(Clone, Default)]
pub(crate) struct Unclear {
    executions: Arc<Mutex<HashMap<ExecutionId, (InstanceId, String)>>>,
}

impl Unclear {
    /// Nothing of its instance is started or stopped from now on.
    pub(crate) fn add(&self, execution: ExecutionId, instance: InstanceId, reason: String) {
        self.locked().insert(execution, (instance, reason));
    }

    /// It is known again how it is.
    pub(crate) fn settle(&self, execution: ExecutionId) {
        self.locked().remove(&execution);
    }

    /// Why nobody can tell how an instance is, if so.
    pub(crate) fn reason(&self, instance: InstanceId) -> Option<String> {
        let executions = self.locked();
        executions.values().find(|(of, _)| *of == instance).map(|(_, reason)| reason.clone())
    }

    /// Refuses to start or to stop what may be alive.
    ///
    /// # Errors
    /// `unavailable`, with what stands in the way.
    pub(crate) fn refuse(&self, instance: InstanceId) -> Result<()> {
        match self.reason(instance) {
            None => Ok(()),
            Some(reason) => Err(Error::new(Code::Unavailable, reason)
                .hint("Mend what stands in the way: Mantyx looks at it again every minute")),
        }
    }

    fn locked(&self) -> MutexGuard<'_, HashMap<ExecutionId, (InstanceId, String)>> {
        self.executions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_alive_is_left_alone_until_all_of_it_is_settled() {
        let (unclear, instance) = (Unclear::default(), InstanceId::generate());
        let [one, two] = [0; 2].map(|_| ExecutionId::generate());
        unclear.refuse(instance).unwrap();
        let same = unclear.clone();
        for execution in [one, two] {
            unclear.add(execution, instance, "Its record cannot be read".into());
        }
        assert_eq!(same.reason(InstanceId::generate()), None);
        same.settle(one);
        let refused = same.refuse(instance).unwrap_err();
        assert_eq!((refused.code(), refused.detail()), (Code::Unavailable, "Its record cannot be read"));
        same.settle(two);
        unclear.refuse(instance).unwrap();
    }
}
