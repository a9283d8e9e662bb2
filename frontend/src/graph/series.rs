//! What an app used, point by point, as the daemon told it and as the socket goes on telling it.

use chrono::{DateTime, TimeDelta, Utc};
use mantyx_api_types::{UsagePoint, UsageSpan};

/// How long a span is.
pub(crate) const fn length(span: UsageSpan) -> TimeDelta {
    match span {
        UsageSpan::Hour => TimeDelta::hours(1),
        UsageSpan::Day => TimeDelta::days(1),
        UsageSpan::Month => TimeDelta::days(30),
    }
}

/// Points at one distance, the oldest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Series {
    points: Vec<UsagePoint>,
    /// Seconds between two.
    resolution: i64,
    /// How many looks the last point is the mean of, when it is one of this page's own.
    open: u32,
}

impl Series {
    /// What the daemon told.
    pub(crate) fn new(points: Vec<UsagePoint>, resolution: u32) -> Self {
        Self { points, resolution: i64::from(resolution.max(1)), open: 0 }
    }

    /// All points.
    pub(crate) fn points(&self) -> &[UsagePoint] {
        &self.points
    }

    /// The longest time between two points, in milliseconds, in which something ran.
    pub(crate) const fn gap(&self) -> i64 {
        self.resolution * 2500
    }

    /// Takes a further look; what is older than `length` goes.
    pub(crate) fn look(&mut self, at: DateTime<Utc>, cpu: f64, memory: u64, length: TimeDelta) {
        match self.points.last_mut() {
            Some(last) if at <= last.at && self.open == 0 => return,
            Some(last) if at <= last.at => {
                merge(last, self.open, cpu, memory);
                self.open += 1;
            }
            _ => {
                let end = end_of_span(at, self.resolution);
                self.points.push(UsagePoint { at: end, cpu, cpu_max: cpu, memory, memory_max: memory });
                self.open = 1;
            }
        }
        let gone = self.points.iter().take_while(|point| at - point.at > length).count();
        self.points.drain(..gone);
    }
}

/// Adds a look to the mean of `count` others.
#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a mean of bytes"
)]
fn merge(point: &mut UsagePoint, count: u32, cpu: f64, memory: u64) {
    let mean = |old: f64, new: f64| (old * f64::from(count) + new) / (f64::from(count) + 1.0);
    point.cpu = mean(point.cpu, cpu);
    point.memory = mean(point.memory as f64, memory as f64) as u64;
    point.cpu_max = point.cpu_max.max(cpu);
    point.memory_max = point.memory_max.max(memory);
}

/// A point that stands for a while carries the end of it. One that stands for a moment is that moment.
fn end_of_span(at: DateTime<Utc>, resolution: i64) -> DateTime<Utc> {
    if resolution < 30 {
        return at;
    }
    let end = at.timestamp().div_euclid(resolution) * resolution + resolution;
    DateTime::from_timestamp(end, 0).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(second, 0).unwrap()
    }

    #[test]
    fn looks_of_a_minute_become_one_point() {
        let mut series = Series::new(Vec::new(), 60);
        for (at, cpu, memory) in [(5, 1.0, 10), (10, 3.0, 30), (55, 2.0, 20), (61, 9.0, 5)] {
            series.look(second(at), cpu, memory, TimeDelta::days(1));
        }
        let first = UsagePoint { at: second(60), cpu: 2.0, cpu_max: 3.0, memory: 20, memory_max: 30 };
        assert_eq!(series.points()[0], first);
        assert_eq!((series.points().len(), series.points()[1].at), (2, second(120)));
    }

    #[test]
    fn looks_of_seconds_are_points_of_their_own_and_old_ones_go() {
        let mut series = Series::new(Vec::new(), 5);
        for at in (0..=4000).step_by(5) {
            series.look(second(at), 1.0, 1, TimeDelta::hours(1));
        }
        assert_eq!(series.points().len(), 721);
        assert_eq!(series.points()[0].at, second(400));
    }

    #[test]
    fn what_was_told_is_not_taken_again() {
        let told = UsagePoint { at: second(100), cpu: 1.0, cpu_max: 1.0, memory: 1, memory_max: 1 };
        let mut series = Series::new(vec![told], 5);
        series.look(second(98), 5.0, 5, TimeDelta::hours(1));
        assert_eq!(series.points(), [told]);
    }
}
