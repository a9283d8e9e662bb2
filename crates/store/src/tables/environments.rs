//! `environments`: built Python environments.

use diesel::prelude::*;
use mantyx_core::{AppId, EnvironmentId, OperationId, Result, Timestamp};

use crate::fault::Doing;
use crate::schema::{environments, releases};
use crate::{Json, Read, Word, Write};

/// A row.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = environments)]
pub struct Environment {
    /// Its identity, also the name of its folder.
    pub id: Word<EnvironmentId>,
    /// Whose it is.
    pub app_id: Word<AppId>,
    /// Such as `3.11.7`.
    pub python_version: String,
    /// What built it, with its version.
    pub builder: String,
    /// The resolved set, from which it can be built again.
    pub lock: String,
    /// SHA-256 of the lock.
    pub lock_digest: String,
    /// Name and version of each package.
    pub packages: Json<Vec<(String, String)>>,
    /// The operation that built it.
    pub operation_id: Word<OperationId>,
    /// When it was built.
    pub created_at: Timestamp,
    /// What it was asked to be, where that does not depend on the source: a release that asks for the same takes it.
    pub fingerprint: Option<String>,
}

/// Adds an environment.
pub fn insert(tx: &mut Write<'_>, environment: &Environment) -> Result<()> {
    let row = diesel::insert_into(environments::table).values(environment);
    row.execute(tx.connection()).map(drop).doing("add the environment")
}

/// Removes the environments of an app that no release of it refers to, and says which.
pub fn delete_unused(tx: &mut Write<'_>, app: AppId) -> Result<Vec<EnvironmentId>> {
    let used: Vec<Option<Word<EnvironmentId>>> = releases::table
        .filter(releases::app_id.eq(Word(app)))
        .select(releases::environment_id)
        .load(tx.connection())
        .doing("list the environments in use")?;
    let mut unused = ids_of_app(tx, app)?;
    unused.retain(|id| !used.contains(&Some(Word(*id))));
    unused.iter().try_for_each(|id| delete(tx, *id))?;
    Ok(unused)
}

/// The environments of an app that were asked to be the same, the newest first.
pub fn of_fingerprint(db: &mut Read<'_>, app: AppId, fingerprint: &str) -> Result<Vec<Environment>> {
    let query = environments::table
        .filter(environments::app_id.eq(Word(app)))
        .filter(environments::fingerprint.eq(fingerprint))
        .select(Environment::as_select());
    newest_first(query.load(db.connection()))
}

/// The environments of an app that have what is in a lock, the newest first.
pub fn of_lock(db: &mut Read<'_>, app: AppId, digest: &str) -> Result<Vec<Environment>> {
    let query = environments::table
        .filter(environments::app_id.eq(Word(app)))
        .filter(environments::lock_digest.eq(digest))
        .select(Environment::as_select());
    newest_first(query.load(db.connection()))
}

/// They are few; told to sort them, SQLite would do it for each app.
fn newest_first(found: QueryResult<Vec<Environment>>) -> Result<Vec<Environment>> {
    let mut rows = found.doing("look for an environment")?;
    rows.sort_unstable_by_key(|row| std::cmp::Reverse(row.id.0));
    Ok(rows)
}

/// Removes an environment's row.
pub fn delete(tx: &mut Write<'_>, id: EnvironmentId) -> Result<()> {
    diesel::delete(environments::table.find(Word(id)))
        .execute(tx.connection())
        .map(drop)
        .doing("remove an environment")
}

/// The environment with this id, if it is there.
pub fn find(db: &mut Read<'_>, id: EnvironmentId) -> Result<Option<Environment>> {
    let query = environments::table.find(Word(id)).select(Environment::as_select());
    query.first(db.connection()).optional().doing("read an environment")
}

/// The environment with this id.
pub fn get(db: &mut Read<'_>, id: EnvironmentId) -> Result<Environment> {
    let query = environments::table.find(Word(id)).select(Environment::as_select());
    query.first(db.connection()).doing("read an environment")
}

/// The ids of all environments of an app.
pub fn ids_of_app(db: &mut Read<'_>, app: AppId) -> Result<Vec<EnvironmentId>> {
    let query = environments::table.filter(environments::app_id.eq(Word(app))).select(environments::id);
    let ids: Vec<Word<EnvironmentId>> = query.load(db.connection()).doing("list the environments")?;
    Ok(ids.into_iter().map(|id| id.0).collect())
}

/// The ids of all environments.
pub fn ids(db: &mut Read<'_>) -> Result<Vec<EnvironmentId>> {
    let ids: Vec<Word<EnvironmentId>> =
        environments::table.select(environments::id).load(db.connection()).doing("list the environments")?;
    Ok(ids.into_iter().map(|id| id.0).collect())
}
