//! A live log: follows over the socket, keeps the newest 100,000 lines, and draws only the rows that are in sight.

use chrono::{DateTime, Utc};
use leptos::html;
use leptos::prelude::*;
use mantyx_api_types::LogLine;

use super::dynamic::{dynamic, keyed};
use super::icon::{Icon, icon};
use super::log_rows::log_row;
use super::log_tools::{Fold, lines_words, tools};
use crate::state::log::{Filter, LogBuffer};
use crate::state::{Clock, Follow, LogEvent, State, effect};
use crate::text::number;

/// Rows that are drawn above and below those in sight.
const OVERSCAN: usize = 12;

/// What a view offers beside the lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogTools {
    /// Pause, streams, search, times.
    All,
    /// Nothing: the log of an operation is short.
    None,
}

/// What is shown and how.
pub(crate) struct LogView {
    /// Whose log.
    pub(crate) follow: Follow,
    /// What is offered.
    pub(crate) tools: LogTools,
    /// More controls, behind the others.
    pub(crate) more: ViewFn,
    /// What is said while there are no lines.
    pub(crate) nothing: &'static str,
}

/// Where the view is scrolled to, in pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Position {
    top: f64,
    height: f64,
}

/// With how much of the past the view began.
#[derive(Clone, Copy)]
struct Past {
    opened: DateTime<Utc>,
    /// How many lines came that are older than the view.
    came: usize,
    /// How many it asked for at most.
    asked: usize,
}

impl Past {
    fn count(&mut self, lines: &[LogLine]) {
        self.came += lines.iter().filter(|line| line.at < self.opened).count();
    }
}

/// The signals of one view.
#[derive(Clone, Copy)]
pub(super) struct Model {
    /// The lines.
    pub(super) buffer: StoredValue<LogBuffer, LocalStorage>,
    /// Counts the changes of the buffer, at most one a frame.
    version: RwSignal<u64>,
    /// Whether a change waits for the next frame.
    waiting: StoredValue<bool>,
    /// Whether the end stays in sight.
    pub(super) following: RwSignal<bool>,
    /// How many lines came since the view stopped following.
    unseen: RwSignal<usize>,
    position: RwSignal<Position>,
    /// How high all rows were when the view was last moved.
    extent: StoredValue<i32>,
    past: StoredValue<Past>,
    /// Which controls a narrow window shows.
    pub(super) fold: RwSignal<Fold>,
    row_height: RwSignal<f64>,
    /// Whether each line says its time.
    pub(super) times: RwSignal<bool>,
    /// Which lines are shown.
    pub(super) filter: RwSignal<Filter>,
    ended: RwSignal<Option<String>>,
    /// The field of the search.
    pub(super) finder: NodeRef<html::Input>,
    scroller: NodeRef<html::Div>,
    ruler: NodeRef<html::Div>,
}

impl Model {
    fn new(follow: &Follow) -> Self {
        let asked = match follow {
            Follow::App(_, _, tail) => *tail as usize,
            Follow::Operation(_) => usize::MAX,
        };
        Self {
            buffer: StoredValue::new_local(LogBuffer::default()),
            version: RwSignal::new(0),
            waiting: StoredValue::new(false),
            following: RwSignal::new(true),
            unseen: RwSignal::new(0),
            position: RwSignal::new(Position::default()),
            extent: StoredValue::new(0),
            past: StoredValue::new(Past { opened: Clock::read(), came: 0, asked }),
            fold: RwSignal::new(Fold::Closed),
            row_height: RwSignal::new(20.0),
            times: RwSignal::new(true),
            filter: RwSignal::new(Filter::default()),
            ended: RwSignal::new(None),
            finder: NodeRef::new(),
            scroller: NodeRef::new(),
            ruler: NodeRef::new(),
        }
    }

    /// Takes what the socket says.
    fn hear(self, event: LogEvent) {
        match event {
            LogEvent::Lines(lines) => {
                let count = lines.len();
                let _ = self.past.try_update_value(|past| past.count(&lines));
                let gone = self.buffer.try_update_value(|buffer| buffer.extend(lines)).unwrap_or_default();
                if !self.following.get_untracked() {
                    self.unseen.update(|unseen| *unseen += count);
                    self.scroll_by(-rows_high(gone, self.row_height.get_untracked()));
                }
            }
            LogEvent::Resumed => {
                self.ended.set(None);
                self.buffer.update_value(LogBuffer::resume);
            }
            LogEvent::End(error) => self.ended.set(error),
        }
        self.changed();
    }

    /// Draws again with the next frame, however many messages come before it.
    fn changed(self) {
        if self.waiting.get_value() {
            return;
        }
        self.waiting.set_value(true);
        request_animation_frame(move || {
            // The screen may have been left in between.
            let _ = self.waiting.try_update_value(|waiting| *waiting = false);
            self.version.try_update(|version| *version += 1);
        });
    }

    fn measure(self) {
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
    fn scrolled(self) {
        let Some(element) = self.scroller.get_untracked() else { return };
        let (top, height) = (f64::from(element.scroll_top()), f64::from(element.client_height()));
        let before = self.position.get_untracked();
        let extent = element.scroll_height();
        // Rows that a filter takes away, and a window that grows, move the view up as well.
        let fits = extent >= self.extent.get_value() && height <= before.height;
        self.extent.set_value(extent);
        self.position.set(Position { top, height });
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

    /// Whether the log holds older lines than the view.
    pub(super) fn is_part(self) -> bool {
        let past = self.past.get_value();
        past.came >= past.asked || self.buffer.with_value(LogBuffer::dropped) > 0
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
    fn keep_up(self) {
        effect(move || {
            self.version.track();
            self.filter.track();
            if self.following.get_untracked() {
                request_animation_frame(move || {
                    if let Some(element) = self.scroller.try_get_untracked().flatten() {
                        element.set_scroll_top(element.scroll_height());
                    }
                });
            }
        });
    }

    /// How many rows there are, followed.
    pub(super) fn rows(self) -> usize {
        self.version.track();
        self.filter.track();
        self.buffer.with_value(LogBuffer::rows)
    }

    /// The rows to draw: those in sight and a few around them.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a view has at most 100,000 rows, and none above the first"
    )]
    fn sight(self) -> std::ops::Range<usize> {
        let (position, height) = (self.position.get(), self.row_height.get());
        let rows = self.rows();
        let first = ((position.top / height) as usize).saturating_sub(OVERSCAN);
        let count = (position.height / height) as usize + 2 * OVERSCAN + 1;
        let first = first.min(rows.saturating_sub(count));
        first..(first + count).min(rows)
    }
}

#[allow(clippy::cast_precision_loss, reason = "a view has at most 100,000 rows")]
fn rows_high(rows: usize, height: f64) -> f64 {
    rows as f64 * height
}

/// A live log.
pub(crate) fn log_view(state: State, log: LogView) -> impl IntoView {
    let model = Model::new(&log.follow);
    let subscription = state.live.follow(log.follow, move |event| model.hear(event));
    on_cleanup(move || state.live.unfollow(subscription));
    model.keep_up();
    effect(move || {
        let filter = model.filter.get();
        model.buffer.update_value(|buffer| buffer.set_filter(filter));
        model.changed();
    });
    let resized = window_event_listener(leptos::ev::resize, move |_| model.measure());
    on_cleanup(move || resized.remove());
    let nothing = log.nothing;
    view! {
        <div class="log" class:no-times=move || !model.times.get()>
            {(log.tools == LogTools::All).then(|| tools(model, log.more))}
            <div class="log-frame">
                {lines(model)}
                {dynamic(move || (model.rows() == 0).then(|| empty_words(model, nothing)))}
                {dynamic(move || (!model.following.get()).then(|| to_end_button(model)))}
            </div>
        </div>
    }
}

fn lines(model: Model) -> impl IntoView {
    let sight = Memo::new(move |_| model.sight());
    let rows = move || {
        model.version.track();
        let search = model.filter.with(|filter| filter.text.clone());
        let sight = sight.get();
        model.buffer.with_value(|buffer| {
            let row = |row| buffer.row(row).cloned().map(|line| (line, search.clone()));
            sight.filter_map(row).collect::<Vec<_>>()
        })
    };
    let height = move || format!("{}px", number::tenths(rows_high(model.rows(), model.row_height.get())));
    let offset = move || {
        format!("translateY({}px)", number::tenths(rows_high(sight.get().start, model.row_height.get())))
    };
    effect(move || {
        if model.scroller.get().is_some() {
            request_animation_frame(move || model.measure());
        }
    });
    view! {
        <div
            node_ref=model.scroller
            class="log-lines"
            data-testid="log-lines"
            role="log"
            aria-live="off"
            aria-label="Log"
            tabindex="0"
            on:scroll=move |_| model.scrolled()
        >
            <div node_ref=model.ruler class="log-row log-ruler" aria-hidden="true">"0"</div>
            <div class="log-all" style:height=height>
                <div class="log-sight" style:transform=offset>
                    {keyed(rows, |(line, search)| format!("{} {search}", line.number), |(line, search)| log_row(&line, &search))}
                </div>
            </div>
        </div>
    }
}

fn empty_words(model: Model, nothing: &'static str) -> impl IntoView {
    let words = move || match (model.ended.get(), model.filter.with(|filter| filter == &Filter::default())) {
        (Some(error), _) => error,
        (None, true) => nothing.to_owned(),
        (None, false) if model.is_part() => {
            let kept = model.buffer.with_value(LogBuffer::len);
            format!("None of the last {} matches. Older ones are in the file.", lines_words(kept))
        }
        (None, false) => "No line matches".to_owned(),
    };
    view! { <p class="log-empty">{dynamic(words)}</p> }
}

fn to_end_button(model: Model) -> impl IntoView {
    let words = move || match model.unseen.get() {
        0 => "Jump to end".to_owned(),
        unseen => format!("Jump to end · {}", number::plural(unseen, "new line", "new lines")),
    };
    view! {
        <button type="button" class="button log-to-end" data-testid="log-to-end" on:click=move |_| model.to_end()>
            {icon(Icon::Down)}
            {dynamic(words)}
        </button>
    }
}
