//! What is new in a repository: how far it is ahead of the active release, and the commits.

use leptos::prelude::*;
use mantyx_api_types::{CommitView, UpdateCheck};

use crate::components::{Icon, IntoViews, dynamic, icon, prose};
use crate::state::{State, clock};
use crate::text::git::{ahead, short};

/// What a look found.
pub(super) fn news(state: State, found: &UpdateCheck) -> AnyView {
    let at = found.checked_at;
    let words = ahead(found);
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
