//! The one way in which a test waits: for a condition, with a deadline.

use std::time::{Duration, Instant};

/// How long a test waits for something that takes a moment. Generous, since machines are busy; a test that passes
/// never waits for all of it.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Looks again and again until there is something to see.
pub async fn wait_until<T>(what: &str, deadline: Duration, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(seen) = look().await {
            return seen;
        }
        assert!(start.elapsed() < deadline, "waited {deadline:?} in vain for {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn ends_with_what_it_saw() {
        let mut looks = 0;
        let seen = wait_until("the third look", PATIENCE, async || {
            looks += 1;
            (looks == 3).then_some(looks)
        });
        assert_eq!(seen.await, 3);
    }

    #[tokio::test]
    #[should_panic(expected = "in vain for a miracle")]
    async fn gives_up_and_names_it() {
        wait_until::<()>("a miracle", Duration::from_millis(50), async || None).await;
    }
}
