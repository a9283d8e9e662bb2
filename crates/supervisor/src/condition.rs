//! How a live service is, as far as can be told from outside and from its own word.

use std::time::Duration;

use chrono::Utc;
use mantyx_core::{Health, Timestamp};

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

/// Since when a service is well, for the restart rule.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct WellSince {
    since: Option<Timestamp>,
    until: Option<Timestamp>,
}

impl WellSince {
    /// A service that nothing looks at is well from its start on.
    pub(crate) fn begun(health: Health, started: Timestamp) -> Self {
        Self { since: (health == Health::Unknown).then_some(started), until: None }
    }

    /// One that was taken over and is well counts as well since its start: nobody knows better.
    pub(crate) fn resumed(health: Health, started: Timestamp) -> Self {
        let is_well = matches!(health, Health::Unknown | Health::Healthy);
        Self { since: is_well.then_some(started), until: None }
    }

    /// Its health has changed.
    pub(crate) fn turn(&mut self, health: Health) {
        match health {
            Health::Unhealthy => self.until = self.until.or_else(|| Some(Utc::now())),
            Health::Healthy if self.since.is_none() || self.until.is_some() => {
                (self.since, self.until) = (Some(Utc::now()), None);
            }
            Health::Healthy | Health::Starting | Health::Unknown => {}
        }
    }

    /// For how long it was well when it ended.
    pub(crate) fn duration(self, ended: Timestamp) -> Duration {
        let until = self.until.unwrap_or(ended);
        self.since.and_then(|since| (until - since).to_std().ok()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;

    #[test]
    fn a_service_is_well_from_the_first_good_look_to_the_last() {
        let start = Utc::now() - TimeDelta::hours(1);
        let later = Utc::now() + TimeDelta::hours(1);
        let mut never = WellSince::begun(Health::Starting, start);
        assert_eq!(never.duration(later), Duration::ZERO);
        never.turn(Health::Unhealthy);
        assert_eq!(never.duration(later), Duration::ZERO);
        let unwatched = WellSince::begun(Health::Unknown, start);
        assert!(unwatched.duration(later) >= Duration::from_secs(7200));
        let resumed = WellSince::resumed(Health::Healthy, start);
        assert!(resumed.duration(later) >= Duration::from_secs(7200));
        assert_eq!(WellSince::resumed(Health::Unhealthy, start).duration(later), Duration::ZERO);
        let mut ill = WellSince::begun(Health::Starting, start);
        ill.turn(Health::Healthy);
        ill.turn(Health::Unhealthy);
        assert!(ill.duration(later) < Duration::from_secs(60));
        ill.turn(Health::Healthy);
        assert!(ill.duration(later) > Duration::from_secs(3000));
    }
}
