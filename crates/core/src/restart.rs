//! When a perpetual app is started again: a pure decision from its rule, its past and its exit.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Timestamp;
use crate::execution::Exit;

/// The longest time between an exit and the next start.
const MAX_DELAY: Duration = Duration::from_secs(300);

/// Which exits lead to another start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum RestartPolicy {
    /// Every exit.
    Always,
    /// Every exit but 0.
    #[default]
    OnFailure,
    /// None.
    Never,
}

/// How an app is restarted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RestartRule {
    /// Which exits lead to another start.
    pub policy: RestartPolicy,
    /// The delay before the second restart in a window; it doubles from there.
    pub delay: Duration,
    /// How many restarts a window allows.
    pub limit: u32,
    /// The window.
    pub window: Duration,
}

/// The restarts that still count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RestartHistory {
    restarts: Vec<Timestamp>,
}

/// What follows an exit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RestartDecision {
    /// Start again after this long.
    Restart {
        /// How long to wait.
        after: Duration,
    },
    /// The policy starts no other.
    Rest,
    /// The limit is reached: this many restarts were within the window.
    GiveUp {
        /// The restarts that counted.
        restarts: u32,
    },
}

impl FromIterator<Timestamp> for RestartHistory {
    /// The restarts that a process has behind it when it is found again, in any order.
    fn from_iter<T: IntoIterator<Item = Timestamp>>(restarts: T) -> Self {
        Self { restarts: restarts.into_iter().collect() }
    }
}

impl RestartHistory {
    /// How many restarts count at this moment.
    #[must_use]
    pub fn count(&self) -> u32 {
        u32::try_from(self.restarts.len()).unwrap_or(u32::MAX)
    }

    /// Decides what follows an exit, and remembers a restart.
    ///
    /// A process that ran for a whole window wipes the past: its next restart is immediate again. `jitter` is
    /// a random number from 0 up to 1, which spreads a delay over a quarter of itself.
    pub fn decide(
        &mut self,
        rule: &RestartRule,
        exit: Exit,
        started: Timestamp,
        ended: Timestamp,
        jitter: f64,
    ) -> RestartDecision {
        let wanted = match rule.policy {
            RestartPolicy::Always => true,
            RestartPolicy::OnFailure => !exit.is_success(),
            RestartPolicy::Never => false,
        };
        if !wanted {
            return RestartDecision::Rest;
        }
        if elapsed(started, ended) >= rule.window {
            self.restarts.clear();
        }
        self.restarts.retain(|restart| elapsed(*restart, ended) < rule.window);
        let before = self.count();
        if before >= rule.limit {
            return RestartDecision::GiveUp { restarts: before };
        }
        self.restarts.push(ended);
        RestartDecision::Restart { after: delay(rule.delay, before, jitter) }
    }
}

/// A clock that was set back counts as no time at all.
fn elapsed(from: Timestamp, to: Timestamp) -> Duration {
    (to - from).to_std().unwrap_or_default()
}

/// None before the first restart; from the second on `base`, doubling, at most [`MAX_DELAY`].
fn delay(base: Duration, before: u32, jitter: f64) -> Duration {
    if before == 0 {
        return Duration::ZERO;
    }
    let doubled = base.saturating_mul(2u32.saturating_pow(before - 1)).min(MAX_DELAY);
    doubled + doubled.mul_f64(0.25 * jitter.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;
    use proptest::prelude::*;

    fn rule(policy: RestartPolicy) -> RestartRule {
        RestartRule { policy, delay: Duration::from_secs(5), limit: 3, window: Duration::from_secs(300) }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + TimeDelta::seconds(seconds)
    }

    #[test]
    fn first_at_once_then_slower_then_never() {
        let (rule, mut past) = (rule(RestartPolicy::OnFailure), RestartHistory::default());
        let mut crash = |from, to| past.decide(&rule, Exit::Code(1), at(from), at(to), 0.0);
        assert_eq!(crash(0, 1), RestartDecision::Restart { after: Duration::ZERO });
        assert_eq!(crash(1, 2), RestartDecision::Restart { after: Duration::from_secs(5) });
        assert_eq!(crash(7, 8), RestartDecision::Restart { after: Duration::from_secs(10) });
        assert_eq!(crash(18, 19), RestartDecision::GiveUp { restarts: 3 });
    }

    #[test]
    fn a_long_healthy_run_wipes_the_past() {
        let (rule, mut past) = (rule(RestartPolicy::Always), RestartHistory::default());
        let _ = past.decide(&rule, Exit::Code(0), at(0), at(1), 0.0);
        let _ = past.decide(&rule, Exit::Code(0), at(1), at(2), 0.0);
        let next = past.decide(&rule, Exit::Code(0), at(7), at(400), 0.0);
        assert_eq!(next, RestartDecision::Restart { after: Duration::ZERO });
        assert_eq!(past.count(), 1);
    }

    #[test]
    fn the_policy_decides_which_exits_count() {
        let mut past = RestartHistory::default();
        let clean = past.decide(&rule(RestartPolicy::OnFailure), Exit::Code(0), at(0), at(1), 0.0);
        assert_eq!(clean, RestartDecision::Rest);
        let never = past.decide(&rule(RestartPolicy::Never), Exit::Signal(9), at(0), at(1), 0.0);
        assert_eq!(never, RestartDecision::Rest);
        assert_eq!(past.count(), 0);
    }

    proptest! {
        #[test]
        fn never_more_than_the_limit_within_a_window(
            limit in 0u32..6, runs in prop::collection::vec(0i64..200, 1..40), jitter in 0.0f64..1.0
        ) {
            let rule = RestartRule { limit, ..rule(RestartPolicy::Always) };
            let (mut past, mut now, mut restarts) = (RestartHistory::default(), 0, Vec::new());
            for run in runs {
                let started = now;
                now += run;
                match past.decide(&rule, Exit::Code(1), at(started), at(now), jitter) {
                    RestartDecision::Restart { after } => {
                        prop_assert!(after <= MAX_DELAY.mul_f64(1.25));
                        restarts.push(now);
                        now += i64::try_from(after.as_secs()).unwrap();
                    }
                    RestartDecision::GiveUp { restarts } => { prop_assert_eq!(restarts, limit); break; }
                    RestartDecision::Rest => unreachable!(),
                }
                let recent = restarts.iter().filter(|r| now - **r < 300).count();
                prop_assert!(recent <= limit as usize);
            }
        }
    }
}
