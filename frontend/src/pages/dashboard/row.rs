//! One app as a row: everything that one wants to know, and what can be done about it.

use leptos::prelude::*;
use mantyx_api_types::AppView;
use mantyx_api_types::core::{AppEvent, AppState, ExecutionStatus};

use crate::components::{
    Icon, Look, Measure, action_button, dynamic, health_badge, icon, keyed, offered, prose, sparkline,
    state_line, type_word, warning_mark,
};
use crate::pages::app::open_link;
use crate::route::{Route, Tab};
use crate::state::{State, derived, memo};
use crate::text::{time, words};

/// The row. Each cell follows the app by itself, so that a change redraws no button that has the focus.
pub(super) fn row(state: State, app: Signal<AppView>) -> impl IntoView {
    let name = memo(move || app.read().name.to_string());
    let restarts = move || app.read().restarts;
    let id = app.with_untracked(|app| app.id);
    let alive = derived(move || app.read().started_at.is_some());
    view! {
        <tr role="row" data-testid=move || format!("app-row-{}", name.get())>
            <td role="cell" class="cell-app">
                <a class="app-link" href=move || address(&app.read())>{name}</a>
                <span class="muted">{dynamic(move || subtitle(&app.read()))}</span>
                {warning_mark(app)}
            </td>
            <td role="cell" class="cell-state">{state_line(state, app)} {health_badge(app)}</td>
            <td role="cell" class="cell-type muted" title=move || words::app_type(app.read().r#type)>
                {dynamic(move || type_word(app.read().r#type))}
            </td>
            <td role="cell" class="cell-cpu">{sparkline(state, id, alive, Measure::Cpu)}</td>
            <td role="cell" class="cell-memory">{sparkline(state, id, alive, Measure::Memory)}</td>
            <td role="cell" class="cell-run">{last_run(state, app)}</td>
            <td role="cell" class="cell-next">{next_run(state, app)}</td>
            <td
                role="cell"
                class="cell-restarts number"
                class:some=move || { restarts() > 0 }
                data-testid="restarts"
            >
                {restarts} <span class="only-narrow">" restarts"</span>
            </td>
            <td role="cell" class="cell-release number muted">{dynamic(move || app.read().release)}</td>
            <td role="cell" class="cell-web">{dynamic(move || open_link(&app.read(), ""))}</td>
            <td role="cell" class="cell-actions">{actions(state, app)}</td>
        </tr>
    }
}

/// An app that was never installed has its setup, not a screen that is mostly empty.
fn address(app: &AppView) -> String {
    let name = app.name.to_string();
    match app.state {
        AppState::Uploaded => Route::Setup(name).path(),
        _ => Route::App(name, Tab::Overview).path(),
    }
}

/// What it says of itself, or else what people call it.
fn subtitle(app: &AppView) -> String {
    app.status_text.clone().unwrap_or_else(|| app.display_name.clone())
}

const fn setup_word(app: &AppView) -> &'static str {
    if app.operation.is_some() { "Show" } else { "Set up" }
}

fn last_run(state: State, app: Signal<AppView>) -> impl IntoView {
    dynamic(move || {
        let app = app.read();
        match (app.started_at, &app.last_execution) {
            (Some(start), _) => {
                view! { {dynamic(move || format!("up {}", state.clock.since(start)))} }.into_any()
            }
            (None, Some(last)) => {
                let (end, took) = (last.finished_at, time::duration(last.finished_at - last.started_at));
                let bad =
                    last.status != ExecutionStatus::Success && last.status != ExecutionStatus::Cancelled;
                let cause = bad
                    .then(|| words::cause(last.ending.as_ref(), last.exit, last.cause.as_deref()))
                    .flatten();
                view! {
                    <span class:bad=bad>{words::status(last.status).to_ascii_lowercase()}</span>
                    <span class="muted">{dynamic(move || format!(" {}", state.clock.moment(end)))}</span>
                    <span class="muted took">{format!(", ran {took}")}</span>
                    {cause.map(|cause| view! {
                        <span class="row-cause" title=cause.replace('`', "") data-testid="row-cause">{prose(words::cause_beside_duration(&cause))}</span>
                    })}
                }
                .into_any()
            }
            (None, None) => view! { <span class="muted">"never ran"</span> }.into_any(),
        }
    })
}

fn next_run(state: State, app: Signal<AppView>) -> impl IntoView {
    dynamic(move || {
        app.read().next_run.map(|next| {
            view! {
                <span class="only-narrow">"next "</span>
                <span title=move || state.clock.moment(next)>{dynamic(move || state.clock.until(next))}</span>
            }
        })
    })
}

/// The log, and what is legal now, each as one icon. The buttons that stay legal stay where they are.
fn actions(state: State, app: Signal<AppView>) -> impl IntoView {
    let legal = memo(move || {
        let mut events = offered(&app.read());
        events.retain(|event| *event != AppEvent::Disable);
        events
    });
    let log = move || Route::App(app.read().name.to_string(), Tab::Logs).path();
    let label = move || format!("Log of {}", app.read().name);
    view! {
        <div class="actions">
            {dynamic(move || (app.read().state == AppState::Uploaded).then(|| view! {
                <a class="button small" href=address(&app.read())>{setup_word(&app.read())}</a>
            }))}
            {keyed(
                move || legal.get(),
                ToString::to_string,
                move |event| action_button(state, app, event, Look::Quiet),
            )}
            <a class="icon-button" href=log aria-label=label title="Log">{icon(Icon::Log)}</a>
        </div>
    }
}
