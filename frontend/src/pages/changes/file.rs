//! A file of a release. One of the active release can be edited: what is saved is a release of its own.

use leptos::prelude::*;
use leptos::task::spawn_local;
use mantyx_api_types::core::Code;
use mantyx_api_types::{AppView, OperationView};

use super::fetch::{fetched, once};
use super::parts::text_field;
use super::place::Place;
use super::releases::Model;
use crate::api::{Answer, Failure, FileText};
use crate::components::{
    AnswerButton, Icon, Question, dynamic, empty, failure_notice, icon, prose, question,
};
use crate::state::{State, derived, memo};
use crate::text::number;

/// The largest file that can be edited here, in bytes: a field for text gets slow beyond.
pub(super) const EDITABLE: usize = 512 * 1024;

/// Whether a file can be edited here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Editing {
    Possible,
    /// It is too large, or no text at all.
    Impossible,
}

/// The signals of the place.
#[derive(Clone, Copy)]
struct Opened {
    state: State,
    app: Signal<AppView>,
    release: u32,
    path: StoredValue<String>,
    /// What was read.
    text: RwSignal<String>,
    /// What is written, while it is edited.
    draft: RwSignal<Option<String>>,
    failure: RwSignal<Option<Failure>>,
    busy: RwSignal<bool>,
    removal: Question,
}

impl Opened {
    fn name(self) -> String {
        self.app.with_untracked(|app| app.name.to_string())
    }

    /// Whether there is something to save.
    fn is_changed(self) -> bool {
        self.draft.with(|draft| draft.as_ref().is_some_and(|draft| *draft != unix(&self.text.read())))
    }

    fn save(self) {
        if self.busy.get_untracked() || !untrack(|| self.is_changed()) {
            return;
        }
        let Some(draft) = self.draft.get_untracked() else { return };
        let text = with_ends_of(&self.text.read_untracked(), draft);
        self.busy.set(true);
        self.failure.set(None);
        let (app, path) = (self.name(), self.path.get_value());
        spawn_local(async move {
            let answer = self.state.client.put_file(&app, self.release, &path, text).await;
            self.busy.try_set(false);
            self.taken(answer);
        });
    }

    fn remove(self) {
        let (app, path, client) = (self.name(), self.path.get_value(), self.state.client);
        let answer = async move { client.remove_file(&app, self.release, &path).await };
        self.removal.send(answer, move |operation| self.taken(Ok(operation)));
    }

    /// The steps of what was begun stand above the list.
    fn taken(self, answer: Answer<OperationView>) {
        match answer {
            Ok(operation) => {
                self.state.store.put_operation(operation);
                self.state.router.visit(&Place::List.address(&self.name()));
            }
            Err(failure) => {
                self.failure.try_set(Some(failure));
            }
        }
    }
}

/// The place.
pub(super) fn file(model: Model, release: u32, path: String) -> AnyView {
    let (state, name) = (model.state, model.app.with_untracked(|app| app.name.to_string()));
    let wanted = path.clone();
    let read = once(state, move || {
        let (name, path) = (name.clone(), wanted.clone());
        async move { state.client.release_text(&name, release, &path).await }
    });
    let opened = Opened {
        state,
        app: model.app,
        release,
        path: StoredValue::new(path.clone()),
        text: RwSignal::new(String::new()),
        draft: RwSignal::new(None),
        failure: RwSignal::new(None),
        busy: RwSignal::new(false),
        removal: Question::new(),
    };
    view! {
        <nav class="crumbs" aria-label="Where this is">
            <a class="link" href=move || model.address(&Place::List)>"All releases"</a>
            <a class="link" href=move || model.address(&Place::Release(release))>{format!("Release {release}")}</a>
            <h2 class="machine">{path}</h2>
        </nav>
        {fetched(read, 12, move |content| content_of(opened, content))}
        {removal(opened)}
    }
    .into_any()
}

fn content_of(opened: Opened, content: &FileText) -> AnyView {
    let FileText::Text(text) = content else {
        let words = view! {
            <p>"It holds something other than text, so there is nothing to show."</p>
            <div class="row">{save_button(opened)} {change_buttons(opened, Editing::Impossible)}</div>
        };
        return empty("This file is not text", words).into_any();
    };
    let possible = if text.len() <= EDITABLE { Editing::Possible } else { Editing::Impossible };
    opened.text.set(text.clone());
    let shown = text.clone();
    let editing = memo(move || opened.draft.read().is_some());
    dynamic(move || {
        if editing.get() {
            return editor(opened);
        }
        view! {
            <section class="panel" data-testid="file">
                <div class="panel-title">
                    <span class="muted">{facts(&shown)}</span>
                    <div class="row">{save_button(opened)} {change_buttons(opened, possible)}</div>
                </div>
                {text_lines(&shown)}
            </section>
        }
        .into_any()
    })
}

pub(super) fn facts(text: &str) -> String {
    let lines = number::plural(text.lines().count(), "line", "lines");
    format!("{lines}, {}", number::bytes(text.len() as u64))
}

/// The text beside the numbers of its lines.
pub(super) fn text_lines(text: &str) -> AnyView {
    let count = text.lines().count().max(1);
    let numbers: String = (1..=count).flat_map(|number| [number.to_string(), "\n".to_owned()]).collect();
    view! {
        <div class="source" tabindex="0" role="group" aria-label="Text of the file">
            <pre class="source-numbers" aria-hidden="true">{numbers}</pre>
            <pre class="source-text" data-testid="file-text">{text.to_owned()}</pre>
        </div>
    }
    .into_any()
}

fn save_button(opened: Opened) -> AnyView {
    let save = move |_| {
        opened.state.save_file(opened.name(), opened.release, opened.path.get_value());
    };
    view! {
        <button type="button" class="button small" data-testid="file-download" on:click=save>{icon(Icon::Download)} "Download"</button>
    }
    .into_any()
}

/// What can be done with a file of the active release; one of another says why nothing can.
fn change_buttons(opened: Opened, editing: Editing) -> AnyView {
    let is_active = memo(move || opened.app.read().release == Some(opened.release));
    let edit = move |_| {
        opened.failure.set(None);
        opened.draft.set(Some(unix(&opened.text.read_untracked())));
    };
    dynamic(move || {
        if !is_active.get() {
            return view! { <span class="muted small">"Only the active release can be edited"</span> }
                .into_any();
        }
        view! {
            <button type="button" class="button small danger" data-testid="file-remove" on:click=move |_| opened.removal.ask()>
                {icon(Icon::Trash)} "Remove"
            </button>
            {(editing == Editing::Possible).then(|| view! {
                <button type="button" class="button small" data-testid="file-edit" on:click=edit>{icon(Icon::Edit)} "Edit"</button>
            })}
        }
        .into_any()
    })
}

fn editor(opened: Opened) -> AnyView {
    let off = move || (opened.busy.get() || !opened.is_changed()).to_string();
    let (path, begun) = (opened.path.get_value(), opened.draft.get_untracked());
    view! {
        <section class="stack-tight">
            {text_field("file-source", &path, begun.unwrap_or_default(), opened.busy, move |text| opened.draft.set(Some(text)))}
            {dynamic(move || opened.failure.get().map(|failure| said(opened, &failure)))}
            <div class="submit">
                <p class="muted">"Saving makes a new release and takes it into use, as any update. If it does not become healthy, this one runs again."</p>
                <button type="button" class="button" data-testid="file-cancel" on:click=move |_| opened.draft.set(None)>"Discard"</button>
                <button type="button" class="button primary" data-testid="file-save" aria-disabled=off on:click=move |_| opened.save()>
                    "Save as a new release"
                </button>
            </div>
        </section>
    }
    .into_any()
}

/// A release that is not the active one any more is said as such, with the way to the one that is.
fn said(opened: Opened, failure: &Failure) -> AnyView {
    let active = opened.app.with_untracked(|app| app.release);
    let other = active.filter(|active| failure.is(Code::Stale) && *active != opened.release);
    let link = other.map(|active| {
        let place = Place::File(active, opened.path.get_value());
        view! { <a class="button" href=place.address(&opened.name())>{format!("Open it in release {active}")}</a> }
    });
    view! { <div class="row">{failure_notice(failure)} {link}</div> }.into_any()
}

fn removal(opened: Opened) -> AnyView {
    let path = opened.path.get_value();
    let words = format!(
        "A new release without `{path}` is made and taken into use, as any update. This one keeps the file."
    );
    let answer = AnswerButton {
        id: "file-remove-submit",
        title: "Remove it",
        class: "button danger",
        ready: derived(|| true),
        submit: Callback::new(move |()| opened.remove()),
    };
    question(opened.removal, format!("Remove {path}?"), view! { <p>{prose(&words)}</p> }, answer)
}

/// A field for text ends lines with a line feed alone.
pub(super) fn unix(text: &str) -> String {
    text.replace("\r\n", "\n")
}

/// What was edited, its lines ended as those of the file were.
pub(super) fn with_ends_of(before: &str, edited: String) -> String {
    if before.contains("\r\n") { edited.replace('\n', "\r\n") } else { edited }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_as_they_did() {
        assert_eq!(with_ends_of("a\r\nb\r\n", "a\nc\n".into()), "a\r\nc\r\n");
        assert_eq!(with_ends_of("a\nb\n", "a\nc\n".into()), "a\nc\n");
        assert_eq!(with_ends_of("", "a\n".into()), "a\n");
        assert_eq!(unix("a\r\nb"), "a\nb");
    }
}
