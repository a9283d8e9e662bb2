//! Why it died: the last bad ending of an app in words, with what to do about it and the last lines of its log.

use leptos::prelude::*;
use mantyx_api_types::core::{AppState, AppType, Ending, ExecutionStatus};
use mantyx_api_types::{AppView, ExecutionView, LastExecution};

use super::logs;
use crate::components::{Icon, dynamic, icon, last_lines, prose};
use crate::route::{Route, Tab};
use crate::state::{State, memo};
use crate::text::{time, words};

/// How grave it is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tone {
    /// It does not run, or its last run failed.
    Bad,
    /// It runs again.
    Past,
}

/// The banner; nothing when the last ending was not a bad one.
pub(super) fn why(state: State, app: Signal<AppView>) -> impl IntoView {
    let died = memo(move || {
        let app = app.read();
        let last = app.last_execution.clone().filter(|last| is_bad(last.status))?;
        let run = state.store.runs(app.name.as_str()).unwrap_or_default();
        let run = run.into_iter().find(|run| run.id == last.id);
        let reason = app.reason.clone().filter(|_| app.state == AppState::Failed);
        Some((app.name.to_string(), tone(&app), reason, last, run))
    });
    dynamic(move || {
        let (app, tone, reason, last, run) = died.get()?;
        Some(banner(state, &app, tone, reason, &last, run.as_ref()))
    })
}

const fn is_bad(status: ExecutionStatus) -> bool {
    matches!(status, ExecutionStatus::Failed | ExecutionStatus::Timeout | ExecutionStatus::Lost)
}

fn tone(app: &AppView) -> Tone {
    match (app.state, app.r#type) {
        (AppState::Failed, _) | (AppState::Enabled, AppType::Scheduled) => Tone::Bad,
        (AppState::Running, _) if app.restarts_at.is_some() => Tone::Bad,
        _ => Tone::Past,
    }
}

fn banner(
    state: State,
    app: &str,
    tone: Tone,
    reason: Option<String>,
    last: &LastExecution,
    run: Option<&ExecutionView>,
) -> impl IntoView + use<> {
    let (class, title) = match tone {
        Tone::Bad => ("why bad", "Why it died"),
        Tone::Past => ("why past", "Why it died the last time"),
    };
    // What the reason says of the cause stands in a line of its own.
    let reason = reason.map(|reason| match last.cause.as_deref() {
        Some(cause) => reason.replace(&format!(". {cause}"), ""),
        None => reason,
    });
    let ending = last.ending.as_ref().map(|ending| words::ending(ending, last.exit));
    // Of one that ended by itself the sentence says it already.
    let by_itself = matches!(last.ending, None | Some(Ending::Exited));
    let exit = last.exit.filter(|_| !by_itself).map(|exit| format!(" ({})", words::exit(exit)));
    let remedy = last.ending.as_ref().and_then(words::remedy);
    let (end, took) = (last.finished_at, time::duration(last.finished_at - last.started_at));
    let lines = run.map(|run| run.last_lines.clone()).filter(|lines| !lines.is_empty());
    let log = logs::address(app, last.id);
    view! {
        <section class=class data-testid="why" aria-label=title>
            {icon(Icon::Alert)}
            <div class="why-words">
                <h2>{title} <span class="muted">{dynamic(move || format!(" {}, after {took}", state.clock.ago(end)))}</span></h2>
                {last.cause.as_ref().map(|cause| view! { <p class="why-cause" data-testid="why-cause">{prose(cause)}</p> })}
                {reason.map(|reason| view! { <p>{prose(reason.trim())}</p> })}
                <p data-testid="why-ending">
                    {ending.map(|ending| prose(&ending))}
                    <span class="muted">{exit}</span>
                </p>
                {remedy.map(|remedy| view! { <p class="muted">{remedy}</p> })}
            </div>
            <div class="row">
                <a class="button" href=log data-testid="why-log">"Open its log"</a>
                <a class="button" href=Route::App(app.to_owned(), Tab::Configuration).path()>"Configuration"</a>
            </div>
            {lines.map(|lines| last_lines(&lines))}
        </section>
    }
}
