//! What apps used by the minute and by the hour, in the database.
//!
//! Once a minute one transaction adds a row for each app that was alive in it. The first such transaction of every
//! hour, and of every daemon, also makes the hours that are complete by now, and removes what is too old. While
//! nothing is alive nothing is written.

use std::collections::{HashMap, HashSet};
use std::ops::RangeInclusive;

use mantyx_core::{InstanceId, Result};
use mantyx_registry::tables::instances;
use mantyx_registry::tables::samples::{self, Sample};
use mantyx_registry::{Read, Word, Write};

use super::meter::Looked;
use super::summary::{Resolution, Summary, roll_up, whole};

/// The minute that is not over yet.
#[derive(Debug, Default)]
pub(crate) struct Minute {
    end: i64,
    apps: HashMap<InstanceId, Summary>,
}

/// Whether the transaction of a minute does more than add it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Upkeep {
    /// It makes hours and removes what is old.
    Due,
    /// That was done within this hour.
    Done,
}

impl Minute {
    /// Takes a look into its minute. With the first look of another minute, the one before is over and returned.
    #[must_use]
    pub(crate) fn take(&mut self, at: i64, looked: &[Looked]) -> Option<Self> {
        let end = Resolution::Minutes.end(at);
        let over = (end != self.end && !self.is_empty()).then(|| std::mem::take(self));
        self.end = end;
        for look in looked {
            let seen = Summary::look(at, look.cpu, look.memory);
            self.apps.entry(look.instance).and_modify(|sum| *sum = sum.and(seen)).or_insert(seen);
        }
        over
    }

    /// Whether nothing was alive in it.
    pub(crate) fn is_empty(&self) -> bool {
        self.apps.is_empty()
    }

    /// When it ends, in seconds since 1970.
    pub(crate) fn end(&self) -> i64 {
        self.end
    }
}

/// Adds a minute that is over, and returns the instances that there are.
pub(crate) fn record(tx: &mut Write<'_>, minute: &Minute, upkeep: Upkeep) -> Result<HashSet<InstanceId>> {
    let there: HashSet<InstanceId> = instances::ids(tx)?.into_iter().collect();
    let rows = minute.apps.iter().filter(|(instance, _)| there.contains(instance));
    let rows: Vec<Sample> = rows
        .map(|(instance, seen)| row(*instance, Resolution::Minutes, Summary { at: minute.end, ..*seen }))
        .collect();
    samples::put(tx, &rows)?;
    if upkeep == Upkeep::Due {
        there.iter().try_for_each(|instance| keep_up(tx, *instance, minute.end))?;
    }
    Ok(there)
}

fn keep_up(tx: &mut Write<'_>, instance: InstanceId, now: i64) -> Result<()> {
    keep(tx, instance, Resolution::Hours, now)?;
    let over = hours_without_row(tx, instance, now)?.into_iter().filter(|hour| hour.at <= now);
    let rows: Vec<Sample> = over.map(|hour| row(instance, Resolution::Hours, hour)).collect();
    samples::put(tx, &rows)?;
    keep(tx, instance, Resolution::Minutes, now)
}

fn keep(tx: &mut Write<'_>, instance: InstanceId, resolution: Resolution, now: i64) -> Result<()> {
    samples::keep(tx, instance, seconds(resolution), resolution.window(now))
}

/// What an instance used by the minute or by the hour, the oldest first. The hour that is not over is among them.
pub(crate) fn read(
    db: &mut Read<'_>,
    instance: InstanceId,
    resolution: Resolution,
    ends: RangeInclusive<i64>,
) -> Result<Vec<Summary>> {
    let now = *ends.end();
    let rows = samples::within(db, instance, seconds(resolution), ends)?;
    let mut spans: Vec<Summary> = rows.into_iter().map(summary).collect();
    if resolution == Resolution::Hours {
        spans.extend(hours_without_row(db, instance, now)?);
    }
    Ok(spans)
}

/// Made from the minutes since the newest hour.
fn hours_without_row(db: &mut Read<'_>, instance: InstanceId, now: i64) -> Result<Vec<Summary>> {
    let newest = samples::newest(db, instance, seconds(Resolution::Hours))?.unwrap_or_default();
    let minutes = samples::within(db, instance, seconds(Resolution::Minutes), newest + 1..=now)?;
    Ok(roll_up(minutes.into_iter().map(summary), Resolution::Hours))
}

fn seconds(resolution: Resolution) -> i32 {
    i32::try_from(resolution.seconds()).unwrap_or(i32::MAX)
}

fn row(instance: InstanceId, resolution: Resolution, span: Summary) -> Sample {
    Sample {
        instance_id: Word(instance),
        resolution: seconds(resolution),
        at: span.at,
        cpu: thousandths(span.cpu),
        cpu_max: thousandths(span.cpu_max),
        memory: kib(span.memory),
        memory_max: kib(span.memory_max),
        looks: i32::try_from(span.looks).unwrap_or(i32::MAX),
    }
}

fn summary(row: Sample) -> Summary {
    Summary {
        at: row.at,
        cpu: f64::from(row.cpu) / 1000.0,
        cpu_max: f64::from(row.cpu_max) / 1000.0,
        memory: bytes(row.memory),
        memory_max: bytes(row.memory_max),
        looks: u32::try_from(row.looks).unwrap_or(1),
    }
}

fn thousandths(processors: f64) -> i32 {
    i32::try_from(whole(processors * 1000.0)).unwrap_or(i32::MAX)
}

fn kib(bytes: f64) -> i64 {
    i64::try_from(whole(bytes / 1024.0)).unwrap_or(i64::MAX)
}

#[expect(clippy::cast_precision_loss, reason = "a double counts every KiB of 8 EiB")]
fn bytes(kib: i64) -> f64 {
    kib as f64 * 1024.0
}

#[cfg(test)]
pub(super) mod tests;
