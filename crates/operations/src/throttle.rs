//! Repeated failures to log in are slowed down.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Failures that cost nothing: people mistype.
const FREE: u32 = 5;
/// The longest wait.
const MAX_WAIT: Duration = Duration::from_secs(60);
/// How many addresses are remembered.
const CAPACITY: usize = 10_000;

/// Failures by the address that they came from.
#[derive(Default)]
pub(crate) struct Throttle {
    failures: HashMap<String, Failures>,
}

struct Failures {
    count: u32,
    last: Instant,
}

impl Throttle {
    /// How long an address has to wait before it may try again.
    pub(crate) fn wait(&self, address: &str, now: Instant) -> Option<Duration> {
        let failures = self.failures.get(address)?;
        let left = penalty(failures.count).checked_sub(now.duration_since(failures.last))?;
        (!left.is_zero()).then_some(left)
    }

    /// An attempt failed.
    pub(crate) fn failed(&mut self, address: &str, now: Instant) {
        if self.failures.len() >= CAPACITY {
            self.failures.retain(|_, old| now.duration_since(old.last) < MAX_WAIT);
        }
        let entry = self.failures.entry(address.to_owned()).or_insert(Failures { count: 0, last: now });
        entry.count = entry.count.saturating_add(1);
        entry.last = now;
    }

    /// An attempt succeeded.
    pub(crate) fn succeeded(&mut self, address: &str) {
        self.failures.remove(address);
    }
}

/// Nothing for the first few, then a second, doubling.
fn penalty(count: u32) -> Duration {
    if count < FREE {
        return Duration::ZERO;
    }
    Duration::from_secs(1).saturating_mul(2u32.saturating_pow(count - FREE)).min(MAX_WAIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_grows_and_a_success_ends_it() {
        let (mut throttle, now) = (Throttle::default(), Instant::now());
        for _ in 0..4 {
            throttle.failed("a", now);
        }
        assert_eq!(throttle.wait("a", now), None);
        throttle.failed("a", now);
        assert_eq!(throttle.wait("a", now), Some(Duration::from_secs(1)));
        throttle.failed("a", now);
        assert_eq!(throttle.wait("a", now), Some(Duration::from_secs(2)));
        assert_eq!(throttle.wait("b", now), None);
        assert_eq!(throttle.wait("a", now + Duration::from_secs(2)), None);
        throttle.succeeded("a");
        assert_eq!(throttle.wait("a", now), None);
    }

    #[test]
    fn the_wait_has_an_end() {
        assert_eq!(penalty(u32::MAX), MAX_WAIT);
    }
}
