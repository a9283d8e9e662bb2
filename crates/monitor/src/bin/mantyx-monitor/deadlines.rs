//! The times within which an app has to show that it is alive, or to be done. They hold without a daemon.
//!
//! All of it is arithmetic on instants of a clock that nobody can set: the loop asks when the next time is due, and
//! then what has run out.

use std::time::{Duration, Instant};

use mantyx_monitor::{Deadlines, Phase};

use crate::notice::Notice;

/// The times of one process that has begun.
pub(crate) struct Watch {
    started: Instant,
    timeout: Option<Duration>,
    interval: Option<Duration>,
    since: Since,
    broken: Option<Instant>,
}

/// What the watchdog counts from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Since {
    /// Nothing: the process was not told of a watchdog, so it may well never say that it is alive.
    Untold,
    /// The end of the start period.
    StartPeriod(Instant),
    /// The last sign of life.
    Sign(Instant),
}

/// What has run out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expired {
    /// It has not said in time that it is alive, or said that it is broken.
    Watchdog,
    /// It has taken longer than this.
    Timeout(Duration),
}

impl Watch {
    /// Begins to count.
    pub(crate) fn begin(started: Instant, deadlines: &Deadlines) -> Self {
        let mut watch = Self { started, timeout: None, interval: None, since: Since::Untold, broken: None };
        watch.set(deadlines);
        if let (Some(_), Some(end)) = (watch.interval, start_period_end(started, deadlines)) {
            watch.since = Since::StartPeriod(end);
        }
        watch
    }

    /// From now on these times hold. Says what of it cannot be done.
    pub(crate) fn adjust(&mut self, deadlines: &Deadlines, now: Instant) -> Option<String> {
        let before = self.interval;
        self.set(deadlines);
        self.since = match self.since {
            Since::Untold => Since::Untold,
            Since::StartPeriod(_) => start_period_end(self.started, deadlines)
                .map_or(Since::Untold, |end| Since::StartPeriod(end.max(now))),
            Since::Sign(at) if before == self.interval => Since::Sign(at),
            Since::Sign(_) => Since::Sign(now),
        };
        let is_in_vain = self.since == Since::Untold && self.interval.is_some();
        is_in_vain
            .then(|| "The watchdog begins with the next start: the process was not told of it".to_owned())
    }

    fn set(&mut self, deadlines: &Deadlines) {
        self.timeout = deadlines.timeout_seconds.and_then(positive);
        self.interval = deadlines.watchdog_seconds.and_then(positive);
    }

    /// Takes in one thing that the app says.
    pub(crate) fn hear(&mut self, notice: &Notice, now: Instant) {
        match notice {
            Notice::Alive => self.since = Since::Sign(now),
            Notice::Phase(Phase::Ready) if matches!(self.since, Since::StartPeriod(_)) => {
                self.since = Since::Sign(now);
            }
            Notice::Broken => self.broken = Some(now),
            Notice::Interval(interval) => {
                self.interval = *interval;
                self.since = Since::Sign(now);
            }
            Notice::Phase(_) | Notice::Status(_) => {}
        }
    }

    /// When the next of the times runs out.
    pub(crate) fn due(&self) -> Option<Instant> {
        [self.watchdog_due(), self.timeout_due()].into_iter().flatten().min()
    }

    /// What has run out.
    pub(crate) fn expired(&self, now: Instant) -> Option<Expired> {
        let is_over = |due: Option<Instant>| due.is_some_and(|due| due <= now);
        if is_over(self.watchdog_due()) {
            return Some(Expired::Watchdog);
        }
        self.timeout.filter(|_| is_over(self.timeout_due())).map(Expired::Timeout)
    }

    fn watchdog_due(&self) -> Option<Instant> {
        self.broken.or_else(|| self.silence_ends())
    }

    fn silence_ends(&self) -> Option<Instant> {
        match self.since {
            Since::Untold => None,
            Since::StartPeriod(at) | Since::Sign(at) => at.checked_add(self.interval?),
        }
    }

    fn timeout_due(&self) -> Option<Instant> {
        self.started.checked_add(self.timeout?)
    }
}

/// A number that is no duration, or none at all, sets no time.
pub(crate) fn positive(seconds: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(seconds).ok().filter(|duration| !duration.is_zero())
}

/// One that lies beyond what a clock can show never comes.
fn start_period_end(started: Instant, deadlines: &Deadlines) -> Option<Instant> {
    started.checked_add(positive(deadlines.start_period_seconds).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn deadlines(watchdog: Option<f64>, start_period: f64, timeout: Option<f64>) -> Deadlines {
        Deadlines { watchdog_seconds: watchdog, start_period_seconds: start_period, timeout_seconds: timeout }
    }

    fn any_notice() -> impl Strategy<Value = Notice> {
        let interval =
            (0_u64..5000).prop_map(|ms| Notice::Interval((ms > 0).then(|| Duration::from_millis(ms))));
        let phase = prop::sample::select(vec![Phase::Ready, Phase::Reloading, Phase::Stopping]);
        prop_oneof![Just(Notice::Alive), Just(Notice::Broken), interval, phase.prop_map(Notice::Phase)]
    }

    proptest! {
        /// The loop sleeps until what is due, so what is not due must not have run out, and the other way round.
        #[test]
        fn what_is_due_has_run_out_then_and_not_before(
            times in (prop::option::of(0.0..5.0), 0.0..5.0, prop::option::of(0.0..5.0)),
            said in prop::collection::vec((any_notice(), 0_u64..2000), 0..10),
        ) {
            let mut now = Instant::now();
            let mut watch = Watch::begin(now, &deadlines(times.0, times.1, times.2));
            for (notice, later) in said {
                now += Duration::from_millis(later);
                watch.hear(&notice, now);
            }
            if let Some(due) = watch.due() {
                prop_assert!(watch.expired(due).is_some());
                let before = due.checked_sub(Duration::from_nanos(1)).unwrap();
                prop_assert_eq!(watch.expired(before), None);
            } else {
                prop_assert_eq!(watch.expired(now + 1000 * SECOND), None);
            }
        }
    }

    #[test]
    fn without_times_nothing_is_ever_due() {
        let now = Instant::now();
        for nothing in [
            Deadlines::default(),
            deadlines(Some(0.0), 5.0, Some(f64::NAN)),
            deadlines(Some(1e19), 1e19, Some(1e19)),
        ] {
            let watch = Watch::begin(now, &nothing);
            assert_eq!((watch.due(), watch.expired(now + SECOND)), (None, None));
        }
    }

    #[test]
    fn the_watchdog_begins_with_the_first_sign_and_at_the_latest_after_the_start_period() {
        let start = Instant::now();
        let mut watch = Watch::begin(start, &deadlines(Some(2.0), 10.0, None));
        assert_eq!(watch.due(), Some(start + 12 * SECOND));
        watch.hear(&Notice::Phase(Phase::Ready), start + SECOND);
        assert_eq!(watch.due(), Some(start + 3 * SECOND));
        // Only a sign of life counts after that.
        watch.hear(&Notice::Phase(Phase::Ready), start + 2 * SECOND);
        watch.hear(&Notice::Status(None), start + 2 * SECOND);
        assert_eq!(watch.due(), Some(start + 3 * SECOND));
        watch.hear(&Notice::Alive, start + 2 * SECOND);
        assert_eq!(watch.expired(start + 3 * SECOND), None);
        assert_eq!(watch.expired(start + 4 * SECOND), Some(Expired::Watchdog));
    }

    #[test]
    fn an_app_may_set_its_own_interval_and_say_that_it_is_broken() {
        let start = Instant::now();
        let mut watch = Watch::begin(start, &Deadlines::default());
        watch.hear(&Notice::Interval(Some(3 * SECOND)), start);
        assert_eq!(watch.due(), Some(start + 3 * SECOND));
        watch.hear(&Notice::Interval(None), start);
        assert_eq!(watch.due(), None);
        watch.hear(&Notice::Broken, start + SECOND);
        assert_eq!(watch.expired(start + SECOND), Some(Expired::Watchdog));
    }

    #[test]
    fn a_time_limit_counts_from_the_start_and_the_nearer_time_is_due() {
        let start = Instant::now();
        let mut watch = Watch::begin(start, &deadlines(Some(2.0), 0.0, Some(5.0)));
        assert_eq!(watch.due(), Some(start + 2 * SECOND));
        watch.hear(&Notice::Alive, start + 4 * SECOND);
        assert_eq!(watch.due(), Some(start + 5 * SECOND));
        assert_eq!(watch.expired(start + 5 * SECOND), Some(Expired::Timeout(5 * SECOND)));
    }

    #[test]
    fn other_times_hold_from_the_moment_they_are_set() {
        let start = Instant::now();
        let mut watch = Watch::begin(start, &deadlines(Some(10.0), 0.0, None));
        watch.hear(&Notice::Alive, start);
        // The same interval as before does not let it off.
        assert_eq!(watch.adjust(&deadlines(Some(10.0), 0.0, Some(60.0)), start + 5 * SECOND), None);
        assert_eq!(watch.due(), Some(start + 10 * SECOND));
        // A shorter one does not strike at once.
        assert_eq!(watch.adjust(&deadlines(Some(2.0), 0.0, None), start + 5 * SECOND), None);
        assert_eq!(watch.due(), Some(start + 7 * SECOND));
        watch.adjust(&Deadlines::default(), start + 5 * SECOND);
        assert_eq!(watch.due(), None);
    }

    #[test]
    fn a_process_that_knows_of_no_watchdog_is_not_killed_by_one() {
        let start = Instant::now();
        let mut watch = Watch::begin(start, &Deadlines::default());
        let warning = watch.adjust(&deadlines(Some(2.0), 0.0, None), start + SECOND);
        assert!(warning.unwrap().contains("next start"));
        assert_eq!(watch.due(), None);
        watch.hear(&Notice::Alive, start + 3 * SECOND);
        assert_eq!(watch.due(), Some(start + 5 * SECOND));
    }
}
