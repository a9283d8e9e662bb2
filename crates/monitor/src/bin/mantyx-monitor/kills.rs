//! How often the kernel has killed for want of memory of late.
//!
//! It counts that over the whole life of a group and does not say when. A worker that was killed yesterday is no
//! reason why its app gives up today, so the count is looked at now and then, and only what was added since the look
//! before the last one is recent: what happened right before a look still is.

use std::time::{Duration, Instant};

/// How long between two looks: seldom enough to cost nothing.
const PACE: Duration = Duration::from_secs(60);

/// What was counted at the last two looks.
pub(crate) struct Kills {
    before: u64,
    latest: u64,
    due: Instant,
}

impl Kills {
    /// Of a group in which so many were killed before the app was there. Monitors that begin at one moment do not all
    /// look at one moment: `spread` is from 0 up to 1.
    pub(crate) fn begin(now: Instant, count: u64, spread: f64) -> Self {
        Self { before: count, latest: count, due: now + PACE.mul_f64(spread) }
    }

    /// When the next look is due.
    pub(crate) const fn due(&self) -> Instant {
        self.due
    }

    /// Takes in what is counted now.
    pub(crate) fn look(&mut self, now: Instant, count: u64) {
        self.before = self.latest;
        self.latest = count;
        self.due = now + PACE;
    }

    /// Whether some of these are recent.
    pub(crate) const fn has_recent(&self, count: u64) -> bool {
        count > self.before
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Looks come a pace apart, so a kill is recent for that long and at most for twice as long.
        #[test]
        fn a_kill_is_recent_for_a_pace_and_not_for_ever(at in 0_u64..600, asked in 0_u64..600, spread in 0.0..1.0) {
            let start = Instant::now();
            let mut kills = Kills::begin(start, 0, spread);
            let (at, asked) = (at.min(asked), at.max(asked));
            let count = |second: u64| u64::from(second >= at);
            for second in 0..asked {
                let now = start + Duration::from_secs(second);
                if kills.due() <= now {
                    kills.look(now, count(second));
                }
            }
            let recent = kills.has_recent(count(asked));
            let age = asked - at;
            prop_assert!(recent || age >= 60, "{age} s are not long");
            prop_assert!(!recent || age <= 121, "{age} s are long");
        }
    }
}
