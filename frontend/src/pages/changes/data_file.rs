//! One of the own files of an app, shown and edited. What the app wrote meanwhile is never overwritten unseen.

use leptos::prelude::*;
use leptos::task::spawn_local;
use mantyx_api_types::AppView;
use mantyx_api_types::core::Code;

use super::data::crumbs;
use super::fetch::{Fetched, fetched};
use super::file::{EDITABLE, facts, text_lines, unix, with_ends_of};
use super::parts::text_field;
use crate::api::{Failure, FileText};
use crate::components::{Icon, dynamic, empty, failure_notice, icon};
use crate::state::{State, memo};

/// A text that is being edited, and what was there when that began: what is read meanwhile is not what was edited.
#[derive(Clone, Debug)]
struct Draft {
    text: String,
    before: String,
    /// The tag that it had.
    tag: String,
}

/// The signals of a file.
#[derive(Clone, Copy)]
struct Opened {
    state: State,
    app: Signal<AppView>,
    path: StoredValue<String>,
    /// What was read, and the tag that it had.
    read: Fetched<(FileText, String)>,
    /// What is written, while it is edited.
    draft: RwSignal<Option<Draft>>,
    failure: RwSignal<Option<Failure>>,
    busy: RwSignal<bool>,
}

impl Opened {
    fn name(self) -> String {
        self.app.with_untracked(|app| app.name.to_string())
    }

    fn load(self) {
        self.load_from(self.name(), self.path.get_value());
    }

    fn load_from(self, app: String, path: String) {
        spawn_local(async move {
            self.read.try_set(Some(self.state.client.data_text(&app, &path).await));
        });
    }

    fn begin(self) {
        self.failure.set(None);
        self.draft.set(self.read.with_untracked(|read| match read {
            Some(Ok((FileText::Text(before), tag))) => {
                Some(Draft { text: unix(before), before: before.clone(), tag: tag.clone() })
            }
            _ => None,
        }));
    }

    fn save(self) {
        let Some(Draft { text, before, tag }) = self.draft.get_untracked() else { return };
        if self.busy.get_untracked() {
            return;
        }
        self.busy.set(true);
        self.failure.set(None);
        let (state, app, path) = (self.state, self.name(), self.path.get_value());
        let text = with_ends_of(&before, text);
        spawn_local(async move {
            let answer = state.client.put_data_text(&app, &path, text, &tag).await;
            self.busy.try_set(false);
            match answer {
                Ok(_) => {
                    state.toasts.good(format!("`{path}` is saved"), None);
                    // Whoever went elsewhere meanwhile has left no signal here.
                    if self.draft.try_set(None).is_none() {
                        self.load_from(app, path);
                    }
                }
                Err(failure) => {
                    if let Some(Some(failure)) = self.failure.try_set(Some(failure)) {
                        state.toasts.failure(&failure);
                    }
                }
            }
        });
    }
}

/// The place.
pub(super) fn file(state: State, app: Signal<AppView>, path: String) -> AnyView {
    let opened = Opened {
        state,
        app,
        path: StoredValue::new(path.clone()),
        read: RwSignal::new(None),
        draft: RwSignal::new(None),
        failure: RwSignal::new(None),
        busy: RwSignal::new(false),
    };
    state.keep_loaded(move || {
        // What is being edited stays as it was read.
        if opened.draft.with_untracked(Option::is_none) {
            opened.load();
        }
    });
    view! {
        {crumbs(app, &path)}
        {fetched(opened.read, 12, move |(text, _)| content(opened, text))}
    }
    .into_any()
}

fn content(opened: Opened, text: &FileText) -> AnyView {
    let FileText::Text(text) = text else {
        let words = view! {
            <p>"It holds something other than text, so there is nothing to show."</p>
            <div class="row">{save_button(opened)}</div>
        };
        return empty("This file is not text", words).into_any();
    };
    let (text, editing) = (text.clone(), memo(move || opened.draft.read().is_some()));
    dynamic(move || if editing.get() { editor(opened) } else { shown(opened, &text) })
}

fn shown(opened: Opened, text: &str) -> AnyView {
    let edit = (text.len() <= EDITABLE).then(|| {
        view! { <button type="button" class="button small" data-testid="data-edit" on:click=move |_| opened.begin()>{icon(Icon::Edit)} "Edit"</button> }
    });
    view! {
        <section class="panel" data-testid="data-file">
            <div class="panel-title">
                <span class="muted">{facts(text)}</span>
                <div class="row">
                    <button type="button" class="button small" data-testid="data-again" on:click=move |_| opened.load()>{icon(Icon::Restart)} "Read again"</button>
                    {save_button(opened)}
                    {edit}
                </div>
            </div>
            {text_lines(text)}
        </section>
    }
    .into_any()
}

fn save_button(opened: Opened) -> AnyView {
    let save = move |_| opened.state.fetch_data(opened.name(), opened.path.get_value());
    view! { <button type="button" class="button small" data-testid="data-download" on:click=save>{icon(Icon::Download)} "Download"</button> }
        .into_any()
}

fn editor(opened: Opened) -> AnyView {
    let path = opened.path.get_value();
    let begun = opened.draft.with_untracked(|draft| draft.as_ref().map(|draft| draft.text.clone()));
    let typed = move |text: String| {
        opened.draft.update(|draft| {
            if let Some(draft) = draft {
                draft.text = text;
            }
        });
    };
    view! {
        <section class="stack-tight">
            {text_field("data-source", &path, begun.unwrap_or_default(), opened.busy, typed)}
            {dynamic(move || opened.failure.get().map(|failure| said(opened, &failure)))}
            <div class="submit">
                <p class="muted">"It is written in one step, as the user that the app runs as. The app is not told."</p>
                <button type="button" class="button" data-testid="data-discard" on:click=move |_| opened.draft.set(None)>"Discard"</button>
                <button type="button" class="button primary" data-testid="data-save" aria-disabled=move || opened.busy.get().to_string() on:click=move |_| opened.save()>
                    "Save"
                </button>
            </div>
        </section>
    }
    .into_any()
}

/// A file that somebody else wrote to meanwhile is read again, once what was typed is given up.
fn said(opened: Opened, failure: &Failure) -> AnyView {
    let again = failure.is(Code::Stale).then(|| {
        let press = move |_| {
            opened.draft.set(None);
            opened.load();
        };
        view! { <button type="button" class="button" data-testid="data-reread" on:click=press>"Discard, and read it again"</button> }
    });
    view! { <div class="row">{failure_notice(failure)} {again}</div> }.into_any()
}
