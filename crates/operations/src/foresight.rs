//! What of a configuration cannot be done on this machine, said before anything is started.
//!
//! A process that starts says the same again, with what only its start can show.

use std::path::Path;

use mantyx_core::Configuration;

use crate::identity::RunsAs;
use crate::mantyx::Mantyx;

impl Mantyx {
    /// As sentences. For threads that may wait.
    pub(crate) fn foresee(&self, configuration: &Configuration, environment: Option<&Path>) -> Vec<String> {
        let runs_as = RunsAs::whatever_happens(configuration, self.settings(), environment);
        let limits = self.inner().supervisor.foresee(&configuration.limits);
        runs_as.warnings.into_iter().chain(limits).collect()
    }
}
