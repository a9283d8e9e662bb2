//! What to do while nobody answers: the daemon may be started again or replaced, and what it looks after goes on
//! meanwhile. Whoever waits for that asks again, sooner at first than later.

use std::time::{Duration, Instant};

use mantyx_api_types::LogGap;

use crate::failure::{Failure, Result};

/// How often to ask, and for how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// Before the first time.
    pub(crate) first: Duration,
    /// Before any other, each of which is twice as far from the one before it.
    pub(crate) longest: Duration,
    /// For how long altogether; for ever when not given.
    pub(crate) at_most: Option<Duration>,
}

impl Patience {
    /// For what has no end but that a person ends it.
    pub(crate) const ENDLESS: Self =
        Self { first: Duration::from_millis(200), longest: Duration::from_secs(5), at_most: None };

    /// For what has an end. A script must not wait for ever for a daemon that somebody has stopped.
    pub(crate) const BOUNDED: Self = Self { at_most: Some(Duration::from_secs(300)), ..Self::ENDLESS };
}

/// Whether somebody answers, and since when not.
#[derive(Debug)]
pub(crate) struct Outage {
    patience: Patience,
    /// How long to wait before it is asked again.
    pause: Duration,
    /// Since when nobody answers.
    began: Option<Instant>,
    /// When somebody did at last.
    ended: Instant,
}

impl Outage {
    /// Somebody answers for now.
    pub(crate) fn none(patience: Patience) -> Self {
        Self { patience, pause: patience.first, began: None, ended: Instant::now() }
    }

    /// Whether somebody is waited for.
    pub(crate) const fn lasts(&self) -> bool {
        self.began.is_some()
    }

    /// Takes note of a failure. One that does not pass, or not in time, is given back.
    pub(crate) fn bear(&mut self, failure: Failure) -> Result<()> {
        let too_long = match (self.began, self.patience.at_most) {
            (Some(began), Some(at_most)) => began.elapsed() >= at_most,
            _ => false,
        };
        if too_long || !failure.may_pass() {
            return Err(failure);
        }
        if self.began.is_none() {
            self.begin();
        }
        Ok(())
    }

    fn begin(&mut self) {
        // Who answers and goes at once, over and over, is not asked more often for that.
        if self.ended.elapsed() > self.patience.longest {
            self.pause = self.patience.first;
        }
        self.began = Some(Instant::now());
    }

    /// Waits before it is asked again, longer each time.
    pub(crate) async fn pause(&mut self) {
        tokio::time::sleep(self.next_pause()).await;
    }

    fn next_pause(&mut self) -> Duration {
        let longer = (self.pause * 2).min(self.patience.longest);
        std::mem::replace(&mut self.pause, longer)
    }

    /// Somebody answers again.
    pub(crate) fn end(&mut self) {
        (self.began, self.ended) = (None, Instant::now());
    }
}

/// What is said of a connection that does not last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lapse {
    /// It has broken off, and is tried again.
    BrokeOff,
    /// It is there again, and goes on where it was.
    Back,
    /// It is there again, with a daemon that does not know what was told before.
    BackElsewhere,
    /// Lines are missing here.
    Missing(LogGap),
}

impl Lapse {
    /// Whether what comes next is not what followed the last line that was told: the rest of an open line is lost.
    pub(crate) const fn tears(self) -> bool {
        matches!(self, Self::BackElsewhere | Self::Missing(_))
    }

    /// A sentence for people.
    pub(crate) const fn words(self) -> &'static str {
        match self {
            Self::BrokeOff => "The connection broke off; waiting for Mantyx …",
            Self::Back => "Mantyx is back",
            Self::BackElsewhere => {
                "Mantyx is back. The connection was lost here: lines may be missing, or stand here twice"
            }
            Self::Missing(LogGap::Removed) => {
                "Lines are missing here: they were removed to keep the log within its limits"
            }
            Self::Missing(LogGap::Skipped) => {
                "Lines are missing here: more was written than is told at once; all is in the log"
            }
            Self::Missing(LogGap::Unplaced) => "Lines may be missing here, or stand here twice",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mantyx_core::{Code, Error};

    fn nobody() -> Failure {
        Failure::Unreachable(Error::new(Code::Unavailable, "Nobody"))
    }

    #[test]
    fn pauses_grow_up_to_the_longest_and_begin_anew_when_it_lasted() {
        let mut outage = Outage::none(Patience::ENDLESS);
        let pauses = [(); 7].map(|()| {
            outage.bear(nobody()).unwrap();
            outage.next_pause().as_millis()
        });
        assert_eq!(pauses, [200, 400, 800, 1600, 3200, 5000, 5000]);
        outage.end();
        assert!(!outage.lasts());
        outage.bear(nobody()).unwrap();
        assert_eq!(outage.pause, Patience::ENDLESS.longest, "it has broken off again at once");
        outage.end();
        outage.ended = outage.ended.checked_sub(Duration::from_secs(6)).unwrap();
        outage.bear(nobody()).unwrap();
        assert!(outage.lasts());
        assert_eq!(outage.pause, Patience::ENDLESS.first);
    }

    #[test]
    fn what_does_not_pass_and_what_lasts_too_long_is_given_back() {
        let strange = || Failure::strange("/x", "no JSON");
        assert!(matches!(Outage::none(Patience::ENDLESS).bear(strange()), Err(Failure::Strange(_))));
        let mut outage = Outage::none(Patience { at_most: Some(Duration::ZERO), ..Patience::BOUNDED });
        outage.bear(nobody()).unwrap();
        assert!(matches!(outage.bear(nobody()), Err(Failure::Unreachable(_))));
        outage.end();
        outage.bear(nobody()).unwrap();
    }
}
