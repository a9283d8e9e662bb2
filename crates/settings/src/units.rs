//! Sizes and times with a unit behind the number: how they are read, and how they are written so that the same value
//! is read again.

use std::time::Duration;

use crate::value::at_least_one;

/// Units of sizes, the usual spelling: those of IEC 80000-13 by 1024, those of SI by 1000. From the largest on.
const SIZES: &[(&str, u64)] = &[
    ("TiB", 1 << 40),
    ("TB", 1_000_000_000_000),
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("kB", 1000),
    ("B", 1),
];

/// Units of time, in seconds, from the largest on. The first spelling of each is the one that is written.
const TIMES: &[(&str, u64)] = &[
    ("days", 86_400),
    ("day", 86_400),
    ("d", 86_400),
    ("hours", 3600),
    ("hour", 3600),
    ("h", 3600),
    ("min", 60),
    ("m", 60),
    ("s", 1),
    ("sec", 1),
];

/// A size in bytes, which a bare number is.
pub(crate) fn bytes(text: &str) -> Result<u64, String> {
    in_units(text, SIZES)
}

/// A time. A bare number is seconds.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    in_units(text, TIMES).map(Duration::from_secs)
}

/// Whether a number stands there without a unit.
pub(crate) fn is_bare(text: &str) -> bool {
    text.trim().bytes().all(|byte| byte.is_ascii_digit())
}

/// A size in the largest unit that it is a multiple of.
pub(crate) fn write_bytes(bytes: u64) -> String {
    let (number, unit) = largest(bytes, SIZES);
    format!("{number} {unit}")
}

/// A time in the largest unit that it is a multiple of. Parts of a second are left out.
pub(crate) fn write_duration(duration: Duration) -> String {
    match largest(duration.as_secs(), TIMES) {
        (1, "days") => "1 day".to_owned(),
        (1, "hours") => "1 hour".to_owned(),
        (number, unit) => format!("{number} {unit}"),
    }
}

fn largest(value: u64, units: &[(&'static str, u64)]) -> (u64, &'static str) {
    let fitting = units.iter().find(|(_, factor)| value >= *factor && value.is_multiple_of(*factor));
    fitting.map_or((value, ""), |(unit, factor)| (value / factor, unit))
}

/// A whole number from 1 with an optional unit behind it.
fn in_units(text: &str, units: &[(&str, u64)]) -> Result<u64, String> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let number: u64 = at_least_one(number)?;
    let unit = unit.trim();
    let factor = match units.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit)) {
        Some((_, factor)) => *factor,
        None if unit.is_empty() => 1,
        None => return Err(format!("`{unit}` is not a unit here")),
    };
    number.checked_mul(factor).ok_or_else(|| "this is too much".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sizes_and_times_take_units() {
        assert_eq!(bytes("100 MiB"), Ok(100 << 20));
        assert_eq!(bytes("100MB"), Ok(100_000_000));
        assert_eq!(bytes(" 17 "), Ok(17));
        assert_eq!(duration("15 min"), Ok(Duration::from_secs(900)));
        assert_eq!(duration("2h"), Ok(Duration::from_secs(7200)));
        for wrong in ["", "MiB", "-1", "1.5 GiB", "0", "99999999999 TiB", "3 min"] {
            assert!(bytes(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_largest_unit_is_written() {
        for (value, text) in
            [(1, "1 s"), (60, "1 min"), (5400, "90 min"), (3600, "1 hour"), (7200, "2 hours")]
        {
            assert_eq!(write_duration(Duration::from_secs(value)), text);
        }
        assert_eq!(write_duration(Duration::from_secs(86_400)), "1 day");
        assert_eq!(write_duration(Duration::from_secs(30 * 86_400)), "30 days");
        for (value, text) in [(1, "1 B"), (1001, "1001 B"), (1 << 30, "1 GiB"), (100_000_000, "100 MB")] {
            assert_eq!(write_bytes(value), text);
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_a_reader_fall_over(text in ".{0,30}") {
            let _ = (bytes(&text), duration(&text), is_bare(&text));
        }

        #[test]
        fn what_is_written_is_read_again(number in 1_u64.., factor in 0..SIZES.len(), time in 0..TIMES.len()) {
            prop_assert_eq!(bytes(&number.to_string()), Ok(number));
            let size = number.saturating_mul(SIZES[factor].1);
            prop_assert_eq!(bytes(&write_bytes(size)), Ok(size));
            let time = Duration::from_secs(number.saturating_mul(TIMES[time].1));
            prop_assert_eq!(duration(&write_duration(time)), Ok(time));
        }
    }
}
