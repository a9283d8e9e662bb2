//! A log: follows over the socket, keeps the newest 100,000 lines, and draws only the rows that are in sight. A search
//! goes through the whole log where it lies, and what it finds takes the place of the lines until it is left.

use leptos::prelude::*;

use super::dynamic::{dynamic, keyed};
use super::icon::{Icon, icon};
use super::log_model::{Ending, Mode, Model, rows_high};
use super::log_rows::{Row, log_row};
use super::log_search::{jump_to, keep_searching, still_bar};
use super::log_tools::tools;
use super::notice::prose;
use crate::state::log::{Content, LogBuffer};
use crate::state::search::Search;
use crate::state::{Follow, State, effect, memo};
use crate::text::number;

/// What is shown and how.
pub(crate) struct LogView {
    /// Whose log.
    pub(crate) follow: Follow,
    /// What is searched for; a view without it has no controls at all.
    pub(crate) search: Option<RwSignal<Search>>,
    /// More controls, behind the others.
    pub(crate) more: ViewFn,
    /// What is said while there are no lines.
    pub(crate) nothing: &'static str,
}

/// A live log.
pub(crate) fn log_view(state: State, log: LogView) -> impl IntoView {
    let (has_tools, search) = (log.search.is_some(), log.search.unwrap_or_default());
    let model = Model::new(state, log.follow, search);
    model.subscribe();
    model.keep_up();
    if has_tools {
        keep_searching(model);
        let stream = memo(move || model.search.with(|search| search.stream));
        effect(move || model.show_stream(stream.get()));
    }
    let resized = window_event_listener(leptos::ev::resize, move |_| model.measure());
    on_cleanup(move || resized.remove());
    let nothing = log.nothing;
    view! {
        <div class="log" class:no-times=move || !model.times.get()>
            {has_tools.then(|| tools(model, log.more))}
            {dynamic(move || skipped_bar(model))}
            {dynamic(move || broken_bar(model))}
            {dynamic(move || still_bar(model))}
            <div class="log-frame">
                {lines(model)}
                {dynamic(move || (model.rows() == 0).then(|| empty_words(model, nothing)))}
                {dynamic(move || (model.is_live() && !model.following.get()).then(|| to_end_button(model)))}
            </div>
        </div>
    }
}

/// The rows in sight.
fn rows(model: Model, sight: Memo<std::ops::Range<usize>>) -> Vec<Row> {
    model.rows();
    let (mode, searches) = (model.mode.get(), model.searches().unwrap_or_default());
    let search = if mode == Mode::Found { model.search.get() } else { Search::default() };
    model.with_shown(|buffer| {
        let row = |row: usize| {
            let line = buffer.row(row)?.clone();
            let marked = matches!(mode, Mode::Around(_, sought) if sought == row);
            Some(Row { line, search: search.clone(), searches, marked })
        };
        sight.get().filter_map(row).collect()
    })
}

fn lines(model: Model) -> impl IntoView {
    let sight = memo(move || model.sight());
    let height = move || format!("{}px", number::tenths(rows_high(model.rows(), model.row_height.get())));
    let offset = move || {
        format!("translateY({}px)", number::tenths(rows_high(sight.get().start, model.row_height.get())))
    };
    let jump = Callback::new(move |line| jump_to(model, line));
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
                    {keyed(
                        move || rows(model, sight),
                        |row| format!("{} {} {}", row.line.number, row.line.pieces, row.searches),
                        move |row| {
                            let found = untrack(|| model.mode.get()) == Mode::Found;
                            log_row(&row, found.then_some(jump))
                        },
                    )}
                </div>
            </div>
        </div>
    }
}

/// That lines were passed over because nobody could have read them.
fn skipped_bar(model: Model) -> Option<AnyView> {
    let skipped = model.with_live(LogBuffer::skipped);
    (skipped > 0 && model.is_live()).then(|| {
        let words = Content::Skipped(skipped).words();
        view! { <p class="log-note" data-testid="log-skipped">{icon(Icon::Alert)} {words}</p> }.into_any()
    })
}

/// That the lines end here although more may be written, whatever else is shown.
fn broken_bar(model: Model) -> Option<AnyView> {
    let Ending::Broken(error) = model.ending.get() else { return None };
    Some(
        view! {
            <div class="log-note" role="alert" data-testid="log-broken">
                {icon(Icon::Alert)}
                <span>{prose(&format!("New lines do not come here any more: {error}"))}</span>
                <button type="button" class="link" data-testid="log-again" on:click=move |_| model.ask_again()>"Follow again"</button>
            </div>
        }
        .into_any(),
    )
}

fn empty_words(model: Model, nothing: &'static str) -> impl IntoView {
    let one_stream = move || model.search.with(|search| search.stream.is_some());
    let broken = move || matches!(model.ending.get(), Ending::Broken(_));
    let words = move || match (model.mode.get(), model.failure.get()) {
        (_, Some(failure)) => failure,
        (Mode::Searching, None) => "Searching the whole log".to_owned(),
        (Mode::Found, None) => "No line of the whole log matches".to_owned(),
        (Mode::Around(..), None) => "Nothing is left of that time".to_owned(),
        (Mode::Live, None) if broken() => String::new(),
        (Mode::Live, None) if one_stream() => "Nothing was written to this stream lately".to_owned(),
        (Mode::Live, None) => nothing.to_owned(),
    };
    view! { <p class="log-empty" data-testid="log-empty">{dynamic(words)}</p> }
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
