//! A schedule that can be asked when it is due.

use mantyx_core::{Error, Result, ScheduleSpec, Timestamp, Timing};

use crate::crontab::CronSchedule;
use crate::interval::Interval;
use crate::zone;

/// When something is due, and the same in words.
#[derive(Clone, Debug)]
pub struct Schedule(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Cron(Box<CronSchedule>),
    Interval(Interval),
}

/// Reads a specification.
///
/// An interval without an anchor counts from the beginning of 1970: who stores one fills in the moment of creation.
///
/// # Errors
/// `invalid_schedule`, with the field that is wrong and why.
pub fn parse(spec: &ScheduleSpec) -> Result<Schedule> {
    let zone = zone::parse(&spec.timezone).map_err(|error| about("timezone", error))?;
    let kind = match &spec.timing {
        Timing::Cron { expression } => {
            let cron = CronSchedule::parse(expression, zone).map_err(|error| about("expression", error))?;
            Kind::Cron(Box::new(cron))
        }
        Timing::Interval { seconds, anchor } => Kind::Interval(Interval::parse(*seconds, *anchor)?),
    };
    Ok(Schedule(kind))
}

/// Says which field of the specification a refusal is about.
fn about(field: &str, error: Error) -> Error {
    let detail = error.detail().to_owned();
    error.with_field(field, detail)
}

impl Schedule {
    /// The first instant after `after`; none when there is no more: until the year 2100 for
    /// a cron line, until 9999 for an interval.
    #[must_use]
    pub fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        match &self.0 {
            Kind::Cron(cron) => cron.next_after(after),
            Kind::Interval(interval) => interval.next_after(after),
        }
    }

    /// The first `count` instants after `after`.
    #[must_use]
    pub fn next(&self, after: Timestamp, count: usize) -> Vec<Timestamp> {
        let instants = std::iter::successors(self.next_after(after), |last| self.next_after(*last));
        instants.take(count).collect()
    }

    /// The schedule as a sentence without a full stop: `At 08:30 on weekdays, Europe/Berlin`.
    #[must_use]
    pub fn words(&self) -> String {
        match &self.0 {
            Kind::Cron(cron) => cron.words(),
            Kind::Interval(interval) => interval.words(),
        }
    }
}

/// The instants after `from` and up to `to`, the earliest `cap` of them: what fell due while nobody looked.
#[must_use]
pub fn missed(schedule: &Schedule, from: Timestamp, to: Timestamp, cap: usize) -> Vec<Timestamp> {
    let instants = std::iter::successors(schedule.next_after(from), |last| schedule.next_after(*last));
    instants.take_while(|due| *due <= to).take(cap).collect()
}
