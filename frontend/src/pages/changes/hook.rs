//! The webhook of an app: with it the host of a repository says by itself that there is something new. Its address and
//! its secret are shown once, when they are made.

use leptos::prelude::*;
use mantyx_api_types::{AppView, HookCreated, HookView};

use crate::components::{
    AnswerButton, Dialog, Icon, Question, copy_field, dialog, dynamic, icon, prose, question,
};
use crate::pages::newer::{Tracked, read_again};
use crate::state::{State, clock, derived};

/// What it takes to make, change and remove it.
#[derive(Clone, Copy)]
pub(super) struct Hook {
    state: State,
    app: Signal<AppView>,
    tracked: Tracked,
    make: Question,
    remove: Question,
    /// Whether the one that is there loses its secret.
    again: RwSignal<bool>,
    shown: Dialog,
    created: RwSignal<Option<HookCreated>>,
}

impl Hook {
    /// Nothing was asked yet.
    pub(super) fn new(state: State, app: Signal<AppView>, tracked: Tracked) -> Self {
        let (make, remove, shown) = (Question::new(), Question::new(), Dialog::new());
        let (again, created) = (RwSignal::new(false), RwSignal::new(None));
        Self { state, app, tracked, make, remove, again, shown, created }
    }

    fn name(self) -> String {
        self.app.with_untracked(|app| app.name.to_string())
    }

    fn submit_make(self) {
        let (state, name) = (self.state, self.name());
        let answer = async move { state.client.make_hook(&name).await };
        self.make.send(answer, move |created| {
            self.created.set(Some(created));
            self.shown.open();
            read_again(state, self.app, self.tracked);
        });
    }

    fn submit_remove(self) {
        let (state, name) = (self.state, self.name());
        let answer = async move { state.client.remove_hook(&name).await };
        self.remove.send(answer, move |()| {
            state.toasts.good("The webhook is removed".to_owned(), None);
            read_again(state, self.app, self.tracked);
        });
    }

    /// The secret is forgotten as soon as it was seen.
    fn seen(self) {
        self.shown.close();
        self.created.set(None);
    }
}

/// Its line among the facts.
pub(super) fn hook_facts(model: Hook, hook: Option<&HookView>) -> AnyView {
    let ask = move |again| {
        model.again.set(again);
        model.make.ask();
    };
    let there = hook.map(|hook| {
        let at = hook.made_at;
        view! {
            <span>"Made " <time title=clock::stamp(at)>{dynamic(move || model.state.clock.ago(at))}</time></span>
            <button type="button" class="button small" data-testid="hook-rotate" on:click=move |_| ask(true)>
                {icon(Icon::Restart)} "Another secret"
            </button>
            <button type="button" class="button small" data-testid="hook-remove" on:click=move |_| model.remove.ask()>
                {icon(Icon::Trash)} "Remove"
            </button>
        }
    });
    let none = hook.is_none().then(|| {
        view! {
            <span class="muted">"None"</span>
            <button type="button" class="button small" data-testid="hook-make" on:click=move |_| ask(false)>
                {icon(Icon::Add)} "Make one"
            </button>
        }
    });
    view! {
        <dt>"Webhook"</dt>
        <dd class="row" data-testid="hook">{there} {none}</dd>
    }
    .into_any()
}

/// Its dialogs.
pub(super) fn hook(model: Hook) -> AnyView {
    view! { {make_question(model)} {remove_question(model)} {created(model)} }.into_any()
}

fn make_question(model: Hook) -> AnyView {
    let words = move || {
        prose(if model.again.get() {
            "The address and the secret of now are nobody's any more from that moment on. The host of the repository needs the new ones."
        } else {
            "GitHub, Gitea, Forgejo and GitLab call its address when something was pushed, and Mantyx looks at once. Whoever knows the address can have Mantyx look, and nothing more."
        })
    };
    let answer = AnswerButton {
        id: "hook-submit",
        title: "Make it",
        class: "button primary",
        ready: derived(|| true),
        submit: Callback::new(move |()| model.submit_make()),
    };
    let title = move || if model.again.get() { "Another secret for the webhook?" } else { "Make a webhook?" };
    question(model.make, title, view! { <p>{dynamic(words)}</p> }, answer)
}

fn remove_question(model: Hook) -> AnyView {
    let answer = AnswerButton {
        id: "hook-remove-submit",
        title: "Remove it",
        class: "button danger",
        ready: derived(|| true),
        submit: Callback::new(move |()| model.submit_remove()),
    };
    let words = view! { <p>"Its address is nobody's any more. Whoever goes on calling it is told that it is not there."</p> };
    question(model.remove, "Remove the webhook?", words, answer)
}

/// What has to be carried to the host of the repository.
fn created(model: Hook) -> AnyView {
    let part = move |read: fn(&HookCreated) -> String| {
        derived(move || model.created.read().as_ref().map(read).unwrap_or_default())
    };
    let words = "Where the repository lives, make a webhook for pushes with the content type `application/json`. GitLab calls the secret a secret token.";
    let content = view! {
        <div class="stack-tight wide">
            <p>{prose(words)}</p>
            {copy_field("hook-address", "Address", part(address))}
            {copy_field("hook-secret", "Secret", part(|created| created.secret.clone()))}
            <p class="muted small">"If that place reaches Mantyx under another name than this page does, that name stands in the address instead."</p>
            <p class="warnings">{icon(Icon::Alert)} <span>"Both are shown this once."</span></p>
            <div class="submit">
                <button type="button" class="button primary" data-testid="hook-seen" on:click=move |_| model.seen()>"I have them"</button>
            </div>
        </div>
    };
    dialog(model.shown, "The webhook is made", content).into_any()
}

fn address(created: &HookCreated) -> String {
    format!("{}{}", window().location().origin().unwrap_or_default(), created.path)
}
