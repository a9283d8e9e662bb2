//! `backups`: what a change replaced, and what a person asked to be kept.

use diesel::prelude::*;
use mantyx_core::{AppId, BackupId, BackupReason, Result, Timestamp};

use crate::fault::Doing;
use crate::schema::backups;
use crate::{Read, Word, Write};

/// A row.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = backups)]
pub struct Backup {
    /// Its identity; ids sort by time.
    pub id: Word<BackupId>,
    /// Whose it is.
    pub app_id: Word<AppId>,
    /// Why it was made.
    pub reason: Word<BackupReason>,
    /// The number of the release that was active.
    pub release: i32,
    /// The number of the configuration that was active.
    pub revision: i32,
    /// Whether it holds the app's own files.
    pub data: bool,
    /// How many bytes its files have in all.
    pub bytes: i64,
    /// The name of its folder among those of the app.
    pub folder: String,
    /// When it was made.
    pub made_at: Timestamp,
    /// By whom.
    pub made_by: String,
}

/// Adds a backup.
pub fn insert(tx: &mut Write<'_>, backup: &Backup) -> Result<()> {
    let row = diesel::insert_into(backups::table).values(backup);
    row.execute(tx.connection()).map(drop).doing("add the backup")
}

/// A backup has the app's own files too, and is so many bytes in all.
pub fn set_data(tx: &mut Write<'_>, id: BackupId, bytes: i64) -> Result<()> {
    let row = diesel::update(backups::table.find(Word(id)));
    row.set((backups::data.eq(true), backups::bytes.eq(bytes)))
        .execute(tx.connection())
        .map(drop)
        .doing("add data to the backup")
}

/// Removes a backup's row.
pub fn delete(tx: &mut Write<'_>, id: BackupId) -> Result<()> {
    let row = backups::table.find(Word(id));
    diesel::delete(row).execute(tx.connection()).map(drop).doing("remove a backup")
}

/// The backup with this id.
pub fn find(db: &mut Read<'_>, id: BackupId) -> Result<Option<Backup>> {
    let query = backups::table.find(Word(id)).select(Backup::as_select());
    query.first(db.connection()).optional().doing("read a backup")
}

/// The backups of an app, the newest first.
pub fn of_app(db: &mut Read<'_>, app: AppId) -> Result<Vec<Backup>> {
    let query = backups::table
        .filter(backups::app_id.eq(Word(app)))
        .order(backups::id.desc())
        .select(Backup::as_select());
    query.load(db.connection()).doing("list the backups")
}
