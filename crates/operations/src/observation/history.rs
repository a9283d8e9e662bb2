//! What apps used by the minute and by the hour, in the database.
//!
//! Once a minute one transaction adds a row for each app that was alive in it. The first such transaction of every
//! hour, and of every daemon, also makes the hours that are complete by now, and removes what is too old. While
//! nothing is alive nothing is written.
//!
//! The clock of the machine may be wrong and be set right. What a clock recorded that ran ahead is not shown, is in
//! nobody's way, and is overwritten in time.

use std::collections::{HashMap, HashSet};
use std::ops::RangeInclusive;

use mantyx_core::{InstanceId, Result};
use mantyx_registry::tables::instances;
use mantyx_registry::tables::samples::{self, Sample};
use mantyx_registry::{Read, Word, Write};

use super::minutes::Minute;
use super::summary::{Resolution, Summary, roll_up, whole};

/// How many times as much is removed at once as was added since: what is too old after a leap of the clock is not, once
/// that is set right.
const LEAP: u32 = 2;

/// Whether the transaction of a minute does more than add it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Upkeep {
    /// It makes hours and removes what is old.
    Due,
    /// That was done within this hour.
    Done,
}

/// Adds a minute that is over, and returns the instances that there are.
pub(crate) fn record(tx: &mut Write<'_>, minute: &Minute, upkeep: Upkeep) -> Result<HashSet<InstanceId>> {
    let there: HashSet<InstanceId> = instances::ids(tx)?.into_iter().collect();
    let mut before = read_all(tx, Resolution::Minutes, minute.end()..=minute.end())?;
    let mut rows = Vec::new();
    for (instance, seen) in minute.apps().filter(|(instance, _)| there.contains(instance)) {
        let begun = before.remove(&instance).and_then(|mut minutes| minutes.pop());
        rows.push(row(instance, Resolution::Minutes, whole_minute(begun, seen)));
    }
    samples::put(tx, &rows)?;
    if upkeep == Upkeep::Due {
        there.iter().try_for_each(|instance| keep_up(tx, *instance, minute.end()))?;
    }
    Ok(there)
}

/// A minute that another daemon had begun. What is more than a minute together was recorded by a clock that went ahead
/// and was set back: it is overwritten.
fn whole_minute(begun: Option<Summary>, seen: Summary) -> Summary {
    let together = begun.map(|begun| begun.and(seen));
    together.filter(|minute| minute.seconds <= f64::from(Resolution::Minutes.seconds())).unwrap_or(seen)
}

fn keep_up(tx: &mut Write<'_>, instance: InstanceId, now: i64) -> Result<()> {
    prune(tx, instance, Resolution::Hours, now)?;
    let over = hours_to_make(tx, instance, now)?.into_iter().filter(|hour| hour.at <= now);
    let rows: Vec<Sample> = over.map(|hour| row(instance, Resolution::Hours, hour)).collect();
    samples::put(tx, &rows)?;
    prune(tx, instance, Resolution::Minutes, now)
}

fn prune(tx: &mut Write<'_>, instance: InstanceId, resolution: Resolution, now: i64) -> Result<()> {
    let limit = i64::from(LEAP * Resolution::Hours.seconds() / resolution.seconds());
    samples::prune(tx, instance, seconds(resolution), *resolution.window(now).start(), limit)
}

/// The hour that ended last is made even if there is one: it may be of a clock that was set back since.
fn hours_to_make(db: &mut Read<'_>, instance: InstanceId, now: i64) -> Result<Vec<Summary>> {
    let hour = i64::from(Resolution::Hours.seconds());
    let last_begin = (now.div_euclid(hour) - 1) * hour;
    let newest = newest_hour(db, instance, now)?;
    hours_since(db, instance, newest.min(last_begin), now)
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
        let newest = newest_hour(db, instance, now)?;
        spans.extend(hours_since(db, instance, newest, now)?);
    }
    Ok(spans)
}

/// What all instances used by the minute or by the hour as far as there are rows, the oldest first.
pub(crate) fn read_all(
    db: &mut Read<'_>,
    resolution: Resolution,
    ends: RangeInclusive<i64>,
) -> Result<HashMap<InstanceId, Vec<Summary>>> {
    let mut all: HashMap<InstanceId, Vec<Summary>> = HashMap::new();
    for row in samples::of_all(db, seconds(resolution), ends)? {
        all.entry(row.instance_id.0).or_default().push(summary(row));
    }
    Ok(all)
}

/// When the newest hour of an instance ended. Rows of a clock that went ahead are left where they are.
fn newest_hour(db: &mut Read<'_>, instance: InstanceId, now: i64) -> Result<i64> {
    Ok(samples::newest(db, instance, seconds(Resolution::Hours), now)?.unwrap_or_default())
}

/// Made from the minutes since an instant.
fn hours_since(db: &mut Read<'_>, instance: InstanceId, since: i64, now: i64) -> Result<Vec<Summary>> {
    let minutes = samples::within(db, instance, seconds(Resolution::Minutes), since + 1..=now)?;
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
        seconds: i32::try_from(whole(span.seconds)).unwrap_or(i32::MAX).max(1),
    }
}

fn summary(row: Sample) -> Summary {
    Summary {
        at: row.at,
        cpu: f64::from(row.cpu) / 1000.0,
        cpu_max: f64::from(row.cpu_max) / 1000.0,
        memory: bytes(row.memory),
        memory_max: bytes(row.memory_max),
        seconds: row.seconds.into(),
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
