//! How a live service is, as far as can be told from outside and from its own word.

use std::time::Duration;

use chrono::Utc;
use mantyx_core::{Health, Timestamp};
use tokio::time::Instant;

/// How a live service is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Condition {
    /// Whether it is well.
    pub health: Health,
    /// What the last look said, when it was not well.
    pub detail: Option<String>,
    /// What it says of itself (`STATUS=`, sd_notify(3)).
    pub status_text: Option<String>,
    /// What of its care cannot be done here, as sentences.
    pub warnings: Vec<String>,
}

/// Since when a service is well, for the restart rule. Once it is watched, no clock that is set moves it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct WellSince {
    since: Option<Instant>,
    until: Option<Instant>,
}

impl WellSince {
    /// A service that nothing looks at is well from its start on.
    pub(crate) fn begun(health: Health, started: Timestamp) -> Self {
        Self { since: (health == Health::Unknown).then(|| ago(started)), until: None }
    }

    /// One that was taken over and is well counts as well since its start: nobody knows better.
    pub(crate) fn resumed(health: Health, started: Timestamp) -> Self {
        let is_well = matches!(health, Health::Unknown | Health::Healthy);
        Self { since: is_well.then(|| ago(started)), until: None }
    }

    /// Its health has changed.
    pub(crate) fn turn(&mut self, health: Health) {
        match health {
            Health::Unhealthy => self.until = self.until.or_else(|| Some(Instant::now())),
            Health::Healthy if self.since.is_none() || self.until.is_some() => {
                (self.since, self.until) = (Some(Instant::now()), None);
            }
            Health::Healthy | Health::Starting | Health::Unknown => {}
        }
    }

    /// For how long it has been well when it ends now.
    pub(crate) fn duration(self) -> Duration {
        let until = self.until.unwrap_or_else(Instant::now);
        self.since.map(|since| until.saturating_duration_since(since)).unwrap_or_default()
    }
}

/// A moment of the past on a clock that nobody can set. One that is yet to come was written down before the clock was
/// set back.
fn ago(moment: Timestamp) -> Instant {
    let now = Instant::now();
    let age = (Utc::now() - moment).to_std().unwrap_or_default();
    now.checked_sub(age).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;

    #[test]
    fn a_service_is_well_from_the_first_good_look_to_the_last() {
        let (minute, hour) = (Duration::from_secs(60), Duration::from_secs(3600));
        let start = Utc::now() - TimeDelta::minutes(2);
        let mut never = WellSince::begun(Health::Starting, start);
        assert_eq!(never.duration(), Duration::ZERO);
        never.turn(Health::Unhealthy);
        assert_eq!(never.duration(), Duration::ZERO);
        let unwatched = WellSince::begun(Health::Unknown, start);
        assert!((minute..hour).contains(&unwatched.duration()));
        assert!((minute..hour).contains(&WellSince::resumed(Health::Healthy, start).duration()));
        assert_eq!(WellSince::resumed(Health::Unhealthy, start).duration(), Duration::ZERO);
        let mut ill = WellSince { since: Some(Instant::now() - 2 * minute), until: None };
        ill.turn(Health::Unhealthy);
        let ended = ill.duration();
        assert!(ended >= 2 * minute && ill.duration() == ended, "illness is not well-being");
        ill.turn(Health::Healthy);
        assert!(ill.duration() < minute);
    }

    #[test]
    fn a_start_that_is_yet_to_come_is_now() {
        let tomorrow = Utc::now() + TimeDelta::days(1);
        assert!(WellSince::begun(Health::Unknown, tomorrow).duration() < Duration::from_secs(60));
    }
}
