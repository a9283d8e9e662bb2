//! The controls above a log: following, search, streams and times, and how many lines there are. A narrow window
//! has one row of them and shows the others when it is asked to. The time range unfolds in any window.

use leptos::prelude::*;
use mantyx_api_types::LogStream;

use super::dynamic::dynamic;
use super::icon::{Icon, icon};
use super::log_model::{Ending, Model};
use super::log_search::{count_words, range, search_field};
use super::segmented::{Choice, Segmented, segmented};

use crate::state::derived;

/// Which controls a narrow window shows below the first ones; a wide one shows all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fold {
    Closed,
    Search,
    Range,
    Rest,
}

/// All of them.
pub(super) fn tools(model: Model, more: ViewFn) -> impl IntoView {
    view! {
        <div
            class="log-tools"
            class:show-search=move || model.fold.get() == Fold::Search
            class:show-rest=move || model.fold.get() == Fold::Rest
            class:show-range=move || model.fold.get() == Fold::Range
        >
            {pause_button(model)}
            {search_field(model)}
            {fold_button(model, Fold::Range, Icon::Clock, "Time range")}
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
            {range(model)}
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
            class:always=fold == Fold::Range
            data-testid=(fold == Fold::Range).then_some("log-range")
            title=title
            aria-label=title
            aria-expanded=move || open().to_string()
            on:click=toggle
        >
            {icon(picture)}
        </button>
    }
}

/// What is over has nothing to pause; what has broken off is not followed, whatever the view would like.
fn pause_button(model: Model) -> impl IntoView {
    let toggle = move |_| match (model.ending.get_untracked(), model.following.get_untracked()) {
        (Ending::Broken(_), _) => model.ask_again(),
        (Ending::Open, true) => model.following.set(false),
        (Ending::Over, _) | (Ending::Open, false) => model.to_end(),
    };
    let off = move || (!model.is_live() || model.ending.get() == Ending::Over).to_string();
    let face = move || match (model.ending.get(), model.following.get()) {
        (Ending::Over, _) => (Icon::Check, "Ended"),
        (Ending::Open, true) => (Icon::Pause, "Pause"),
        (Ending::Broken(_), _) | (Ending::Open, false) => (Icon::Play, "Follow"),
    };
    let face = move || {
        let (picture, words) = face();
        view! { {icon(picture)} {words} }
    };
    view! {
        <button type="button" class="button" data-testid="log-pause" aria-disabled=off on:click=toggle>
            {dynamic(face)}
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
        value: derived(move || model.search.with(|search| search.stream)),
        change: Callback::new(move |stream| model.search.update(|search| search.stream = stream)),
    })
}
