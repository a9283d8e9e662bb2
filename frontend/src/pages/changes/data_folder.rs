//! A folder among the own files of an app: what is in it, what is put into it, and what goes.

use leptos::prelude::*;
use leptos::task::spawn_local;
use mantyx_api_types::core::{Code, EventKind};
use mantyx_api_types::{AppView, DataEntry, DataKind};

use super::data::{Place, crumbs};
use super::fetch::fetched;
use super::file::EDITABLE;
use super::paged::{Paged, Part};
use super::parts::remove_button;
use crate::api::Overwrite;
use crate::components::{AnswerButton, Icon, IntoViews, Question, dynamic, empty, icon, prose, question};
use crate::state::{State, clock, derived, memo};
use crate::text::number;

/// The signals of a folder.
#[derive(Clone, Copy)]
struct Model {
    state: State,
    app: Signal<AppView>,
    path: StoredValue<String>,
    files: Paged<DataEntry>,
    /// How much of what is put into it has left, from 0 to 1.
    sent: RwSignal<Option<f64>>,
    replace: Question,
    /// What is to be put in the place of another.
    held: RwSignal<Option<web_sys::File>, LocalStorage>,
    remove: Question,
    /// What is to go.
    chosen: RwSignal<Option<DataEntry>>,
}

impl Model {
    fn name(self) -> String {
        self.app.with_untracked(|app| app.name.to_string())
    }

    fn load(self) {
        self.files.load(self.state.client.data(&self.name(), &self.path.get_value(), None));
    }

    fn load_rest(self) {
        let (app, path) = (self.name(), self.path.get_value());
        self.files.load_rest(self.state, |rest| self.state.client.data(&app, &path, Some(rest)));
    }

    /// Puts a file into the folder, unless one is there that nobody said should go. Of what is not shown, the daemon
    /// knows.
    fn take(self, file: Option<web_sys::File>) {
        let Some(file) = file else { return };
        let name = file.name();
        let is_there = self.files.list.with_untracked(|list| {
            list.as_ref()
                .and_then(|list| list.as_ref().ok())
                .is_some_and(|list| list.items.iter().any(|entry| entry.name == name))
        });
        self.held.set(Some(file));
        if is_there { self.replace.ask() } else { self.put(Overwrite::Refuse) }
    }

    fn put(self, overwrite: Overwrite) {
        let Some(file) = self.held.get_untracked() else { return };
        let (state, app, path) = (self.state, self.name(), below(&self.path.get_value(), &file.name()));
        self.sent.set(Some(0.0));
        spawn_local(async move {
            let sent = self.sent;
            let told = move |progress: crate::api::Progress| {
                sent.try_set(Some(progress.0));
            };
            let answer = state.client.put_data(&app, &path, &file, overwrite, told).await;
            // Whoever went elsewhere meanwhile has left no signal here, and is asked nothing.
            let is_here = sent.try_set(None).is_none();
            match answer {
                Ok(_) => state.toasts.good(format!("`{path}` is written"), None),
                Err(failure) if failure.is(Code::Stale) && is_here => self.replace.ask(),
                Err(failure) => state.toasts.failure(&failure),
            }
        });
    }

    fn submit_replace(self) {
        self.replace.send(async { Ok(()) }, move |()| self.put(Overwrite::Replace));
    }

    fn submit_remove(self) {
        let path = self.chosen.get_untracked().and_then(|entry| entry.path);
        let Some(path) = path else { return };
        let (state, app) = (self.state, self.name());
        let (answer, gone) = (path.to_string(), path);
        let answer = async move { state.client.remove_data(&app, &answer).await };
        self.remove.send(answer, move |()| state.toasts.good(format!("`{gone}` is removed"), None));
    }
}

fn below(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

/// The place.
pub(super) fn folder(state: State, app: Signal<AppView>, path: String) -> AnyView {
    let model = Model {
        state,
        app,
        path: StoredValue::new(path.clone()),
        files: Paged::new(),
        sent: RwSignal::new(None),
        replace: Question::new(),
        held: RwSignal::new_local(None),
        remove: Question::new(),
        chosen: RwSignal::new(None),
    };
    let id = app.with_untracked(|app| app.id.to_string());
    let kinds = [EventKind::FileWritten, EventKind::FileRemoved];
    let told = memo(move || state.store.last_event(&kinds, Some(&id)));
    let operation = memo(move || app.read().operation);
    state.keep_loaded(move || {
        let _ = (told.get(), operation.get());
        model.load();
    });
    let lead = if path.is_empty() {
        let words = "What the app keeps itself, in the folder that it finds in `APP_DATA_DIR`. Its code is among the releases.";
        view! { <p class="spring muted">{prose(words)}</p> }.into_any()
    } else {
        view! { <div class="spring">{crumbs(app, &path)}</div> }.into_any()
    };
    view! {
        <div class="tab-head">
            {lead}
            <button type="button" class="button" data-testid="data-again" on:click=move |_| model.load()>{icon(Icon::Restart)} "Look again"</button>
            {upload_button(model)}
        </div>
        {fetched(model.files.list, 6, move |list| if list.items.is_empty() && !list.has_rest() { nothing() } else { table(model, list) })}
        {replace_question(model)}
        {remove_question(model)}
    }
    .into_any()
}

fn nothing() -> AnyView {
    empty(
        "Nothing is here",
        view! { <p>"What the app writes into this folder is shown here, and what you put into it."</p> },
    )
    .into_any()
}

fn upload_button(model: Model) -> AnyView {
    let words = move || match model.sent.get() {
        None => "Put a file here".to_owned(),
        Some(part) => format!("{:.0} %", part * 100.0),
    };
    view! {
        <label class="button primary file-button">
            {icon(Icon::Upload)} {dynamic(words)}
            <input
                type="file"
                data-testid="data-upload"
                disabled=move || model.sent.get().is_some()
                on:change:target=move |event| {
                    let input = event.target();
                    model.take(input.files().and_then(|files| files.get(0)));
                    // The same file may be chosen once more.
                    input.set_value("");
                }
            />
        </label>
    }
    .into_any()
}

fn table(model: Model, list: &Part<DataEntry>) -> AnyView {
    let more = list.has_rest().then(|| {
        view! {
            <div class="panel-foot">
                <button type="button" class="button" data-testid="data-more" on:click=move |_| model.load_rest()>"Show more"</button>
            </div>
        }
    });
    view! {
        <div class="panel">
            <table class="data" role="table" aria-label="Files">
                <thead role="rowgroup">
                    <tr role="row">
                        <th role="columnheader" scope="col">"Name"</th>
                        <th role="columnheader" scope="col" class="number">"Size"</th>
                        <th role="columnheader" scope="col">"Written"</th>
                        <th role="columnheader" scope="col"><span class="hidden">"Actions"</span></th>
                    </tr>
                </thead>
                <tbody role="rowgroup">{list.items.iter().map(|entry| row(model, entry)).into_views()}</tbody>
            </table>
            {more}
        </div>
    }
    .into_any()
}

fn row(model: Model, entry: &DataEntry) -> AnyView {
    let (at, state) = (entry.modified_at, model.state);
    let size = if entry.kind == DataKind::File { number::bytes(entry.bytes) } else { String::new() };
    view! {
        <tr role="row" data-testid=format!("data-row-{}", entry.name)>
            <td role="cell" class="cell-data">{named(model, entry)}</td>
            <td role="cell" class="number">{size}</td>
            <td role="cell" class="muted"><time title=clock::stamp(at)>{dynamic(move || state.clock.ago(at))}</time></td>
            <td role="cell" class="cell-actions">{actions(model, entry)}</td>
        </tr>
    }
    .into_any()
}

/// The name, as a link where there is something to look at.
fn named(model: Model, entry: &DataEntry) -> AnyView {
    let path = entry.path.as_ref().map(ToString::to_string);
    let place = match (entry.kind, path) {
        (DataKind::Folder, Some(path)) => Some(Place::Folder(path)),
        (DataKind::File, Some(path)) if entry.bytes <= EDITABLE as u64 => Some(Place::File(path)),
        _ => None,
    };
    let name = if entry.kind == DataKind::Folder { format!("{}/", entry.name) } else { entry.name.clone() };
    let name = match place {
        Some(place) => {
            let address = move || place.address(model.app.read().name.as_str());
            view! { <a class="strong-link machine" href=address>{name}</a> }.into_any()
        }
        None => view! { <span class="machine">{name}</span> }.into_any(),
    };
    view! { {name} {word(entry).map(|word| view! { " " <span class="tag">{word}</span> })} }.into_any()
}

/// What is special about an entry.
fn word(entry: &DataEntry) -> Option<&'static str> {
    match (entry.kind, &entry.path) {
        (_, None) => Some("Only to be reached on the disk"),
        (DataKind::Link, _) => Some("Link, not followed"),
        (DataKind::Special, _) => Some("No file"),
        (DataKind::Folder | DataKind::File, _) => None,
    }
}

fn actions(model: Model, entry: &DataEntry) -> AnyView {
    let Some(path) = entry.path.as_ref().map(ToString::to_string) else { return ().into_any() };
    let gone = entry.clone();
    let save = (entry.kind == DataKind::File).then(|| {
        let label = format!("Download {}", entry.name);
        view! {
            <button
                type="button"
                class="icon-button"
                data-testid="data-fetch"
                title="Download"
                aria-label=label
                on:click=move |_| model.state.fetch_data(model.name(), path.clone())
            >
                {icon(Icon::Download)}
            </button>
        }
    });
    view! {
        <div class="actions">
            {save}
            {remove_button("data-remove", &entry.name, move || {
            model.chosen.set(Some(gone.clone()));
            model.remove.ask();
        })}
        </div>
    }
    .into_any()
}

fn replace_question(model: Model) -> AnyView {
    let name = move || model.held.read().as_ref().map(web_sys::File::name).unwrap_or_default();
    let answer = AnswerButton {
        id: "data-replace-submit",
        title: "Replace it",
        class: "button danger",
        ready: derived(|| true),
        submit: Callback::new(move |()| model.submit_replace()),
    };
    let words =
        view! { <p>"What is there under this name now is gone for good, unless a backup holds it."</p> };
    question(model.replace, dynamic(move || format!("Replace {}?", name())), words, answer)
}

fn remove_question(model: Model) -> AnyView {
    let name = move || model.chosen.read().as_ref().map(|entry| entry.name.clone()).unwrap_or_default();
    let words = move || {
        let folder = model.chosen.read().as_ref().is_some_and(|entry| entry.kind == DataKind::Folder);
        let with_all = if folder { "The folder and all that is in it" } else { "It" };
        let running =
            if model.app.read().pid.is_some() { " The app is running, and may need it." } else { "" };
        view! { <p>{format!("{with_all} is gone for good, unless a backup holds it.{running}")}</p> }
    };
    let answer = AnswerButton {
        id: "data-remove-submit",
        title: "Remove it",
        class: "button danger",
        ready: derived(|| true),
        submit: Callback::new(move |()| model.submit_remove()),
    };
    question(model.remove, dynamic(move || format!("Remove {}?", name())), dynamic(words), answer)
}
