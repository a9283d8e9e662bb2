//! When schedules are due: a table, the changes of summer time, and what holds for every line.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a helper of a test fails the test"
)]

use chrono::{DateTime, Datelike, TimeDelta, TimeZone, Timelike, Utc};
use chrono_tz::Tz;
use mantyx_core::{CatchUp, Overlap, ScheduleSpec, Timestamp, Timing};
use mantyx_scheduler::{Schedule, missed, parse};
use proptest::prelude::*;

fn cron(expression: &str, zone: &str) -> Schedule {
    parse(&spec(expression, zone)).unwrap()
}

fn spec(expression: &str, zone: &str) -> ScheduleSpec {
    ScheduleSpec {
        timing: Timing::Cron { expression: expression.into() },
        timezone: zone.into(),
        catch_up: CatchUp::None,
        overlap: Overlap::Skip,
    }
}

fn instant(text: &str) -> Timestamp {
    DateTime::parse_from_rfc3339(text).unwrap().to_utc()
}

/// The next instants as they are written in the zone.
fn next(expression: &str, zone: &str, after: &str, count: usize) -> Vec<String> {
    let tz: Tz = zone.parse().unwrap();
    let instants = cron(expression, zone).next(instant(after), count);
    instants.iter().map(|next| next.with_timezone(&tz).format("%m-%d %H:%M %Z").to_string()).collect()
}

#[test]
fn ordinary_days() {
    let after = "2026-01-01T00:00:00Z"; // a Thursday
    let cases: [(&str, &[&str]); 10] = [
        ("30 8 * * 1-5", &["01-01 08:30 UTC", "01-02 08:30 UTC", "01-05 08:30 UTC"]),
        ("0 0 * * 7", &["01-04 00:00 UTC", "01-11 00:00 UTC"]),
        ("0 0 * * 0", &["01-04 00:00 UTC", "01-11 00:00 UTC"]),
        ("0 0 * * sat,sun", &["01-03 00:00 UTC", "01-04 00:00 UTC", "01-10 00:00 UTC"]),
        ("*/25 * * * *", &["01-01 00:25 UTC", "01-01 00:50 UTC", "01-01 01:00 UTC"]),
        ("@daily", &["01-02 00:00 UTC", "01-03 00:00 UTC"]),
        ("0 12 13 * 5", &["01-02 12:00 UTC", "01-09 12:00 UTC", "01-13 12:00 UTC", "01-16 12:00 UTC"]),
        ("0 12 */2 * 5", &["01-09 12:00 UTC", "01-23 12:00 UTC", "02-13 12:00 UTC"]),
        ("59 23 31 12 *", &["12-31 23:59 UTC", "12-31 23:59 UTC"]),
        ("0 0 29 2 *", &["02-29 00:00 UTC", "02-29 00:00 UTC"]),
    ];
    for (expression, expected) in cases {
        assert_eq!(next(expression, "UTC", after, expected.len()), expected, "{expression}");
    }
}

#[test]
fn the_gap_in_berlin() {
    // 2026-03-29, 02:00 CET is 03:00 CEST.
    let before = "2026-03-28T12:00:00Z";
    let cases: [(&str, &[&str]); 5] = [
        // A fixed time inside the gap runs once, at its end.
        ("30 2 * * *", &["03-29 03:00 CEST", "03-30 02:30 CEST"]),
        ("15,45 2 * * *", &["03-29 03:00 CEST", "03-30 02:15 CEST", "03-30 02:45 CEST"]),
        ("0 2,3 * * *", &["03-29 03:00 CEST", "03-30 02:00 CEST"]),
        // Wildcards go by elapsed time.
        ("30 */2 29 3 *", &["03-29 00:30 CET", "03-29 04:30 CEST"]),
        ("0 1-4 * * *", &["03-29 01:00 CET", "03-29 03:00 CEST", "03-29 04:00 CEST"]),
    ];
    for (expression, expected) in cases {
        assert_eq!(next(expression, "Europe/Berlin", before, expected.len()), expected, "{expression}");
    }
}

#[test]
fn the_repeated_hour_in_berlin() {
    // 2026-10-25, 03:00 CEST is 02:00 CET.
    let before = "2026-10-24T23:20:00Z";
    let cases: [(&str, &[&str]); 4] = [
        ("30 2 * * *", &["10-25 02:30 CEST", "10-26 02:30 CET"]),
        ("30 * * * *", &["10-25 01:30 CEST", "10-25 02:30 CEST", "10-25 02:30 CET", "10-25 03:30 CET"]),
        (
            "*/40 2 * * *",
            &[
                "10-25 02:00 CEST",
                "10-25 02:40 CEST",
                "10-25 02:00 CET",
                "10-25 02:40 CET",
                "10-26 02:00 CET",
            ],
        ),
        ("@hourly", &["10-25 02:00 CEST", "10-25 02:00 CET", "10-25 03:00 CET"]),
    ];
    for (expression, expected) in cases {
        assert_eq!(next(expression, "Europe/Berlin", before, expected.len()), expected, "{expression}");
    }
    // Asked in the middle of the second pass, what ran in the first does not run again.
    assert_eq!(next("30 2 * * *", "Europe/Berlin", "2026-10-25T01:10:00Z", 1), ["10-26 02:30 CET"]);
    assert_eq!(next("*/30 * * * *", "Europe/Berlin", "2026-10-25T01:10:00Z", 1), ["10-25 02:30 CET"]);
}

#[test]
fn both_changes_in_new_york() {
    // 2026-03-08, 02:00 EST is 03:00 EDT; 2026-11-01, 02:00 EDT is 01:00 EST.
    let zone = "America/New_York";
    assert_eq!(next("30 2 * * *", zone, "2026-03-08T00:00:00Z", 2), ["03-08 03:00 EDT", "03-09 02:30 EDT"]);
    assert_eq!(next("30 1 * * *", zone, "2026-11-01T00:00:00Z", 2), ["11-01 01:30 EDT", "11-02 01:30 EST"]);
    assert_eq!(
        next("30 * * * *", zone, "2026-11-01T05:00:00Z", 3),
        ["11-01 01:30 EDT", "11-01 01:30 EST", "11-01 02:30 EST"]
    );
}

#[test]
fn odd_changes() {
    // Half an hour on Lord Howe Island, and a day that Samoa never had.
    assert_eq!(
        next("45 1 * * *", "Australia/Lord_Howe", "2026-04-04T00:00:00Z", 2),
        ["04-05 01:45 +11", "04-06 01:45 +1030"]
    );
    assert_eq!(
        next("0 12 * * *", "Pacific/Apia", "2011-12-29T00:00:00Z", 3),
        ["12-29 12:00 -10", "12-31 00:00 +14", "12-31 12:00 +14"]
    );
}

#[test]
fn a_day_that_no_year_has_is_refused() {
    let error = parse(&spec("0 0 31 2 *", "UTC")).unwrap_err();
    assert_eq!(error.detail(), "`0 0 31 2 *` names a day that no year has");
    assert_eq!(error.field_errors()[0].field, "expression");
    assert_eq!(parse(&spec("@daily", "Mars/X")).unwrap_err().field_errors()[0].field, "timezone");
    assert!(parse(&spec("0 0 31 2 1", "UTC")).is_ok(), "Mondays in February are there");
}

#[test]
fn missed_instants_are_bounded() {
    let hourly = cron("@hourly", "UTC");
    let (from, to) = (instant("2026-01-01T00:00:00Z"), instant("2026-01-01T05:00:00Z"));
    assert_eq!(missed(&hourly, from, to, 100).len(), 5);
    assert_eq!(
        missed(&hourly, from, to, 2),
        [instant("2026-01-01T01:00:00Z"), instant("2026-01-01T02:00:00Z")]
    );
    assert!(missed(&hourly, to, from, 100).is_empty());
}

/// A field that is a star, a step, a number, a range or a list.
fn field(low: u32, high: u32) -> impl Strategy<Value = String> {
    let number = low..=high;
    prop_oneof![
        3 => Just("*".to_owned()),
        1 => (1..=high).prop_map(|step| format!("*/{step}")),
        2 => number.clone().prop_map(|n| n.to_string()),
        1 => (number.clone(), number.clone()).prop_map(|(a, b)| format!("{}-{}", a.min(b), a.max(b))),
        1 => (number.clone(), number).prop_map(|(a, b)| format!("{a},{b}")),
    ]
}

fn line() -> impl Strategy<Value = [String; 5]> {
    let fields = (field(0, 59), field(0, 23), field(1, 28), field(1, 12), field(0, 7));
    fields.prop_map(|(a, b, c, d, e)| [a, b, c, d, e])
}

/// Whether a number is in a field, by a reading that shares nothing with the parser.
fn allows(field: &str, low: u32, number: u32) -> bool {
    field.split(',').any(|item| match (item.strip_prefix("*/"), item.split_once('-')) {
        (Some(step), _) => (number - low).is_multiple_of(step.parse().unwrap()),
        (None, Some((a, b))) => (a.parse().unwrap()..=b.parse().unwrap()).contains(&number),
        (None, None) => item == "*" || item.parse() == Ok(number),
    })
}

fn matches(fields: &[String; 5], at: &DateTime<Tz>) -> bool {
    let [minutes, hours, days, months, weekdays] = fields;
    let weekday = at.weekday().num_days_from_sunday();
    let day = allows(days, 1, at.day());
    let weekday =
        allows(weekdays, 0, weekday) || weekday == 0 && !weekdays.starts_with("*/") && allows(weekdays, 0, 7);
    let both = days.contains('*') || weekdays.contains('*');
    let right_day = if both { day && weekday } else { day || weekday };
    let (minute, hour) = (allows(minutes, 0, at.minute()), allows(hours, 0, at.hour()));
    minute && hour && right_day && allows(months, 1, at.month()) && at.second() == 0 && at.nanosecond() == 0
}

fn fixed(fields: &[String; 5]) -> bool {
    !fields[0].contains('*') && !fields[1].contains('*')
}

/// Whether the local time was skipped right before this instant.
fn ends_a_gap(at: &DateTime<Tz>) -> bool {
    let minute_before = *at - TimeDelta::minutes(1);
    at.naive_local() - minute_before.naive_local() > TimeDelta::minutes(1)
}

const ZONES: [&str; 5] =
    ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"];

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_next_instant_is_later_and_matches(
        fields in line(), zone in 0..ZONES.len(), seconds in 1_500_000_000_i64..2_000_000_000,
    ) {
        let tz: Tz = ZONES[zone].parse().unwrap();
        let schedule = cron(&fields.join(" "), ZONES[zone]);
        let mut after = Utc.timestamp_opt(seconds, 0).unwrap();
        for next in schedule.next(after, 5) {
            prop_assert!(next > after);
            let local = next.with_timezone(&tz);
            prop_assert!(matches(&fields, &local) || fixed(&fields) && ends_a_gap(&local), "{fields:?} {local}");
            after = next;
        }
    }

    #[test]
    fn nothing_that_matches_is_left_out(
        fields in line(), zone in 0..ZONES.len(), seconds in 1_500_000_000_i64..2_000_000_000,
    ) {
        let tz: Tz = ZONES[zone].parse().unwrap();
        let after = Utc.timestamp_opt(seconds / 60 * 60, 0).unwrap();
        let next = cron(&fields.join(" "), ZONES[zone]).next_after(after).unwrap();
        // Every minute of two days, or up to the next instant when that is nearer.
        for minute in 1..2880 {
            let at = after + TimeDelta::minutes(minute);
            if at >= next {
                break;
            }
            let local = at.with_timezone(&tz);
            let again = fixed(&fields) && tz.from_local_datetime(&local.naive_local()).earliest() != Some(local);
            prop_assert!(again || !matches(&fields, &local), "{fields:?} left out {local}, said {next}");
        }
    }

    #[test]
    fn no_text_makes_the_parser_fall_over(text in "[ -~]{0,30}|[0-9*/,@a-z -]{0,40}|.{0,20}", zone in "[A-Za-z/_]{0,20}") {
        for zone in [zone.as_str(), "UTC"] {
            if let Ok(schedule) = parse(&spec(&text, zone)) {
                let _ = (schedule.words(), schedule.next(Timestamp::MIN_UTC, 2), schedule.next_after(Timestamp::MAX_UTC));
            }
        }
    }
}
