//! Outcomes that pass by: a sentence at the edge of the page, for a while.

use std::time::Duration;

use leptos::prelude::*;

use crate::api::Failure;

/// How long good news stay. Bad news stay until they are closed.
const GOOD_NEWS: Duration = Duration::from_secs(6);

/// Whether a toast is good news.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    /// It worked.
    Good,
    /// It did not.
    Bad,
}

/// One outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Toast {
    /// Tells toasts apart.
    pub(crate) key: u32,
    /// Whether it worked.
    pub(crate) tone: Tone,
    /// What happened.
    pub(crate) text: String,
    /// What to do about it.
    pub(crate) hint: Option<String>,
    /// Where to read more: an address and what it is called.
    pub(crate) link: Option<(String, &'static str)>,
}

/// The outcomes that are shown.
#[derive(Clone, Copy)]
pub(crate) struct Toasts {
    shown: RwSignal<Vec<Toast>>,
    next: StoredValue<u32>,
}

impl Toasts {
    /// None yet.
    pub(crate) fn none() -> Self {
        Self { shown: RwSignal::new(Vec::new()), next: StoredValue::new(0) }
    }

    /// Those that are shown, the oldest first.
    pub(crate) fn shown(self) -> Vec<Toast> {
        self.shown.get()
    }

    /// It worked.
    pub(crate) fn good(self, text: String, link: Option<(String, &'static str)>) {
        let key = self.push(Tone::Good, text, None, link);
        set_timeout(move || self.close(key), GOOD_NEWS);
    }

    /// It did not.
    pub(crate) fn bad(self, text: String, hint: Option<String>, link: Option<(String, &'static str)>) {
        self.push(Tone::Bad, text, hint, link);
    }

    /// A call failed.
    pub(crate) fn failure(self, failure: &Failure) {
        self.bad(failure.detail(), failure.hint(), None);
    }

    /// Mantyx answers again: that it did not is no news any more.
    pub(crate) fn answered(self) {
        let text = Failure::Unreachable.detail();
        if self.shown.with_untracked(|shown| shown.iter().any(|toast| toast.text == text)) {
            self.shown.update(|shown| shown.retain(|toast| toast.text != text));
        }
    }

    /// Takes one away.
    pub(crate) fn close(self, key: u32) {
        self.shown.update(|shown| shown.retain(|toast| toast.key != key));
    }

    fn push(
        self,
        tone: Tone,
        text: String,
        hint: Option<String>,
        link: Option<(String, &'static str)>,
    ) -> u32 {
        let key = self.next.get_value();
        self.next.set_value(key + 1);
        self.shown.update(|shown| {
            // The same news twice is one piece of news.
            shown.retain(|toast| toast.text != text);
            shown.push(Toast { key, tone, text, hint, link });
        });
        key
    }
}
