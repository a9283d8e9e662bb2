//! What an app has said of itself so far, and when the clients are told.
//!
//! That it is ready is news that somebody waits for, and it is told at once. The rest is not: an app may have another
//! text for every request that it serves, and one that is ill may reload without end. At most one message a second goes
//! on, the last state of all always.

use std::time::{Duration, Instant};

use mantyx_monitor::{Notified, Phase};

use crate::notice::Notice;

/// How long between two messages.
const PACE: Duration = Duration::from_secs(1);

/// What an app has said of itself so far.
#[derive(Default)]
pub(crate) struct Said {
    notified: Notified,
    told: Option<Instant>,
    news: News,
    /// Whether it has said so at least once.
    was_ready: bool,
}

/// What of it the clients have not heard.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum News {
    #[default]
    None,
    /// Something that waits for its turn.
    Patient,
    /// That it is ready, for the first time.
    Ready,
}

impl Said {
    /// Takes in one thing that it says.
    pub(crate) fn hear(&mut self, notice: Notice) {
        let news = match notice {
            Notice::Phase(phase) if phase != self.notified.phase => {
                self.notified.phase = phase;
                self.news_of(phase)
            }
            Notice::Status(status) if status != self.notified.status => {
                self.notified.status = status;
                News::Patient
            }
            _ => return,
        };
        if self.news != News::Ready {
            self.news = news;
        }
    }

    fn news_of(&mut self, phase: Phase) -> News {
        if phase == Phase::Ready && !std::mem::replace(&mut self.was_ready, true) {
            News::Ready
        } else {
            News::Patient
        }
    }

    /// All of it.
    pub(crate) const fn notified(&self) -> &Notified {
        &self.notified
    }

    /// When there is something to tell.
    pub(crate) fn due(&self, now: Instant) -> Option<Instant> {
        match self.news {
            News::None => None,
            News::Ready => Some(now),
            News::Patient => Some(self.told.map_or(now, |told| told + PACE)),
        }
    }

    /// What is to be told now, if anything.
    pub(crate) fn take_due(&mut self, now: Instant) -> Option<Notified> {
        self.due(now).filter(|due| *due <= now)?;
        self.told = Some(now);
        self.news = News::None;
        Some(self.notified.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Notice {
        Notice::Status(Some(text.to_owned()))
    }

    #[test]
    fn texts_wait_for_their_turn_and_only_the_last_is_told() {
        let (mut said, start) = (Said::default(), Instant::now());
        assert_eq!(said.due(start), None);
        said.hear(text("one"));
        assert_eq!(said.take_due(start).unwrap().status.unwrap(), "one");
        said.hear(text("two"));
        said.hear(text("three"));
        assert_eq!(said.take_due(start + PACE / 2), None);
        assert_eq!(said.due(start + PACE / 2), Some(start + PACE));
        assert_eq!(said.take_due(start + PACE).unwrap().status.unwrap(), "three");
        assert_eq!(said.due(start + PACE), None);
    }

    #[test]
    fn the_first_readiness_does_not_wait_and_takes_the_text_along() {
        let (mut said, start) = (Said::default(), Instant::now());
        said.hear(text("one"));
        said.take_due(start).unwrap();
        said.hear(text("two"));
        said.hear(Notice::Phase(Phase::Ready));
        said.hear(text("three"));
        let told = said.take_due(start).unwrap();
        assert_eq!(told, Notified { phase: Phase::Ready, status: Some("three".into()) });
    }

    #[test]
    fn phases_that_come_and_go_wait_like_texts() {
        let (mut said, start) = (Said::default(), Instant::now());
        said.hear(Notice::Phase(Phase::Ready));
        said.take_due(start).unwrap();
        for number in 0..1000 {
            said.hear(Notice::Phase(Phase::Reloading));
            said.hear(text(&number.to_string()));
            assert_eq!(said.take_due(start + PACE / 2), None);
            said.hear(Notice::Phase(Phase::Ready));
            assert_eq!(said.take_due(start + PACE / 2), None);
        }
        let told = said.take_due(start + PACE).unwrap();
        assert_eq!(told, Notified { phase: Phase::Ready, status: Some("999".into()) });
        assert_eq!(said.due(start + PACE), None);
    }

    #[test]
    fn what_is_said_twice_is_no_news() {
        let (mut said, start) = (Said::default(), Instant::now());
        said.hear(Notice::Phase(Phase::Ready));
        said.take_due(start).unwrap();
        said.hear(Notice::Phase(Phase::Ready));
        said.hear(Notice::Alive);
        assert_eq!(said.due(start), None);
    }
}
