//! `settings`: values of the whole of Mantyx that change while it runs.

use diesel::prelude::*;
use mantyx_core::Result;

use crate::fault::Doing;
use crate::schema::settings;
use crate::{Read, Write};

/// The key of the owner's password, as an Argon2 hash.
pub const PASSWORD: &str = "password";

/// The value of a key.
pub fn get(db: &mut Read<'_>, key: &str) -> Result<Option<String>> {
    settings::table
        .find(key)
        .select(settings::value)
        .first(db.connection())
        .optional()
        .doing("read a setting")
}

/// Sets a key.
pub fn set(tx: &mut Write<'_>, key: &str, value: &str) -> Result<()> {
    let row = (settings::key.eq(key), settings::value.eq(value));
    let query = diesel::insert_into(settings::table)
        .values(row)
        .on_conflict(settings::key)
        .do_update()
        .set(settings::value.eq(value));
    query.execute(tx.connection()).map(drop).doing("store a setting")
}
