//! What follows from what was seen of an app. A pure decision.

use std::time::Duration;

use super::{Health, HealthCheck};

/// What was seen of an app at one look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Observation {
    /// The probe succeeded, or the app said that it is ready.
    Well,
    /// The probe failed: why, as a sentence.
    Ill(String),
}

/// How an app has done so far in this execution.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HealthRecord {
    health: Health,
    detail: Option<String>,
    failures: u32,
    successes: u32,
}

impl HealthRecord {
    /// An app that has just begun. One that nothing looks at is neither well nor ill.
    #[must_use]
    pub fn begun(is_looked_at: IsLookedAt) -> Self {
        let health = match is_looked_at {
            IsLookedAt::Yes => Health::Starting,
            IsLookedAt::No => Health::Unknown,
        };
        Self { health, ..Self::default() }
    }

    /// An app that is taken over while it lives, and was last known like this. What it still had to show, it has to
    /// show anew.
    #[must_use]
    pub fn resumed(is_looked_at: IsLookedAt, known: Health) -> Self {
        match (is_looked_at, known) {
            (IsLookedAt::Yes, Health::Healthy | Health::Unhealthy) => {
                Self { health: known, ..Self::default() }
            }
            _ => Self::begun(is_looked_at),
        }
    }

    /// How it is now.
    #[must_use]
    pub const fn health(&self) -> Health {
        self.health
    }

    /// What the last failure was, while there is something to say.
    #[must_use]
    pub fn detail(&self) -> Option<&str> {
        self.detail.as_deref()
    }

    /// Takes note of what was seen `age` after the start, and says whether anything changed for a reader.
    ///
    /// Within the start period a failure counts only for an app that was healthy before.
    pub fn observe(&mut self, check: &HealthCheck, age: Duration, seen: Observation) -> Changed {
        let before = (self.health, self.detail.clone());
        match seen {
            Observation::Well => self.succeed(check),
            Observation::Ill(detail) => self.fail(check, age, detail),
        }
        if before == (self.health, self.detail.clone()) { Changed::No } else { Changed::Yes }
    }

    /// The app has nothing to show yet, and that counts as no failure.
    pub fn wait(&mut self, detail: String) -> Changed {
        let before = self.detail.replace(detail);
        if before == self.detail { Changed::No } else { Changed::Yes }
    }

    /// The app has had all its time, and that alone makes it ill.
    pub fn overdue(&mut self, detail: String) -> Changed {
        let before = self.clone();
        (self.health, self.detail, self.successes) = (Health::Unhealthy, Some(detail), 0);
        if before == *self { Changed::No } else { Changed::Yes }
    }

    fn succeed(&mut self, check: &HealthCheck) {
        self.failures = 0;
        self.successes = self.successes.saturating_add(1);
        // One that begins is ready at the first success; one that was ill has to prove itself.
        if self.health != Health::Unhealthy || self.successes >= check.successes {
            (self.health, self.detail) = (Health::Healthy, None);
        }
    }

    fn fail(&mut self, check: &HealthCheck, age: Duration, detail: String) {
        self.successes = 0;
        self.detail = Some(detail);
        if self.health == Health::Starting && age < check.start_period() {
            return;
        }
        self.failures = self.failures.saturating_add(1);
        if self.failures >= check.failures {
            self.health = Health::Unhealthy;
        }
    }
}

/// Whether anything looks at an app.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IsLookedAt {
    /// A probe, its web port, or its own word.
    Yes,
    /// Nothing does.
    No,
}

/// Whether an observation changed what a reader is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Changed {
    /// It did.
    Yes,
    /// Everything is as it was.
    No,
}
