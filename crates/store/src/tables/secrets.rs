//! `secrets`: what opens private repositories, sealed.

use diesel::prelude::*;
use mantyx_core::{AppName, Origin, Result, SecretKind, SecretName, Timestamp};

use crate::fault::Doing;
use crate::schema::{apps, instances, releases, secrets};
use crate::{Json, Read, Word, Write};

/// A row.
#[derive(Clone, Debug, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = secrets, treat_none_as_null = true)]
pub struct Secret {
    /// What apps call it by.
    pub name: Word<SecretName>,
    /// What it is.
    pub kind: Word<SecretKind>,
    /// The only host that it is sent to.
    pub host: Option<String>,
    /// What it holds, for whoever has the key.
    pub sealed: Vec<u8>,
    /// When it was last set.
    pub set_at: Timestamp,
    /// By whom.
    pub set_by: String,
}

/// Adds a secret, or replaces the one of this name.
pub fn set(tx: &mut Write<'_>, secret: &Secret) -> Result<()> {
    let row = diesel::insert_into(secrets::table).values(secret);
    let row = row.on_conflict(secrets::name).do_update().set(secret);
    row.execute(tx.connection()).map(drop).doing("keep a secret")
}

/// Removes a secret.
pub fn delete(tx: &mut Write<'_>, name: &SecretName) -> Result<()> {
    let row = secrets::table.find(Word(name.clone()));
    diesel::delete(row).execute(tx.connection()).map(drop).doing("remove a secret")
}

/// The secret of this name.
pub fn find(db: &mut Read<'_>, name: &SecretName) -> Result<Option<Secret>> {
    let query = secrets::table.find(Word(name.clone())).select(Secret::as_select());
    query.first(db.connection()).optional().doing("read a secret")
}

/// All of them, by name. There are as many as somebody cared to name.
pub fn list(db: &mut Read<'_>) -> Result<Vec<Secret>> {
    let query = secrets::table.order(secrets::name).select(Secret::as_select());
    query.load(db.connection()).doing("list the secrets")
}

/// Which apps that are not in the trash were fetched with which secret, by app.
pub fn uses(db: &mut Read<'_>) -> Result<Vec<(AppName, SecretName)>> {
    let query = apps::table
        .inner_join(instances::table.on(instances::app_id.eq(apps::id)))
        .inner_join(releases::table.on(releases::id.eq(instances::release_id)))
        .filter(apps::deleted_at.is_null())
        .order(apps::name)
        .select((apps::name, releases::origin));
    let rows: Vec<(Word<AppName>, Json<Origin>)> =
        query.load(db.connection()).doing("see which apps use which secret")?;
    let named = |(app, origin): (Word<AppName>, Json<Origin>)| match origin.0 {
        Origin::Git { credential, .. } => credential.map(|credential| (app.0, credential)),
        Origin::Archive { .. } | Origin::Script { .. } => None,
    };
    Ok(rows.into_iter().filter_map(named).collect())
}
