//! The name of a backup, which is when it was made.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, NaiveDateTime, SubsecRound, Utc};
use mantyx_core::Error;
use serde::{Deserialize, Serialize};

/// To the millisecond, without what a file name should not have: `20261120T171146.123Z` (ISO 8601, basic format).
const FORMAT: &str = "%Y%m%dT%H%M%S%.3fZ";

/// The name of a backup. They sort by time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Id(DateTime<Utc>);

impl Id {
    /// The name of a backup that is made now.
    #[must_use]
    pub fn at(now: DateTime<Utc>) -> Self {
        Self(now.trunc_subsecs(3))
    }

    /// When it was made.
    #[must_use]
    pub fn made_at(self) -> DateTime<Utc> {
        self.0
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.format(FORMAT))
    }
}

impl FromStr for Id {
    type Err = Error;

    /// Each has one spelling.
    fn from_str(text: &str) -> Result<Self, Error> {
        let read = NaiveDateTime::parse_from_str(text, FORMAT).ok().map(|time| Self(time.and_utc()));
        read.filter(|id| id.to_string() == text).ok_or_else(|| Error::not_found("backup", text))
    }
}

impl TryFrom<String> for Id {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<Id> for String {
    fn from(id: Id) -> Self {
        id.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_its_own_spelling_is_read() {
        let id: Id = "20261120T171146.120Z".parse().unwrap();
        assert_eq!(id.made_at().to_rfc3339(), "2026-11-20T17:11:46.120+00:00");
        for text in ["", "..", "20261120T171146.12Z", "20261120T171146Z", "20261120T171146.120Z.part", "2026"]
        {
            assert!(text.parse::<Id>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn names_are_read_back_and_sort_by_time(first in 0..4_000_000_000_000_i64, second in 0..4_000_000_000_000_i64) {
            let id = |milliseconds| Id::at(DateTime::from_timestamp_millis(milliseconds).unwrap());
            prop_assert_eq!(id(first).to_string().parse::<Id>().unwrap(), id(first));
            prop_assert_eq!(first.cmp(&second), id(first).to_string().cmp(&id(second).to_string()));
        }
    }
}
