//! `schedules`: when an instance is due.

use diesel::prelude::*;
use mantyx_core::{Code, Error, InstanceId, Result, ScheduleId, ScheduleSpec, Timestamp};

use crate::fault::{Doing, is_duplicate};
use crate::schema::schedules;
use crate::{Json, Read, Word, Write};

/// A row.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = schedules)]
pub struct Schedule {
    /// Its identity.
    pub id: Word<ScheduleId>,
    /// Whose it is.
    pub instance_id: Word<InstanceId>,
    /// What people call it; unique within an instance.
    pub name: String,
    /// Whether it is on.
    pub enabled: bool,
    /// What it says.
    pub spec: Json<ScheduleSpec>,
    /// Every instant up to this one has been decided about.
    pub decided_to: Timestamp,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Fields that change.
#[derive(Clone, Debug, Default, AsChangeset)]
#[diesel(table_name = schedules)]
pub struct Changes {
    /// What people call it.
    pub name: Option<String>,
    /// Whether it is on.
    pub enabled: Option<bool>,
    /// What it says.
    pub spec: Option<Json<ScheduleSpec>>,
    /// Every instant up to this one has been decided about.
    pub decided_to: Option<Timestamp>,
}

/// Adds a schedule.
pub fn insert(tx: &mut Write<'_>, schedule: &Schedule) -> Result<()> {
    named(&schedule.name, diesel::insert_into(schedules::table).values(schedule).execute(tx.connection()))
}

/// Changes a schedule.
pub fn update(tx: &mut Write<'_>, id: ScheduleId, changes: &Changes) -> Result<()> {
    let name = changes.name.as_deref().unwrap_or_default();
    named(name, diesel::update(schedules::table.find(Word(id))).set(changes).execute(tx.connection()))
}

/// Removes a schedule with its ticks.
pub fn delete(tx: &mut Write<'_>, id: ScheduleId) -> Result<()> {
    diesel::delete(schedules::table.find(Word(id)))
        .execute(tx.connection())
        .map(drop)
        .doing("remove a schedule")
}

/// The schedule with this id.
pub fn find(db: &mut Read<'_>, id: ScheduleId) -> Result<Option<Schedule>> {
    let query = schedules::table.find(Word(id)).select(Schedule::as_select());
    query.first(db.connection()).optional().doing("read a schedule")
}

/// The schedules of an instance, by name.
pub fn of_instance(db: &mut Read<'_>, instance: InstanceId) -> Result<Vec<Schedule>> {
    let query = schedules::table
        .filter(schedules::instance_id.eq(Word(instance)))
        .order(schedules::name)
        .select(Schedule::as_select());
    query.load(db.connection()).doing("list the schedules of an app")
}

/// All schedules, the oldest first.
pub fn list(db: &mut Read<'_>) -> Result<Vec<Schedule>> {
    let query = schedules::table.order(schedules::id).select(Schedule::as_select());
    query.load(db.connection()).doing("list the schedules")
}

fn named(name: &str, outcome: diesel::QueryResult<usize>) -> Result<()> {
    match outcome {
        Err(error) if is_duplicate(&error) => {
            Err(Error::new(Code::NameTaken, format!("The app has a schedule `{name}` already"))
                .hint("Choose another name"))
        }
        // A change without any field is no query at all, which is fine here.
        Err(diesel::result::Error::QueryBuilderError(_)) => Ok(()),
        other => other.map(drop).doing("store the schedule"),
    }
}
