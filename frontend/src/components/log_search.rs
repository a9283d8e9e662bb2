//! Searching a whole log: the field with its switches, the time range, what was found, and the way to the moment of a
//! line and back.

use std::time::Duration;

use chrono::{DateTime, Utc};
use leptos::prelude::*;
use leptos::task::spawn_local;
use mantyx_api_types::LogLine;
use mantyx_api_types::core::{AppName, ExecutionId};

use super::icon::{Icon, icon};
use super::log_model::{Mode, Model};
use crate::api::Answer;
use crate::state::effect;
use crate::state::log::{Line, LogBuffer, last_drawing};
use crate::state::search::{self, Case, MATCHES, Meaning, RANGE, Search};
use crate::state::{clock, derived, memo};
use crate::text::number;

/// How long nobody types before a log is searched.
const REST: Duration = Duration::from_millis(300);

/// Searches again whenever something else is searched for.
pub(super) fn keep_searching(model: Model) {
    let asked = memo(move || Some(model.search.get()).filter(Search::is_asked));
    effect(move || {
        let number = model.begin_search();
        match asked.get() {
            None => model.show_live(),
            Some(search) => set_timeout(
                move || {
                    // Only the last one that was typed, and only while the view is there.
                    if model.searches() == Some(number) {
                        find(model, search, number);
                    }
                },
                REST,
            ),
        }
    });
}

fn find(model: Model, search: Search, number: u32) {
    let Some((app, execution)) = model.source() else { return };
    let mut query = search.query(execution);
    query.push(("tail", MATCHES.to_string()));
    model.failure.set(None);
    if untrack(|| model.mode.get()) == Mode::Live {
        model.show_still(LogBuffer::default(), Mode::Searching);
    }
    spawn_local(async move {
        let answer = model.state.client.log_lines(app.as_str(), &query).await;
        take(model, number, answer.map(|lines| (LogBuffer::of_matches(lines), Mode::Found)), Mode::Found);
    });
}

/// Shows an answer, unless something else was asked since; one that failed is shown as nothing in the mode `failed`.
fn take(model: Model, number: u32, answer: Answer<(LogBuffer, Mode)>, failed: Mode) {
    if model.searches() != Some(number) {
        return;
    }
    let (failure, (lines, mode)) = match answer {
        Ok(found) => (None, found),
        Err(failure) => {
            let detail =
                failure.fields().first().map_or_else(|| failure.detail(), |field| field.detail.clone());
            (Some(detail), (LogBuffer::default(), failed))
        }
    };
    model.failure.set(failure);
    model.show_still(lines, mode);
}

/// Shows what was written around a line.
pub(super) fn jump_to(model: Model, line: Line) {
    let Some((app, execution)) = model.source() else { return };
    let number = model.begin_search();
    spawn_local(async move {
        let answer = around(model, &app, execution, line.at).await;
        // Lines that were read at once have one time: of them it is the one with the same words.
        let words = line.content.words();
        let is_it = |found: &LogLine| found.at == line.at && last_drawing(found.text.clone()) == words;
        let answer = answer.map(|lines| {
            let (lines, row) = LogBuffer::around(lines, is_it);
            (lines, Mode::Around(line.at, row))
        });
        take(model, number, answer, Mode::Around(line.at, 0));
    });
}

/// The lines before a moment, and those from it on.
async fn around(
    model: Model,
    app: &AppName,
    execution: Option<ExecutionId>,
    at: DateTime<Utc>,
) -> Answer<Vec<LogLine>> {
    let client = model.state.client;
    let mut lines = client.log_lines(app.as_str(), &search::before(at, execution)).await?;
    let (mut range, mut found) = (Some(RANGE), Vec::new());
    while let Some(asked) = range {
        found = client.log_lines(app.as_str(), &search::after(at, execution, asked)).await?;
        range = search::next_range(asked, found.len());
    }
    lines.append(&mut found);
    Ok(lines)
}

/// What is shown instead of the live lines, and the ways out.
pub(super) fn still_bar(model: Model) -> Option<AnyView> {
    let mode = model.mode.get();
    let rows = model.rows();
    let (words, back) = match mode {
        Mode::Live => return None,
        Mode::Searching => ("Searching the whole log".to_owned(), false),
        Mode::Found => (found_words(rows, model.search.with(|search| search.text.is_empty())), false),
        Mode::Around(at, _) => (format!("Around {}", clock::stamp(at)), model.search.with(Search::is_asked)),
    };
    let to_matches = move |_| {
        let number = model.begin_search();
        find(model, model.search.get_untracked(), number);
    };
    let to_live = move |_| {
        model.search.update(|search| *search = Search { stream: search.stream, ..Search::default() });
        model.show_live();
    };
    Some(
        view! {
            <div class="log-note" role="status" data-testid="log-found">
                {icon(Icon::Search)}
                <span>{words}</span>
                {back.then(|| view! {
                    <button type="button" class="link" data-testid="log-to-matches" on:click=to_matches>"Back to the matches"</button>
                })}
                <button type="button" class="link" data-testid="log-to-live" on:click=to_live>"Back to the live log"</button>
            </div>
        }
        .into_any(),
    )
}

/// How much was found: matches, or all that was written in a time.
fn found_words(rows: usize, in_time: bool) -> String {
    match (in_time, rows >= MATCHES) {
        (false, false) => format!("{} in the whole log", number::plural(rows, "match", "matches")),
        (false, true) => format!("The newest {} matches; there are older ones", number::count(rows)),
        (true, false) => format!("{} in that time", number::plural(rows, "line", "lines")),
        (true, true) => {
            format!("The newest {} lines of that time; there are older ones", number::count(rows))
        }
    }
}

/// The field with its two switches.
pub(super) fn search_field(model: Model) -> AnyView {
    view! {
        <div class="search">
            {icon(Icon::Search)}
            <input
                node_ref=model.finder
                type="search"
                class="input"
                data-testid="log-search"
                placeholder="Search the whole log"
                aria-label="Search the whole log"
                autocomplete="off"
                autocapitalize="off"
                spellcheck="false"
                prop:value=move || model.search.with(|search| search.text.clone())
                on:input:target=move |event| {
                    let text = event.target().value();
                    model.search.update(|search| search.text = text);
                }
            />
            <span class="switches">{case_switch(model)} {meaning_switch(model)}</span>
        </div>
    }
    .into_any()
}

fn case_switch(model: Model) -> AnyView {
    let matters = derived(move || model.search.with(|search| search.case == Case::Matters));
    switch("log-case", "Match capital letters", "Aa", matters, move || {
        let next = if matters.get_untracked() { Case::Ignored } else { Case::Matters };
        model.search.update(|search| search.case = next);
    })
}

fn meaning_switch(model: Model) -> AnyView {
    let pattern = derived(move || model.search.with(|search| search.meaning == Meaning::Pattern));
    switch("log-regex", "Regular expression", ".*", pattern, move || {
        let next = if pattern.get_untracked() { Meaning::Literal } else { Meaning::Pattern };
        model.search.update(|search| search.meaning = next);
    })
}

fn switch(
    id: &'static str,
    title: &'static str,
    sign: &'static str,
    on: Signal<bool>,
    press: impl Fn() + 'static,
) -> AnyView {
    view! {
        <button
            type="button"
            class="switch"
            data-testid=id
            title=title
            aria-label=title
            aria-pressed=move || on.get().to_string()
            on:click=move |_| press()
        >
            {sign}
        </button>
    }
    .into_any()
}

/// From when to when; both ends may be open.
pub(super) fn range(model: Model) -> AnyView {
    let field = |id, label, write: fn(&mut Search, Option<DateTime<Utc>>)| {
        let open = memo(move || model.search.with(|search| search.since.is_none() && search.until.is_none()));
        // A search that was left has no range any more.
        let cleared = move || open.get().then_some("");
        view! {
            <label class="log-when">
                <span>{label}</span>
                <input
                    type="datetime-local"
                    step="1"
                    class="input"
                    data-testid=id
                    prop:value=move || cleared().unwrap_or_default()
                    on:change:target=move |event| {
                        let at = clock::read_local(&event.target().value());
                        model.search.update(|search| write(search, at));
                    }
                />
            </label>
        }
        .into_any()
    };
    view! {
        <div class="log-range">
            {field("log-since", "From", |search, at| search.since = at)}
            {field("log-until", "to", |search, at| search.until = at)}
        </div>
    }
    .into_any()
}

/// How many lines there are, how many of them are shown, and that older ones are not here.
pub(super) fn count_words(model: Model) -> String {
    let shown = model.rows();
    let kept = model.with_shown(LogBuffer::len);
    let lines = number::plural(kept, "line", "lines");
    match (shown == kept, model.is_live() && model.is_part()) {
        (true, false) => lines,
        (false, false) => format!("{} of {lines}", number::count(shown)),
        (true, true) => format!("Last {lines}"),
        (false, true) => format!("{} of the last {lines}", number::count(shown)),
    }
}
