//! What time it is, as far as that can be believed.
//!
//! What is old goes by the clock of the machine, and that can be wrong for a while: a battery is empty, a server
//! of time answers nonsense, somebody mistypes a year. So a clock that leaps is not believed before it has stood to it for
//! a day. Until then it is as early as either says, the clock or the time that has passed since it was last right: what
//! is removed a day late costs a little room, and what is removed too early is gone.

use std::time::{Duration, SystemTime};

use rustix::time::{ClockId, clock_gettime};

/// So much is a clock that is kept right, and no leap.
const TOLERANCE: Duration = Duration::from_secs(5 * 60);
/// So long a clock that has leapt is doubted.
const DOUBT: Duration = Duration::from_secs(24 * 3600);

/// A reading of the clock, beside the time since the machine began, which nobody can set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reading {
    pub(crate) wall: SystemTime,
    pub(crate) up: Duration,
}

impl Reading {
    /// Sleep of the machine counts as time that has passed.
    pub(crate) fn take() -> Self {
        let up = clock_gettime(ClockId::Boottime);
        let (seconds, nanoseconds) = (u64::try_from(up.tv_sec), u32::try_from(up.tv_nsec));
        let up = Duration::new(seconds.unwrap_or_default(), nanoseconds.unwrap_or_default());
        Self { wall: SystemTime::now(), up }
    }

    /// What the clock shows when so much time is up, if nobody sets it.
    fn at(self, up: Duration) -> SystemTime {
        self.wall + up.saturating_sub(self.up)
    }

    fn agrees_with(self, other: Self) -> bool {
        let (one, two) = (self.wall, other.at(self.up));
        let apart = one.duration_since(two).or_else(|_| two.duration_since(one)).unwrap_or_default();
        apart <= TOLERANCE
    }
}

/// A clock of which leaps are noticed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    /// When it was last right.
    right: Reading,
    /// When it showed something else for the first time.
    leapt: Option<Reading>,
}

impl Clock {
    /// Nobody knows better than the clock as it is now.
    pub(crate) fn new(now: Reading) -> Self {
        Self { right: now, leapt: None }
    }

    /// The time, no later than can be believed.
    pub(crate) fn believe(&mut self, now: Reading) -> SystemTime {
        let leapt = self.leapt.filter(|leapt| now.agrees_with(*leapt)).unwrap_or(now);
        if now.agrees_with(self.right) || now.up.saturating_sub(leapt.up) >= DOUBT {
            *self = Self::new(now);
            return now.wall;
        }
        self.leapt = Some(leapt);
        now.wall.min(self.right.at(now.up))
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use proptest::prelude::*;

    use super::*;

    const HOUR: u64 = 3600;
    const DAY: u64 = 24 * HOUR;
    const BEGUN: u64 = 20_000 * DAY;

    /// So many seconds after the beginning, by a clock that has leapt by so many.
    fn reading(up: u64, leap: i64) -> Reading {
        let wall = UNIX_EPOCH + Duration::from_secs((BEGUN + up).saturating_add_signed(leap));
        Reading { wall, up: Duration::from_secs(up) }
    }

    fn believed(clock: &mut Clock, up: u64, leap: i64) -> i64 {
        let wall = clock.believe(reading(up, leap)).duration_since(UNIX_EPOCH).unwrap().as_secs();
        i64::try_from(wall).unwrap() - i64::try_from(BEGUN).unwrap()
    }

    #[test]
    fn time_that_passes_is_believed_and_so_is_a_clock_that_is_kept_right() {
        let mut clock = Clock::new(reading(0, 0));
        for (up, leap) in [(60, 0), (3600, 2), (90_000, -200), (40 * DAY, 60)] {
            assert_eq!(believed(&mut clock, up, leap), i64::try_from(up).unwrap() + leap);
        }
    }

    #[test]
    fn a_leap_is_doubted_for_a_day() {
        let day = i64::try_from(DAY).unwrap();
        let mut clock = Clock::new(reading(0, 0));
        assert_eq!(believed(&mut clock, HOUR, day), 3600);
        assert_eq!(believed(&mut clock, DAY, day), day);
        assert_eq!(believed(&mut clock, DAY + HOUR, day), day + 3600 + day);
        let mut clock = Clock::new(reading(0, 0));
        assert_eq!(believed(&mut clock, HOUR, -day), 3600 - day);
        assert_eq!(believed(&mut clock, 2 * HOUR, 0), 7200, "it was set right again");
        assert_eq!(believed(&mut clock, 3 * HOUR, day), 10_800);
        assert_eq!(believed(&mut clock, DAY + 2 * HOUR, 2 * day), day + 7200, "another leap is doubted anew");
        assert_eq!(believed(&mut clock, 2 * DAY, 2 * day), 2 * day);
    }

    #[test]
    fn the_clock_of_this_machine_is_believed() {
        let before = SystemTime::now();
        let mut clock = Clock::new(Reading::take());
        let believed = clock.believe(Reading::take());
        assert!(believed >= before && believed <= SystemTime::now());
    }

    proptest! {
        /// Whatever a clock shows in between, nothing is ever taken for older than the machine knows it to be, as long
        /// as the clock does not stand to it.
        #[test]
        fn a_clock_that_goes_wild_is_never_believed_too_late(leaps in prop::collection::vec(-400i64..400, 1..50)) {
            let mut clock = Clock::new(reading(0, 0));
            for (hour, leap) in (1u64..).zip(leaps) {
                let leap = leap * 3600 * 24;
                let now = believed(&mut clock, hour * 600, leap);
                prop_assert!(now <= i64::try_from(hour * 600).unwrap());
            }
        }
    }
}
