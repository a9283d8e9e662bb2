//! Every so many seconds from an anchor. Each instant is computed from the anchor, so nothing drifts.

use std::ops::RangeInclusive;

use chrono::{Datelike, TimeDelta};
use mantyx_core::{Code, Error, Result, Timestamp};

/// The longest distance, in seconds: ten years of 365 days.
const LONGEST: u64 = 10 * 365 * 86_400;

/// The years that an anchor may lie in, and the last of any instant: RFC 3339 has four digits for a year.
const YEARS: RangeInclusive<i32> = 1970..=9999;

/// Units for words, the largest first.
const UNITS: [(i64, &str); 4] = [(86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second")];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Interval {
    seconds: i64,
    anchor: Timestamp,
}

impl Interval {
    pub(crate) fn parse(seconds: u64, anchor: Option<Timestamp>) -> Result<Self> {
        let anchor = anchor.unwrap_or_default();
        if !YEARS.contains(&anchor.year()) {
            let (first, last) = (YEARS.start(), YEARS.end());
            return Err(wrong("anchor", format!("An anchor lies in the years {first} to {last}")));
        }
        match i64::try_from(seconds) {
            Ok(0) => Err(wrong("seconds", "An interval has at least one second".to_owned())),
            Ok(signed) if seconds <= LONGEST => Ok(Self { seconds: signed, anchor }),
            _ => {
                let detail = format!("An interval has at most {LONGEST} seconds, which is ten years");
                Err(wrong("seconds", detail))
            }
        }
    }

    pub(crate) fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        if after < self.anchor {
            return Some(self.anchor);
        }
        let whole = (after - self.anchor).num_seconds() / self.seconds;
        let distance = whole.checked_add(1)?.checked_mul(self.seconds)?;
        let next = self.anchor.checked_add_signed(TimeDelta::try_seconds(distance)?)?;
        Some(next).filter(|next| YEARS.contains(&next.year()))
    }

    pub(crate) fn words(&self) -> String {
        let fits = UNITS.into_iter().find(|(length, _)| self.seconds % length == 0);
        let (length, unit) = fits.unwrap_or((1, "second"));
        match self.seconds / length {
            1 => format!("Every {unit}"),
            count => format!("Every {count} {unit}s"),
        }
    }
}

fn wrong(field: &str, detail: String) -> Error {
    Error::new(Code::InvalidSchedule, detail.clone()).with_field(field, detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn words_use_the_largest_unit_that_fits() {
        let words = |seconds| Interval::parse(seconds, None).unwrap().words();
        assert_eq!(words(1), "Every second");
        assert_eq!(words(90), "Every 90 seconds");
        assert_eq!(words(300), "Every 5 minutes");
        assert_eq!(words(3600), "Every hour");
        assert_eq!(words(172_800), "Every 2 days");
        assert!(Interval::parse(0, None).is_err());
        assert!(Interval::parse(u64::MAX, None).is_err());
    }

    #[test]
    fn no_instant_has_a_year_of_five_digits() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        for wrong in ["1969-12-31T23:59:59Z", "+10000-01-01T00:00:00Z"] {
            let error = Interval::parse(1, Some(at(wrong))).unwrap_err();
            assert_eq!(error.code(), Code::InvalidSchedule);
            assert_eq!(error.field_errors()[0].field, "anchor");
        }
        let anchor = at("9999-12-31T23:00:00Z");
        let hourly = Interval::parse(3600, Some(anchor)).unwrap();
        assert_eq!(hourly.next_after(at("2026-01-01T00:00:00Z")), Some(anchor));
        assert_eq!(hourly.next_after(anchor), None);
        assert_eq!(Interval::parse(0, None).unwrap_err().field_errors()[0].field, "seconds");
    }

    proptest! {
        #[test]
        fn each_instant_is_whole_intervals_from_the_anchor(
            seconds in 1..LONGEST, anchor in 0..4_000_000_000_i64, after in 0..4_000_000_000_000_000_i64,
        ) {
            let anchor = Timestamp::from_timestamp(anchor, 123_456_000).unwrap();
            let after = Timestamp::from_timestamp_micros(after).unwrap();
            let next = Interval::parse(seconds, Some(anchor)).unwrap().next_after(after).unwrap();
            let step = TimeDelta::seconds(i64::try_from(seconds).unwrap());
            prop_assert!(next > after);
            prop_assert!(next == anchor || next - step <= after);
            prop_assert_eq!((next - anchor).num_microseconds().unwrap() % step.num_microseconds().unwrap(), 0);
        }
    }
}
