//! What happens over and over is not recorded each time: the record of events is for ever.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::TimeDelta;
use mantyx_core::{AppId, Timestamp};

/// For so long the same about one app is counted instead of recorded.
const SPAN: TimeDelta = TimeDelta::minutes(1);

/// What was recorded lately, by app and by what happened to it.
#[derive(Default)]
pub(crate) struct Folding {
    recent: Mutex<HashMap<(AppId, &'static str), Recent>>,
}

struct Recent {
    at: Timestamp,
    folded: u32,
}

/// What is to become of something that has happened.
#[must_use = "what is not kept counts as if it had not happened"]
pub(crate) struct Verdict {
    key: (AppId, &'static str),
    at: Timestamp,
    /// How often the same went unrecorded since the last record, when this one is worth another.
    pub(crate) folded: Option<u32>,
}

impl Folding {
    /// Whether something is worth a record now. Nothing follows from asking: a record may fail, and is then asked for
    /// anew.
    pub(crate) fn judge(&self, app: AppId, what: &'static str, now: Timestamp) -> Verdict {
        let key = (app, what);
        let recent = self.locked();
        let last = recent.get(&key);
        let is_recent = last.is_some_and(|last| (now - last.at).abs() < SPAN);
        let folded = (!is_recent).then(|| last.map_or(0, |last| last.folded));
        Verdict { key, at: now, folded }
    }

    /// Remembers what has become of something, once that is committed.
    pub(crate) fn keep(&self, verdict: Verdict) {
        let Verdict { key, at, folded } = verdict;
        let mut recent = self.locked();
        // What is old says nothing any more, unless it has counted something.
        recent.retain(|_, last| last.folded > 0 || (at - last.at).abs() < SPAN);
        match (folded, recent.get_mut(&key)) {
            (None, Some(last)) => last.folded += 1,
            _ => drop(recent.insert(key, Recent { at, folded: 0 })),
        }
    }

    fn locked(&self) -> MutexGuard<'_, HashMap<(AppId, &'static str), Recent>> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Folding {
        fn unfold(&self, app: AppId, what: &'static str, now: Timestamp) -> Option<u32> {
            let verdict = self.judge(app, what, now);
            let folded = verdict.folded;
            self.keep(verdict);
            folded
        }
    }

    #[test]
    fn what_could_not_be_recorded_is_worth_a_record_still() {
        let (folding, app, at) = (Folding::default(), AppId::generate(), Timestamp::UNIX_EPOCH);
        for _ in 0..3 {
            assert_eq!(folding.judge(app, "failed", at).folded, Some(0));
        }
        assert_eq!(folding.unfold(app, "failed", at), Some(0));
        for _ in 0..3 {
            assert_eq!(folding.judge(app, "failed", at).folded, None);
        }
        assert_eq!(folding.unfold(app, "failed", at), None);
        assert_eq!(folding.unfold(app, "failed", at + SPAN), Some(1));
    }

    #[test]
    fn one_a_minute_with_a_count() {
        let (folding, app, other) = (Folding::default(), AppId::generate(), AppId::generate());
        let at = |seconds| Timestamp::UNIX_EPOCH + TimeDelta::seconds(seconds);
        assert_eq!(folding.unfold(app, "failed", at(0)), Some(0));
        assert_eq!(folding.unfold(app, "failed", at(1)), None);
        assert_eq!(folding.unfold(app, "lost", at(2)), Some(0));
        assert_eq!(folding.unfold(other, "failed", at(2)), Some(0));
        assert_eq!(folding.unfold(app, "failed", at(59)), None);
        assert_eq!(folding.unfold(app, "failed", at(60)), Some(2));
        assert_eq!(folding.unfold(app, "failed", at(300)), Some(0));
    }

    #[test]
    fn what_is_old_is_forgotten_unless_it_has_counted() {
        let (folding, app) = (Folding::default(), AppId::generate());
        let at = |seconds| Timestamp::UNIX_EPOCH + TimeDelta::seconds(seconds);
        for what in ["a", "b"] {
            assert_eq!(folding.unfold(app, what, at(0)), Some(0));
        }
        assert_eq!(folding.unfold(app, "a", at(1)), None);
        assert_eq!(folding.unfold(app, "c", at(100)), Some(0));
        assert_eq!(folding.recent.lock().unwrap().len(), 2);
        assert_eq!(folding.unfold(app, "a", at(101)), Some(1));
    }
}
