//! The proportional memory of everything of a supervisor, the services themselves excluded, and what each further
//! service adds to it.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;

use super::{Measured, Measurement};
use crate::bench::contenders::Contender;
use crate::bench::figures::{Bar, Metric};
use crate::bench::lab::{Lab, Program, pids};
use crate::bench::statistics::as_float;
use crate::{interrupt, processes};

/// Memory with many services, and with a fifth of them for the slope.
pub(super) struct Memory {
    pub(super) services: usize,
    /// How long a supervisor may tidy up after the start.
    pub(super) settle: Duration,
}

impl Measurement for Memory {
    fn title(&self) -> String {
        format!("Memory with {} services", self.services)
    }

    fn metrics(&self) -> Vec<Metric> {
        let total = format!("memory (PSS), {} services", self.services);
        vec![
            Metric::new("memory_total", total, "MB", Bar::AtMost(25.0)),
            Metric::new("memory_each", "memory for a further service", "MB", Bar::AtMost(0.3)),
        ]
    }

    fn measure(&self, lab: &Lab, contender: &dyn Contender) -> Result<Measured> {
        let few = (self.services / 5).max(1);
        let least = total(&self.parts(lab, contender, few)?);
        let parts = self.parts(lab, contender, self.services)?;
        let each = (total(&parts) - least) / as_float(self.services - few);
        let note = Some(told(&parts));
        Ok(Measured { figures: vec![Some(total(&parts)), Some(each)], note })
    }

    /// Nothing supervises nothing.
    fn floor(&self, _lab: &Lab) -> Result<Measured> {
        Ok(Measured::default())
    }
}

impl Memory {
    /// Megabytes by program.
    fn parts(&self, lab: &Lab, contender: &dyn Contender, services: usize) -> Result<BTreeMap<String, f64>> {
        lab.with(contender, Program::Sleeper, services, |stage| {
            let (_, heard) = stage.start()?;
            interrupt::sleep(self.settle)?;
            let supervisors = processes::supervising(&pids(&heard))?;
            let parts = processes::proportional_memory(&supervisors);
            Ok(parts.into_iter().map(|(name, bytes)| (name, megabytes(bytes))).collect())
        })
    }
}

fn total(parts: &BTreeMap<String, f64>) -> f64 {
    parts.values().sum()
}

fn told(parts: &BTreeMap<String, f64>) -> String {
    let parts: Vec<String> = parts.iter().map(|(name, size)| format!("{name} {size:.1} MB")).collect();
    parts.join(", ")
}

#[allow(clippy::cast_precision_loss, reason = "memory of this machine has far fewer than 2^52 bytes")]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_add_up_and_are_told() {
        let parts = BTreeMap::from([("runsv".to_owned(), 1.25), ("svlogd".to_owned(), 2.5)]);
        assert!((total(&parts) - 3.75).abs() < 1e-9);
        assert_eq!(told(&parts), "runsv 1.2 MB, svlogd 2.5 MB");
        assert!((megabytes(2_500_000) - 2.5).abs() < 1e-9);
    }
}
