//! What changed from one release to another: packages, and files line by line. Each line has its number in both
//! files and a sign, so that its colour only repeats what stands there.

use leptos::html;
use leptos::prelude::*;
use mantyx_api_types::{DiffHunk, DiffKind, FileChange, FileDiff, PackageChange, ReleaseDiff};

use super::compare::compare;
use super::fetch::{fetched, once};
use super::place::Place;
use super::releases::Model;
use crate::components::{Icon, IntoViews, dynamic, icon, prose};
use crate::text::difference::{self, NumberedLine};
use crate::text::number;

/// How many lines are drawn before anybody asks for them.
const OPEN_LINES: usize = 1500;

/// The place.
pub(super) fn diff(model: Model, from: u32, to: u32) -> AnyView {
    let (state, app) = (model.state, model.app.with_untracked(|app| app.name.to_string()));
    let read = once(state, move || {
        let app = app.clone();
        async move { state.client.release_diff(&app, from, to).await }
    });
    view! {
        <nav class="crumbs" aria-label="Where this is">
            <a class="link" href=move || model.address(&Place::List)>"All releases"</a>
            <h2>{format!("From release {from} to {to}")}</h2>
        </nav>
        <div class="tab-head">{compare(model, Some((from, to)))}</div>
        {fetched(read, 12, move |diff| content(model, diff))}
    }
    .into_any()
}

fn content(model: Model, diff: &ReleaseDiff) -> AnyView {
    let mut budget = OPEN_LINES;
    let files = diff.files.iter().map(|file| {
        let lines: usize = file.hunks.iter().map(|hunk| hunk.lines.len()).sum();
        let open = lines <= budget;
        budget = budget.saturating_sub(lines);
        file_panel(model, diff.to, file, open)
    });
    let files = files.into_views();
    view! {
        <p class="muted" data-testid="diff-summary">{difference::summary(diff)}</p>
        {diff.truncated.then(|| view! {
            <p class="warnings" data-testid="diff-truncated">{icon(Icon::Alert)} "There is more than is shown here: look into both releases for the rest."</p>
        })}
        {(!diff.packages.is_empty()).then(|| packages(&diff.packages))}
        {files}
    }
    .into_any()
}

fn packages(changes: &[PackageChange]) -> AnyView {
    let version = |version: &Option<String>| version.clone().unwrap_or_else(|| "none".to_owned());
    let rows = changes.iter().map(|change| {
        view! {
            <li>
                <span class="tag">{difference::package(change)}</span>
                <code>{change.name.clone()}</code>
                <span>{version(&change.from)} <span class="muted">" to "</span> {version(&change.to)}</span>
            </li>
        }
    });
    let count = number::plural(changes.len(), "package", "packages");
    view! {
        <section class="panel" data-testid="diff-packages">
            <div class="panel-title"><h3>{count}</h3></div>
            <ul class="package-changes">{rows.into_views()}</ul>
        </section>
    }
    .into_any()
}

/// A file; its lines are drawn once it is open.
fn file_panel(model: Model, to: u32, file: &FileDiff, opened: bool) -> AnyView {
    let (open, element) = (RwSignal::new(opened), NodeRef::<html::Details>::new());
    let toggled = move |_| open.set(element.get_untracked().is_some_and(|element| element.open()));
    let shown = file.clone();
    let path = match &file.old_path {
        Some(old) if *old != file.path => {
            view! { <span class="muted">{old.clone()} " to "</span> {file.path.clone()} }.into_any()
        }
        _ => file.path.clone().into_any(),
    };
    view! {
        <details node_ref=element class="panel diff-file" open=opened on:toggle=toggled data-testid="diff-file">
            <summary>
                <span class="tag">{difference::change(file.change)}</span>
                <span class="machine diff-path">{path}</span>
                {(file.added + file.removed > 0).then(|| counts((file.added, file.removed)))}
            </summary>
            {dynamic(move || open.get().then(|| body(model, to, &shown)))}
        </details>
    }
    .into_any()
}

/// How many lines are new and gone, with words for readers.
fn counts((added, removed): (u32, u32)) -> AnyView {
    view! {
        <span class="diff-counts">
            <span class="diff-plus">{format!("+{}", number::count(added as usize))}<span class="hidden">" lines new, "</span></span>
            <span class="diff-minus">{format!("\u{2212}{}", number::count(removed as usize))}<span class="hidden">" lines gone"</span></span>
        </span>
    }
    .into_any()
}

fn body(model: Model, to: u32, file: &FileDiff) -> AnyView {
    let same = file.hunks.is_empty().then_some("Its text is the same");
    let note = file.note.as_deref().or(same).map(|note| view! { <span>{prose(note)}</span> });
    // Of a single one the file says it already.
    let several = file.hunks.len() > 1;
    let hunk = |hunk: &DiffHunk| hunk_view(hunk, several.then(|| counts(difference::counts(hunk))));
    let hunks = file.hunks.iter().map(hunk).into_views();
    let link = (file.change != FileChange::Removed).then(|| {
        let place = Place::File(to, file.path.clone());
        let words = format!("The whole file in release {to}");
        view! { <a class="link" href=move || model.address(&place)>{words}</a> }
    });
    view! { {hunks} <p class="diff-note">{note} {link}</p> }.into_any()
}

fn hunk_view(hunk: &DiffHunk, counts: Option<AnyView>) -> AnyView {
    let label = difference::place(hunk);
    let lines = difference::numbered(hunk).into_iter().map(line).into_views();
    view! {
        <details class="hunk" open=true>
            <summary><span>{label.clone()}</span> {counts}</summary>
            <div class="diff-lines" tabindex="0" role="group" aria-label=label><div class="diff-sheet">{lines}</div></div>
        </details>
    }
    .into_any()
}

fn line(line: NumberedLine) -> AnyView {
    let class = match line.kind {
        DiffKind::Same => "diff-line",
        DiffKind::Added => "diff-line added",
        DiffKind::Removed => "diff-line removed",
    };
    let number = |number: Option<u32>| number.map(|number| number.to_string()).unwrap_or_default();
    view! {
        <div class=class>
            <span class="diff-number">{number(line.from)}</span>
            <span class="diff-number">{number(line.to)}</span>
            <span class="diff-sign">{difference::sign(line.kind)}</span>
            <span class="diff-text">{line.text}</span>
        </div>
    }
    .into_any()
}
