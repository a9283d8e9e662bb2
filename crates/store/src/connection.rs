//! Opening the file, and the two ways to use it.

use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use diesel::connection::{AnsiTransactionManager, SimpleConnection, TransactionManager};
use diesel::{Connection, SqliteConnection};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use mantyx_core::{Code, Error, Result};

use crate::fault::{Doing, of_the_moment};

pub(crate) const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../../migrations");

/// How many connections for reading are kept for the next reader.
const SPARE_READERS: usize = 4;

const PRAGMAS: &str = "PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
                       PRAGMA foreign_keys = ON; PRAGMA cache_size = -2000; PRAGMA temp_store = MEMORY;";

/// What a change survives as soon as it is made. Neither ever leaves half a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// A loss of power: what a person was told is done.
    PowerLoss,
    /// The death of this process; a loss of power may take the last seconds back. It is for what happens to processes:
    /// no process survives that either, and not to wait for the disk makes starts many times faster.
    Crash,
}

impl Durability {
    /// For a database with a write-ahead log (sqlite.org/pragma.html#pragma_synchronous).
    const fn pragma(self) -> &'static str {
        match self {
            Self::PowerLoss => "PRAGMA synchronous = FULL",
            Self::Crash => "PRAGMA synchronous = NORMAL",
        }
    }
}

/// The one connection that changes things.
pub(crate) struct Writer {
    pub(crate) connection: SqliteConnection,
    durability: Durability,
}

/// The database of one root.
pub struct Store {
    pub(crate) path: PathBuf,
    writer: Mutex<Writer>,
    readers: Mutex<Vec<SqliteConnection>>,
}

/// A connection that sees one consistent state.
pub struct Read<'a>(&'a mut SqliteConnection);

/// A connection inside a transaction that may change things.
pub struct Write<'a>(Read<'a>);

impl Store {
    /// Opens the file, makes it when it is not there, and brings its schema up to date.
    pub fn open(path: &Path) -> Result<Self> {
        let mut writer = connect(path)?;
        writer.run_pending_migrations(MIGRATIONS).map_err(|error| {
            let doing = format!("bring the database `{}` up to date", path.display());
            let explained = of_the_moment(&doing, &error.to_string()).unwrap_or_else(|| {
                Error::new(Code::Internal, format!("Could not {doing}"))
                    .hint("Start the version of Mantyx that last used it, or restore a backup")
            });
            explained.because(error)
        })?;
        let writer = Writer { connection: writer, durability: Durability::PowerLoss };
        Ok(Self { path: path.to_owned(), writer: Mutex::new(writer), readers: Mutex::default() })
    }

    /// Reads several things that belong together.
    pub fn read<T>(&self, work: impl FnOnce(&mut Read<'_>) -> Result<T>) -> Result<T> {
        let spare = lock(&self.readers).pop();
        let mut connection = match spare {
            Some(connection) => connection,
            None => connect(&self.path)?,
        };
        let outcome = in_transaction(&mut connection, "BEGIN", |connection| work(&mut Read(connection)));
        let mut readers = lock(&self.readers);
        if readers.len() < SPARE_READERS {
            readers.push(connection);
        }
        outcome
    }

    /// Changes several things at once, or none of them, and loses nothing of it.
    pub fn write<T>(&self, work: impl FnOnce(&mut Write<'_>) -> Result<T>) -> Result<T> {
        self.write_with(Durability::PowerLoss, work)
    }

    /// Changes several things at once, or none of them.
    pub fn write_with<T>(
        &self,
        durability: Durability,
        work: impl FnOnce(&mut Write<'_>) -> Result<T>,
    ) -> Result<T> {
        let mut writer = self.writer();
        writer.be(durability)?;
        let connection = &mut writer.connection;
        in_transaction(connection, "BEGIN IMMEDIATE", |connection| work(&mut Write(Read(connection))))
    }
}

impl Store {
    /// A panic in the middle of a write left its transaction open: it is rolled back before the next one.
    pub(crate) fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(|poisoned| {
            let mut writer = poisoned.into_inner();
            let _ = AnsiTransactionManager::rollback_transaction(&mut writer.connection);
            self.writer.clear_poison();
            writer
        })
    }
}

impl Writer {
    fn be(&mut self, durability: Durability) -> Result<()> {
        if self.durability != durability {
            self.connection.batch_execute(durability.pragma()).doing("choose how safely to write")?;
            self.durability = durability;
        }
        Ok(())
    }
}

impl Read<'_> {
    pub(crate) fn connection(&mut self) -> &mut SqliteConnection {
        self.0
    }
}

impl<'a> Deref for Write<'a> {
    type Target = Read<'a>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl DerefMut for Write<'_> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

pub(crate) fn connect(path: &Path) -> Result<SqliteConnection> {
    let cannot = |why: &str| {
        let doing = format!("open the database `{}`", path.display());
        of_the_moment(&doing, why).unwrap_or_else(|| {
            Error::new(Code::Internal, format!("Could not {doing}"))
                .hint("Is the folder there, and may this user write to it?")
        })
    };
    let connection = SqliteConnection::establish(&path.to_string_lossy());
    let mut connection = connection.map_err(|error| cannot(&error.to_string()).because(error))?;
    connection.batch_execute(PRAGMAS).map_err(|error| cannot(&error.to_string()).because(error))?;
    Ok(connection)
}

/// Diesel's own `transaction` wants an error that is made from diesel's; ours says more.
fn in_transaction<T>(
    connection: &mut SqliteConnection,
    begin: &str,
    work: impl FnOnce(&mut SqliteConnection) -> Result<T>,
) -> Result<T> {
    AnsiTransactionManager::begin_transaction_sql(connection, begin).doing("begin a transaction")?;
    match work(connection) {
        Ok(value) => {
            AnsiTransactionManager::commit_transaction(connection).doing("commit a transaction")?;
            Ok(value)
        }
        Err(error) => {
            // SQLite may have rolled back by itself, as on a full disk: then this fails, and the first error counts.
            let _ = AnsiTransactionManager::rollback_transaction(connection);
            Err(error)
        }
    }
}

/// A reader that panicked took its connection with it, so what is left in the list is good.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
