//! Dates and times that a line matches, without a time zone: the `cron` crate, spoken to in its own terms.
//!
//! That crate counts Sunday as 1, starts with a field for seconds, and takes only days that match both day fields.
//! So the line is written out for it, and a line whose day fields combine by *or* becomes two schedules.

use std::fmt::Write as _;
use std::str::FromStr;

use chrono::{Datelike, NaiveDate, NaiveDateTime};
use cron::Schedule;
use mantyx_core::{Error, Result};

use super::field::Field;
use super::line::{CronLine, Days};

/// The years that the `cron` crate knows.
const YEARS: std::ops::RangeInclusive<i32> = 1970..=2100;

#[derive(Clone, Debug)]
pub(super) struct Calendar(Vec<Schedule>);

impl Calendar {
    pub(super) fn new(line: &CronLine) -> Result<Self> {
        let (days, weekdays) = (spell(&line.days, 31, 0), spell(&line.weekdays, 7, 1));
        let lines = match line.combination() {
            Days::Both => vec![(days, weekdays)],
            Days::Either => vec![(days, "*".to_owned()), ("*".to_owned(), weekdays)],
        };
        let (minutes, hours) = (spell(&line.minutes, 60, 0), spell(&line.hours, 24, 0));
        let months = spell(&line.months, 12, 0);
        let schedules = lines.iter().map(|(days, weekdays)| {
            let text = format!("0 {minutes} {hours} {days} {months} {weekdays}");
            Schedule::from_str(&text).map_err(|error| Error::internal(format!("read `{text}`"), error))
        });
        schedules.collect::<Result<_>>().map(Self)
    }

    /// The first match after `after`.
    pub(super) fn after(&self, after: NaiveDateTime) -> Option<NaiveDateTime> {
        let start = NaiveDate::from_ymd_opt(*YEARS.start(), 1, 1)?.and_hms_opt(0, 0, 0)?;
        let after = after.max(start - chrono::TimeDelta::seconds(1));
        // The crate computes with a second more, which the last instants of time do not have.
        if after.year() > *YEARS.end() {
            return None;
        }
        // A zone without changes stands for no zone.
        let after = after.and_utc();
        let next = self.0.iter().filter_map(|schedule| schedule.after(&after).next()).min();
        next.map(|next| next.naive_utc())
    }

    /// Whether nothing ever matches: the 31st of February.
    pub(super) fn is_empty(&self) -> bool {
        self.after(NaiveDateTime::MIN).is_none()
    }
}

/// A field as the crate writes it: `*` where all `full` numbers are allowed, else each number plus `shift`.
fn spell(field: &Field, full: u32, shift: u32) -> String {
    if field.count() == full {
        return "*".to_owned();
    }
    let mut text = String::new();
    for number in field.numbers() {
        // Writing to a string cannot fail.
        let _ = write!(text, "{}{}", if text.is_empty() { "" } else { "," }, number + shift);
    }
    text
}
