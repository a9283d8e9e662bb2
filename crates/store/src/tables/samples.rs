//! `samples`: what instances used over time, by the minute and by the hour.

use std::ops::RangeInclusive;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Integer};
use mantyx_core::{InstanceId, Result};

use crate::fault::Doing;
use crate::schema::samples;
use crate::{Read, Word, Write};

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, QueryableByName, Selectable, Insertable)]
#[diesel(table_name = samples)]
pub struct Sample {
    /// Whose it is.
    pub instance_id: Word<InstanceId>,
    /// How long the span is: 60 or 3600 seconds.
    pub resolution: i32,
    /// When the span ended, in seconds since 1970.
    pub at: i64,
    /// Thousandths of a processor, as a mean.
    pub cpu: i32,
    /// The most of any look.
    pub cpu_max: i32,
    /// Memory in KiB, as a mean.
    pub memory: i64,
    /// The most of any look.
    pub memory_max: i64,
    /// How many seconds of the span the means are of.
    pub seconds: i32,
}

/// Adds rows. One that is there for the same span already is replaced.
pub fn put(tx: &mut Write<'_>, rows: &[Sample]) -> Result<()> {
    diesel::replace_into(samples::table)
        .values(rows)
        .execute(tx.connection())
        .map(drop)
        .doing("record what apps use")
}

/// The rows of an instance whose spans ended within these seconds, the oldest first.
pub fn within(
    db: &mut Read<'_>,
    instance: InstanceId,
    resolution: i32,
    span: RangeInclusive<i64>,
) -> Result<Vec<Sample>> {
    let query = samples::table
        .filter(samples::instance_id.eq(Word(instance)))
        .filter(samples::resolution.eq(resolution))
        .filter(samples::at.between(*span.start(), *span.end()))
        .order(samples::at)
        .select(Sample::as_select());
    query.load(db.connection()).doing("read what an app used")
}

/// The same of all instances, the oldest of each first.
pub fn of_all(db: &mut Read<'_>, resolution: i32, span: RangeInclusive<i64>) -> Result<Vec<Sample>> {
    // In the key of this table time comes after the instance, so each is looked up. SQLite takes the tables of a
    // `CROSS JOIN` in the order in which they stand there.
    let query = diesel::sql_query(
        "SELECT samples.* FROM instances CROSS JOIN samples ON samples.instance_id = instances.id \
         WHERE samples.resolution = ? AND samples.at BETWEEN ? AND ? ORDER BY instances.id, samples.at",
    );
    let query =
        query.bind::<Integer, _>(resolution).bind::<BigInt, _>(*span.start()).bind::<BigInt, _>(*span.end());
    query.load(db.connection()).doing("read what apps used")
}

/// When the newest span of an instance ended that ended by an instant.
pub fn newest(db: &mut Read<'_>, instance: InstanceId, resolution: i32, by: i64) -> Result<Option<i64>> {
    let query = samples::table
        .filter(samples::instance_id.eq(Word(instance)))
        .filter(samples::resolution.eq(resolution))
        .filter(samples::at.le(by))
        .select(diesel::dsl::max(samples::at));
    query.first(db.connection()).doing("read what an app used last")
}

/// Removes rows of an instance whose spans ended before an instant: the oldest, and at most so many.
pub fn prune(
    tx: &mut Write<'_>,
    instance: InstanceId,
    resolution: i32,
    before: i64,
    limit: i64,
) -> Result<()> {
    let old = samples::table
        .filter(samples::instance_id.eq(Word(instance)))
        .filter(samples::resolution.eq(resolution))
        .filter(samples::at.lt(before));
    // The last of those that go. SQLite deletes no more than a given number only when it is built for that.
    let oldest = old.order(samples::at).limit(limit).select(samples::at);
    let oldest: Vec<i64> = oldest.load(tx.connection()).doing("look for what an app used long ago")?;
    let Some(last) = oldest.last() else { return Ok(()) };
    let gone = diesel::delete(old.filter(samples::at.le(*last)));
    gone.execute(tx.connection()).map(drop).doing("remove what an app used long ago")
}
