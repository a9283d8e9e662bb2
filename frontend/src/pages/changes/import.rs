//! Taking over an export. Only a Mantyx without apps can: what is there already is never mixed with what comes.

use leptos::prelude::*;
use leptos::task::spawn_local;
use mantyx_api_types::core::{OperationKind, OperationStatus};

use super::transfer::steps;
use crate::api::{Failure, Progress};
use crate::components::{FileDrop, dynamic, failure_notice, file_drop, prose, skeleton};
use crate::route::Route;
use crate::state::{State, memo};
use crate::text::number;

/// The signals of the panel.
#[derive(Clone, Copy)]
struct Model {
    state: State,
    /// How many apps are in the trash.
    trashed: RwSignal<Option<usize>>,
    file: RwSignal<Option<web_sys::File>, LocalStorage>,
    /// How much has left, while the file is on its way.
    progress: RwSignal<Option<Progress>>,
    failure: RwSignal<Option<Failure>>,
}

impl Model {
    fn load(self) {
        spawn_local(async move {
            if let Ok(apps) = self.state.client.trash().await {
                self.trashed.try_set(Some(apps.len()));
            }
        });
    }

    fn submit(self) {
        let Some(file) = self.file.get_untracked() else { return };
        if self.progress.get_untracked().is_some() {
            return;
        }
        self.failure.set(None);
        self.progress.set(Some(Progress::default()));
        spawn_local(async move {
            let told = move |progress| {
                self.progress.try_set(Some(progress));
            };
            let answer = self.state.client.import(&file, &file.name(), told).await;
            self.progress.try_set(None);
            match answer {
                Ok(operation) => {
                    self.file.try_set(None);
                    self.state.store.put_operation(operation);
                }
                Err(failure) => {
                    self.failure.try_set(Some(failure));
                }
            }
        });
    }
}

/// What stands in the way, or nothing.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Unknown,
    Free,
    Busy,
    Taken(usize, usize),
}

/// The panel.
pub(super) fn import(state: State) -> AnyView {
    let model = Model {
        state,
        trashed: RwSignal::new(None),
        file: RwSignal::new_local(None),
        progress: RwSignal::new(None),
        failure: RwSignal::new(None),
    };
    state.keep_loaded(move || {
        let _ = state.store.ended();
        model.load();
    });
    let way = memo(move || {
        let last = state.store.last_of(OperationKind::Import);
        if last.is_some_and(|last| last.status == OperationStatus::Running) {
            return Way::Busy;
        }
        match (state.store.apps().map(|apps| apps.len()), model.trashed.get()) {
            (Some(0), Some(0)) => Way::Free,
            (Some(apps), Some(trashed)) => Way::Taken(apps, trashed),
            _ => Way::Unknown,
        }
    });
    view! {
        <section class="panel" aria-label="Import" data-testid="import">
            <h2 class="panel-title">"Import"</h2>
            <div class="lines">
                {dynamic(move || match way.get() {
                    Way::Unknown => skeleton(2).into_any(),
                    Way::Busy => view! { <p class="muted">"Until it has ended nothing else can be changed."</p> }.into_any(),
                    Way::Taken(apps, trashed) => taken(apps, trashed),
                    Way::Free => form(model),
                })}
            </div>
            {steps(state, OperationKind::Import)}
        </section>
    }
    .into_any()
}

fn taken(apps: usize, trashed: usize) -> AnyView {
    let here = match (apps, trashed) {
        (apps, 0) => format!("here {} {}", is(apps), number::plural(apps, "app", "apps")),
        (0, trashed) => format!("the trash holds {}", number::plural(trashed, "app", "apps")),
        (apps, trashed) => format!(
            "here {} {}, and {} in the trash",
            is(apps),
            number::plural(apps, "app", "apps"),
            number::count(trashed)
        ),
    };
    view! {
        <p class="muted" data-testid="import-taken">
            {prose(&format!("An export is taken over by a Mantyx that is empty, so that nothing is mixed: {here}. Start another with `mantyx serve --root` in a folder of its own, and import it there."))}
        </p>
        {(trashed > 0).then(|| view! { <p><a class="link" href=Route::Trash.path()>"Open trash"</a></p> })}
    }
    .into_any()
}

const fn is(count: usize) -> &'static str {
    if count == 1 { "is" } else { "are" }
}

fn form(model: Model) -> AnyView {
    let ready = move || model.file.with(Option::is_some) && model.progress.get().is_none();
    let words = move || match model.progress.get() {
        None => "The apps come up as they were when it was made.".to_owned(),
        Some(progress) if progress.0 < 1.0 => format!("Uploading, {}", number::percent(progress.0)),
        Some(_) => "Checking what it is".to_owned(),
    };
    view! {
        <p class="muted">"Every app of the export comes here with its data, secrets and history. Environments are built anew, which may take a while."</p>
        {file_drop(FileDrop {
            file: model.file,
            take: Callback::new(move |file| {
                model.failure.set(None);
                model.file.set(file);
            }),
            title: "Drop an export here",
            help: "The .tar.gz that another Mantyx made.",
        })}
        {dynamic(move || model.progress.get().map(|progress| view! {
            <div class="progress progress-running" class:unknown={progress.0 >= 1.0}>
                <span style:width=number::length(progress.0)></span>
            </div>
        }))}
        {dynamic(move || model.failure.get().map(|failure| failure_notice(&failure)))}
        <div class="submit">
            <p class="muted" role="status">{dynamic(words)}</p>
            <button
                type="button"
                class="button primary"
                data-testid="import-submit"
                aria-disabled=move || (!ready()).to_string()
                on:click=move |_| model.submit()
            >
                "Import it"
            </button>
        </div>
    }
    .into_any()
}
