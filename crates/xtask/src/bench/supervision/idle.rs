//! The processor time that a supervisor uses while its services sleep and nobody asks it anything.

use std::time::Duration;

use anyhow::Result;

use super::{Measured, Measurement};
use crate::bench::contenders::Contender;
use crate::bench::figures::{Bar, Metric};
use crate::bench::lab::{Lab, Program, pids};
use crate::{interrupt, processes};

/// Processor time over some seconds.
pub(super) struct Idle {
    pub(super) services: usize,
    pub(super) seconds: u64,
    /// How long a supervisor may tidy up after the start.
    pub(super) settle: Duration,
}

impl Measurement for Idle {
    fn title(&self) -> String {
        format!("Processor at rest over {} s", self.seconds)
    }

    fn metrics(&self) -> Vec<Metric> {
        let title = format!("processor in {} s at rest", self.seconds);
        vec![Metric::new("idle", title, "s", Bar::AtMost(0.01))]
    }

    fn measure(&self, lab: &Lab, contender: &dyn Contender) -> Result<Measured> {
        lab.with(contender, Program::Sleeper, self.services, |stage| {
            let (_, heard) = stage.start()?;
            interrupt::sleep(self.settle)?;
            let supervisors = processes::supervising(&pids(&heard))?;
            let before = processes::processor_times(&supervisors);
            interrupt::sleep(Duration::from_secs(self.seconds))?;
            let after = processes::processor_times(&supervisors);
            Ok(Measured::of([processes::used_between(&before, &after)]))
        })
    }

    /// Nothing supervises nothing.
    fn floor(&self, _lab: &Lab) -> Result<Measured> {
        Ok(Measured::default())
    }
}
