//! The start of many services at once, from the command to the first act of the last of them.

use std::process::Command;
use std::time::Instant;

use anyhow::Result;

use super::{Measured, Measurement};
use crate::bench::contenders::{Contender, program};
use crate::bench::figures::{Bar, Metric};
use crate::bench::lab::{Lab, PATIENCE, Program};
use crate::bench::statistics::milliseconds;

/// The start of so many.
pub(super) struct Start {
    pub(super) services: usize,
}

impl Measurement for Start {
    fn title(&self) -> String {
        format!("Start of {} services", self.services)
    }

    fn metrics(&self) -> Vec<Metric> {
        let services = self.services;
        vec![Metric::new(format!("start_{services}"), format!("start of {services}"), "ms", Bar::None)]
    }

    fn measure(&self, lab: &Lab, contender: &dyn Contender) -> Result<Measured> {
        let start = |stage: &crate::bench::lab::Stage<'_>| stage.start();
        let (time, _) = lab.with(contender, Program::Sleeper, self.services, start)?;
        Ok(Measured::of([milliseconds(time)]))
    }

    /// Fork and exec in a loop.
    fn floor(&self, lab: &Lab) -> Result<Measured> {
        let bench = lab.bench(Program::Sleeper, self.services)?;
        std::thread::scope(|scope| {
            let begun = Instant::now();
            let heard = scope.spawn(|| bench.ready.all(&bench.services, PATIENCE));
            for service in &bench.services {
                let mut command: Command = program(&service.words[0]);
                command.args(&service.words[1..]).spawn()?;
            }
            let heard = heard.join().unwrap_or_else(|_| anyhow::bail!("The listening broke off"))?;
            let last = heard.last().map_or(begun, |notice| notice.at);
            Ok(Measured::of([milliseconds(last - begun)]))
        })
    }
}
