//! The log of an app, or of one of its executions.

use leptos::prelude::*;
use mantyx_api_types::core::{ExecutionId, ExecutionStatus};
use mantyx_api_types::{AppView, ExecutionView};

use crate::components::{Icon, IntoViews, LogView, dynamic, icon, log_view};
use crate::route::{Route, Tab};
use crate::state::search::Search;
use crate::state::{Follow, State, clock};
use crate::text::words;

/// How many lines of the past a log begins with.
const TAIL: u32 = 10_000;

/// The tab. Another execution is another view.
pub(super) fn logs(state: State, app: Signal<AppView>) -> impl IntoView {
    let name = app.with_untracked(|app| app.name.clone());
    let (chosen, search) = (RwSignal::new(of_address()), RwSignal::new(Search::default()));
    dynamic(move || {
        let execution = chosen.get();
        let name = name.clone();
        // What was searched for in one is searched for in the next.
        let more = ViewFn::from(move || more_tools(state, app, chosen, search));
        view! {
            <section class="panel log-page">
                {log_view(state, LogView {
                    follow: Follow::App(name, execution, TAIL),
                    search: Some(search),
                    more,
                    nothing: "Nothing was written yet. Lines come here as the app writes them.",
                })}
            </section>
        }
    })
}

/// The execution that a link from the runs names.
fn of_address() -> Option<ExecutionId> {
    let search = window().location().search().ok()?;
    web_sys::UrlSearchParams::new_with_str(&search).ok()?.get("execution")?.parse().ok()
}

/// The address of the log of one execution.
pub(super) fn address(app: &str, execution: ExecutionId) -> String {
    format!("{}?execution={execution}", Route::App(app.to_owned(), Tab::Logs).path())
}

fn more_tools(
    state: State,
    app: Signal<AppView>,
    chosen: RwSignal<Option<ExecutionId>>,
    search: RwSignal<Search>,
) -> impl IntoView {
    let name = move || app.read().name.to_string();
    let options = move || {
        let runs = state.store.runs(&name()).unwrap_or_default();
        runs.iter().map(|run| option(run, chosen)).into_views()
    };
    let save = move |_| state.save_log(untrack(name), chosen.get_untracked(), search.get_untracked());
    view! {
        <select
            class="input"
            data-testid="log-execution"
            aria-label="Of which run"
            on:change:target=move |event| chosen.set(event.target().value().parse().ok())
        >
            <option value="" prop:selected=move || chosen.get().is_none()>"All runs"</option>
            {dynamic(options)}
        </select>
        <button type="button" class="button" data-testid="log-download" on:click=save>
            {icon(Icon::Download)}
            {dynamic(move || if search.with(Search::is_asked) { "Download matches" } else { "Download" })}
        </button>
    }
}

fn option(run: &ExecutionView, chosen: RwSignal<Option<ExecutionId>>) -> impl IntoView + use<> {
    let id = run.id;
    let status = match run.status {
        ExecutionStatus::Running => "running".to_owned(),
        status => words::status(status).to_ascii_lowercase(),
    };
    let title = format!("{}, {status}", clock::stamp(run.started_at));
    view! { <option value=id.to_string() prop:selected=move || chosen.get() == Some(id)>{title}</option> }
}
