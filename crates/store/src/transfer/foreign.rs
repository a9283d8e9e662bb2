//! The database of an archive: a file that nobody else uses, and that may have been made up by anybody.
//!
//! Nothing of it is run before its schema has been compared, word by word, with the one that the migrations make that
//! it says it has had: what is none of ours, such as a trigger, would run with the first migration. Only then it is brought
//! up to date, and every row is read once as what it is to be (sqlite.org/security.html).

use std::path::Path;

use diesel::connection::{DefaultLoadingMode, SimpleConnection};
use diesel::migration::{Migration, MigrationSource};
use diesel::prelude::*;
use diesel::sql_types::{Integer, Nullable, Text};
use diesel::sqlite::Sqlite;
use diesel_migrations::MigrationHarness;
use mantyx_core::{
    Code, Ending, Error, ExecutionStatus, Health, OperationStatus, Result, StepStatus, Timestamp,
};
use serde_json::Value;

use crate::connection::MIGRATIONS;
use crate::fault::{Doing, of_the_moment};
use crate::schema::{
    apps, backups, config_revisions, environments, executions, instances, operation_steps, operations,
    port_leases, releases, samples, schedules, secrets, ticks, trackings,
};
use crate::tables::environments::Environment;
use crate::{Json, Read, Store, Word, Write, tables};

/// A database of another Mantyx, brought up to date.
pub struct Foreign(Store);

/// Something that a schema has.
#[derive(Debug, PartialEq, Eq, QueryableByName)]
struct Object {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Nullable<Text>)]
    sql: Option<String>,
}

/// A migration that a database says it has had.
#[derive(QueryableByName)]
struct Applied {
    #[diesel(sql_type = Text)]
    version: String,
}

/// What SQLite says about a file.
#[derive(QueryableByName)]
struct Verdict {
    #[diesel(sql_type = Text)]
    quick_check: String,
}

/// A row that refers to one that is not there.
#[derive(QueryableByName)]
struct Dangling {
    #[diesel(sql_type = Integer)]
    count: i32,
}

/// Statistics of the planner are no part of a schema.
const OBJECTS: &str = "SELECT type || ' ' || name AS name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_stat%' \
                       ORDER BY type, name";
const DANGLING: &str = "SELECT (SELECT COUNT(*) FROM pragma_foreign_key_check) \
    + (SELECT COUNT(*) FROM apps WHERE (SELECT COUNT(*) FROM instances WHERE app_id = apps.id) <> 1) \
    + (SELECT COUNT(*) FROM instances WHERE NOT EXISTS \
        (SELECT 1 FROM releases WHERE releases.id = release_id AND releases.app_id = instances.app_id)) \
    + (SELECT COUNT(*) FROM instances WHERE NOT EXISTS \
        (SELECT 1 FROM config_revisions WHERE config_revisions.id = revision_id AND instance_id = instances.id)) \
    AS count";

/// Opens a file as it is.
pub(super) fn raw(path: &Path) -> Result<SqliteConnection> {
    let mut connection = SqliteConnection::establish(&path.to_string_lossy())
        .map_err(|error| not_ours("cannot be opened").because(error))?;
    let careful = "PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; PRAGMA mmap_size = 0;";
    connection.batch_execute(careful).map_err(unreadable)?;
    Ok(connection)
}

impl Foreign {
    /// Examines a database, brings it up to date, and reads all of it once.
    ///
    /// # Errors
    /// `not_an_export`, when it is none of Mantyx, and `unknown_format`, when it is of a newer one.
    pub fn open(path: &Path) -> Result<Self> {
        examine(&mut raw(path)?)?;
        let foreign = Self(Store::open(path)?);
        foreign.read(|db| {
            refuse_dangling(db)?;
            refuse_unreadable(db)
        })?;
        Ok(foreign)
    }

    /// Lets go of it, as a file that is read without anything being written beside it, on a full disk too.
    pub fn close(self) -> Result<()> {
        let path = self.0.path.clone();
        drop(self);
        let plain = "PRAGMA journal_mode = DELETE";
        raw(&path)?.batch_execute(plain).doing("close the database of the archive")
    }

    /// Reads several things that belong together.
    pub fn read<T>(&self, work: impl FnOnce(&mut Read<'_>) -> Result<T>) -> Result<T> {
        self.0.read(work)
    }

    /// Changes several things at once.
    pub fn write<T>(&self, work: impl FnOnce(&mut Write<'_>) -> Result<T>) -> Result<T> {
        self.0.write(work)
    }

    /// Ends what was under way there, and forgets what there is only there: environments, ports, and how apps were.
    pub fn settle(&self, interrupted: &Value, at: Timestamp) -> Result<()> {
        self.write(|tx| {
            end_operations(tx, interrupted, at)?;
            end_executions(tx, at)?;
            forget_the_place(tx)
        })
    }
}

fn examine(connection: &mut SqliteConnection) -> Result<()> {
    let found: Vec<Object> = diesel::sql_query(OBJECTS).load(connection).map_err(unreadable)?;
    let is_plain = |object: &Object| ["table ", "index "].iter().any(|kind| object.name.starts_with(kind));
    if !found.iter().all(is_plain) || !found.iter().any(|o| o.name == "table __diesel_schema_migrations") {
        return Err(not_ours("has other tables than those of Mantyx"));
    }
    let applied = diesel::sql_query("SELECT version FROM __diesel_schema_migrations ORDER BY version");
    let applied: Vec<Applied> = applied.load(connection).map_err(unreadable)?;
    let mut reference = SqliteConnection::establish(":memory:")
        .map_err(|error| Error::internal("compare the database of the archive", error))?;
    if found != reference_of(&mut reference, &applied)? {
        return Err(not_ours("has other tables than those of Mantyx"));
    }
    let verdict: Verdict =
        diesel::sql_query("PRAGMA quick_check(1)").get_result(connection).map_err(unreadable)?;
    if verdict.quick_check != "ok" {
        return Err(not_ours("is damaged").because(verdict.quick_check));
    }
    Ok(())
}

/// The schema that these migrations make. They are the first ones of ours.
fn reference_of(connection: &mut SqliteConnection, applied: &[Applied]) -> Result<Vec<Object>> {
    let failed = |error| Error::internal("compare the database of the archive", error);
    let known: Vec<Box<dyn Migration<Sqlite>>> = MIGRATIONS.migrations().map_err(failed)?;
    let mut known: Vec<_> = known.into_iter().map(|one| (one.name().version().to_string(), one)).collect();
    known.sort_by(|(one, _), (other, _)| one.cmp(other));
    // Asked for the first time, it makes the table that says so.
    connection.applied_migrations().map_err(failed)?;
    for (index, Applied { version }) in applied.iter().enumerate() {
        let Some((_, migration)) = known.get(index).filter(|(ours, _)| ours == version) else {
            return Err(Error::new(Code::UnknownFormat, "The database in the archive is of a newer Mantyx")
                .hint("Import it with the Mantyx that exported it, or a newer one"));
        };
        connection.run_migration(migration).map_err(failed)?;
    }
    diesel::sql_query(OBJECTS).load(connection).doing("compare the database of the archive")
}

/// Every app has one instance, whose release and configuration are its own, and nothing refers to nothing.
fn refuse_dangling(db: &mut Read<'_>) -> Result<()> {
    let found: Dangling = diesel::sql_query(DANGLING).get_result(db.connection()).map_err(unreadable)?;
    if found.count == 0 { Ok(()) } else { Err(not_ours("has rows that do not fit together")) }
}

/// Reads each row of a table once, as what it is to be.
macro_rules! read_all {
    ($db:ident: $($table:ident as $row:ty),+ $(,)?) => {
        $(
            let rows = $table::table.select(<$row>::as_select());
            let rows = rows.load_iter::<$row, DefaultLoadingMode>($db.connection()).map_err(unreadable)?;
            for row in rows {
                row.map_err(|error| misread(stringify!($table), error))?;
            }
        )+
    };
}

fn refuse_unreadable(db: &mut Read<'_>) -> Result<()> {
    read_all!(db:
        secrets as tables::secrets::Secret,
        apps as tables::apps::App,
        releases as tables::releases::Release,
        instances as tables::instances::Instance,
        schedules as tables::schedules::Schedule,
        ticks as tables::ticks::Tick,
        samples as tables::samples::Sample,
        backups as tables::backups::Backup,
        trackings as tables::trackings::Tracking,
        executions as tables::executions::Execution,
        operations as tables::operations::Operation,
        operation_steps as tables::operations::Step,
        environments as Environment,
    );
    let revisions = config_revisions::table.select(tables::config_revisions::Revision::as_select());
    let rows = revisions
        .load_iter::<tables::config_revisions::Revision, DefaultLoadingMode>(db.connection())
        .map_err(unreadable)?;
    for row in rows {
        let row = row.map_err(|error| misread("config_revisions", error))?;
        row.configuration.0.check().map_err(|error| misread("config_revisions", error))?;
    }
    Ok(())
}

/// Nobody carries on there what was begun there.
fn end_operations(tx: &mut Write<'_>, interrupted: &Value, at: Timestamp) -> Result<()> {
    for row in tables::operations::all_under_way(tx)? {
        let steps = operation_steps::table
            .filter(operation_steps::operation_id.eq(row.id))
            .filter(operation_steps::status.eq(Word(StepStatus::Running)));
        let failed = operation_steps::status.eq(Word(StepStatus::Failed));
        let failed = (failed, operation_steps::finished_at.eq(Some(at)));
        diesel::update(steps).set(failed).execute(tx.connection()).doing("end the steps of an archive")?;
        let problem = Some(interrupted.clone());
        tables::operations::finish(tx, row.id.0, OperationStatus::Failed, problem, at)?;
    }
    Ok(())
}

/// Their processes are another machine's, or go on beside.
fn end_executions(tx: &mut Write<'_>, at: Timestamp) -> Result<()> {
    let alive = [Word(ExecutionStatus::Pending), Word(ExecutionStatus::Running)];
    let lost = (
        executions::status.eq(Word(ExecutionStatus::Lost)),
        executions::ending.eq(Some(Json(Ending::Lost))),
        executions::cause.eq(Some("Mantyx was exported while it was running")),
        executions::finished_at.eq(Some(at)),
    );
    let rows = diesel::update(executions::table.filter(executions::status.eq_any(alive))).set(lost);
    rows.execute(tx.connection()).map(drop).doing("end the executions of an archive")
}

/// An environment is built anew where it is to lie, and ports are leased where they are free.
fn forget_the_place(tx: &mut Write<'_>) -> Result<()> {
    let doing = "forget what is only where the archive is from";
    diesel::delete(port_leases::table).execute(tx.connection()).doing(doing)?;
    diesel::delete(environments::table).execute(tx.connection()).doing(doing)?;
    let anew = (
        instances::health.eq(Word(Health::Unknown)),
        instances::health_detail.eq(None::<String>),
        instances::status_text.eq(None::<String>),
        instances::warnings.eq(Json(Vec::<String>::new())),
    );
    diesel::update(instances::table).set(anew).execute(tx.connection()).map(drop).doing(doing)
}

fn not_ours(what: &str) -> Error {
    Error::new(Code::NotAnExport, format!("The database in the archive {what}"))
        .hint("Choose a file that an export of Mantyx has made")
}

fn unreadable(error: diesel::result::Error) -> Error {
    let explained = of_the_moment("read the database in the archive", &error.to_string());
    explained.unwrap_or_else(|| not_ours("cannot be read")).because(error)
}

fn misread(table: &str, error: impl std::error::Error + Send + Sync + 'static) -> Error {
    not_ours(&format!("has a row of `{table}` that cannot be one: {error}")).because(error)
}
