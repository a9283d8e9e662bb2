//! Questions that take a while, and that many may ask at the same time: few are worked out at once, and who asks what was
//! asked meanwhile gets the same answer.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use mantyx_api_types::{OutdatedPackage, UpdateCheck};
use mantyx_core::{AppId, Error, Result};
use mantyx_ingest::Reach;
use tokio::sync::{Mutex as AsyncMutex, Semaphore, SemaphorePermit};

/// So many wait for servers elsewhere at once.
const FAR: usize = 4;

/// So many read from the disk at once.
const NEAR: usize = 2;

/// What is being asked.
pub(crate) struct Inquiries {
    far: Semaphore,
    near: Semaphore,
    /// How far a repository has gone on. Not everybody may ask about those of this machine.
    pub(crate) checks: Asked<(AppId, Reach), UpdateCheck>,
    pub(crate) outdated: Asked<AppId, Vec<OutdatedPackage>>,
}

impl Default for Inquiries {
    fn default() -> Self {
        let (far, near) = (Semaphore::new(FAR), Semaphore::new(NEAR));
        Self { far, near, checks: Asked::default(), outdated: Asked::default() }
    }
}

impl Inquiries {
    /// Waits until there is room for a question to a server.
    pub(crate) async fn far(&self) -> Result<SemaphorePermit<'_>> {
        self.far.acquire().await.map_err(|closed| Error::internal("wait for other questions", closed))
    }

    /// Waits until there is room for a question about what lies here.
    pub(crate) async fn near(&self) -> Result<SemaphorePermit<'_>> {
        self.near.acquire().await.map_err(|closed| Error::internal("wait for other questions", closed))
    }
}

/// When an answer was begun, and what it is.
type Last<T> = Arc<AsyncMutex<Option<(Instant, T)>>>;

/// Questions of one kind, each asked once at a time.
pub(crate) struct Asked<K, T>(Mutex<HashMap<K, Last<T>>>);

impl<K, T> Default for Asked<K, T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Copy + Eq + Hash, T: Clone> Asked<K, T> {
    /// Works an answer out, or takes one that was begun after this was asked: what was begun earlier may be old.
    pub(crate) async fn answer(&self, about: K, work: impl Future<Output = Result<T>>) -> Result<T> {
        let asked = Instant::now();
        let place = Arc::clone(self.places().entry(about).or_default());
        let mut last = place.lock().await;
        if let Some((_, answer)) = last.as_ref().filter(|(begun, _)| *begun >= asked) {
            return Ok(answer.clone());
        }
        let begun = Instant::now();
        let answer = work.await;
        *last = answer.as_ref().ok().map(|answer| (begun, answer.clone()));
        drop(last);
        let mut places = self.places();
        // The map and this one: nobody else waits for it.
        if Arc::strong_count(&place) <= 2 {
            places.remove(&about);
        }
        answer
    }

    fn places(&self) -> MutexGuard<'_, HashMap<K, Last<T>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use futures_util::future::join_all;
    use mantyx_core::Code;
    use tokio::task::yield_now;

    use super::*;

    #[tokio::test]
    async fn who_asks_meanwhile_gets_the_same_answer() {
        let (asked, times) = (Asked::<u8, u32>::default(), AtomicU32::new(0));
        let ask = |about| {
            asked.answer(about, async {
                let time = times.fetch_add(1, Ordering::Relaxed);
                yield_now().await;
                Ok(time)
            })
        };
        let answers = join_all((0..20).map(|_| ask(1))).await;
        let answers: Vec<u32> = answers.into_iter().map(Result::unwrap).collect();
        assert_eq!(answers[0], 0);
        assert!(
            answers[1..].iter().all(|answer| *answer == 1),
            "the first was under way already: {answers:?}"
        );
        assert_eq!(ask(1).await.unwrap(), 2, "an answer is not kept");
        assert!(asked.places().is_empty());
        assert_eq!(join_all([ask(1), ask(2)]).await.len(), 2);
        assert_eq!(times.load(Ordering::Relaxed), 5);
    }

    #[tokio::test]
    async fn what_went_wrong_is_asked_again() {
        let asked = Asked::<u8, u32>::default();
        let wrong = asked.answer(1, async { Err(Error::new(Code::GitRemote, "Nobody answers")) });
        let (wrong, right) = tokio::join!(wrong, asked.answer(1, async { Ok(7) }));
        assert!(wrong.is_err() && right.unwrap() == 7);
    }
}
