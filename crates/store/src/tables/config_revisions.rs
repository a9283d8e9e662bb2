//! `config_revisions`: everything that a person set, as it was at one time.

use diesel::prelude::*;
use mantyx_core::{Configuration, InstanceId, Result, RevisionId, Timestamp};

use crate::fault::Doing;
use crate::schema::config_revisions;
use crate::{Json, Read, Word, Write};

/// A row.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = config_revisions)]
pub struct Revision {
    /// Its identity.
    pub id: Word<RevisionId>,
    /// Whose it is.
    pub instance_id: Word<InstanceId>,
    /// Counted from 1.
    pub number: i32,
    /// What is set.
    pub configuration: Json<Configuration>,
    /// When it was made.
    pub created_at: Timestamp,
    /// By whom.
    pub created_by: String,
}

/// Adds a revision.
pub fn insert(tx: &mut Write<'_>, revision: &Revision) -> Result<()> {
    let row = diesel::insert_into(config_revisions::table).values(revision);
    row.execute(tx.connection()).map(drop).doing("add the configuration")
}

/// The revision with this id.
pub fn get(db: &mut Read<'_>, id: RevisionId) -> Result<Revision> {
    let query = config_revisions::table.find(Word(id)).select(Revision::as_select());
    query.first(db.connection()).doing("read a configuration")
}

/// The revision of an instance that has this number.
pub fn numbered(db: &mut Read<'_>, instance: InstanceId, number: i32) -> Result<Option<Revision>> {
    let query = config_revisions::table
        .filter(config_revisions::instance_id.eq(Word(instance)))
        .filter(config_revisions::number.eq(number))
        .select(Revision::as_select());
    query.first(db.connection()).optional().doing("read an earlier configuration")
}

/// The number of the newest revision of an instance.
pub fn last_number(db: &mut Read<'_>, instance: InstanceId) -> Result<i32> {
    let query = config_revisions::table.filter(config_revisions::instance_id.eq(Word(instance)));
    let last: Option<i32> = query
        .select(config_revisions::number)
        .order(config_revisions::number.desc())
        .first(db.connection())
        .optional()
        .doing("count the configurations")?;
    Ok(last.unwrap_or_default())
}
