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
    let message = error.to_string();
    if message.contains("database is locked") || message.contains("database is busy") {
        return Error::new(Code::Unavailable, format!("Could not {doing}: the database is locked"))
            .hint("Another program holds the database; try again when it has let go")
            .because(error);
    }
    if message.contains("disk is full") {
        return Error::new(Code::DiskFull, format!("Could not {doing}: no space is left for the database"))
            .hint("Free some space and try again")
            .because(error);
    }
    Error::internal(doing, error)
}

/// Whether a query failed because a unique index said no.
pub(crate) fn is_duplicate(error: &Diesel) -> bool {
    matches!(error, Diesel::DatabaseError(DatabaseErrorKind::UniqueViolation, _))
}
