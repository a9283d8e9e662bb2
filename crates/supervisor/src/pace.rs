//! How often it is reported how a service is: the first time at once, then once a second, and less often while nobody
//! can keep it.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::context::longer;

/// The shortest time between two reports of what an app says of itself.
const BETWEEN: Duration = Duration::from_secs(1);

/// When the next report is due.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    due: Option<Instant>,
    not_before: Option<Instant>,
    pause: Duration,
}

impl Pace {
    /// There is something to report.
    pub(crate) fn ask(&mut self, now: Instant) {
        self.due = Some(self.not_before.map_or(now, |at| at.max(now)));
    }

    /// The latest is kept, by whatever report.
    pub(crate) fn kept(&mut self, now: Instant) {
        *self = Self { not_before: Some(now + BETWEEN), ..Self::default() };
    }

    /// Nobody could keep it. It is tried again.
    pub(crate) fn failed(&mut self, now: Instant) {
        self.pause = longer(self.pause);
        self.not_before = Some(now + self.pause);
        self.due = self.not_before;
    }

    /// Completes when a report is due.
    pub(crate) async fn due(&self) {
        match self.due {
            Some(due) => sleep_until(due).await,
            None => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_due_at_once_and_the_next_a_second_later() {
        let (mut pace, now) = (Pace::default(), Instant::now());
        pace.ask(now);
        assert_eq!(pace.due, Some(now));
        pace.kept(now);
        assert_eq!(pace.due, None);
        pace.ask(now + BETWEEN / 2);
        pace.ask(now + BETWEEN / 4);
        assert_eq!(pace.due, Some(now + BETWEEN));
        pace.kept(now + BETWEEN);
        pace.ask(now + 5 * BETWEEN);
        assert_eq!(pace.due, Some(now + 5 * BETWEEN));
    }

    #[test]
    fn what_nobody_keeps_is_tried_less_and_less_often() {
        let (mut pace, now) = (Pace::default(), Instant::now());
        pace.failed(now);
        let first = pace.due.unwrap();
        pace.ask(now);
        assert_eq!(pace.due, Some(first));
        pace.failed(now);
        assert_eq!(pace.due.unwrap() - now, 2 * (first - now));
        pace.kept(now);
        assert_eq!((pace.due, pace.pause), (None, Duration::ZERO));
    }
}
