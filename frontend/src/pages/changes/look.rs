//! What is in a release: where it came from, its files, and the packages of its lock.

use leptos::prelude::*;
use mantyx_api_types::{FileEntry, FileKind, ReleaseDetail};

use super::fetch::{fetched, of_app};
use super::place::Place;
use super::releases::{Model, marks, roll_back_button, size};
use crate::components::{IntoViews, dynamic, prose};
use crate::state::clock;
use crate::text::{number, words};

/// From how many files on they can be searched through.
const MANY: usize = 15;

/// The place.
pub(super) fn look(model: Model, release: u32) -> AnyView {
    let state = model.state;
    let read = of_app(state, model.app, move |app| async move { state.client.release(&app, release).await });
    view! {
        <nav class="crumbs" aria-label="Where this is">
            <a class="link" href=move || model.address(&Place::List)>"All releases"</a>
            <h2>{format!("Release {release}")}</h2>
        </nav>
        {fetched(read, 8, move |detail| content(model, detail))}
    }
    .into_any()
}

fn content(model: Model, detail: &ReleaseDetail) -> AnyView {
    view! {
        <div class="columns">
            <div class="column">{files(model, detail)}</div>
            <div class="column">{facts(model, detail)} {lock(detail.lock.as_deref())}</div>
        </div>
    }
    .into_any()
}

fn facts(model: Model, detail: &ReleaseDetail) -> AnyView {
    let release = &detail.release;
    let back = (!release.active).then(|| roll_back_button(model, release.number));
    let warnings =
        release.found.warnings.iter().map(|warning| view! { <p>{prose(warning)}</p> }).into_views();
    let odd = (!release.found.warnings.is_empty()).then(|| view! { <dt>"Left out"</dt> <dd>{warnings}</dd> });
    view! {
        <section class="panel">
            <div class="panel-title"><h3>"Facts"</h3> <span class="row">{marks(release)}</span></div>
            <dl class="facts">
                <dt>{words::origin_kind(&release.origin)}</dt>
                <dd>{words::origin(&release.origin)}</dd>
                <dt>"Made"</dt>
                <dd>{clock::stamp(release.created_at)} <span class="muted">" by " {crate::text::events::by(&release.created_by)}</span></dd>
                <dt>"Holds"</dt>
                <dd>{size(&release.found)}</dd>
                <dt>"Python"</dt>
                <dd>{release.python.clone().unwrap_or_else(|| "not chosen yet".to_owned())}</dd>
                <dt>"Digest"</dt>
                <dd><code>{release.found.digest.clone()}</code></dd>
                {odd}
            </dl>
            {back.map(|back| view! { <div class="panel-foot">{back}</div> })}
        </section>
    }
    .into_any()
}

fn lock(lock: Option<&str>) -> AnyView {
    let lines = lock.map(|lock| lock.lines().filter(|line| !line.trim().is_empty()).count());
    let content = match (lock, lines) {
        (None, _) => view! { <p class="panel-words muted">"No packages were chosen yet."</p> }.into_any(),
        (_, Some(0)) => view! { <p class="panel-words muted">"It needs no packages."</p> }.into_any(),
        (Some(lock), lines) => view! {
            <details class="packages">
                <summary>{number::plural(lines.unwrap_or_default(), "line", "lines")}</summary>
                <pre class="source-text" tabindex="0" aria-label="The packages of its lock">{lock.to_owned()}</pre>
            </details>
        }
        .into_any(),
    };
    view! {
        <section class="panel">
            <div class="panel-title"><h3>"Lock"</h3></div>
            {content}
        </section>
    }
    .into_any()
}

fn files(model: Model, detail: &ReleaseDetail) -> AnyView {
    let (release, all) = (detail.release.number, detail.files.clone());
    let sought = RwSignal::new(String::new());
    let count = number::plural(all.len(), "file", "files");
    let search = (all.len() >= MANY).then(|| {
        view! {
            <input
                type="search"
                class="input"
                data-testid="files-search"
                placeholder="Find a file"
                aria-label="Find a file"
                prop:value=sought
                on:input:target=move |event| sought.set(event.target().value())
            />
        }
    });
    let rows = move || {
        let sought = sought.read().trim().to_lowercase();
        let found = all.iter().filter(|file| file.path.to_lowercase().contains(&sought));
        found.map(|file| row(model, release, file)).into_views()
    };
    view! {
        <section class="panel">
            <div class="panel-title"><h3>{count}</h3> {search}</div>
            <ul class="files">{dynamic(rows)}</ul>
        </section>
    }
    .into_any()
}

fn row(model: Model, release: u32, file: &FileEntry) -> AnyView {
    let kind = match file.kind {
        FileKind::File => None,
        FileKind::Program => Some("program"),
        FileKind::Link => Some("link"),
    };
    let path = file.path.clone();
    let place = Place::File(release, path.clone());
    let (folder, name) = path.rsplit_once('/').map_or(("", path.as_str()), |(folder, name)| (folder, name));
    let folder = if folder.is_empty() { String::new() } else { format!("{folder}/") };
    view! {
        <li>
            <a href=move || model.address(&place) data-testid="release-file"><span class="muted">{folder}</span>{name.to_owned()}</a>
            <span class="muted">{kind}</span>
            <span class="muted number">{number::bytes(file.bytes)}</span>
        </li>
    }
    .into_any()
}
