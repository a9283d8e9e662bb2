//! What the logs take, without a look at each: what they took when all of them were looked at, and what became of those
//! that were written to since.
//!
//! There may be very many logs, and what changes between two looks is little of them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use mantyx_core::{ExecutionId, Result};
use mantyx_logs::Segment;
use mantyx_registry::Registry;
use mantyx_registry::tables::executions;
use mantyx_settings::Layout;

use super::{CLOSE, FAR, Limits, Standing};
use crate::launch;
use crate::logs::source::read_error;

/// How many executions are read of the database at once.
const PAGE: i64 = 1000;

/// The logs since they were all looked at.
#[derive(Debug)]
pub(super) struct Ledger {
    looked: Instant,
    /// What was left then.
    left: u64,
    /// The bytes of the logs that are over.
    over: u64,
    /// Those that are written to, or were when they were last measured.
    open: BTreeSet<PathBuf>,
    /// The newest execution that is known.
    newest: Option<ExecutionId>,
}

impl Ledger {
    /// After all were looked at: what those take that are over, and who was alive.
    pub(super) fn new(
        standing: Standing,
        over: u64,
        open: BTreeSet<PathBuf>,
        newest: Option<ExecutionId>,
    ) -> Self {
        Self { looked: Instant::now(), left: standing.size, over, open, newest }
    }

    /// Whether it is time to look at all again, because of their age or because they are too much. When that did not
    /// help it does not help soon.
    pub(super) fn is_due(&self, standing: Standing, limits: Limits) -> bool {
        let more = limits.total_size / 20;
        let too_much = standing.size > limits.total_size && standing.size > self.left.saturating_add(more);
        too_much || self.looked.elapsed() >= every(limits)
    }

    /// Hears of the executions that have begun.
    pub(super) async fn catch_up(&mut self, registry: &Registry, layout: &Layout) -> Result<()> {
        loop {
            let after = self.newest;
            let begun = registry.read(move |db| executions::spent_after(db, after, PAGE)).await?;
            let Some(last) = begun.last() else { return Ok(()) };
            self.newest = Some(last.id.0);
            self.open.extend(begun.iter().map(|row| launch::log_path(layout, row.app_id.0, row.id.0)));
        }
    }

    /// Measures those that are written to, and for the last time those that no longer are. Who is alive was asked
    /// before.
    pub(super) fn measure(&mut self, alive: BTreeSet<PathBuf>, largest: u64) -> Result<Standing> {
        let mut growth = 0_u64;
        let mut size = self.over;
        let open = std::mem::take(&mut self.open);
        for log in open.union(&alive) {
            let bytes = size_of(log)?;
            size += bytes;
            if alive.contains(log) {
                growth = growth.saturating_add(largest.saturating_sub(bytes));
            } else {
                self.over += bytes;
            }
        }
        self.open = alive;
        Ok(Standing { size, growth })
    }
}

/// How often all are looked at for their age, of which a hundredth more is nothing.
fn every(limits: Limits) -> Duration {
    (limits.retention / 100).clamp(CLOSE, FAR * 4)
}

fn size_of(log: &Path) -> Result<u64> {
    if !Segment::new(log, 0).exists() {
        return Ok(0);
    }
    let segments = mantyx_logs::segments(log).map_err(|e| read_error(log, e))?;
    Ok(segments.iter().map(Segment::disk_size).sum())
}
