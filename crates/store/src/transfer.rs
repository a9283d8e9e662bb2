//! The whole database at once: copied while it is in use, and the rows of another one taken over.
//!
//! What comes along is decided table by table, and a test sees that every table has been decided about. What says who
//! may ask stays each Mantyx's own, and so does the record of events: its chain of hashes tells what happened *here*.

use std::path::Path;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use mantyx_core::{AppId, Result, SecretName};

use crate::connection::connect;
use crate::fault::Doing;
use crate::tables::{apps, secrets};
use crate::{Read, Store, Write};

mod foreign;
#[cfg(test)]
mod tests;

pub use foreign::Foreign;

/// What people made: each behind what it refers to.
const TAKEN: [&str; 10] = [
    "secrets",
    "apps",
    "releases",
    "instances",
    "config_revisions",
    "schedules",
    "ticks",
    "samples",
    "backups",
    "trackings",
];
/// What happened. It outlives its app, so that an import of one's own export may find it there.
const HISTORY: [&str; 3] = ["executions", "operations", "operation_steps"];
/// What nobody needs who reads a copy, and what would only help who should not have one.
const PRIVATE: &str =
    "PRAGMA secure_delete = ON; DELETE FROM principals; DELETE FROM replays; DELETE FROM settings;";

/// How many rows there are.
#[derive(QueryableByName)]
struct Counted {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

/// The name of a column.
#[derive(QueryableByName)]
struct Column {
    #[diesel(sql_type = Text)]
    name: String,
}

/// What people made in a Mantyx.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Holdings {
    /// Apps that are not in the trash.
    pub apps: i64,
    /// Apps in the trash.
    pub trashed: i64,
    /// Secrets.
    pub secrets: i64,
}

impl Holdings {
    /// Whether there is nothing.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self == Self::default()
    }
}

impl Store {
    /// Writes a consistent copy to a file that is not there yet, without those who may ask. Everybody else goes on
    /// meanwhile (sqlite.org/lang_vacuum.html#vacuuminto).
    pub fn copy_to(&self, path: &Path) -> Result<()> {
        let mut connection = connect(&self.path)?;
        let copy = diesel::sql_query("VACUUM INTO ?").bind::<Text, _>(path.to_string_lossy());
        copy.execute(&mut connection).doing("copy the database")?;
        let mut copy = foreign::raw(path)?;
        copy.batch_execute(PRIVATE).doing("leave out of a copy who may ask")
    }

    /// Has another database beside this one, under the name `imported`.
    pub fn attach(&self, path: &Path) -> Result<()> {
        self.detach()?;
        let attach = diesel::sql_query("ATTACH ? AS imported").bind::<Text, _>(path.to_string_lossy());
        attach.execute(&mut self.writer().connection).map(drop).doing("open the database of the archive")
    }

    /// Lets go of it. When there is none, that is fine.
    pub fn detach(&self) -> Result<()> {
        let mut writer = self.writer();
        let attached = "SELECT COUNT(*) AS count FROM pragma_database_list WHERE name = 'imported'";
        let found: Counted = diesel::sql_query(attached)
            .get_result(&mut writer.connection)
            .doing("look for the database of an archive")?;
        if found.count == 0 {
            return Ok(());
        }
        writer.connection.batch_execute("DETACH imported").doing("close the database of the archive")
    }
}

/// What people made here.
pub fn holdings(db: &mut Read<'_>) -> Result<Holdings> {
    let mut count = |what: &str| {
        let query = diesel::sql_query(format!("SELECT COUNT(*) AS count FROM {what}"));
        query.get_result(db.connection()).map(|found: Counted| found.count).doing("count what is there")
    };
    Ok(Holdings {
        apps: count("apps WHERE deleted_at IS NULL")?,
        trashed: count("apps WHERE deleted_at IS NOT NULL")?,
        secrets: count("secrets")?,
    })
}

/// Takes the rows of the database beside this one over: what people made there, and what happened.
pub fn take_over(tx: &mut Write<'_>) -> Result<()> {
    TAKEN.iter().try_for_each(|table| take(tx, table, ""))?;
    HISTORY.iter().try_for_each(|table| take(tx, table, "WHERE TRUE ON CONFLICT DO NOTHING"))
}

/// Removes what was taken over. What happened stays told, and what was not among it stays there.
pub fn forget(tx: &mut Write<'_>, apps: &[AppId], secrets: &[SecretName]) -> Result<()> {
    apps.iter().try_for_each(|id| apps::delete(tx, *id))?;
    secrets.iter().try_for_each(|name| secrets::delete(tx, name))
}

/// The columns are named, as their order may differ.
fn take(tx: &mut Write<'_>, table: &str, otherwise: &str) -> Result<()> {
    let columns = diesel::sql_query(format!("SELECT name FROM pragma_table_info('{table}')"));
    let columns: Vec<Column> = columns.load(tx.connection()).doing("read the columns of a table")?;
    let columns: Vec<String> = columns.into_iter().map(|column| format!("\"{}\"", column.name)).collect();
    let columns = columns.join(", ");
    let copy =
        format!("INSERT INTO main.{table} ({columns}) SELECT {columns} FROM imported.{table} {otherwise}");
    let doing = format!("take over the rows of `{table}`");
    diesel::sql_query(copy).execute(tx.connection()).map(drop).doing(&doing)
}
