//! States and outcomes: a shape, a word and a colour, so that none of them is needed alone.

use leptos::prelude::*;
use mantyx_api_types::core::{AppState, AppType, ExecutionStatus, Health, OperationStatus};
use mantyx_api_types::{AppView, OperationView};

use super::dynamic::dynamic;
use super::icon::{Icon, icon};
use crate::state::{State, memo};
use crate::text::{operations, words};

/// The shape of a state on a grid of 12, and whether it is filled.
const fn shape(state: AppState) -> (&'static str, &'static str) {
    match state {
        AppState::Running => ("M6 1.5a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9", "solid"),
        AppState::Failed => ("M6 1.2 11.4 10.6H.6z", "solid"),
        AppState::Stopped => ("M2.2 2.2h7.6v7.6H2.2z", "solid"),
        AppState::Enabled => ("M6 1.3a4.7 4.7 0 1 0 0 9.4 4.7 4.7 0 0 0 0-9.4M6 3.6V6l1.8 1.3", "line"),
        AppState::Installed => ("M6 .9 11.1 6 6 11.1.9 6z", "line"),
        AppState::Uploaded => ("M6 9.8V2.6M2.9 5.5 6 2.4l3.1 3.1", "line"),
        AppState::Disabled => ("M6 1.3a4.7 4.7 0 1 0 0 9.4 4.7 4.7 0 0 0 0-9.4M2.8 2.8l6.4 6.4", "line"),
        AppState::Deleted => ("m2.4 2.4 7.2 7.2M9.6 2.4 2.4 9.6", "line"),
    }
}

fn glyph((path, class): (&'static str, &'static str)) -> impl IntoView {
    view! {
        <svg class=format!("glyph {class}") viewBox="0 0 12 12" aria-hidden="true" focusable="false">
            <path d=path></path>
        </svg>
    }
}

/// A state as shape and word.
pub(crate) fn state_badge(state: AppState) -> impl IntoView {
    view! {
        <span class=format!("badge state-{state}") data-testid="app-state" data-state=state.as_str()>
            {glyph(shape(state))}
            {words::state(state)}
        </span>
    }
}

/// What a row says about the state: what is being done to the app, that it waits for its restart, or just its state.
pub(crate) fn state_line(state: State, app: Signal<AppView>) -> impl IntoView {
    let running = move || {
        let operation = app.read().operation.and_then(|id| state.store.operation(id));
        operation.filter(|operation| operation.status == OperationStatus::Running)
    };
    dynamic(move || match running() {
        Some(operation) => busy_badge(&operation).into_any(),
        None => match app.read().restarts_at {
            Some(at) => view! {
                {state_badge(app.read().state)}
                <span class="muted" data-testid="restarts-at">
                    {dynamic(move || format!("{} {}", next_word(app.read().state), state.clock.until(at)))}
                </span>
            }
            .into_any(),
            None => state_badge(app.read().state).into_any(),
        },
    })
}

/// What was given up is tried again after a long while; everything else restarts soon.
const fn next_word(state: AppState) -> &'static str {
    match state {
        AppState::Failed => "tries again",
        _ => "restarts",
    }
}

/// How an app is, as shape and word; nothing when nothing looks at it.
pub(crate) fn health_badge(app: Signal<AppView>) -> impl IntoView {
    let seen = memo(move || {
        let app = app.read();
        (app.health, app.health_detail.clone())
    });
    dynamic(move || {
        let (health, detail) = seen.get();
        let (class, picture) = match health {
            Health::Unknown => return None,
            Health::Starting => (
                "health-starting",
                ("M6 1.6v1.8M6 8.6v1.8M1.6 6h1.8M8.6 6h1.8M2.9 2.9l1.2 1.2M7.9 7.9l1.2 1.2", "line"),
            ),
            Health::Healthy => {
                ("health-healthy", ("M6 10.2C-1 5.6 3.2.3 6 3.3 8.8.3 13 5.6 6 10.2z", "solid"))
            }
            Health::Unhealthy => ("health-unhealthy", ("M6 1.2 11.4 10.6H.6zM6 4.8v2.4", "line")),
        };
        Some(view! {
            <span class=format!("badge {class}") data-testid="app-health" data-health=health.as_str() title=detail>
                {glyph(picture)}
                {words::health(health)}
            </span>
        })
    })
}

/// That something which was asked for cannot be done here; the sentences are on the app's own screen.
pub(crate) fn warning_mark(app: Signal<AppView>) -> impl IntoView {
    let warnings = memo(move || app.read().warnings.clone());
    dynamic(move || {
        let warnings = warnings.get();
        let count = crate::text::number::plural(warnings.len(), "warning", "warnings");
        (!warnings.is_empty()).then(|| {
            view! { <span class="warning-mark" title=warnings.join("\n") data-testid="app-warnings">{icon(Icon::Alert)} {count}</span> }
        })
    })
}

/// What is being done, and how far it has come.
fn busy_badge(operation: &OperationView) -> impl IntoView + use<> {
    use mantyx_api_types::core::StepStatus::{Done, Running};
    let total = operation.steps.len();
    let done = operation.steps.iter().filter(|step| step.status == Done).count();
    let step = operation.steps.iter().find(|step| step.status == Running).map(|step| step.title.clone());
    view! {
        <span class="badge state-busy" data-testid="app-state" data-state="busy" title=step>
            <span class="pulse" aria-hidden="true"></span>
            {if operation.problem.is_some() { "Being undone" } else { operations::doing(operation.kind) }}
            <span class="muted">{(total > 0).then(|| format!("{done}/{total}"))}</span>
        </span>
    }
}

/// A type as icon and word.
pub(crate) fn type_word(app_type: AppType) -> impl IntoView {
    let picture = match app_type {
        AppType::Scheduled => Icon::Clock,
        AppType::Perpetual => Icon::Service,
    };
    view! { <span class="with-icon">{icon(picture)} <span>{words::app_type(app_type)}</span></span> }
}

/// How an execution ended, as shape and word.
pub(crate) fn outcome(status: ExecutionStatus) -> impl IntoView {
    let (class, glyph_of) = match status {
        ExecutionStatus::Pending | ExecutionStatus::Running => ("state-running", shape(AppState::Running)),
        ExecutionStatus::Success => ("state-success", ("m1.8 6.4 2.9 2.8L10.2 3", "line")),
        ExecutionStatus::Failed => ("state-failed", shape(AppState::Deleted)),
        ExecutionStatus::Timeout => ("state-failed", shape(AppState::Enabled)),
        ExecutionStatus::Cancelled => ("state-stopped", shape(AppState::Stopped)),
        ExecutionStatus::Lost => {
            ("state-warning", ("M3.6 4.2a2.4 2.4 0 1 1 3.6 2C6.4 6.7 6 7 6 8M6 10v.1", "line"))
        }
    };
    view! {
        <span class=format!("badge {class}") data-status=status.as_str()>
            {glyph(glyph_of)}
            {words::status(status)}
        </span>
    }
}
