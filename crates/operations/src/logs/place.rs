//! Where in a log somebody is, as a text that a reader gives back to go on there, without a gap and without a line twice.
//!
//! Several processes of an app may write at once, so a place is a spot in the log of each that is not read to its end,
//! and in the newest that is. What is newer than all of these was not begun; what is older and not among them is done.
//!
//! A spot is where the last portion of a log began, and how many of the lines behind that were told: only those that
//! passed the filter are counted, so a place is good for the query that it comes from.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use mantyx_api_types::LogSource;
use mantyx_core::{Code, Error};
use mantyx_logs::Position;

/// Spots by the id of the execution or operation whose log it is; ids sort by time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place(BTreeMap<u128, Spot>);

/// A place in one log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Spot {
    pub(super) position: Position,
    /// How many lines behind it were told.
    pub(super) told: usize,
}

/// What is left of a log for who goes on from a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// It was read to its end.
    Nothing,
    /// It was not begun.
    All,
    /// From here on.
    From(Spot),
}

impl Place {
    pub(super) fn of(spots: impl IntoIterator<Item = (LogSource, Position)>) -> Self {
        let spot = |(source, position)| (key(source), Spot { position, told: 0 });
        Self(spots.into_iter().map(spot).collect())
    }

    pub(super) fn spot(&self, source: LogSource) -> Option<Spot> {
        self.0.get(&key(source)).copied()
    }

    pub(super) fn set(&mut self, source: LogSource, spot: Spot) {
        self.0.insert(key(source), spot);
    }

    /// Without this one it would be unknown that all older ones are done.
    pub(super) fn keep_newest(&mut self, newest: Option<(LogSource, Spot)>) {
        if let Some((source, spot)) = newest {
            self.0.entry(key(source)).or_insert(spot);
        }
    }

    /// The logs of which anything was told or read.
    pub(super) fn begun(&self) -> BTreeSet<u128> {
        let begun = self.0.iter().filter(|(_, spot)| **spot != Spot::default());
        begun.map(|(key, _)| *key).collect()
    }

    pub(super) fn left(&self, source: LogSource) -> Left {
        let key = key(source);
        match (self.0.get(&key), self.0.last_key_value()) {
            (Some(spot), _) => Left::From(*spot),
            (None, Some((newest, _))) if key < *newest => Left::Nothing,
            (None, _) => Left::All,
        }
    }
}

pub(super) fn key(source: LogSource) -> u128 {
    match source {
        LogSource::Execution(id) => id.as_uuid().as_u128(),
        LogSource::Operation(id) => id.as_uuid().as_u128(),
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (key, Spot { position: Position { segment, offset }, told })) in self.0.iter().enumerate()
        {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{key:032x}.{segment}.{offset}.{told}")?;
        }
        Ok(())
    }
}

impl FromStr for Place {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let spots: Option<BTreeMap<u128, Spot>> = text.split(',').map(spot).collect();
        spots.map(Self).ok_or_else(|| {
            Error::new(Code::Malformed, format!("`{text}` is no place in a log"))
                .hint("Give back the `id` of the last event, with the query that it came from")
        })
    }
}

fn spot(text: &str) -> Option<(u128, Spot)> {
    let mut parts = text.split('.');
    let key = u128::from_str_radix(parts.next()?, 16).ok()?;
    let (segment, offset) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    let told = parts.next()?.parse().ok()?;
    parts.next().is_none().then_some((key, Spot { position: Position { segment, offset }, told }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use mantyx_core::ExecutionId;

    #[test]
    fn a_place_is_read_as_it_was_written() {
        let [one, two] = [(); 2].map(|()| LogSource::Execution(ExecutionId::generate()));
        let at = |segment, offset| Position { segment, offset };
        let mut place = Place::of([(two, at(3, 1 << 40)), (one, at(0, 0))]);
        place.set(one, Spot { position: at(0, 7), told: 12 });
        assert_eq!(place.to_string().parse::<Place>().unwrap(), place);
        for wrong in
            ["", "x", "7", "1.2.3", "1.2.3.4.5", "1.2.3.4,", "1.-2.3.4", "1.2.3.99999999999999999999999"]
        {
            assert!(wrong.parse::<Place>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_older_is_done_and_what_is_newer_was_not_begun() {
        let all = [(); 4].map(|()| LogSource::Execution(ExecutionId::generate()));
        let mut place = Place::of([(all[1], Position::default())]);
        let spot = Spot { told: 2, ..Spot::default() };
        assert_eq!(place.left(all[2]), Left::All);
        place.keep_newest(Some((all[2], spot)));
        let left = all.map(|source| place.left(source));
        assert_eq!(left, [Left::Nothing, Left::From(Spot::default()), Left::From(spot), Left::All]);
        place.keep_newest(Some((all[1], spot)));
        assert_eq!(place.spot(all[1]), Some(Spot::default()), "one that is read on is where it is");
    }
}
