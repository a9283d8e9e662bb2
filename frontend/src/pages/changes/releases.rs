//! The releases of an app: each stays as it is, any two can be compared, and any can be taken into use again.

use leptos::prelude::*;
use mantyx_api_types::core::Found;
use mantyx_api_types::{AppView, ReleaseView, TrackingView};

use super::compare::compare;
use super::fetch::{self, Fetched};
use super::place::Place;
use super::rollback::{Rollback, rollback};
use super::tracking::tracking;
use super::update::{Update, update};
use super::{diff, file, look};
use crate::api::Answer;
use crate::components::{Icon, IntoViews, dynamic, icon};
use crate::pages::newer::{Tracked, newer, tracked};
use crate::state::{State, clock, memo};
use crate::text::{events, number, words};

/// What the places among the releases share.
#[derive(Clone, Copy)]
pub(super) struct Model {
    /// Everything.
    pub(super) state: State,
    /// Whose releases.
    pub(super) app: Signal<AppView>,
    /// All that are kept, the newest first.
    pub(super) list: Fetched<Vec<ReleaseView>>,
    rollback: Rollback,
}

impl Model {
    /// The address of a place.
    pub(super) fn address(self, place: &Place) -> String {
        place.address(self.app.read().name.as_str())
    }
}

/// The tab.
pub(super) fn releases(state: State, app: Signal<AppView>) -> AnyView {
    let list = fetch::of_app(state, app, move |app| async move {
        let mut releases = state.client.releases(&app).await?;
        releases.sort_unstable_by_key(|release| std::cmp::Reverse(release.number));
        Ok(releases)
    });
    let model = Model { state, app, list, rollback: Rollback::new(state, app) };
    let place = memo(move || Place::of(state.router));
    view! {
        {dynamic(move || match place.get() {
            Place::List => overview(model),
            Place::Release(release) => look::look(model, release),
            Place::File(release, path) => file::file(model, release, path),
            Place::Diff(from, to) => diff::diff(model, from, to),
        })}
        {rollback(model.rollback)}
    }
    .into_any()
}

fn overview(model: Model) -> AnyView {
    let asked = Update::new(model.state, model.app);
    let read = tracked(model.state, model.app);
    view! {
        <div class="tab-head">
            {compare(model, None)}
            <button type="button" class="button primary" data-testid="update" on:click=move |_| asked.ask()>
                {icon(Icon::Upload)} "Update"
            </button>
        </div>
        {newer(read, move || take_button(asked, read))}
        {fetch::fetched(model.list, 5, move |releases| table(model, releases))}
        {tracking(model.state, model.app, read)}
        {update(asked)}
    }
    .into_any()
}

/// Leads to what is new in the repository.
fn take_button(asked: Update, read: Tracked) -> AnyView {
    let take = move |_| {
        let of = |read: &Option<Answer<TrackingView>>| read.as_ref()?.as_ref().ok()?.reference.clone();
        asked.ask_for(read.with_untracked(of));
    };
    view! { <button type="button" class="button" data-testid="update-take" on:click=take>"Update to it"</button> }
        .into_any()
}

fn table(model: Model, releases: &[ReleaseView]) -> AnyView {
    let before = |place: usize| releases.get(place + 1).map(|release| release.number);
    let rows =
        releases.iter().enumerate().map(|(place, release)| row(model, release, before(place))).into_views();
    view! {
        <div class="panel">
            <table class="releases" role="table">
                <thead role="rowgroup">
                    <tr role="row">
                        <th role="columnheader" scope="col">"Release"</th>
                        <th role="columnheader" scope="col">"From"</th>
                        <th role="columnheader" scope="col">"Made"</th>
                        <th role="columnheader" scope="col">"Python"</th>
                        <th role="columnheader" scope="col" class="number">"Holds"</th>
                        <th role="columnheader" scope="col">"Digest"</th>
                        <th role="columnheader" scope="col"><span class="hidden">"Actions"</span></th>
                    </tr>
                </thead>
                <tbody role="rowgroup">{rows}</tbody>
            </table>
        </div>
        <p class="muted small">
            "A release never changes: other code or other packages are a new one. Old ones go when there are more than the settings keep."
        </p>
    }
    .into_any()
}

fn row(model: Model, release: &ReleaseView, before: Option<u32>) -> AnyView {
    let (number, at) = (release.number, release.created_at);
    let state = model.state;
    let by = events::by(&release.created_by);
    let origin = words::origin(&release.origin);
    let title = origin.clone();
    view! {
        <tr role="row" data-testid=format!("release-row-{number}")>
            <td role="cell" class="cell-release-name">
                <a class="strong-link" href=move || model.address(&Place::Release(number))>{format!("Release {number}")}</a>
                {marks(release)}
            </td>
            <td role="cell" class="cell-origin" title=title>
                <span class="muted">{words::origin_kind(&release.origin)}</span> " " {origin}
            </td>
            <td role="cell">
                <time title=clock::stamp(at)>{dynamic(move || state.clock.ago(at))}</time>
                <span class="muted">" by " {by}</span>
            </td>
            <td role="cell" class="muted">{release.python.clone()}</td>
            <td role="cell" class="number muted cell-holds">{size(&release.found)}</td>
            <td role="cell" class="muted cell-digest" title=release.found.digest.clone()><code>{short(&release.found.digest)}</code></td>
            <td role="cell" class="cell-actions">{actions(model, release, before)}</td>
        </tr>
    }
    .into_any()
}

/// What is special about a release, in words.
pub(super) fn marks(release: &ReleaseView) -> AnyView {
    let active = release
        .active
        .then(|| view! { <span class="tag good" data-testid="active">{icon(Icon::Check)} "Active"</span> });
    let bare = (!release.installed).then(|| view! { <span class="tag">"Not installed"</span> });
    view! { {active} {bare} }.into_any()
}

fn actions(model: Model, release: &ReleaseView, before: Option<u32>) -> AnyView {
    let number = release.number;
    let changes = before.map(|before| {
        let title = format!("What changed from release {before} to {number}");
        view! {
            <a
                class="icon-button"
                href=move || model.address(&Place::Diff(before, number))
                aria-label=title.clone()
                title=title
                data-testid="changes"
            >
                {icon(Icon::Diff)}
            </a>
        }
    });
    let back = (!release.active).then(|| roll_back_button(model, number));
    view! { <div class="actions">{back} {changes}</div> }.into_any()
}

/// The button that leads back to a release.
pub(super) fn roll_back_button(model: Model, release: u32) -> AnyView {
    view! {
        <button
            type="button"
            class="button small"
            data-testid="roll-back"
            aria-label=format!("Roll back to release {release}")
            on:click=move |_| model.rollback.ask(release)
        >
            {icon(Icon::Undo)} "Roll back to this"
        </button>
    }
    .into_any()
}

/// `12 files of 38 KB`.
pub(super) fn size(found: &Found) -> String {
    let files = number::plural(usize::try_from(found.files).unwrap_or(usize::MAX), "file", "files");
    format!("{files} of {}", number::bytes(found.bytes))
}

/// As much of a digest as tells one from another.
fn short(digest: &str) -> String {
    digest.get(..8).unwrap_or(digest).to_owned()
}
