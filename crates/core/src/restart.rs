//! When a perpetual app is started again: a pure decision from its rule, its past and its exit.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Timestamp;
use crate::execution::Exit;

/// The shortest time before any restart but the first in a window: what ends at once must not keep the machine busy,
/// whatever delay a person wished for.
const MIN_DELAY: Duration = Duration::from_millis(100);
/// The longest time between an exit and the next start.
const MAX_DELAY: Duration = Duration::from_secs(300);
/// By which part of itself a delay may be longer, so that what ended together does not start together.
const SPREAD: f64 = 0.25;
/// How long an app that was given up is left alone before it is tried again, the first time and at most.
const FIRST_RETRY: Duration = Duration::from_secs(15 * 60);
const LAST_RETRY: Duration = Duration::from_secs(24 * 60 * 60);

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
    /// What becomes of an app that was given up.
    pub after_giving_up: AfterGivingUp,
}

/// What holds for an app of which nothing else is known: the defaults of a configuration.
impl Default for RestartRule {
    fn default() -> Self {
        Self {
            policy: RestartPolicy::default(),
            delay: Duration::from_secs(5),
            limit: 3,
            window: Duration::from_secs(300),
            after_giving_up: AfterGivingUp::Retry,
        }
    }
}

/// What becomes of an app that was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AfterGivingUp {
    /// It is tried again slowly: a disk or a network may only have been late.
    Retry,
    /// It stays as it is.
    Rest,
}

/// The restarts that still count, and how often the app was given up since it last ran well.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RestartHistory {
    restarts: Vec<Timestamp>,
    give_ups: u32,
}

/// How a process fared, for the decision about the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fared {
    /// How it ended.
    pub exit: Exit,
    /// How long it was well: since its start, or, where something looks at its health, since it was first seen well.
    pub well_for: Duration,
    /// When it ended.
    pub ended: Timestamp,
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
        /// When it is tried again all the same, counted from the end.
        retry: Option<Duration>,
    },
}

impl FromIterator<Timestamp> for RestartHistory {
    /// The restarts that a process has behind it when it is found again, in any order.
    fn from_iter<T: IntoIterator<Item = Timestamp>>(restarts: T) -> Self {
        Self { restarts: restarts.into_iter().collect(), give_ups: 0 }
    }
}

impl RestartHistory {
    /// How many restarts count at this moment.
    #[must_use]
    pub fn count(&self) -> u32 {
        u32::try_from(self.restarts.len()).unwrap_or(u32::MAX)
    }

    /// The same past, with so many times that the app was given up.
    #[must_use]
    pub fn given_up(self, give_ups: u32) -> Self {
        Self { give_ups, ..self }
    }

    /// How often the app was given up since it last ran well.
    #[must_use]
    pub const fn give_ups(&self) -> u32 {
        self.give_ups
    }

    /// A given-up app is tried again: its restarts count from none, but not how often it was given up.
    #[must_use]
    pub fn tried_again(&self) -> Self {
        Self::default().given_up(self.give_ups)
    }

    /// Decides what follows an exit, and remembers it.
    ///
    /// A process that was well for a whole window wipes the past: its next restart is immediate again. `jitter` is
    /// a random number from 0 up to 1, which spreads a delay over a quarter of itself.
    pub fn decide(&mut self, rule: &RestartRule, fared: Fared, jitter: f64) -> RestartDecision {
        let Fared { exit, well_for, ended } = fared;
        if !rule.policy.wants_another(exit) {
            return RestartDecision::Rest;
        }
        if well_for >= rule.window {
            *self = Self::default();
        }
        self.restarts.retain(|restart| distance(*restart, ended) < rule.window);
        let before = self.count();
        if before >= rule.limit {
            return RestartDecision::GiveUp { restarts: before, retry: self.give_up(rule) };
        }
        self.restarts.push(ended);
        RestartDecision::Restart { after: delay(rule.delay, before, jitter) }
    }
}

impl RestartHistory {
    /// Gives up, and says after how long it is tried again all the same: longer each time.
    pub fn give_up(&mut self, rule: &RestartRule) -> Option<Duration> {
        let retry = match rule.after_giving_up {
            AfterGivingUp::Retry => Some(retry(self.give_ups)),
            AfterGivingUp::Rest => None,
        };
        self.give_ups = self.give_ups.saturating_add(1);
        retry
    }
}

impl RestartHistory {
    /// How long an app that was given up still waits at this moment, when it is to be tried again at `at`. A clock that
    /// was set back meanwhile makes that no longer than it ever was.
    #[must_use]
    pub fn waits_for(&self, at: Timestamp, now: Timestamp) -> Duration {
        (at - now).to_std().unwrap_or_default().min(retry(self.give_ups.saturating_sub(1)))
    }
}

impl RestartPolicy {
    /// Whether an exit leads to another start.
    #[must_use]
    pub const fn wants_another(self, exit: Exit) -> bool {
        match self {
            Self::Always => true,
            Self::OnFailure => !exit.is_success(),
            Self::Never => false,
        }
    }
}

/// A quarter of an hour, doubling up to a day.
fn retry(give_ups: u32) -> Duration {
    FIRST_RETRY.saturating_mul(2u32.saturating_pow(give_ups)).min(LAST_RETRY)
}

/// The time between two moments. One that is said to be yet to come was written down before the clock was set back, by
/// at least so much: whoever counted it as just now would give an app up for what it did the day before.
fn distance(from: Timestamp, to: Timestamp) -> Duration {
    (to - from).abs().to_std().unwrap_or_default()
}

/// None before the first restart; from the second on `base`, doubling, from [`MIN_DELAY`] to [`MAX_DELAY`]. At the most
/// it is spread too, below it.
fn delay(base: Duration, before: u32, jitter: f64) -> Duration {
    if before == 0 {
        return Duration::ZERO;
    }
    let longest = MAX_DELAY.div_f64(1.0 + SPREAD);
    let doubled = base.saturating_mul(2u32.saturating_pow(before - 1)).clamp(MIN_DELAY, longest);
    doubled + doubled.mul_f64(SPREAD * jitter.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;
    use proptest::prelude::*;

    fn rule(policy: RestartPolicy) -> RestartRule {
        RestartRule {
            policy,
            delay: Duration::from_secs(5),
            limit: 3,
            window: Duration::from_secs(300),
            after_giving_up: AfterGivingUp::Retry,
        }
    }

    /// A process that ran from one second to another, and was well all the time.
    fn ran(exit: Exit, from: i64, to: i64) -> Fared {
        Fared { exit, well_for: Duration::from_secs(u64::try_from(to - from).unwrap()), ended: at(to) }
    }

    const CRASH: Exit = Exit::Code(1);

    fn at(seconds: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + TimeDelta::seconds(seconds)
    }

    #[test]
    fn first_at_once_then_slower_then_never() {
        let (rule, mut past) = (rule(RestartPolicy::OnFailure), RestartHistory::default());
        let mut crash = |from, to| past.decide(&rule, ran(CRASH, from, to), 0.0);
        assert_eq!(crash(0, 1), RestartDecision::Restart { after: Duration::ZERO });
        assert_eq!(crash(1, 2), RestartDecision::Restart { after: Duration::from_secs(5) });
        assert_eq!(crash(7, 8), RestartDecision::Restart { after: Duration::from_secs(10) });
        let retry = Some(FIRST_RETRY);
        assert_eq!(crash(18, 19), RestartDecision::GiveUp { restarts: 3, retry });
    }

    #[test]
    fn no_delay_at_all_is_a_short_one() {
        let rule = RestartRule { delay: Duration::ZERO, limit: 10_000, ..rule(RestartPolicy::Always) };
        let mut past = RestartHistory::default();
        let mut crash = || past.decide(&rule, ran(CRASH, 0, 1), 0.0);
        assert_eq!(crash(), RestartDecision::Restart { after: Duration::ZERO });
        for _ in 0..50 {
            assert_eq!(crash(), RestartDecision::Restart { after: MIN_DELAY });
        }
    }

    #[test]
    fn a_long_healthy_run_wipes_the_past() {
        let (rule, mut past) = (rule(RestartPolicy::Always), RestartHistory::default());
        let _ = past.decide(&rule, ran(Exit::Code(0), 0, 1), 0.0);
        let _ = past.decide(&rule, ran(Exit::Code(0), 1, 2), 0.0);
        let next = past.decide(&rule, ran(Exit::Code(0), 7, 400), 0.0);
        assert_eq!(next, RestartDecision::Restart { after: Duration::ZERO });
        assert_eq!(past.count(), 1);
    }

    #[test]
    fn a_long_run_that_was_never_well_wipes_nothing() {
        let (rule, mut past) = (rule(RestartPolicy::Always), RestartHistory::default());
        let _ = past.decide(&rule, ran(CRASH, 0, 1), 0.0);
        let ill = Fared { well_for: Duration::ZERO, ..ran(CRASH, 1, 290) };
        assert_eq!(past.decide(&rule, ill, 0.0), RestartDecision::Restart { after: Duration::from_secs(5) });
    }

    #[test]
    fn what_was_given_up_is_tried_again_less_and_less_often() {
        let rule = RestartRule { limit: 0, ..rule(RestartPolicy::Always) };
        let mut past = RestartHistory::default();
        let minutes: Vec<u64> = (0..9)
            .map(|_| match past.decide(&rule, ran(CRASH, 0, 1), 0.0) {
                RestartDecision::GiveUp { retry: Some(retry), .. } => retry.as_secs() / 60,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(minutes, [15, 30, 60, 120, 240, 480, 960, 1440, 1440]);
        assert_eq!(past.tried_again().give_ups(), 9);
        let _ = past.decide(&RestartRule { limit: 1, ..rule }, ran(CRASH, 0, 300), 0.0);
        assert_eq!(past.give_ups(), 0);
        let never = RestartRule { after_giving_up: AfterGivingUp::Rest, ..rule };
        let given_up = past.decide(&never, ran(CRASH, 0, 1), 0.0);
        assert!(matches!(given_up, RestartDecision::GiveUp { retry: None, .. }), "{given_up:?}");
    }

    #[test]
    fn the_rule_of_which_nothing_is_known_is_that_of_a_new_configuration() {
        let entrypoint = crate::Launch::Command("true".into());
        assert_eq!(RestartRule::default(), crate::Configuration::new(entrypoint).restart_rule());
    }

    #[test]
    fn the_policy_decides_which_exits_count() {
        let mut past = RestartHistory::default();
        let clean = past.decide(&rule(RestartPolicy::OnFailure), ran(Exit::Code(0), 0, 1), 0.0);
        assert_eq!(clean, RestartDecision::Rest);
        let never = past.decide(&rule(RestartPolicy::Never), ran(Exit::Signal(9), 0, 1), 0.0);
        assert_eq!(never, RestartDecision::Rest);
        assert_eq!(past.count(), 0);
    }

    #[test]
    fn a_clock_that_is_set_gives_nothing_up_and_wipes_no_more_than_it_should() {
        let (rule, day) = (rule(RestartPolicy::Always), 86_400);
        let crash = |past: &mut RestartHistory, at: i64| past.decide(&rule, ran(CRASH, at - 1, at), 0.0);
        for leap in [-day, day] {
            let mut past = RestartHistory::default();
            for now in [10 * day, 10 * day + 10, 10 * day + 30] {
                assert!(matches!(crash(&mut past, now), RestartDecision::Restart { .. }));
            }
            // It crashes once more, a while later by a clock that has leapt meanwhile.
            let next = crash(&mut past, 10 * day + 3600 + leap);
            assert_eq!(next, RestartDecision::Restart { after: Duration::ZERO }, "{leap}");
        }
        // A clock that is only kept right changes nothing.
        let mut past = RestartHistory::default();
        for now in [1000, 999, 1001] {
            assert!(matches!(crash(&mut past, now), RestartDecision::Restart { .. }));
        }
        assert!(matches!(crash(&mut past, 1000), RestartDecision::GiveUp { restarts: 3, .. }));
    }

    #[test]
    fn what_was_given_up_waits_no_longer_because_the_clock_was_set_back() {
        let (now, minutes) = (at(10 * 86_400), |minutes: u64| Duration::from_secs(60 * minutes));
        let due = now + TimeDelta::minutes(20);
        for (give_ups, said, waits) in [
            (2, due, minutes(20)),
            (1, due, minutes(15)),
            (2, now + TimeDelta::days(1), minutes(30)),
            (9, now + TimeDelta::days(400), minutes(1440)),
            (1, now - TimeDelta::days(1), Duration::ZERO),
        ] {
            assert_eq!(RestartHistory::default().given_up(give_ups).waits_for(said, now), waits);
        }
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
                match past.decide(&rule, ran(CRASH, started, now), jitter) {
                    RestartDecision::Restart { after } => {
                        prop_assert!(after <= MAX_DELAY);
                        restarts.push(now);
                        now += i64::try_from(after.as_secs()).unwrap();
                    }
                    RestartDecision::GiveUp { restarts, .. } => { prop_assert_eq!(restarts, limit); break; }
                    RestartDecision::Rest => unreachable!(),
                }
                let recent = restarts.iter().filter(|r| now - **r < 300).count();
                prop_assert!(recent <= limit as usize);
            }
        }
    }
}
