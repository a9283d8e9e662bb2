//! The minute that is under way, and those that are over and not in the database yet.
//!
//! What could not be written is kept and tried again with the next look, for an hour. A daemon that goes down writes
//! the minute that is under way; the next one goes on with it.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use mantyx_core::{InstanceId, Result};
use mantyx_registry::Registry;

use super::history::{self, Upkeep};
use super::meter::Looked;
use super::summary::{Resolution, Summary};

/// How many minutes are kept that could not be written.
const MOST: usize = 60;

/// What was seen within one minute.
#[derive(Debug, Default)]
pub(crate) struct Minute {
    end: i64,
    apps: HashMap<InstanceId, Summary>,
}

/// What was seen and is not in the database yet.
#[derive(Default)]
pub(crate) struct Minutes {
    under_way: Minute,
    /// The oldest first.
    over: VecDeque<Arc<Minute>>,
    /// The hour in which the database was last kept up, by its end.
    kept_up: i64,
}

impl Minute {
    /// Takes a look into its minute. With the first look of another minute, the one before is over and returned.
    #[must_use]
    pub(crate) fn take(&mut self, at: i64, looked: &[Looked]) -> Option<Self> {
        let end = Resolution::Minutes.end(at);
        let over = (end != self.end && !self.is_empty()).then(|| std::mem::take(self));
        self.end = end;
        for look in looked {
            let seen = Summary::look(at, look.span.as_secs_f64(), look.cpu, look.memory);
            self.apps.entry(look.instance).and_modify(|sum| *sum = sum.and(seen)).or_insert(seen);
        }
        over
    }

    /// Whether nothing was alive in it.
    pub(crate) fn is_empty(&self) -> bool {
        self.apps.is_empty()
    }

    /// When it ends, in seconds since 1970.
    pub(crate) fn end(&self) -> i64 {
        self.end
    }

    /// What each app used in it.
    pub(crate) fn apps(&self) -> impl Iterator<Item = (InstanceId, Summary)> {
        self.apps.iter().map(|(instance, seen)| (*instance, Summary { at: self.end, ..*seen }))
    }
}

impl Minutes {
    /// Whether there is nothing that has to be written, now or at the end of its minute.
    pub(crate) fn is_empty(&self) -> bool {
        self.under_way.is_empty() && self.over.is_empty()
    }

    /// Takes a look.
    pub(crate) fn take(&mut self, at: i64, looked: &[Looked]) {
        let over = self.under_way.take(at, looked);
        self.push(over);
    }

    /// The minute that is under way is over as well: nobody will look any more.
    pub(crate) fn close(&mut self) {
        let last = std::mem::take(&mut self.under_way);
        self.push(Some(last).filter(|minute| !minute.is_empty()));
    }

    fn push(&mut self, over: Option<Minute>) {
        self.over.extend(over.map(Arc::new));
        if self.over.len() > MOST {
            self.over.pop_front();
        }
    }

    /// Writes what is over. A minute that could not be written stays. Returns the instances that there are, when
    /// anything was written.
    pub(crate) async fn record(&mut self, registry: &Registry) -> Result<Option<HashSet<InstanceId>>> {
        self.record_by(|minute, upkeep| registry.note(move |change| history::record(change, &minute, upkeep)))
            .await
    }

    async fn record_by<F: Future<Output = Result<HashSet<InstanceId>>>>(
        &mut self,
        write: impl Fn(Arc<Minute>, Upkeep) -> F,
    ) -> Result<Option<HashSet<InstanceId>>> {
        let mut there = None;
        while let Some(minute) = self.over.front().cloned() {
            let hour = Resolution::Hours.end(minute.end());
            let upkeep = if hour == self.kept_up { Upkeep::Done } else { Upkeep::Due };
            there = Some(write(minute, upkeep).await?);
            self.kept_up = hour;
            self.over.pop_front();
        }
        Ok(there)
    }
}

#[cfg(test)]
mod tests;
