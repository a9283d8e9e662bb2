//! `samples`: what instances used over time, by the minute and by the hour.

use std::ops::RangeInclusive;

use diesel::prelude::*;
use mantyx_core::{InstanceId, Result};

use crate::fault::Doing;
use crate::schema::samples;
use crate::{Read, Word, Write};

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Insertable)]
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
    /// How many looks the means are of.
    pub looks: i32,
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

/// When the newest span of an instance ended.
pub fn newest(db: &mut Read<'_>, instance: InstanceId, resolution: i32) -> Result<Option<i64>> {
    let query = samples::table
        .filter(samples::instance_id.eq(Word(instance)))
        .filter(samples::resolution.eq(resolution))
        .select(diesel::dsl::max(samples::at));
    query.first(db.connection()).doing("read what an app used last")
}

/// Removes the rows of an instance whose spans ended outside these seconds.
pub fn keep(
    tx: &mut Write<'_>,
    instance: InstanceId,
    resolution: i32,
    span: RangeInclusive<i64>,
) -> Result<()> {
    let of_instance = || {
        samples::table
            .filter(samples::instance_id.eq(Word(instance)))
            .filter(samples::resolution.eq(resolution))
    };
    // Two statements, each a range of the key; one with `OR` would read every row of the instance.
    let old = diesel::delete(of_instance().filter(samples::at.lt(*span.start())));
    old.execute(tx.connection()).doing("remove what an app used long ago")?;
    let ahead = diesel::delete(of_instance().filter(samples::at.gt(*span.end())));
    ahead.execute(tx.connection()).map(drop).doing("remove what an app used in the future")
}
