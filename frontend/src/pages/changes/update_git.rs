//! The fields of an update from git, and what is new in the repository.

use leptos::prelude::*;
use leptos::task::spawn_local;
use mantyx_api_types::core::{Origin, RelativePath};
use mantyx_api_types::{AppView, CommitView, GitUpdate, UpdateCheck};

use crate::api::{Answer, Failure};
use crate::components::{
    Icon, InputStyle, IntoViews, TextField, dynamic, failure_notice, icon, prose, skeleton, text_field,
};
use crate::state::form::errors_at;
use crate::state::{State, clock, derived};
use crate::text::number;

/// The signals of the fields.
#[derive(Clone, Copy)]
pub(super) struct GitFields {
    state: State,
    app: Signal<AppView>,
    failure: RwSignal<Option<Failure>>,
    url: RwSignal<String>,
    reference: RwSignal<String>,
    subdir: RwSignal<String>,
    check: RwSignal<Option<Answer<UpdateCheck>>>,
    checking: RwSignal<bool>,
}

impl GitFields {
    /// Empty ones.
    pub(super) fn new(state: State, app: Signal<AppView>, failure: RwSignal<Option<Failure>>) -> Self {
        let text = || RwSignal::new(String::new());
        let (url, reference, subdir) = (text(), text(), text());
        let (check, checking) = (RwSignal::new(None), RwSignal::new(false));
        Self { state, app, failure, url, reference, subdir, check, checking }
    }

    /// Those of the active release.
    pub(super) fn begin(self) {
        self.check.set(None);
        let origin = self.app.with_untracked(|app| app.origin.clone());
        let (address, branch, folder) = match origin {
            Origin::Git { url, reference, subdir, .. } => {
                (url, reference.unwrap_or_default(), subdir.map(|path| path.to_string()).unwrap_or_default())
            }
            Origin::Archive { .. } | Origin::Script { .. } => Default::default(),
        };
        self.url.set(address);
        self.reference.set(branch);
        self.subdir.set(folder);
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
        error: derived(move || {
            fields.failure.read().as_ref().and_then(|failure| errors_at(&failure.fields(), names))
        }),
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

fn news(state: State, found: &UpdateCheck) -> AnyView {
    let at = found.checked_at;
    let words = sentence(found);
    let more = (!found.complete && !found.commits.is_empty())
        .then(|| view! { <li class="muted">"and earlier ones"</li> });
    let commits = found.commits.iter().map(|commit| line(state, commit)).into_views();
    view! {
        <p data-testid="update-news">{prose(&words)} <span class="muted">" Looked at " {dynamic(move || state.clock.ago(at))} "."</span></p>
        {found.rewritten.then(|| view! {
            <p class="warnings">{icon(Icon::Alert)} "The history was rewritten: the active commit is no part of it any more."</p>
        })}
        {(!found.commits.is_empty()).then(|| view! { <ol class="commits" tabindex="0" aria-label="Commits that the active release has not">{commits} {more}</ol> })}
    }
    .into_any()
}

fn sentence(found: &UpdateCheck) -> String {
    let (reference, head) = (branch(&found.reference), short(&found.head));
    if found.active == found.head {
        return format!("`{reference}` is at `{head}`, which is the active release: there is nothing new.");
    }
    match (found.commits.len(), found.complete) {
        (0, _) => format!("`{reference}` is at `{head}`, the active release at `{}`.", short(&found.active)),
        (count, true) => {
            format!("`{reference}` is {} ahead.", number::plural(count, "commit", "commits"))
        }
        (count, false) => format!("`{reference}` is more than {} commits ahead.", number::count(count)),
    }
}

fn line(state: State, commit: &CommitView) -> AnyView {
    let at = commit.at;
    view! {
        <li>
            <code title=commit.id.clone()>{short(&commit.id)}</code>
            <span>{commit.subject.clone()}</span>
            <span class="muted small" title=clock::stamp(at)>{commit.author.clone()} ", " {dynamic(move || state.clock.ago(at))}</span>
        </li>
    }
    .into_any()
}

/// A branch or a tag without the folder of git that it is in.
fn branch(reference: &str) -> &str {
    let name = reference.strip_prefix("refs/heads/").or_else(|| reference.strip_prefix("refs/tags/"));
    name.unwrap_or(reference)
}

fn short(commit: &str) -> String {
    commit.get(..7).unwrap_or(commit).to_owned()
}
