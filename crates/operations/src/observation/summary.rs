//! What was used within spans of time, and how short spans become longer ones. Pure.
//!
//! A span is known by its end: a look at second 60 is of the minute that ended then, one at second 61 of the next.

use std::ops::RangeInclusive;

use chrono::DateTime;
use mantyx_api_types::UsagePoint;
use mantyx_core::Timestamp;

/// Of a shorter time than this, in seconds, nothing counts for less: no span may weigh nothing.
const SHORTEST: f64 = 0.001;

/// How long one span is, and how long it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resolution {
    /// Ten seconds, kept for an hour: one or two looks.
    Moments,
    /// Minutes, kept for a day.
    Minutes,
    /// Hours, kept for a month.
    Hours,
}

/// What was used within a span: means over the time that was looked at, and the most of any look.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Summary {
    /// When the span ended, in seconds since 1970.
    pub(crate) at: i64,
    /// Processors.
    pub(crate) cpu: f64,
    pub(crate) cpu_max: f64,
    /// Bytes.
    pub(crate) memory: f64,
    pub(crate) memory_max: f64,
    /// How many seconds of the span the means are of; more than none.
    pub(crate) seconds: f64,
}

impl Resolution {
    /// Seconds of one span.
    pub(crate) const fn seconds(self) -> u32 {
        match self {
            Self::Moments => 10,
            Self::Minutes => 60,
            Self::Hours => 3600,
        }
    }

    /// Seconds for which spans are kept.
    pub(crate) const fn kept(self) -> u32 {
        match self {
            Self::Moments => 60 * 60,
            Self::Minutes => 24 * 60 * 60,
            Self::Hours => 30 * 24 * 60 * 60,
        }
    }

    /// The end of the span that an instant is in.
    pub(crate) fn end(self, at: i64) -> i64 {
        let seconds = i64::from(self.seconds());
        at.saturating_add(seconds - 1).div_euclid(seconds) * seconds
    }

    /// The ends of spans that are kept now. What lies ahead was recorded by a clock that went wrong.
    pub(crate) fn window(self, now: i64) -> RangeInclusive<i64> {
        now - i64::from(self.kept()) + 1..=self.end(now)
    }
}

impl Summary {
    /// Of one look that says what was used in the seconds before it.
    #[expect(clippy::cast_precision_loss, reason = "a double counts every byte of 8 PiB")]
    pub(crate) fn look(at: i64, seconds: f64, cpu: f64, memory: u64) -> Self {
        let memory = memory as f64;
        Self { at, cpu, cpu_max: cpu, memory, memory_max: memory, seconds: seconds.max(SHORTEST) }
    }

    /// Both spans as one that ends when the later one does: each counts by its seconds.
    #[must_use]
    pub(crate) fn and(self, other: Self) -> Self {
        let seconds = self.seconds + other.seconds;
        let share = other.seconds / seconds;
        let mean = |one: f64, other: f64| one + (other - one) * share;
        Self {
            at: self.at.max(other.at),
            cpu: mean(self.cpu, other.cpu),
            cpu_max: self.cpu_max.max(other.cpu_max),
            memory: mean(self.memory, other.memory),
            memory_max: self.memory_max.max(other.memory_max),
            seconds,
        }
    }

    /// As the API shows it.
    pub(crate) fn point(self) -> UsagePoint {
        UsagePoint {
            at: instant(self.at),
            cpu: self.cpu,
            cpu_max: self.cpu_max,
            memory: whole(self.memory),
            memory_max: whole(self.memory_max),
        }
    }
}

/// Short spans, in the order of time, as longer ones.
pub(crate) fn roll_up(spans: impl IntoIterator<Item = Summary>, into: Resolution) -> Vec<Summary> {
    let mut longer: Vec<Summary> = Vec::new();
    for span in spans {
        let span = Summary { at: into.end(span.at), ..span };
        match longer.last_mut() {
            Some(last) if last.at == span.at => *last = last.and(span),
            _ => longer.push(span),
        }
    }
    longer
}

/// A longer span as the short ones that it is made of. Nobody knows any more how they differed.
pub(crate) fn spread(span: Summary, from: Resolution, into: Resolution) -> impl Iterator<Item = Summary> {
    let (long, short) = (i64::from(from.seconds()), i64::from(into.seconds()));
    let seconds = span.seconds * f64::from(into.seconds()) / f64::from(from.seconds());
    (1..=long / short).map(move |part| Summary { at: span.at - long + part * short, seconds, ..span })
}

/// An instant by its seconds since 1970.
pub(crate) fn instant(seconds: i64) -> Timestamp {
    DateTime::from_timestamp(seconds, 0).unwrap_or_default()
}

/// A number that is counted in whole ones.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "casts of floats saturate")]
pub(crate) fn whole(value: f64) -> u64 {
    value.round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn looks() -> impl Strategy<Value = Vec<Summary>> {
        let look = (1_i64..40, 0.01..12.0_f64, 0.0..64.0_f64, 0..1_u64 << 40);
        prop::collection::vec(look, 1..400).prop_map(|looks| {
            let mut at = 1_700_000_000;
            let mut after = |seconds: i64| {
                at += seconds;
                at
            };
            let look = |(pause, seconds, cpu, memory)| Summary::look(after(pause), seconds, cpu, memory);
            looks.into_iter().map(look).collect()
        })
    }

    fn all(spans: &[Summary]) -> Summary {
        spans.iter().copied().reduce(Summary::and).unwrap()
    }

    fn near(one: f64, other: f64) -> bool {
        (one - other).abs() <= 1e-9 * one.abs().max(other.abs()).max(1.0)
    }

    proptest! {
        #[test]
        fn a_roll_up_loses_no_time_and_keeps_mean_and_most(looks in looks()) {
            let minutes = roll_up(looks.clone(), Resolution::Minutes);
            let hours = roll_up(minutes.clone(), Resolution::Hours);
            for rolled in [&minutes, &hours] {
                let (before, after) = (all(&looks), all(rolled));
                prop_assert!(near(before.seconds, after.seconds));
                prop_assert!(near(before.cpu, after.cpu) && near(before.memory, after.memory));
                prop_assert!(near(before.cpu_max, after.cpu_max) && near(before.memory_max, after.memory_max));
            }
            // By way of the minutes or at once: the same hours.
            let at_once = roll_up(looks, Resolution::Hours);
            prop_assert_eq!(at_once.len(), hours.len());
            prop_assert!(at_once.iter().zip(&hours).all(|(a, b)| a.at == b.at && near(a.cpu, b.cpu)));
        }

        #[test]
        fn spans_are_in_order_and_hold_their_looks(looks in looks()) {
            let minutes = roll_up(looks.clone(), Resolution::Minutes);
            prop_assert!(minutes.is_sorted_by(|one, other| one.at < other.at));
            for minute in &minutes {
                prop_assert_eq!(minute.at % 60, 0);
                prop_assert!(minute.cpu <= minute.cpu_max * (1.0 + 1e-9));
                let within = looks.iter().filter(|look| look.at > minute.at - 60 && look.at <= minute.at);
                prop_assert!(near(within.map(|look| look.seconds).sum(), minute.seconds));
            }
        }

        #[test]
        fn a_minute_spread_and_rolled_up_is_the_minute(looks in looks()) {
            for minute in roll_up(looks, Resolution::Minutes) {
                let parts: Vec<_> = spread(minute, Resolution::Minutes, Resolution::Moments).collect();
                prop_assert_eq!(parts.len(), 6);
                let again = roll_up(parts, Resolution::Minutes);
                prop_assert_eq!(again.len(), 1);
                prop_assert_eq!(again[0].at, minute.at);
                prop_assert!(near(again[0].cpu, minute.cpu) && near(again[0].memory_max, minute.memory_max));
            }
        }

        #[test]
        fn a_window_holds_as_many_spans_as_it_says(now in 0_i64..4_000_000_000) {
            for (resolution, spans) in
                [(Resolution::Moments, 360), (Resolution::Minutes, 1440), (Resolution::Hours, 720)]
            {
                let window = resolution.window(now);
                let step = i64::from(resolution.seconds());
                let first = resolution.end(*window.start());
                let held = (window.end() - first) / step + 1;
                prop_assert!((spans..=spans + 1).contains(&held), "{} {:?}", held, resolution);
                prop_assert!(window.contains(&resolution.end(now)));
                prop_assert!(!window.contains(&(resolution.end(now) + step)));
            }
        }
    }

    #[test]
    fn a_busy_minute_in_a_quiet_hour_is_seen() {
        let minute = |minute: i64, cpu: f64| Summary::look(minute * 60, 60.0, cpu, 100);
        let hour = (1..=60).map(|at| minute(at, if at == 30 { 6.0 } else { 0.0 }));
        let rolled = roll_up(hour, Resolution::Hours);
        assert_eq!((rolled.len(), rolled[0].at), (1, 3600));
        assert!(near(rolled[0].seconds, 3600.0));
        assert!((rolled[0].cpu - 0.1).abs() < 1e-9 && (rolled[0].cpu_max - 6.0).abs() < 1e-9);
        assert_eq!(rolled[0].point().memory, 100);
    }

    #[test]
    fn a_look_counts_for_as_long_as_it_says() {
        // Ten seconds at rest, looked at once, and five at work.
        let both = Summary::look(60, 10.0, 0.0, 300).and(Summary::look(65, 5.0, 3.0, 0));
        assert!(near(both.cpu, 1.0) && near(both.memory, 200.0) && near(both.seconds, 15.0), "{both:?}");
        let at_once = Summary::look(60, 0.0, 1.0, 0);
        assert!(near(at_once.and(at_once).cpu, 1.0), "what took no time has a mean too");
    }
}
