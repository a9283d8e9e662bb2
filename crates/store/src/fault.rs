//! From diesel's errors to ours, with what was attempted.

use diesel::result::{DatabaseErrorKind, Error as Diesel};
use mantyx_core::{Code, Error, Result};

/// Says what was attempted when a query fails.
pub(crate) trait Doing<T> {
    /// `doing` completes "Could not …".
    fn doing(self, doing: &str) -> Result<T>;
}

impl<T> Doing<T> for diesel::QueryResult<T> {
    fn doing(self, doing: &str) -> Result<T> {
        self.map_err(|error| explain(doing, error))
    }
}

fn explain(doing: &str, error: Diesel) -> Error {
    match of_the_moment(doing, &error.to_string()) {
        Some(explained) => explained.because(error),
        None => Error::internal(doing, error),
    }
}

/// What a message of SQLite says that is no fault of the database: somebody holds it, or the disk is full.
pub(crate) fn of_the_moment(doing: &str, message: &str) -> Option<Error> {
    if message.contains("database is locked") || message.contains("database is busy") {
        let error = Error::new(Code::Unavailable, format!("Could not {doing}: the database is locked"));
        return Some(error.hint("Another program holds the database; try again when it has let go"));
    }
    if message.contains("disk is full") {
        let error =
            Error::new(Code::DiskFull, format!("Could not {doing}: no space is left for the database"));
        return Some(error.hint("Free some space and try again"));
    }
    None
}

/// Whether a query failed because a unique index said no.
pub(crate) fn is_duplicate(error: &Diesel) -> bool {
    matches!(error, Diesel::DatabaseError(DatabaseErrorKind::UniqueViolation, _))
}
