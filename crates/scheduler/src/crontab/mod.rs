//! Five fields as in crontab(5), read in a time zone.
//!
//! `line` parses the text, `calendar` finds matching dates and times without a zone, `passage` maps these to
//! instants across changes of summer time, `words` says it all to a person.

mod calendar;
mod field;
mod line;
mod passage;
mod words;

use chrono_tz::Tz;
use mantyx_core::{Code, Error, Result, Timestamp};

use calendar::Calendar;
use line::CronLine;
use passage::Passage;

#[derive(Clone, Debug)]
pub(crate) struct CronSchedule {
    line: CronLine,
    calendar: Calendar,
    zone: Tz,
}

impl CronSchedule {
    pub(crate) fn parse(expression: &str, zone: Tz) -> Result<Self> {
        let line = CronLine::parse(expression)?;
        let calendar = Calendar::new(&line)?;
        if calendar.is_empty() {
            let detail = format!("`{}` names a day that no year has", expression.trim());
            return Err(Error::new(Code::InvalidSchedule, detail)
                .hint("Check the day of the month against the month"));
        }
        Ok(Self { line, calendar, zone })
    }

    pub(crate) fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        passage::next_after(&self.calendar, self.zone, Passage::of(&self.line), after)
    }

    pub(crate) fn words(&self) -> String {
        format!("{}, {}", words::words(&self.line), self.zone.name())
    }
}
