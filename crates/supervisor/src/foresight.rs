//! What is known of a process before it is started.

use mantyx_core::{ExecutionId, Limits};
use mantyx_limits::plan;

use crate::supervisor::Supervisor;

impl Supervisor {
    /// What of these limits this machine cannot hold an app to, as sentences: what would be said of a process that
    /// starts now.
    #[must_use]
    pub fn foresee(&self, limits: &Limits) -> Vec<String> {
        plan(limits, self.offer(), ExecutionId::generate().into()).warnings
    }
}
