//! What needs somebody: each with its cause in words and the one button that helps.

use leptos::prelude::*;
use mantyx_api_types::AppView;
use mantyx_api_types::core::{AppState, AppType, ExecutionStatus, Health};

use crate::components::{Icon, IntoViews, dynamic, icon, prose};
use crate::route::{Route, Tab};
use crate::state::{State, memo};
use crate::text::words;

/// How many are named one by one.
const NAMED: usize = 4;

/// Something that needs somebody.
#[derive(Clone, Debug, PartialEq)]
struct Trouble {
    app: String,
    what: &'static str,
    why: Option<String>,
    when: Option<chrono::DateTime<chrono::Utc>>,
    help: (Route, &'static str),
}

/// The strip on top of the dashboard; nothing at all when everything is well.
pub(super) fn attention(state: State) -> impl IntoView {
    let troubles = memo(move || {
        let apps = state.store.apps().unwrap_or_default();
        apps.iter().filter_map(|app| app.with(trouble)).collect::<Vec<_>>()
    });
    dynamic(move || {
        let troubles = troubles.get();
        let more = troubles.len().saturating_sub(NAMED);
        (!troubles.is_empty()).then(|| {
            view! {
                <section class="attention" aria-label="Needs attention" data-testid="attention">
                    {troubles.into_iter().take(NAMED).map(|trouble| line(state, trouble)).into_views()}
                    {(more > 0).then(|| view! { <p class="muted">{format!("And {more} more below.")}</p> })}
                </section>
            }
        })
    })
}

fn trouble(app: &AppView) -> Option<Trouble> {
    let name = app.name.to_string();
    let last = app.last_execution.as_ref();
    let of_last =
        || last.and_then(|last| words::cause(last.ending.as_ref(), last.exit, last.cause.as_deref()));
    let log = (Route::App(name.clone(), Tab::Logs), "Open log");
    let trouble = |what, why, help| {
        let when = last.map(|last| last.finished_at);
        Some(Trouble { app: name.clone(), what, why, when, help })
    };
    if app.health == Health::Unhealthy && app.state == AppState::Running {
        let (app, why) = (name.clone(), app.health_detail.clone());
        return Some(Trouble { app, what: "is unhealthy", why, when: None, help: log });
    }
    match (app.state, app.r#type, last.map(|last| last.status)) {
        // One that has a release was installed, whether or not anything of it ever ran.
        (AppState::Failed, ..) if app.release.is_none() => trouble(
            "could not be installed",
            app.reason.clone(),
            (Route::Setup(name.clone()), "Fix the setup"),
        ),
        (AppState::Failed, ..) => trouble("has failed", both(app.reason.as_deref(), of_last()), log),
        (
            AppState::Enabled,
            AppType::Scheduled,
            Some(ExecutionStatus::Failed | ExecutionStatus::Timeout | ExecutionStatus::Lost),
        ) => trouble("failed in its last run", of_last(), log),
        _ => None,
    }
}

/// Why it is in its state, and the cause that was recognised unless that says it already.
fn both(reason: Option<&str>, cause: Option<String>) -> Option<String> {
    match (reason, cause) {
        (Some(reason), Some(cause)) if !reason.contains(&cause) => Some(format!("{reason}. {cause}")),
        (Some(reason), _) => Some(reason.to_owned()),
        (None, cause) => cause,
    }
}

fn line(state: State, trouble: Trouble) -> impl IntoView {
    let (route, title) = trouble.help;
    view! {
        <div class="trouble">
            {icon(Icon::Alert)}
            <div>
                <p class="trouble-what">
                    <a href=Route::App(trouble.app.clone(), Tab::Overview).path()>{trouble.app.clone()}</a>
                    " " {trouble.what}
                    {trouble.when.map(|when| view! { <span class="muted">{dynamic(move || format!(" {}", state.clock.ago(when)))}</span> })}
                </p>
                {trouble.why.map(|why| view! { <p class="trouble-why">{prose(&why)}</p> })}
            </div>
            <a class="button" href=route.path() aria-label=format!("{title} of {}", trouble.app)>{title}</a>
        </div>
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn failed(release: Option<u32>) -> AppView {
        serde_json::from_value(json!({
            "id": "0190a6c0-0000-7000-8000-000000000001", "name": "wiki", "display_name": "", "description": "",
            "tags": [], "type": "perpetual", "state": AppState::Failed, "reason": "The port is held",
            "legal_events": [], "health": "unknown", "health_detail": null, "status_text": null,
            "warnings": [], "operation": null, "pid": null, "execution": null, "started_at": null,
            "restarts_at": null, "restarts": 0, "release": release,
            "origin": {"kind": "archive", "file": "wiki.zip"}, "last_execution": null, "next_run": null,
            "web_port": null, "web_url": null, "created_at": "2026-11-20T05:00:00Z",
            "updated_at": "2026-11-20T05:00:00Z"
        }))
        .unwrap()
    }

    #[test]
    fn what_never_ran_has_failed_like_anything_else_that_was_installed() {
        for (release, what, help) in
            [(None, "could not be installed", "Fix the setup"), (Some(1), "has failed", "Open log")]
        {
            let trouble = trouble(&failed(release)).unwrap();
            assert_eq!((trouble.what, trouble.help.1), (what, help));
            assert_eq!(trouble.why.as_deref(), Some("The port is held"));
        }
    }
}
