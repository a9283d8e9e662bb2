//! `ticks`: instants that led to no execution.

use diesel::prelude::*;
use mantyx_core::{Result, ScheduleId, Timestamp};

use crate::fault::Doing;
use crate::schema::ticks;
use crate::{Read, Word, Write};

/// A row: one or more neighbouring instants that were skipped for the same reason.
#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = ticks)]
pub struct Tick {
    /// Counted up.
    pub id: i64,
    /// Whose it is.
    pub schedule_id: Word<ScheduleId>,
    /// The first instant.
    pub first_due: Timestamp,
    /// The last instant.
    pub last_due: Timestamp,
    /// How many.
    pub count: i64,
    /// Why, as a sentence.
    pub reason: String,
}

/// Whether skipped instants began a row of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// They did.
    Begun,
    /// They follow on the newest row.
    Continued,
}

/// Records skipped instants: into the newest row when that has the same reason and nothing has run since, as a new
/// one otherwise.
pub fn record(
    tx: &mut Write<'_>,
    schedule: ScheduleId,
    first: Timestamp,
    last: Timestamp,
    count: i64,
    reason: &str,
) -> Result<Recorded> {
    if let Some(newest) = newest(tx, schedule)?
        && newest.reason == reason
        && !super::executions::ran_after(tx, schedule, newest.last_due)?
    {
        let change = (ticks::last_due.eq(last), ticks::count.eq(newest.count + count));
        let row = diesel::update(ticks::table.find(newest.id)).set(change);
        row.execute(tx.connection()).doing("record a skipped run")?;
        return Ok(Recorded::Continued);
    }
    let row = (
        ticks::schedule_id.eq(Word(schedule)),
        ticks::first_due.eq(first),
        ticks::last_due.eq(last),
        ticks::count.eq(count),
        ticks::reason.eq(reason),
    );
    diesel::insert_into(ticks::table).values(row).execute(tx.connection()).doing("record a skipped run")?;
    Ok(Recorded::Begun)
}

/// The newest row of a schedule.
pub fn newest(db: &mut Read<'_>, schedule: ScheduleId) -> Result<Option<Tick>> {
    let query = ticks::table
        .filter(ticks::schedule_id.eq(Word(schedule)))
        .order(ticks::id.desc())
        .select(Tick::as_select());
    query.first(db.connection()).optional().doing("read a skipped run")
}
