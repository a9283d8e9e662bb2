//! The secrets that open private repositories: which there are and who uses them, never what they hold.

use leptos::prelude::*;
use leptos::task::spawn_local;
use mantyx_api_types::SecretView;
use mantyx_api_types::core::{EventKind, SecretKind};

use super::fetch::{Fetched, fetched};
use super::parts::remove_button;
use super::secret::{Holding, set};
use crate::components::{AnswerButton, Icon, IntoViews, Question, dynamic, empty, icon, prose, question};
use crate::pages::system::tabs;
use crate::route::{Route, Tab};
use crate::state::{State, clock, derived, memo};
use crate::text::events;

/// The signals of the screen.
#[derive(Clone, Copy)]
struct Model {
    set: Holding,
    remove: Question,
    /// The secret that a question is about.
    chosen: RwSignal<Option<SecretView>>,
}

impl Model {
    fn submit_remove(self) {
        let Some(secret) = self.chosen.get_untracked() else { return };
        let (state, name) = (self.set.state, secret.name.clone());
        let answer = async move { state.client.remove_secret(&name).await };
        self.remove.send(answer, move |()| {
            state.toasts.good(format!("The secret `{}` is removed", secret.name), None);
            load(state, self.set.list);
        });
    }
}

/// Reads all of them.
pub(super) fn load(state: State, list: Fetched<Vec<SecretView>>) {
    spawn_local(async move {
        list.try_set(Some(state.client.secrets().await));
    });
}

/// The screen.
pub(super) fn secrets(state: State) -> AnyView {
    let list: Fetched<Vec<SecretView>> = RwSignal::new(None);
    let told = memo(move || state.store.last_event(&[EventKind::SecretSet, EventKind::SecretRemoved], None));
    state.keep_loaded(move || {
        let _ = told.get();
        load(state, list);
    });
    let (remove, chosen) = (Question::new(), RwSignal::new(None));
    let model = Model { set: Holding::new(state, list), remove, chosen };
    view! {
        <div class="page narrow">
            <header class="head"><h1>"System"</h1></header>
            {tabs(Route::Secrets)}
            <div class="tab-head">
                <p class="spring muted">"Tokens and keys for private repositories. They are kept encrypted, and nothing shows what they hold: they can only be replaced."</p>
                <button type="button" class="button primary" data-testid="secret-add" on:click=move |_| model.set.ask(None)>
                    {icon(Icon::Add)} "Set a secret"
                </button>
            </div>
            {fetched(list, 4, move |secrets| if secrets.is_empty() { nothing() } else { table(&model, secrets) })}
            {set(model.set)}
            {remove_question(&model)}
        </div>
    }
    .into_any()
}

fn nothing() -> AnyView {
    let words = view! { <p>"An app from a private repository needs one: a token for an address with https, or a private key for one with ssh. It is chosen by its name when the app is added."</p> };
    empty("No secret yet", words).into_any()
}

fn table(model: &Model, secrets: &[SecretView]) -> AnyView {
    view! {
        <div class="panel">
            <table class="secrets" role="table">
                <thead role="rowgroup">
                    <tr role="row">
                        <th role="columnheader" scope="col">"Name"</th>
                        <th role="columnheader" scope="col">"Is"</th>
                        <th role="columnheader" scope="col">"Sent to"</th>
                        <th role="columnheader" scope="col">"Set"</th>
                        <th role="columnheader" scope="col">"Used by"</th>
                        <th role="columnheader" scope="col"><span class="hidden">"Actions"</span></th>
                    </tr>
                </thead>
                <tbody role="rowgroup">{secrets.iter().map(|secret| row(model, secret)).into_views()}</tbody>
            </table>
        </div>
    }
    .into_any()
}

fn row(model: &Model, secret: &SecretView) -> AnyView {
    let (at, model) = (secret.set_at, *model);
    let (again, gone) = (secret.clone(), secret.clone());
    view! {
        <tr role="row" data-testid=format!("secret-row-{}", secret.name)>
            <td role="cell" class="cell-secret"><b>{secret.name.to_string()}</b></td>
            <td role="cell" class="muted">{kind(secret.kind)}</td>
            <td role="cell">{secret.host.clone().unwrap_or_else(|| "any host".to_owned())}</td>
            <td role="cell">
                <time title=clock::stamp(at)>{dynamic(move || model.set.state.clock.ago(at))}</time>
                <span class="muted">" by " {events::by(&secret.set_by)}</span>
            </td>
            <td role="cell" class="cell-users">{users(secret)}</td>
            <td role="cell" class="cell-actions">
                <div class="actions">
                    <button type="button" class="button small" data-testid="secret-replace" on:click=move |_| model.set.ask(Some(&again))>
                        {icon(Icon::Edit)} "Replace"
                    </button>
                    {remove_button("secret-remove", secret.name.as_str(), move || {
            model.chosen.set(Some(gone.clone()));
            model.remove.ask();
        })}
                </div>
            </td>
        </tr>
    }
    .into_any()
}

/// What a secret is called that is of this kind.
pub(super) const fn kind(kind: SecretKind) -> &'static str {
    match kind {
        SecretKind::Token => "Token",
        SecretKind::SshKey => "SSH key",
        SecretKind::Text => "Text",
    }
}

fn users(secret: &SecretView) -> AnyView {
    if secret.used_by.is_empty() {
        return view! { <span class="muted">"no app"</span> }.into_any();
    }
    let link = |name: &mantyx_api_types::core::AppName| {
        let address = Route::App(name.to_string(), Tab::Releases).path();
        view! { <a class="strong-link" href=address>{name.to_string()}</a> " " }
    };
    secret.used_by.iter().map(link).into_views()
}

fn remove_question(model: &Model) -> AnyView {
    let model = *model;
    let words = move || {
        let secret = model.chosen.get()?;
        Some(
            view! { <p>{prose(&format!("Nothing brings `{}` back, and no repository is opened with it any more. One that an app uses stays.", secret.name))}</p> },
        )
    };
    let title = move || match model.chosen.get() {
        Some(secret) => format!("Remove {}?", secret.name),
        None => String::new(),
    };
    let answer = AnswerButton {
        id: "secret-remove-submit",
        title: "Remove it",
        class: "button danger",
        ready: derived(|| true),
        submit: Callback::new(move |()| model.submit_remove()),
    };
    question(model.remove, title, dynamic(words), answer)
}
