//! How far a step is that moves many bytes, told now and then.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use mantyx_bundle::Watch;
use mantyx_core::{Result, StepStatus};
use mantyx_registry::Change;
use mantyx_registry::tables::operations::{self, StepChanges};
use tokio::time::sleep;

use crate::saga::Task;
use crate::work::blocking_until;

/// Between two words about it.
const EVERY: Duration = Duration::from_secs(2);

/// Does what takes long where it may wait, and says in the detail of the step how many bytes it has come to.
pub(crate) async fn with_progress<T: Send + 'static>(
    task: &Task,
    words: impl Fn(u64) -> String + Send,
    work: impl FnOnce(Watch<'_>) -> Result<T> + Send + 'static,
) -> Result<T> {
    let bytes = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&bytes);
    let working = blocking_until(&task.cancel, move |cancel| {
        work(Watch::new(cancel, move |bytes| counted.store(bytes, Ordering::Relaxed)))
    });
    tokio::pin!(working);
    let mut told = 0;
    loop {
        tokio::select! {
            done = &mut working => return done,
            () = sleep(EVERY) => {}
        }
        let now = bytes.load(Ordering::Relaxed);
        if now != told {
            tell(task, words(now)).await;
            told = now;
        }
    }
}

/// Says how far the running step is. Nobody is kept from the work itself by what cannot be said.
pub(crate) async fn tell(task: &Task, detail: String) {
    let id = task.id;
    let say = move |change: &mut Change<'_, '_>| {
        let steps = operations::steps(change, id)?;
        let running = steps.into_iter().find(|step| step.status.0 == StepStatus::Running);
        let Some(step) = running else { return Ok(()) };
        let changes = StepChanges { detail: Some(Some(detail)), ..StepChanges::default() };
        operations::update_step(change, id, step.position, &changes)?;
        change.touch_operation(id);
        Ok(())
    };
    if let Err(error) = task.registry().note(say).await {
        tracing::warn!(?error, operation = %id, "nobody can be told how far it is");
    }
}

/// `3.4 GB`, as disks are sold.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["bytes", "kB", "MB", "GB", "TB"];
    let (mut whole, mut tenths, mut unit) = (bytes, 0, 0);
    while whole >= 1000 && unit + 1 < UNITS.len() {
        (whole, tenths, unit) = (whole / 1000, whole % 1000 / 100, unit + 1);
    }
    let name = UNITS.get(unit).copied().unwrap_or_default();
    if unit == 0 || whole >= 100 { format!("{whole} {name}") } else { format!("{whole}.{tenths} {name}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_short() {
        let sizes = [0, 999, 1000, 1_250_000, 123_456_789, 3_400_000_000, u64::MAX].map(size);
        assert_eq!(sizes, ["0 bytes", "999 bytes", "1.0 kB", "1.2 MB", "123 MB", "3.4 GB", "18446744 TB"]);
    }
}
