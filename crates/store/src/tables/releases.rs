//! `releases`: immutable source with the environment that it runs in.

use diesel::prelude::*;
use mantyx_core::{AppId, EnvironmentId, Found, Origin, ReleaseId, Result, RevisionId, Timestamp};

use crate::fault::Doing;
use crate::schema::releases;
use crate::tables::environments::Environment;
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
    /// The resolved set, from which its environment can be made again.
    pub lock: Option<String>,
    /// SHA-256 of the lock and what else decides about the environment.
    pub lock_digest: Option<String>,
    /// The Python that the lock is for.
    pub python_version: Option<String>,
    /// The configuration that it was last active with; none as long as it is the first of its app.
    pub revision_id: Option<Word<RevisionId>>,
}

/// Adds a release.
pub fn insert(tx: &mut Write<'_>, release: &Release) -> Result<()> {
    diesel::insert_into(releases::table)
        .values(release)
        .execute(tx.connection())
        .map(drop)
        .doing("add the release")
}

/// Gives a release its environment, whose lock it keeps.
pub fn set_environment(tx: &mut Write<'_>, id: ReleaseId, environment: &Environment) -> Result<()> {
    let row = releases::table.find(Word(id));
    let change = (
        releases::environment_id.eq(Some(environment.id)),
        releases::lock.eq(Some(&environment.lock)),
        releases::lock_digest.eq(Some(&environment.lock_digest)),
        releases::python_version.eq(Some(&environment.python_version)),
    );
    diesel::update(row)
        .set(change)
        .execute(tx.connection())
        .map(drop)
        .doing("give the release its environment")
}

/// Remembers with which configuration a release is or was active.
pub fn set_revision(tx: &mut Write<'_>, id: ReleaseId, revision: RevisionId) -> Result<()> {
    let row = diesel::update(releases::table.find(Word(id)));
    row.set(releases::revision_id.eq(Some(Word(revision))))
        .execute(tx.connection())
        .map(drop)
        .doing("remember the configuration of a release")
}

/// Takes the environments from all releases of an app but one: their locks stay.
pub fn forget_environments(tx: &mut Write<'_>, app: AppId, but: Option<ReleaseId>) -> Result<()> {
    let rows = releases::table.filter(releases::app_id.eq(Word(app)));
    let none: Option<Word<EnvironmentId>> = None;
    let change = releases::environment_id.eq(none);
    let changed = match but {
        Some(but) => {
            diesel::update(rows.filter(releases::id.ne(Word(but)))).set(change).execute(tx.connection())
        }
        None => diesel::update(rows).set(change).execute(tx.connection()),
    };
    changed.map(drop).doing("take the environments from the releases")
}

/// Removes a release.
pub fn delete(tx: &mut Write<'_>, id: ReleaseId) -> Result<()> {
    let row = releases::table.find(Word(id));
    diesel::delete(row).execute(tx.connection()).map(drop).doing("remove a release")
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

/// The release of an app that has this number.
pub fn numbered(db: &mut Read<'_>, app: AppId, number: i32) -> Result<Option<Release>> {
    let query = releases::table
        .filter(releases::app_id.eq(Word(app)))
        .filter(releases::number.eq(number))
        .select(Release::as_select());
    query.first(db.connection()).optional().doing("read a release of an app")
}
