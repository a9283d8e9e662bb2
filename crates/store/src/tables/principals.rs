//! `principals`: who may ask.

use diesel::prelude::*;
use mantyx_core::{Result, Scope, Timestamp, TokenId};
use serde::{Deserialize, Serialize};

use crate::fault::Doing;
use crate::schema::principals;
use crate::{Read, Word, Write};

/// What kind of principal it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PrincipalKind {
    /// The token in the file of the root.
    Owner,
    /// A token that a person made.
    Token,
    /// A browser that logged in.
    Session,
}

/// A row.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = principals)]
pub struct Principal {
    /// Its identity.
    pub id: Word<TokenId>,
    /// Owner, token or session.
    pub kind: Word<PrincipalKind>,
    /// What people call it.
    pub name: String,
    /// How far it reaches.
    pub scope: Word<Scope>,
    /// SHA-256 of its secret, in hexadecimal: secrets are random, so nothing slower is needed.
    pub secret_hash: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
}

/// Adds a principal.
pub fn insert(tx: &mut Write<'_>, principal: &Principal) -> Result<()> {
    diesel::insert_into(principals::table)
        .values(principal)
        .execute(tx.connection())
        .map(drop)
        .doing("add a token")
}

/// Removes a principal, and says whether it was there.
pub fn delete(tx: &mut Write<'_>, id: TokenId) -> Result<Option<Principal>> {
    let query = diesel::delete(principals::table.find(Word(id))).returning(Principal::as_returning());
    query.get_result(tx.connection()).optional().doing("revoke a token")
}

/// Removes every principal of a kind.
pub fn delete_kind(tx: &mut Write<'_>, kind: PrincipalKind) -> Result<()> {
    let rows = principals::table.filter(principals::kind.eq(Word(kind)));
    diesel::delete(rows).execute(tx.connection()).map(drop).doing("revoke tokens")
}

/// Removes principals that have ended.
pub fn delete_expired(tx: &mut Write<'_>, now: Timestamp) -> Result<()> {
    let rows = principals::table.filter(principals::expires_at.le(now));
    diesel::delete(rows).execute(tx.connection()).map(drop).doing("remove ended tokens")
}

/// A principal.
pub fn find(db: &mut Read<'_>, id: TokenId) -> Result<Option<Principal>> {
    let query = principals::table.find(Word(id)).select(Principal::as_select());
    query.first(db.connection()).optional().doing("look up a token")
}

/// The principal with this secret.
pub fn find_by_hash(db: &mut Read<'_>, secret_hash: &str) -> Result<Option<Principal>> {
    let query =
        principals::table.filter(principals::secret_hash.eq(secret_hash)).select(Principal::as_select());
    query.first(db.connection()).optional().doing("look up a token")
}

/// The tokens that people made, the oldest first.
pub fn tokens(db: &mut Read<'_>) -> Result<Vec<Principal>> {
    let query = principals::table
        .filter(principals::kind.eq(Word(PrincipalKind::Token)))
        .order(principals::id)
        .select(Principal::as_select());
    query.load(db.connection()).doing("list the tokens")
}
