//! How the repository of an app is followed, what the last look found, and the buttons that change it.

use leptos::prelude::*;
use leptos::task::spawn_local;
use mantyx_api_types::core::TrackingMode;
use mantyx_api_types::{AppView, TrackingView};

use super::follow::{Follow, follow};
use super::hook::{Hook, hook, hook_facts};
use super::news::news;
use crate::components::{Icon, dynamic, failure_notice, icon, notice, prose};
use crate::pages::newer::{Tracked, read_again};
use crate::state::{State, clock};
use crate::text::git;

/// What the panel shares.
#[derive(Clone, Copy)]
struct Model {
    state: State,
    app: Signal<AppView>,
    tracked: Tracked,
    checking: RwSignal<bool>,
    follow: Follow,
    hook: Hook,
}

impl Model {
    fn check(self) {
        if self.checking.get_untracked() {
            return;
        }
        self.checking.set(true);
        let (state, name) = (self.state, self.app.with_untracked(|app| app.name.to_string()));
        spawn_local(async move {
            let answer = state.client.check_tracking(&name).await;
            self.checking.try_set(false);
            match answer {
                Ok(outcome) => state.toasts.good(outcome.detail, None),
                Err(failure) => state.toasts.failure(&failure),
            }
            if self.tracked.try_get_untracked().is_some() {
                read_again(state, self.app, self.tracked);
            }
        });
    }
}

/// The panel; nothing where the active release is not from a repository.
pub(super) fn tracking(state: State, app: Signal<AppView>, tracked: Tracked) -> AnyView {
    let (checking, follow_model) = (RwSignal::new(false), Follow::new(state, app, tracked));
    let model =
        Model { state, app, tracked, checking, follow: follow_model, hook: Hook::new(state, app, tracked) };
    view! {
        {dynamic(move || match tracked.get() {
            None => ().into_any(),
            Some(Err(failure)) => failure_notice(&failure).into_any(),
            Some(Ok(view)) => panel(&model, &view),
        })}
        {follow(model.follow)}
        {hook(model.hook)}
    }
    .into_any()
}

fn panel(model: &Model, view: &TrackingView) -> AnyView {
    let model = *model;
    let change = view.clone();
    let off = move || model.checking.get().to_string();
    view! {
        <section class="panel" aria-label="The repository" data-testid="tracking">
            <div class="panel-title">
                <h2>"The repository"</h2>
                <span class="tag" data-testid="tracking-mode">{git::mode(view.mode)}</span>
                <span class="spring"></span>
                <button type="button" class="button small" data-testid="tracking-check" aria-disabled=off on:click=move |_| model.check()>
                    {icon(Icon::Search)} {dynamic(move || if model.checking.get() { "Looking" } else { "Check now" })}
                </button>
                <button type="button" class="button small" data-testid="tracking-change" on:click=move |_| model.follow.ask(&change)>
                    {icon(Icon::Edit)} {if view.mode == TrackingMode::Off { "Follow it" } else { "Change" }}
                </button>
            </div>
            {view.problem.as_ref().map(|problem| notice(&problem.detail, problem.hint.as_deref()))}
            {facts(&model, view)}
            <div class="lines">
                {stands(view)}
                {view.last_check.as_ref().filter(|found| found.active == view.active).map(|found| news(model.state, found))}
            </div>
        </section>
    }
    .into_any()
}

fn facts(model: &Model, view: &TrackingView) -> AnyView {
    let tracks = view.mode != TrackingMode::Off;
    view! {
        <dl class="facts">
            <dt>"Follows"</dt>
            <dd data-testid="tracking-follows">{prose(&followed(view))}</dd>
            <dt>"When it moves on"</dt>
            <dd>{git::mode_words(view.mode)}</dd>
            {tracks.then(|| view! {
                <dt>"Looks"</dt>
                <dd data-testid="tracking-schedule">{looks(model.state, view)}</dd>
            })}
            <dt>"Last look"</dt>
            <dd data-testid="tracking-checked">{last_look(model.state, view)}</dd>
            {(tracks || view.hook.is_some()).then(|| hook_facts(model.hook, view.hook.as_ref()))}
        </dl>
    }
    .into_any()
}

fn followed(view: &TrackingView) -> String {
    let branch = match &view.reference {
        Some(reference) => format!("`{}`", git::branch(reference)),
        None => "The default branch".to_owned(),
    };
    let folder = view.subdir.as_ref().map(|path| format!(", folder `{path}`")).unwrap_or_default();
    let secret = view.credential.as_ref().map(|name| format!(", opened with the secret `{name}`"));
    format!("{branch} of `{}`{folder}{}", view.url, secret.unwrap_or_default())
}

fn looks(state: State, view: &TrackingView) -> AnyView {
    let Some(line) = view.schedule.clone() else {
        let by = if view.hook.is_some() {
            "When the webhook is called, and when you ask."
        } else {
            "When you ask. A time or a webhook would spare you that."
        };
        return by.into_any();
    };
    let next = view.next_check.map(|at| {
        view! { <span class="muted" title=clock::stamp(at)>", next " {dynamic(move || state.clock.until(at))}</span> }
    });
    view! { {view.words.clone().unwrap_or_default()} " " <code>{line}</code> {next} }.into_any()
}

fn last_look(state: State, view: &TrackingView) -> AnyView {
    match view.checked_at {
        None => view! { <span class="muted">"Nobody has looked yet"</span> }.into_any(),
        Some(at) => {
            let failed = view.problem.is_some().then_some(", without success");
            view! { <time title=clock::stamp(at)>{dynamic(move || state.clock.ago(at))}</time> {failed} }
                .into_any()
        }
    }
}

/// Why something new is not in use yet.
fn stands(view: &TrackingView) -> AnyView {
    let held = view.held_back.as_ref().map(|commit| {
        let words = format!(
            "`{}` was tried and is not in use. It is left alone until the branch moves on.",
            git::short(commit)
        );
        view! { <p class="warnings" data-testid="tracking-held-back">{icon(Icon::Alert)} <span>{prose(&words)}</span></p> }
    });
    let waiting = view
        .waiting
        .then(|| view! { <p>"An update waits until what is under way for this app has ended."</p> });
    view! { {held} {waiting} }.into_any()
}
