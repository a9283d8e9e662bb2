//! The state of one log view: the live lines, what was found or read instead of them, and where it is scrolled to.

mod follow;

use std::ops::Range;

use chrono::{DateTime, Utc};
use leptos::html;
use leptos::prelude::*;
use mantyx_api_types::LogStream;
use mantyx_api_types::core::{AppName, ExecutionId};

use super::log_tools::Fold;
use crate::state::log::LogBuffer;
use crate::state::search::Search;
use crate::state::{Follow, State, effect};
pub(super) use follow::Ending;
use follow::Past;

/// Rows that are drawn above and below those in sight.
const OVERSCAN: usize = 12;

/// What is shown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Mode {
    /// The lines as they come.
    Live,
    /// What a search is about to find.
    Searching,
    /// What a search found.
    Found,
    /// What was written around a moment, and which row was asked for.
    Around(DateTime<Utc>, usize),
}

/// Where the view is scrolled to, in pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Position {
    top: f64,
    height: f64,
}

/// What is kept beside the signals.
struct Inner {
    /// Whose log.
    follow: Follow,
    /// Under which number it is followed.
    subscription: u32,
    /// The lines as they come.
    live: LogBuffer,
    /// What was found or read instead.
    still: LogBuffer,
    /// Counts the searches, so that an answer to an earlier one is not taken, and rows of one are not those of another.
    searches: u32,
    /// Whether a change waits for the next frame.
    waiting: bool,
    /// How high all rows were when the view was last moved.
    extent: i32,
    past: Past,
}

/// The signals of one view.
#[derive(Clone, Copy)]
pub(super) struct Model {
    /// The rest of the page.
    pub(super) state: State,
    /// What is searched for in the whole log.
    pub(super) search: RwSignal<Search>,
    inner: StoredValue<Inner, LocalStorage>,
    /// What is shown.
    pub(super) mode: RwSignal<Mode>,
    /// Counts the changes of the buffers, at most one a frame.
    version: RwSignal<u64>,
    /// Whether the end stays in sight.
    pub(super) following: RwSignal<bool>,
    /// How many lines came since the view stopped following.
    pub(super) unseen: RwSignal<usize>,
    position: RwSignal<Position>,
    /// Which controls a narrow window shows.
    pub(super) fold: RwSignal<Fold>,
    /// How high a row is, in pixels.
    pub(super) row_height: RwSignal<f64>,
    /// Whether each line says its time.
    pub(super) times: RwSignal<bool>,
    /// Whether more comes.
    pub(super) ending: RwSignal<Ending>,
    /// Why a search has no answer.
    pub(super) failure: RwSignal<Option<String>>,
    /// The field of the search.
    pub(super) finder: NodeRef<html::Input>,
    /// What scrolls.
    pub(super) scroller: NodeRef<html::Div>,
    /// A row that is measured.
    pub(super) ruler: NodeRef<html::Div>,
}

impl Model {
    /// A view that has nothing yet.
    pub(super) fn new(state: State, follow: Follow, search: RwSignal<Search>) -> Self {
        let asked = match &follow {
            Follow::App(_, _, tail) => *tail as usize,
            Follow::Operation(_) => usize::MAX,
        };
        let inner = Inner {
            follow,
            subscription: 0,
            live: LogBuffer::default(),
            still: LogBuffer::default(),
            searches: 0,
            waiting: false,
            extent: 0,
            past: Past::begin(asked),
        };
        Self {
            state,
            search,
            inner: StoredValue::new_local(inner),
            mode: RwSignal::new(Mode::Live),
            version: RwSignal::new(0),
            following: RwSignal::new(true),
            unseen: RwSignal::new(0),
            position: RwSignal::new(Position::default()),
            fold: RwSignal::new(Fold::Closed),
            row_height: RwSignal::new(20.0),
            times: RwSignal::new(true),
            ending: RwSignal::new(Ending::Open),
            failure: RwSignal::new(None),
            finder: NodeRef::new(),
            scroller: NodeRef::new(),
            ruler: NodeRef::new(),
        }
    }

    /// Whether the lines are shown as they come.
    pub(super) fn is_live(self) -> bool {
        self.mode.get() == Mode::Live
    }

    fn is_live_now(self) -> bool {
        self.mode.get_untracked() == Mode::Live
    }

    /// Whose log it is, when it is that of an app: only such a log is searched.
    pub(super) fn source(self) -> Option<(AppName, Option<ExecutionId>)> {
        self.inner.with_value(|inner| match &inner.follow {
            Follow::App(app, execution, _) => Some((app.clone(), *execution)),
            Follow::Operation(_) => None,
        })
    }

    /// The number of the last search.
    pub(super) fn searches(self) -> Option<u32> {
        self.inner.try_with_value(|inner| inner.searches)
    }

    /// The number of a further one: the answers to all before it are not taken any more.
    pub(super) fn begin_search(self) -> u32 {
        let next = self.inner.try_update_value(|inner| {
            inner.searches += 1;
            inner.searches
        });
        next.unwrap_or_default()
    }

    /// Reads the buffer that is shown.
    pub(super) fn with_shown<T>(self, read: impl FnOnce(&LogBuffer) -> T) -> T {
        let live = self.is_live();
        self.inner.with_value(|inner| read(if live { &inner.live } else { &inner.still }))
    }

    /// Reads the lines as they come, followed.
    pub(super) fn with_live<T>(self, read: impl FnOnce(&LogBuffer) -> T) -> T {
        self.version.track();
        self.inner.with_value(|inner| read(&inner.live))
    }

    /// Draws again with the next frame, however many messages come before it.
    fn changed(self) {
        let waits = |inner: &mut Inner| std::mem::replace(&mut inner.waiting, true);
        if self.inner.try_update_value(waits).unwrap_or(true) {
            return;
        }
        request_animation_frame(move || {
            // The screen may have been left in between.
            let _ = self.inner.try_update_value(|inner| inner.waiting = false);
            self.version.try_update(|version| *version += 1);
        });
    }

    /// Shows one stream alone, or all, in whatever is shown.
    pub(super) fn show_stream(self, stream: Option<LogStream>) {
        self.inner.update_value(|inner| inner.live.show(stream));
        self.changed();
    }

    /// Shows lines that were read at once, with the row that was asked for in the middle, or their end.
    pub(super) fn show_still(self, lines: LogBuffer, mode: Mode) {
        if self.inner.try_update_value(|inner| inner.still = lines).is_none() {
            return;
        }
        self.mode.set(mode);
        self.version.update(|version| *version += 1);
        request_animation_frame(move || {
            let Some(element) = self.scroller.try_get_untracked().flatten() else { return };
            let height = self.row_height.get_untracked();
            match mode {
                Mode::Around(_, row) => {
                    let middle = f64::from(element.client_height()) / 2.0;
                    element.scroll_to_with_x_and_y(0.0, rows_high(row, height) - middle);
                }
                Mode::Live | Mode::Searching | Mode::Found => element.set_scroll_top(element.scroll_height()),
            }
        });
    }

    /// Back to the lines as they come.
    pub(super) fn show_live(self) {
        self.failure.set(None);
        if !self.is_live_now() {
            self.mode.set(Mode::Live);
            self.to_end();
        }
    }

    /// Reads how high a row is.
    pub(super) fn measure(self) {
        if let Some(ruler) = self.ruler.get_untracked() {
            let height = ruler.get_bounding_client_rect().height();
            if height > 0.0 {
                self.row_height.set(height);
            }
        }
        self.scrolled();
    }

    /// The view was moved: by the browser, by this view, or by a person, who alone moves it up. So only a way up
    /// ends the following: what a move to the end finds may already be more than it was when the move began.
    pub(super) fn scrolled(self) {
        let Some(element) = self.scroller.get_untracked() else { return };
        let (top, height) = (f64::from(element.scroll_top()), f64::from(element.client_height()));
        let before = self.position.get_untracked();
        let extent = element.scroll_height();
        // Rows that a filter takes away, and a window that grows, move the view up as well.
        let extent_before = self.inner.try_update_value(|inner| std::mem::replace(&mut inner.extent, extent));
        let fits = extent >= extent_before.unwrap_or_default() && height <= before.height;
        self.position.set(Position { top, height });
        if !self.is_live_now() {
            return;
        }
        let at_end = top + height >= f64::from(extent) - self.row_height.get_untracked();
        if at_end {
            self.unseen.set(0);
        }
        match self.following.get_untracked() {
            true if top < before.top && !at_end && fits => self.following.set(false),
            false if top > before.top && at_end => self.following.set(true),
            _ => {}
        }
    }

    /// Whether the log holds older lines than the live view.
    pub(super) fn is_part(self) -> bool {
        self.inner.with_value(|inner| inner.past.is_part() || inner.live.dropped() > 0)
    }

    fn scroll_by(self, pixels: f64) {
        if let (Some(element), true) = (self.scroller.get_untracked(), pixels != 0.0) {
            element.scroll_by_with_x_and_y(0.0, pixels);
        }
    }

    /// Whoever opens the search types next.
    pub(super) fn find(self) {
        if let Some(field) = self.finder.try_get_untracked().flatten() {
            let _ = field.focus();
        }
    }

    /// Follows the end again.
    pub(super) fn to_end(self) {
        self.following.set(true);
        self.unseen.set(0);
        self.changed();
    }

    /// Keeps the end in sight while it follows.
    pub(super) fn keep_up(self) {
        effect(move || {
            self.version.track();
            if self.following.get_untracked() && self.is_live_now() {
                request_animation_frame(move || {
                    if let (Some(element), true) = (
                        self.scroller.try_get_untracked().flatten(),
                        self.mode.try_get_untracked() == Some(Mode::Live),
                    ) {
                        element.set_scroll_top(element.scroll_height());
                    }
                });
            }
        });
    }

    /// How many rows there are, followed.
    pub(super) fn rows(self) -> usize {
        self.version.track();
        self.with_shown(LogBuffer::rows)
    }

    /// The rows to draw: those in sight and a few around them.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a view has at most 100,000 rows, and none above the first"
    )]
    pub(super) fn sight(self) -> Range<usize> {
        let (position, height) = (self.position.get(), self.row_height.get());
        let rows = self.rows();
        let first = ((position.top / height) as usize).saturating_sub(OVERSCAN);
        let count = (position.height / height) as usize + 2 * OVERSCAN + 1;
        let first = first.min(rows.saturating_sub(count));
        first..(first + count).min(rows)
    }
}

/// How high so many rows are, in pixels.
#[allow(clippy::cast_precision_loss, reason = "a view has at most 100,000 rows")]
pub(super) fn rows_high(rows: usize, height: f64) -> f64 {
    rows as f64 * height
}
