//! `releases`: immutable source with the environment that it runs in.

use diesel::prelude::*;
use mantyx_core::{AppId, EnvironmentId, Found, Origin, ReleaseId, Result, Timestamp};

use crate::fault::Doing;
use crate::schema::releases;
use crate::{Json, Read, Word, Write};

/// A row.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = releases)]
pub struct Release {
    /// Its identity.
    pub id: Word<ReleaseId>,
    /// Whose it is.
    pub app_id: Word<AppId>,
    /// Counted from 1.
    pub number: i32,
    /// Where the source came from.
    pub origin: Json<Origin>,
    /// What was found in it.
    pub found: Json<Found>,
    /// What setuptools-scm would read from the repository.
    pub scm_version: Option<String>,
    /// Its environment, once that is built.
    pub environment_id: Option<Word<EnvironmentId>>,
    /// When it was made.
    pub created_at: Timestamp,
    /// By whom.
    pub created_by: String,
}

/// Adds a release.
pub fn insert(tx: &mut Write<'_>, release: &Release) -> Result<()> {
    diesel::insert_into(releases::table)
        .values(release)
        .execute(tx.connection())
        .map(drop)
        .doing("add the release")
}

/// Gives a release its environment.
pub fn set_environment(tx: &mut Write<'_>, id: ReleaseId, environment: EnvironmentId) -> Result<()> {
    let row = releases::table.find(Word(id));
    let change = releases::environment_id.eq(Some(Word(environment)));
    diesel::update(row)
        .set(change)
        .execute(tx.connection())
        .map(drop)
        .doing("give the release its environment")
}

/// The release with this id.
pub fn get(db: &mut Read<'_>, id: ReleaseId) -> Result<Release> {
    releases::table.find(Word(id)).select(Release::as_select()).first(db.connection()).doing("read a release")
}

/// All releases of an app, the newest first.
pub fn of_app(db: &mut Read<'_>, app: AppId) -> Result<Vec<Release>> {
    let query = releases::table
        .filter(releases::app_id.eq(Word(app)))
        .order(releases::number.desc())
        .select(Release::as_select());
    query.load(db.connection()).doing("list the releases")
}
