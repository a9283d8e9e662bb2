//! From local times to instants, across changes of summer time, as Debian's cron(8) does it.
//!
//! A job at a fixed time that falls into the gap runs once at its end, and one in the repeated hour runs once, the
//! first time. A job with a `*` in its minute or hour runs by elapsed time: not in the gap, and in both hours.

use chrono::{DateTime, NaiveDateTime, Offset, TimeDelta, TimeZone};
use chrono_tz::Tz;
use mantyx_core::Timestamp;

use super::calendar::Calendar;
use super::field::Form;
use super::line::CronLine;

/// The longest change that is a change of summer time (cron(8)).
const LONGEST_CHANGE: TimeDelta = TimeDelta::hours(3);

/// The longest gap ever: a whole day, where a country crossed the date line.
const LONGEST_GAP_MINUTES: i64 = 26 * 60;

/// How a schedule passes a change of summer time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Passage {
    /// Each local time stands for exactly one instant.
    Fixed,
    /// Whatever the clock shows, whenever it shows it.
    Elapsed,
}

impl Passage {
    pub(super) fn of(line: &CronLine) -> Self {
        match (line.minutes.form, line.hours.form) {
            (Form::Restricted, Form::Restricted) => Self::Fixed,
            _ => Self::Elapsed,
        }
    }
}

/// The instants of one local time.
struct Instants {
    /// No later local time stands for an earlier instant than this.
    floor: Timestamp,
    first: Option<Timestamp>,
    second: Option<Timestamp>,
}

/// The first instant after `after` whose local time is on the calendar.
pub(super) fn next_after(
    calendar: &Calendar,
    zone: Tz,
    passage: Passage,
    after: Timestamp,
) -> Option<Timestamp> {
    let mut local = start(zone, after)?;
    let mut best: Option<Timestamp> = None;
    while let Some(next) = calendar.after(local) {
        let instants = instants(zone, passage, next)?;
        if best.is_some_and(|best| best <= instants.floor) {
            break;
        }
        let later =
            [instants.first, instants.second].into_iter().flatten().filter(|instant| *instant > after);
        best = later.chain(best).min();
        local = next;
    }
    best
}

/// The local time to search from. Shortly before an hour is repeated, local times that have passed will come
/// again, so the search begins before them.
fn start(zone: Tz, after: Timestamp) -> Option<NaiveDateTime> {
    let offset = |instant: Timestamp| zone.offset_from_utc_datetime(&instant.naive_utc()).fix();
    let soon = after.checked_add_signed(LONGEST_CHANGE)?;
    let local = after.naive_utc().checked_add_offset(offset(after))?;
    let repeats = offset(soon).local_minus_utc() < offset(after).local_minus_utc();
    if repeats { local.checked_sub_signed(LONGEST_CHANGE) } else { Some(local) }
}

fn instants(zone: Tz, passage: Passage, local: NaiveDateTime) -> Option<Instants> {
    let utc = |instant: DateTime<Tz>| instant.to_utc();
    Some(match (zone.from_local_datetime(&local).map(utc), passage) {
        (chrono::LocalResult::Single(one), _) => Instants { floor: one, first: Some(one), second: None },
        (chrono::LocalResult::Ambiguous(one, _), Passage::Fixed) => {
            Instants { floor: one, first: Some(one), second: None }
        }
        (chrono::LocalResult::Ambiguous(one, two), Passage::Elapsed) => {
            Instants { floor: one, first: Some(one), second: Some(two) }
        }
        (chrono::LocalResult::None, Passage::Fixed) => {
            let end = end_of_gap(zone, local)?;
            Instants { floor: end, first: Some(end), second: None }
        }
        (chrono::LocalResult::None, Passage::Elapsed) => {
            Instants { floor: end_of_gap(zone, local)?, first: None, second: None }
        }
    })
}

/// The first instant behind a gap that a local time lies in. Gaps end at whole minutes.
fn end_of_gap(zone: Tz, local: NaiveDateTime) -> Option<Timestamp> {
    let mut minutes = (1..=LONGEST_GAP_MINUTES).map(|minutes| local + TimeDelta::minutes(minutes));
    minutes.find_map(|time| zone.from_local_datetime(&time).earliest()).map(|end| end.to_utc())
}
