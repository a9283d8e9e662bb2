//! The controls above a log: following, search, streams and times, and how many lines there are. A narrow window
//! has one row of them and shows the others when it is asked to.

use leptos::prelude::*;
use mantyx_api_types::LogStream;

use super::dynamic::dynamic;
use super::icon::{Icon, icon};
use super::log_view::Model;
use super::segmented::{Choice, Segmented, segmented};
use crate::state::log::LogBuffer;
use crate::text::number;

/// Which controls a narrow window shows below the first ones; a wide one shows all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fold {
    Closed,
    Search,
    Rest,
}

/// All of them.
pub(super) fn tools(model: Model, more: ViewFn) -> impl IntoView {
    view! {
        <div
            class="log-tools"
            class:show-search=move || model.fold.get() == Fold::Search
            class:show-rest=move || model.fold.get() == Fold::Rest
        >
            {pause_button(model)}
            {search(model)}
            <div class="log-rest">
                {streams(model)}
                <label class="check">
                    <input
                        type="checkbox"
                        prop:checked=model.times
                        on:change:target=move |event| model.times.set(event.target().checked())
                    />
                    "Times"
                </label>
                {more.run()}
            </div>
            <span class="log-count muted" data-testid="log-count">{dynamic(move || count_words(model))}</span>
            {fold_button(model, Fold::Search, Icon::Search, "Find in this log")}
            {fold_button(model, Fold::Rest, Icon::Sliders, "More controls")}
        </div>
    }
}

/// Where there is no room for all controls, it shows some of them, or hides them again.
fn fold_button(model: Model, fold: Fold, picture: Icon, title: &'static str) -> impl IntoView {
    let open = move || model.fold.get() == fold;
    let toggle = move |_| {
        let next = if model.fold.get_untracked() == fold { Fold::Closed } else { fold };
        model.fold.set(next);
        if next == Fold::Search {
            request_animation_frame(move || model.find());
        }
    };
    view! {
        <button
            type="button"
            class="icon-button log-fold"
            title=title
            aria-label=title
            aria-expanded=move || open().to_string()
            on:click=toggle
        >
            {icon(picture)}
        </button>
    }
}

fn search(model: Model) -> impl IntoView {
    view! {
        <div class="search">
            {icon(Icon::Search)}
            <input
                node_ref=model.finder
                type="search"
                class="input"
                data-testid="log-search"
                placeholder="Find in this log"
                aria-label="Show lines that contain"
                on:input:target=move |event| {
                    let text = event.target().value();
                    model.filter.update(|filter| filter.text = text);
                }
            />
        </div>
    }
}

fn pause_button(model: Model) -> impl IntoView {
    let toggle =
        move |_| if model.following.get_untracked() { model.following.set(false) } else { model.to_end() };
    view! {
        <button type="button" class="button" data-testid="log-pause" on:click=toggle>
            {dynamic(move || if model.following.get() { view! { {icon(Icon::Pause)} "Pause" }.into_any() } else { view! { {icon(Icon::Play)} "Follow" }.into_any() })}
        </button>
    }
}

fn streams(model: Model) -> impl IntoView {
    let choice = |value, title, id| Choice { value, title, id };
    segmented(Segmented {
        name: "log-stream",
        label: "Streams",
        help: "",
        choices: vec![
            choice(None, "All", "log-all"),
            choice(Some(LogStream::Stdout), "stdout", "log-stdout"),
            choice(Some(LogStream::Stderr), "stderr", "log-stderr"),
        ],
        value: Signal::derive(move || model.filter.with(|filter| filter.stream)),
        change: Callback::new(move |stream| model.filter.update(|filter| filter.stream = stream)),
    })
}

/// So many lines, in words.
pub(super) fn lines_words(count: usize) -> String {
    number::plural(count, "line", "lines")
}

/// How many lines there are, how many of them are shown, and that older ones are not here.
fn count_words(model: Model) -> String {
    let shown = model.rows();
    let kept = model.buffer.with_value(LogBuffer::len);
    let lines = lines_words(kept);
    match (shown == kept, model.is_part()) {
        (true, false) => lines,
        (false, false) => format!("{} of {lines}", number::count(shown)),
        (true, true) => format!("Last {lines}"),
        (false, true) => format!("{} of the last {lines}; older ones are in the file", number::count(shown)),
    }
}
