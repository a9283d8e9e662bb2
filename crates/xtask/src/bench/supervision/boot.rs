//! The start of the daemon while its services run: from the command to its first answer, after a `kill -9`.
//!
//! Nothing may have been started a second time for it, so every service must be the process that it was.

use std::time::Duration;

use anyhow::{Result, bail};

use super::{Measured, Measurement};
use crate::bench::contenders::Contender;
use crate::bench::figures::{Bar, Metric};
use crate::bench::lab::{Lab, Program, Stage, pids};
use crate::bench::statistics::{milliseconds, percentile};
use crate::{interrupt, processes};

/// How long the daemon lives before it is killed again: what the start leaves to be done is done by then.
const PAUSE: Duration = Duration::from_millis(1500);

/// Starts with so many services.
pub(super) struct Boot {
    pub(super) services: usize,
    pub(super) rounds: usize,
}

impl Measurement for Boot {
    fn title(&self) -> String {
        format!("Start of the daemon with {} services running", self.services)
    }

    fn metrics(&self) -> Vec<Metric> {
        let title = format!("daemon start, {} running, p50", self.services);
        vec![Metric::new("boot_p50", title, "ms", Bar::AtMost(60.0))]
    }

    fn measure(&self, lab: &Lab, contender: &dyn Contender) -> Result<Measured> {
        lab.with(contender, Program::Sleeper, self.services, |stage| self.rounds(stage))
    }

    /// Nothing supervises nothing.
    fn floor(&self, _lab: &Lab) -> Result<Measured> {
        Ok(Measured::default())
    }
}

impl Boot {
    fn rounds(&self, stage: &Stage<'_>) -> Result<Measured> {
        let services = pids(&stage.start()?.1);
        let mut times = Vec::new();
        for _ in 0..self.rounds {
            interrupt::sleep(PAUSE)?;
            let Some(time) = stage.running.crash_and_start()? else { return Ok(Measured::default()) };
            times.push(milliseconds(time));
        }
        let gone = services.iter().filter(|pid| !processes::is_alive(**pid)).count();
        if gone > 0 {
            bail!("{gone} services did not outlive the daemon");
        }
        Ok(Measured { figures: vec![percentile(&times, 0.5)], note: None })
    }
}
