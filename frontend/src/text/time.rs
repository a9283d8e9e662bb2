//! Instants and durations, as people read them. The time zone of the browser comes in as an offset, so that
//! everything here is a function of its arguments.

use chrono::{DateTime, Datelike, FixedOffset, TimeDelta, Timelike, Utc};

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// A duration in its two largest units: `6 d 4 h`, `3 h 12 min`, `41 s`, `0.4 s`.
pub(crate) fn duration(time: TimeDelta) -> String {
    let seconds = time.num_seconds().max(0);
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match seconds {
        0..10 => tenths(time),
        10..60 => format!("{seconds} s"),
        60..3600 => two((minutes, "min"), (seconds % 60, "s")),
        3600..86_400 => two((hours, "h"), (minutes, "min")),
        _ => two((days, "d"), (hours, "h")),
    }
}

fn tenths(time: TimeDelta) -> String {
    let tenths = time.num_milliseconds().max(0) / 100;
    match (tenths / 10, tenths % 10) {
        (0, 0) if time.num_milliseconds() > 0 => format!("{} ms", time.num_milliseconds()),
        (seconds, 0) => format!("{seconds} s"),
        (seconds, tenth) => format!("{seconds}.{tenth} s"),
    }
}

fn two(large: (i64, &str), small: (i64, &str)) -> String {
    match small.0 {
        0 => format!("{} {}", large.0, large.1),
        _ => format!("{} {} {} {}", large.0, large.1, small.0, small.1),
    }
}

/// A distance in its largest unit: `9 h`.
pub(crate) fn rough(time: TimeDelta) -> String {
    let seconds = time.num_seconds().max(0);
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..86_400 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// How long ago: `just now`, `2 min ago`.
pub(crate) fn ago(then: DateTime<Utc>, now: DateTime<Utc>) -> String {
    match now - then {
        passed if passed.num_seconds() < 5 => "just now".to_owned(),
        passed => format!("{} ago", rough(passed)),
    }
}

/// How far ahead: `in 9 h`, `now` when it is due.
pub(crate) fn until(then: DateTime<Utc>, now: DateTime<Utc>) -> String {
    match then - now {
        left if left.num_seconds() < 1 => "now".to_owned(),
        left => format!("in {}", rough(left)),
    }
}

/// A time of day to the minute, with as much of the date as it takes: `02:00`, `yesterday 02:00`, `Nov 18, 02:00`.
pub(crate) fn moment(at: DateTime<Utc>, now: DateTime<Utc>, zone: FixedOffset) -> String {
    let (at, now) = (at.with_timezone(&zone), now.with_timezone(&zone));
    let clock = format!("{:02}:{:02}", at.hour(), at.minute());
    match (at.date_naive() - now.date_naive()).num_days() {
        0 => clock,
        -1 => format!("yesterday {clock}"),
        1 => format!("tomorrow {clock}"),
        _ if at.year() == now.year() => format!("{}, {clock}", date(&at)),
        _ => format!("{} {}, {clock}", date(&at), at.year()),
    }
}

fn date(at: &DateTime<FixedOffset>) -> String {
    format!("{} {}", MONTHS[at.month0() as usize], at.day())
}

/// A time of day to the minute, for axes: `02:00`.
pub(crate) fn clock(at: DateTime<Utc>, zone: FixedOffset) -> String {
    let at = at.with_timezone(&zone);
    format!("{:02}:{:02}", at.hour(), at.minute())
}

/// A day, for axes: `Nov 18`.
pub(crate) fn day(at: DateTime<Utc>, zone: FixedOffset) -> String {
    date(&at.with_timezone(&zone))
}

/// A weekday with its date and time, for lists of runs to come: `Fri, Nov 20, 02:00`; seconds where there are any.
pub(crate) fn appointment(at: DateTime<Utc>, zone: FixedOffset) -> String {
    let at = at.with_timezone(&zone);
    let seconds = if at.second() == 0 { String::new() } else { format!(":{:02}", at.second()) };
    format!("{}, {}, {:02}:{:02}{seconds}", at.weekday(), date(&at), at.hour(), at.minute())
}

/// A full instant to the second, for titles and tables: `2026-11-20 02:00:00`.
pub(crate) fn stamp(at: DateTime<Utc>, zone: FixedOffset) -> String {
    let at = at.with_timezone(&zone);
    let (hour, minute, second) = (at.hour(), at.minute(), at.second());
    format!("{}-{:02}-{:02} {hour:02}:{minute:02}:{second:02}", at.year(), at.month(), at.day())
}

/// A time of day to the millisecond, for log lines: `10:42:07.113`.
pub(crate) fn precise(at: DateTime<Utc>, zone: FixedOffset) -> String {
    let at = at.with_timezone(&zone);
    let millis = at.timestamp_subsec_millis();
    format!("{:02}:{:02}:{:02}.{millis:03}", at.hour(), at.minute(), at.second())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn zone(hours: i32) -> FixedOffset {
        FixedOffset::east_opt(hours * 3600).unwrap()
    }

    #[test]
    fn durations_have_two_units() {
        let read = |millis| duration(TimeDelta::milliseconds(millis));
        assert_eq!(
            [-5, 0, 12, 400, 9_900, 41_000, 60_000, 75_000, 11_520_000, 532_800_000].map(read),
            ["0 s", "0 s", "12 ms", "0.4 s", "9.9 s", "41 s", "1 min", "1 min 15 s", "3 h 12 min", "6 d 4 h"]
        );
    }

    #[test]
    fn distances_have_one() {
        let now = at("2026-11-20T12:00:00Z");
        assert_eq!(ago(at("2026-11-20T11:59:58Z"), now), "just now");
        assert_eq!(ago(at("2026-11-20T11:57:30Z"), now), "2 min ago");
        assert_eq!(until(at("2026-11-20T21:59:00Z"), now), "in 9 h");
        assert_eq!(until(at("2026-11-20T11:00:00Z"), now), "now");
    }

    #[test]
    fn a_moment_has_as_much_date_as_it_takes() {
        let now = at("2026-11-20T23:30:00Z");
        let read = |text| moment(at(text), now, zone(1));
        assert_eq!(read("2026-11-20T23:05:00Z"), "00:05");
        assert_eq!(read("2026-11-20T22:05:00Z"), "yesterday 23:05");
        assert_eq!(read("2026-11-22T01:00:00Z"), "tomorrow 02:00");
        assert_eq!(read("2026-11-18T01:00:00Z"), "Nov 18, 02:00");
        assert_eq!(read("2025-01-02T01:00:00Z"), "Jan 2 2025, 02:00");
    }

    #[test]
    fn stamps_are_in_the_zone_that_is_given() {
        let instant = at("2026-11-20T01:02:03.004Z");
        assert_eq!(stamp(instant, zone(-5)), "2026-11-19 20:02:03");
        assert_eq!(precise(instant, zone(0)), "01:02:03.004");
        assert_eq!((clock(instant, zone(1)), day(instant, zone(-5))), ("02:02".into(), "Nov 19".into()));
        assert_eq!(appointment(at("2026-11-20T01:02:00Z"), zone(1)), "Fri, Nov 20, 02:02");
    }
}
