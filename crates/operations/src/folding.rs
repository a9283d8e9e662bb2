//! What happens over and over is not recorded each time: the record of events is for ever.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

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

impl Folding {
    /// Whether something is worth a record now, and then how often the same went unrecorded since the last one.
    pub(crate) fn unfold(&self, app: AppId, what: &'static str, now: Timestamp) -> Option<u32> {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        // What is old says nothing any more, unless it has counted something.
        recent.retain(|_, last| last.folded > 0 || (now - last.at).abs() < SPAN);
        match recent.get_mut(&(app, what)) {
            Some(last) if (now - last.at).abs() < SPAN => {
                last.folded += 1;
                None
            }
            last => {
                let folded = last.map_or(0, |last| last.folded);
                recent.insert((app, what), Recent { at: now, folded: 0 });
                Some(folded)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
