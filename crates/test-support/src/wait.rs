//! The one way in which a test waits: for a condition, with a deadline.

use std::fmt::Display;
use std::time::{Duration, Instant};

use tokio::time::{sleep, timeout};

/// How long a test waits for something that takes a moment. Generous, since machines are busy; a test that passes
/// never waits for all of it.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// How long a single look may take. What takes longer hangs, and would have the whole test hang.
const HANG: Duration = Duration::from_secs(120);

/// How long nobody looks.
const PAUSE: Duration = Duration::from_millis(20);

/// Looks again and again until there is something to see.
pub async fn wait_until<T>(what: &str, deadline: Duration, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    insist(what, deadline, async || look().await.ok_or("it is not so")).await
}

/// Tries again and again until something succeeds. The failure of the last attempt is said when none has in time.
pub async fn insist<T, E: Display>(
    what: &str,
    deadline: Duration,
    attempt: impl AsyncFnMut() -> Result<T, E>,
) -> T {
    insist_with(HANG, what, deadline, attempt).await
}

async fn insist_with<T, E: Display>(
    hang: Duration,
    what: &str,
    deadline: Duration,
    mut attempt: impl AsyncFnMut() -> Result<T, E>,
) -> T {
    let start = Instant::now();
    loop {
        let Ok(outcome) = timeout(hang, attempt()).await else {
            panic!("waited in vain for {what}: an attempt takes longer than {hang:?}");
        };
        match outcome {
            Ok(seen) => return seen,
            Err(error) if start.elapsed() >= deadline => {
                panic!("waited {deadline:?} in vain for {what}: {error}")
            }
            Err(_) => sleep(PAUSE).await,
        }
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

    #[tokio::test]
    #[should_panic(expected = "in vain for rain: the sky is blue")]
    async fn says_what_the_last_attempt_failed_for() {
        insist("rain", Duration::ZERO, async || Err::<(), _>("the sky is blue")).await;
    }

    #[tokio::test]
    #[should_panic(expected = "in vain for an answer: an attempt takes longer")]
    async fn an_attempt_that_hangs_is_a_failure() {
        let silence = async || std::future::pending::<Result<(), &str>>().await;
        insist_with(Duration::from_millis(50), "an answer", PATIENCE, silence).await;
    }
}
