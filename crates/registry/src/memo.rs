//! What was made of the database, kept for as long as nothing is written to it.
//!
//! Whoever was told that a change is made must find it in everything that is read afterwards. So nothing here is
//! invalidated piece by piece, by somebody who has to know what depends on what: every change of whatever kind moves
//! the [`Version`] on before anybody is told of it, and with another version nothing that was kept is good any more.
//! Between two changes, the same question is worked out once, however many ask it at the same time.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::future::Future;
use std::hash::Hash;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mantyx_core::Result;
use tokio::sync::OnceCell;

/// Which state of the database something was read from, or a later one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Version(u64);

/// Counts the changes of a database while it is open.
#[derive(Clone, Debug, Default)]
pub(crate) struct Versions(Arc<AtomicU64>);

impl Versions {
    /// What is read from now on is of this version or of a later one.
    pub(crate) fn now(&self) -> Version {
        Version(self.0.load(Ordering::Acquire))
    }

    /// Something may have been written.
    pub(crate) fn move_on(&self) {
        self.0.fetch_add(1, Ordering::AcqRel);
    }
}

/// Values by their questions, all of one version and at most so many. When there are more, it begins anew: questions
/// are few, or all different.
pub struct Memo<K, V, const MOST: usize>(Mutex<Kept<K, V>>);

struct Kept<K, V> {
    version: Version,
    values: HashMap<K, Arc<OnceCell<V>>>,
}

impl<K, V, const MOST: usize> Default for Memo<K, V, MOST> {
    fn default() -> Self {
        Self(Mutex::new(Kept { version: Version::default(), values: HashMap::new() }))
    }
}

impl<K: Clone + Eq + Hash, V: Clone, const MOST: usize> Memo<K, V, MOST> {
    /// The value that was kept for a version, unless it is not `good` any more for a reason of its own.
    pub fn get<Q: Eq + Hash + ?Sized>(
        &self,
        version: Version,
        key: &Q,
        good: impl Fn(&V) -> bool,
    ) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let kept = self.kept();
        let value = kept.values.get(key).filter(|_| kept.version == version)?.get()?;
        good(value).then(|| value.clone())
    }

    /// Works a value out, or waits for who is at it. The version was asked for before this call, so that `work` reads
    /// nothing older. What fails is not kept.
    pub async fn work_out(
        &self,
        version: Version,
        key: K,
        good: impl Fn(&V) -> bool,
        work: impl Future<Output = Result<V>>,
    ) -> Result<V> {
        let cell = self.cell(version, key.clone(), good);
        let asked = Asked { memo: self, key, cell };
        asked.cell.get_or_try_init(|| work).await.cloned()
    }

    /// Keeps only this one of all values when together they weigh more than `most`.
    pub fn lighten<Q: Eq + Hash + ?Sized>(&self, key: &Q, most: usize, weight: impl Fn(&V) -> usize)
    where
        K: Borrow<Q>,
    {
        let mut kept = self.kept();
        let all: usize = kept.values.values().filter_map(|cell| cell.get()).map(weight).sum();
        if all > most {
            kept.values.retain(|other, _| other.borrow() == key);
        }
    }

    fn cell(&self, version: Version, key: K, good: impl Fn(&V) -> bool) -> Arc<OnceCell<V>> {
        let mut kept = self.kept();
        if kept.version.0 > version.0 {
            // Somebody was here with a later one: this is for one answer alone.
            return Arc::default();
        }
        let full = kept.values.len() >= MOST && !kept.values.contains_key(&key);
        if full || kept.version != version {
            (kept.version, kept.values) = (version, HashMap::new());
        }
        let cell = kept.values.entry(key).or_default();
        if cell.get().is_some_and(|value| !good(value)) {
            *cell = Arc::default();
        }
        Arc::clone(cell)
    }
}

impl<K, V, const MOST: usize> Memo<K, V, MOST> {
    fn kept(&self) -> MutexGuard<'_, Kept<K, V>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A question that somebody is at. Without an answer it takes no room from others, whether the work failed or whoever
/// asked has gone.
struct Asked<'a, K: Eq + Hash, V, const MOST: usize> {
    memo: &'a Memo<K, V, MOST>,
    key: K,
    cell: Arc<OnceCell<V>>,
}

impl<K: Eq + Hash, V, const MOST: usize> Drop for Asked<'_, K, V, MOST> {
    fn drop(&mut self) {
        let mut kept = self.memo.kept();
        let is_its_own = kept.values.get(&self.key).is_some_and(|cell| Arc::ptr_eq(cell, &self.cell));
        if is_its_own && self.cell.get().is_none() {
            kept.values.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mantyx_core::Error;

    fn always<V>(_: &V) -> bool {
        true
    }

    #[tokio::test]
    async fn a_value_is_kept_until_something_is_written() {
        let (versions, memo) = (Versions::default(), Memo::<String, u32, 8>::default());
        let ask = async |value| {
            let version = versions.now();
            match memo.get(version, "a", always) {
                Some(value) => value,
                None => memo.work_out(version, "a".into(), always, async { Ok(value) }).await.unwrap(),
            }
        };
        assert_eq!((ask(1).await, ask(2).await), (1, 1));
        versions.move_on();
        assert_eq!((ask(3).await, ask(4).await), (3, 3));
    }

    #[tokio::test]
    async fn what_is_read_while_something_is_written_is_not_kept_for_the_new_version() {
        let (versions, memo) = (Versions::default(), Memo::<&str, u32, 8>::default());
        let before = versions.now();
        let work = async {
            versions.move_on();
            Ok(1)
        };
        assert_eq!(memo.work_out(before, "a", always, work).await.unwrap(), 1);
        assert_eq!(memo.get(versions.now(), "a", always), None);
        // One who is late takes nothing from who is not.
        assert_eq!(memo.work_out(versions.now(), "a", always, async { Ok(2) }).await.unwrap(), 2);
        assert_eq!(memo.work_out(before, "a", always, async { Ok(3) }).await.unwrap(), 3);
        assert_eq!(memo.get(versions.now(), "a", always), Some(2));
    }

    #[tokio::test]
    async fn those_who_ask_at_the_same_time_wait_for_one_answer() {
        let memo = Memo::<&str, u32, 8>::default();
        let calls = AtomicU64::new(0);
        let ask = || {
            memo.work_out(Version::default(), "a", always, async {
                calls.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
                Ok(1)
            })
        };
        let (one, other) = tokio::join!(ask(), ask());
        assert_eq!((one.unwrap(), other.unwrap(), calls.into_inner()), (1, 1, 1));
    }

    #[tokio::test]
    async fn questions_without_an_answer_take_no_room() {
        let (version, memo) = (Version::default(), Memo::<u32, u32, 2>::default());
        memo.work_out(version, 0, always, async { Ok(1) }).await.unwrap();
        for key in 1..5 {
            let failed = memo.work_out(version, key, always, async { Err(Error::not_found("app", "a")) });
            assert!(failed.await.is_err());
            let given_up = memo.work_out(version, key, always, std::future::pending());
            tokio::select! {
                biased;
                _ = given_up => panic!("It has no end"),
                () = std::future::ready(()) => {}
            }
        }
        assert_eq!(memo.get(version, &0, always), Some(1));
    }

    #[tokio::test]
    async fn what_is_too_heavy_together_gives_way_to_one() {
        let (version, memo) = (Version::default(), Memo::<&str, usize, 8>::default());
        for (key, value) in [("a", 3), ("b", 4)] {
            memo.work_out(version, key, always, async { Ok(value) }).await.unwrap();
        }
        let kept = || ["a", "b"].map(|key| memo.get(version, key, always));
        memo.lighten("b", 7, |value| *value);
        assert_eq!(kept(), [Some(3), Some(4)]);
        memo.lighten("b", 6, |value| *value);
        assert_eq!(kept(), [None, Some(4)]);
        memo.lighten("b", 3, |value| *value);
        assert_eq!(kept(), [None, Some(4)], "the only one");
    }

    #[tokio::test]
    async fn neither_errors_nor_what_is_no_longer_good_are_kept() {
        let (version, memo) = (Version::default(), Memo::<&str, u32, 1>::default());
        let failed = memo.work_out(version, "a", always, async { Err(Error::not_found("app", "a")) }).await;
        assert!(failed.is_err());
        let odd = |value: &u32| value % 2 == 1;
        assert_eq!(memo.work_out(version, "a", odd, async { Ok(2) }).await.unwrap(), 2);
        assert_eq!(memo.get(version, "a", odd), None);
        assert_eq!(memo.work_out(version, "a", odd, async { Ok(3) }).await.unwrap(), 3);
        assert_eq!(memo.get(version, "a", odd), Some(3));
        // There is room for one.
        assert_eq!(memo.work_out(version, "b", odd, async { Ok(5) }).await.unwrap(), 5);
        assert_eq!(memo.get(version, "a", odd), None);
    }
}
