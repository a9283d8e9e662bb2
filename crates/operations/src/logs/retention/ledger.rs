//! What the logs take, without a look at each: what they took when all of them were looked at, and what became of those
//! that were written to since.
//!
//! There may be very many logs, and what changes between two looks is little of them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use mantyx_core::{ExecutionId, OperationId, Result};
use mantyx_logs::Segment;
use mantyx_registry::tables::{executions, operations};
use mantyx_registry::{Read, Registry};
use mantyx_settings::Layout;

use super::{CLOSE, FAR, Limits, Standing};
use crate::launch;
use crate::logs::operation_log_path;
use crate::logs::source::read_error;

/// How many executions are read of the database at once, and how many operations, which are few.
const PAGE: i64 = 1000;
const PAGE_OF_OPERATIONS: i64 = 20;

/// What has begun last.
#[derive(Clone, Copy, Debug)]
pub(super) struct Newest {
    execution: Option<ExecutionId>,
    operation: Option<OperationId>,
}

impl Newest {
    pub(super) async fn read(registry: &Registry) -> Result<Self> {
        let read = registry.read(|db| {
            let operation = operations::page(db, None, None, 1)?.first().map(|row| row.id.0);
            Ok(Self { execution: executions::newest(db)?, operation })
        });
        read.await
    }
}

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
    /// What is known of what has begun.
    newest: Newest,
}

impl Ledger {
    /// After all were looked at: what those take that are over, and who was alive.
    pub(super) fn new(standing: Standing, over: u64, open: BTreeSet<PathBuf>, newest: Newest) -> Self {
        Self { looked: Instant::now(), left: standing.size, over, open, newest }
    }

    /// Whether it is time to look at all again, because of their age or because they are too much. When that did not
    /// help it does not help soon.
    pub(super) fn is_due(&self, standing: Standing, limits: Limits) -> bool {
        let more = limits.total_size / 20;
        let too_much = standing.size > limits.total_size && standing.size > self.left.saturating_add(more);
        too_much || self.looked.elapsed() >= every(limits)
    }

    /// Hears of the executions and operations that have begun, those that are over already among them.
    pub(super) async fn catch_up(&mut self, registry: &Registry, layout: &Layout) -> Result<()> {
        self.catch_up_operations(registry, layout).await?;
        loop {
            let after = self.newest.execution;
            let begun = registry.read(move |db| executions::spent_after(db, after, PAGE)).await?;
            let Some(last) = begun.last() else { return Ok(()) };
            self.newest.execution = Some(last.id.0);
            self.open.extend(begun.iter().map(|row| launch::log_path(layout, row.app_id.0, row.id.0)));
        }
    }

    async fn catch_up_operations(&mut self, registry: &Registry, layout: &Layout) -> Result<()> {
        let (known, mut before) = (self.newest.operation, None);
        loop {
            let page = move |db: &mut Read<'_>| operations::page(db, None, before, PAGE_OF_OPERATIONS);
            let mut rows = registry.read(page).await?;
            rows.retain(|row| known.is_none_or(|known| row.id.0 > known));
            let Some(last) = rows.last() else { return Ok(()) };
            before = Some(last.id.0);
            self.newest.operation = self.newest.operation.max(rows.first().map(|row| row.id.0));
            self.open.extend(
                rows.iter().filter_map(|row| Some(operation_log_path(layout, row.app_id?.0, row.id.0))),
            );
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
