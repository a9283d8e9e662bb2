//! How long each step of an operation took, over several operations of the same kind.

use std::fmt;

use mantyx_api_types::OperationView;

use crate::bench::statistics::percentile;

/// The times of each step, in the order in which the steps are taken.
#[derive(Default)]
pub(super) struct Steps(Vec<(String, Vec<f64>)>);

impl Steps {
    /// Takes those of one more operation.
    pub(super) fn add(&mut self, operation: &OperationView) {
        for step in &operation.steps {
            let (Some(from), Some(to)) = (step.started_at, step.finished_at) else { continue };
            let took = (to - from).as_seconds_f64() * 1e3;
            match self.0.iter_mut().find(|(name, _)| *name == step.name) {
                Some((_, times)) => times.push(took),
                None => self.0.push((step.name.clone(), vec![took])),
            }
        }
    }
}

/// `stage 1, place 3, build 320`: the medians.
impl fmt::Display for Steps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (name, times)) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            write!(f, "{separator}{name} {:.1}", percentile(times, 0.5).unwrap_or_default())?;
        }
        Ok(())
    }
}
