//! The fields of an update from git, and what is new in the repository.

use leptos::prelude::*;
use leptos::task::spawn_local;
use mantyx_api_types::core::{Origin, RelativePath};
use mantyx_api_types::{AppView, GitUpdate, UpdateCheck};

use super::news::news;
use crate::api::{Answer, Failure};
use crate::components::{Icon, InputStyle, TextField, dynamic, failure_notice, icon, skeleton, text_field};
use crate::pages::credential::{Without, chosen, credential, submodules};
use crate::state::form::errors_at;
use crate::state::{State, derived};

/// The signals of the fields.
#[derive(Clone, Copy)]
pub(super) struct GitFields {
    /// Everything.
    pub(super) state: State,
    /// Whose origin it is.
    pub(super) app: Signal<AppView>,
    failure: RwSignal<Option<Failure>>,
    url: RwSignal<String>,
    reference: RwSignal<String>,
    subdir: RwSignal<String>,
    credential: RwSignal<String>,
    submodules: RwSignal<bool>,
    check: RwSignal<Option<Answer<UpdateCheck>>>,
    checking: RwSignal<bool>,
}

impl GitFields {
    /// Empty ones.
    pub(super) fn new(state: State, app: Signal<AppView>, failure: RwSignal<Option<Failure>>) -> Self {
        let text = || RwSignal::new(String::new());
        let (url, reference, subdir, credential) = (text(), text(), text(), text());
        let (submodules, check, checking) = (RwSignal::new(false), RwSignal::new(None), RwSignal::new(false));
        Self { state, app, failure, url, reference, subdir, credential, submodules, check, checking }
    }

    /// Those of the active release.
    pub(super) fn begin(self) {
        self.check.set(None);
        let origin = self.app.with_untracked(|app| app.origin.clone());
        let (address, branch, folder, secret, parts) = match origin {
            Origin::Git { url, reference, subdir, credential, submodules, .. } => (
                url,
                reference.unwrap_or_default(),
                subdir.map(|path| path.to_string()).unwrap_or_default(),
                credential.map(|name| name.to_string()).unwrap_or_default(),
                submodules,
            ),
            Origin::Archive { .. } | Origin::Script { .. } => Default::default(),
        };
        self.url.set(address);
        self.reference.set(branch);
        self.subdir.set(folder);
        self.credential.set(secret);
        self.submodules.set(parts);
    }

    /// Another branch, tag or commit than that of the active release.
    pub(super) fn follow(self, reference: Option<String>) {
        self.reference.set(reference.unwrap_or_default());
    }

    /// Whether there is something to send.
    pub(super) fn ready(self) -> bool {
        !self.url.read().trim().is_empty()
    }

    /// What they say.
    pub(super) fn source(self) -> Result<GitUpdate, Failure> {
        let given =
            |text: RwSignal<String>| Some(text.get_untracked().trim().to_owned()).filter(|t| !t.is_empty());
        let subdir = given(self.subdir).map(|path| RelativePath::parse(&path)).transpose();
        let subdir = subdir.map_err(|error| Failure::field("subdir", &error.to_string()))?;
        Ok(GitUpdate {
            url: given(self.url),
            reference: given(self.reference),
            subdir,
            credential: chosen(self.credential),
            submodules: Some(self.submodules.get_untracked()),
            ..GitUpdate::default()
        })
    }

    fn look(self) {
        if self.checking.get_untracked() {
            return;
        }
        self.checking.set(true);
        let app = self.app.with_untracked(|app| app.name.to_string());
        spawn_local(async move {
            let answer = self.state.client.check_for_updates(&app).await;
            self.checking.try_set(false);
            self.check.try_set(Some(answer));
        });
    }
}

/// The fields.
pub(super) fn git(fields: GitFields) -> AnyView {
    let from_git = derived(move || matches!(fields.app.read().origin, Origin::Git { .. }));
    view! {
        {field(fields, "update-url", "Address of the repository", fields.url, &["url"])}
        <div class="pair">
            {field(fields, "update-ref", "Branch, tag or commit", fields.reference, &["ref"])}
            {field(fields, "update-subdir", "Folder", fields.subdir, &["subdir"])}
        </div>
        {credential(fields.state, "update-credential", fields.credential, without(fields), error_of(fields, &["credential"]))}
        {submodules("update-submodules", fields.submodules)}
        {dynamic(move || from_git.get().then(|| check(fields)))}
    }
    .into_any()
}

fn field(
    fields: GitFields,
    id: &'static str,
    label: &'static str,
    value: RwSignal<String>,
    names: &'static [&'static str],
) -> AnyView {
    text_field(TextField {
        id,
        label,
        help: "",
        style: InputStyle::Machine,
        list: None,
        value: value.into(),
        change: Callback::new(move |text| {
            fields.failure.set(None);
            value.set(text);
        }),
        error: error_of(fields, names),
    })
}

/// What is wrong with a field.
fn error_of(fields: GitFields, names: &'static [&'static str]) -> Signal<Option<String>> {
    derived(move || fields.failure.read().as_ref().and_then(|failure| errors_at(&failure.fields(), names)))
}

/// The same repository goes on being opened as before.
fn without(fields: GitFields) -> Signal<Without> {
    derived(move || match &fields.app.read().origin {
        Origin::Git { url, credential: Some(_), .. } if *url == fields.url.read().trim() => Without::Active,
        _ => Without::None,
    })
}

/// What is new where the active release came from.
fn check(fields: GitFields) -> AnyView {
    let off = move || fields.checking.get().to_string();
    view! {
        <div class="row">
            <button type="button" class="button small" data-testid="update-check" aria-disabled=off on:click=move |_| fields.look()>
                {icon(Icon::Search)} "Check for updates"
            </button>
        </div>
        <div role="status">
            {dynamic(move || match (fields.checking.get(), fields.check.get()) {
                (true, _) => skeleton(2).into_any(),
                (false, None) => ().into_any(),
                (false, Some(Err(failure))) => failure_notice(&failure).into_any(),
                (false, Some(Ok(found))) => news(fields.state, &found),
            })}
        </div>
    }
    .into_any()
}
