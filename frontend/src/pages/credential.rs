//! How a repository is fetched: by which secret, of which there are names only, and with what else.

use leptos::prelude::*;
use leptos::task::spawn_local;
use mantyx_api_types::SecretView;
use mantyx_api_types::core::{SecretKind, SecretName};

use crate::components::{SelectField, dynamic, prose, select_field};
use crate::route::Route;
use crate::state::{State, derived};

/// Which secret is chosen where nobody chose one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Without {
    /// None: the repository is open to all.
    None,
    /// The one of the active release goes on being used.
    Active,
}

/// The field; empty is none. It is there as soon as the names are, and points to where secrets are made if there is none.
pub(super) fn credential(
    state: State,
    id: &'static str,
    value: RwSignal<String>,
    without: Signal<Without>,
    error: Signal<Option<String>>,
) -> AnyView {
    let names = RwSignal::new(None::<Vec<String>>);
    state.keep_loaded(move || {
        spawn_local(async move {
            // Whoever may not see them cannot choose one either.
            let secrets = state.client.secrets().await.unwrap_or_default();
            names.try_set(Some(secrets.iter().filter(|secret| opens(secret)).map(name).collect()));
        });
    });
    let draw = move || match names.get() {
        None => ().into_any(),
        Some(names) if names.is_empty() && value.read_untracked().is_empty() => none(),
        Some(names) => field(id, names, value, without.get()),
    };
    view! {
        {dynamic(draw)}
        <p class="field-error" hidden=move || error.read().is_none() data-testid=format!("{id}-error")>
            {dynamic(move || error.get().map(|error| prose(&error)))}
        </p>
    }
    .into_any()
}

/// Whether the repositories that are parts of it come along.
pub(super) fn submodules(id: &'static str, value: RwSignal<bool>) -> AnyView {
    view! {
        <label class="check" data-testid=id>
            <input
                type="checkbox"
                prop:checked=value
                on:change:target=move |event| value.set(event.target().checked())
            />
            "With its submodules, the repositories that are parts of it"
        </label>
    }
    .into_any()
}

/// What was chosen.
pub(super) fn chosen(value: RwSignal<String>) -> Option<SecretName> {
    value.with_untracked(|name| SecretName::parse(name).ok())
}

/// Any other text opens no repository.
fn opens(secret: &SecretView) -> bool {
    secret.kind != SecretKind::Text
}

fn name(secret: &SecretView) -> String {
    secret.name.to_string()
}

fn field(id: &'static str, mut names: Vec<String>, value: RwSignal<String>, without: Without) -> AnyView {
    let now = value.get_untracked();
    if !now.is_empty() && !names.contains(&now) {
        names.push(now);
    }
    let empty = match without {
        Without::None => "None: everybody may read it",
        Without::Active => "As for the active release",
    };
    let options = std::iter::once((String::new(), empty.to_owned()));
    select_field(SelectField {
        id,
        label: "Secret",
        help: "Opens a private repository: a token over `https`, a key over `ssh`.",
        options: options.chain(names.into_iter().map(|name| (name.clone(), name))).collect(),
        value: derived(move || value.get()),
        change: Callback::new(move |name| value.set(name)),
    })
}

fn none() -> AnyView {
    view! {
        <p class="field-help">
            "A private repository is opened with a secret: " <a class="link" href=Route::Secrets.path()>"set one"</a> " first."
        </p>
    }
    .into_any()
}
