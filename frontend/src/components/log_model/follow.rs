//! What the socket tells a log view: more lines, that some are missing, that there is nothing more.

use chrono::{DateTime, Utc};
use leptos::prelude::*;
use mantyx_api_types::{LogGap, LogLine};

use super::{Inner, Model, rows_high};
use crate::state::log::Change;
use crate::state::{Clock, From, LogEvent};

/// Whether more comes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::components) enum Ending {
    /// As it is written.
    #[default]
    Open,
    /// Nothing more is written: what was followed is over.
    Over,
    /// More may be written, and does not come.
    Broken(String),
}

/// With how much of the past the view began.
#[derive(Clone, Copy)]
pub(super) struct Past {
    opened: DateTime<Utc>,
    /// How many lines came that are older than the view.
    came: usize,
    /// How many it asked for at most.
    asked: usize,
}

impl Past {
    /// A view that begins now and asked for so many lines at most.
    pub(super) fn begin(asked: usize) -> Self {
        Self { opened: Clock::read(), came: 0, asked }
    }

    /// Whether there may be older lines than those that came.
    pub(super) fn is_part(&self) -> bool {
        self.came >= self.asked
    }

    fn count(&mut self, lines: &[LogLine]) {
        self.came += lines.iter().filter(|line| line.at < self.opened).count();
    }
}

impl Inner {
    /// The last lines come, or come again.
    fn begin_anew(&mut self) -> Change {
        if self.live.len() == 0 {
            self.past = Past::begin(self.past.asked);
        }
        self.live.miss(LogGap::Unplaced)
    }
}

impl Model {
    /// Follows the log as long as the view is there.
    pub(in crate::components) fn subscribe(self) {
        let Some(follow) = self.inner.try_with_value(|inner| inner.follow.clone()) else { return };
        let live = self.state.live;
        let subscription = live.follow(follow, move |event| self.hear(event));
        self.inner.update_value(|inner| inner.subscription = subscription);
        on_cleanup(move || live.unfollow(subscription));
    }

    /// Follows again what has broken off, from where it was.
    pub(in crate::components) fn ask_again(self) {
        self.ending.set(Ending::Open);
        self.to_end();
        if let Some(subscription) = self.inner.try_with_value(|inner| inner.subscription) {
            self.state.live.ask_again(subscription);
        }
    }

    /// Takes what the socket says.
    fn hear(self, event: LogEvent) {
        match event {
            LogEvent::Lines(lines, skipped) => self.grow(|inner| {
                inner.past.count(&lines);
                inner.live.extend(lines, skipped)
            }),
            LogEvent::Gap(gap) => self.grow(|inner| inner.live.miss(gap)),
            LogEvent::Asked(from) => {
                self.ending.set(Ending::Open);
                if from == From::Anew {
                    self.grow(Inner::begin_anew);
                }
            }
            LogEvent::End(None) => self.ending.set(Ending::Over),
            LogEvent::End(Some(error)) => self.ending.set(Ending::Broken(error)),
        }
        self.changed();
    }

    /// What is in sight stays where it is while nobody follows the end.
    fn grow(self, change: impl FnOnce(&mut Inner) -> Change) {
        let Change { came, went } = self.inner.try_update_value(change).unwrap_or_default();
        if !self.following.get_untracked() && self.is_live_now() {
            self.unseen.update(|unseen| *unseen += came);
            self.scroll_by(-rows_high(went, self.row_height.get_untracked()));
        }
    }
}
