//! The question with what an app is updated: a file, what is in its repository, or the same code with packages that
//! are chosen anew.

use leptos::prelude::*;
use mantyx_api_types::core::Origin;
use mantyx_api_types::{AppView, OperationView};

use super::update_git::{GitFields, git};
use crate::api::{Answer, Failure, Progress};
use crate::components::{
    AnswerButton, Choice, FileDrop, Question, Segmented, dynamic, file_drop, prose, question, segmented,
};
use crate::state::{State, derived};
use crate::text::number;

/// Where the new release comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    File,
    Git,
    Packages,
}

/// The question.
#[derive(Clone, Copy)]
pub(super) struct Update {
    asked: Question,
    way: RwSignal<Way>,
    file: RwSignal<Option<web_sys::File>, LocalStorage>,
    /// How much of the file has left.
    progress: RwSignal<Progress>,
    git: GitFields,
}

impl Update {
    /// One that is not asked yet.
    pub(super) fn new(state: State, app: Signal<AppView>) -> Self {
        let asked = Question::new();
        Self {
            asked,
            way: RwSignal::new(Way::File),
            file: RwSignal::new_local(None),
            progress: RwSignal::new(Progress::default()),
            git: GitFields::new(state, app, asked.failure()),
        }
    }

    /// Asks it, beginning with where the active release came from.
    pub(super) fn ask(self) {
        let from_git = self.git.app.with_untracked(|app| matches!(app.origin, Origin::Git { .. }));
        self.way.set(if from_git { Way::Git } else { Way::File });
        self.file.set(None);
        self.git.begin();
        self.asked.ask();
    }

    /// Asks it about a branch, a tag or a commit of the repository of the active release.
    pub(super) fn ask_for(self, reference: Option<String>) {
        self.ask();
        self.git.follow(reference);
    }

    fn ready(self) -> bool {
        match self.way.get() {
            Way::File => self.file.with(Option::is_some),
            Way::Git => self.git.ready(),
            Way::Packages => true,
        }
    }

    fn submit(self) {
        self.progress.set(Progress::default());
        let state = self.git.state;
        self.asked.send(self.send(), move |operation| state.store.put_operation(operation));
    }

    async fn send(self) -> Answer<OperationView> {
        let app = self.git.app.with_untracked(|app| app.name.to_string());
        let client = self.git.state.client;
        match self.way.get_untracked() {
            Way::Packages => client.update_dependencies(&app).await,
            Way::Git => client.update_from_git(&app, &self.git.source()?).await,
            Way::File => {
                let file = self.file.get_untracked().ok_or(Failure::Unreachable)?;
                let (name, told) = (file.name(), move |progress| self.progress.set(progress));
                if name.to_ascii_lowercase().ends_with(".py") {
                    client.update_from_script(&app, &file, &name, told).await
                } else {
                    client.update_from_archive(&app, &file, &name, told).await
                }
            }
        }
    }
}

/// Its dialog.
pub(super) fn update(model: Update) -> AnyView {
    let answer = AnswerButton {
        id: "update-submit",
        title: "Update",
        class: "button primary",
        ready: derived(move || model.ready()),
        submit: Callback::new(move |()| model.submit()),
    };
    let content = view! {
        <div class="stack-tight wide">
            {ways(model)}
            {dynamic(move || match model.way.get() {
                Way::File => file(model),
                Way::Git => git(model.git),
                Way::Packages => packages(),
            })}
            <p class="muted small">{dynamic(move || what_happens(&model.git.app.read()))}</p>
            {upload_bar(model)}
        </div>
    };
    question(model.asked, move || format!("Update {}", model.git.app.read().name), content, answer)
}

fn ways(model: Update) -> AnyView {
    let choice = |value, title, id| Choice { value, title, id };
    segmented(Segmented {
        name: "update-way",
        label: "With what",
        help: "",
        choices: vec![
            choice(Way::File, "A file", "update-file"),
            choice(Way::Git, "Git", "update-git"),
            choice(Way::Packages, "Fresh packages", "update-packages"),
        ],
        value: model.way.into(),
        change: Callback::new(move |way| {
            model.asked.failure().set(None);
            model.way.set(way);
        }),
    })
}

fn file(model: Update) -> AnyView {
    file_drop(FileDrop {
        file: model.file,
        take: Callback::new(move |file| {
            model.asked.failure().set(None);
            model.file.set(file);
        }),
        title: "Drop the new version here",
        help: "A zip, tar or tar.gz of the project, or a single .py file.",
    })
}

fn packages() -> AnyView {
    let words = "The code stays. The newest packages that its requirements allow are chosen and locked. An app whose source has a lock of its own keeps exactly that.";
    view! { <p>{prose(words)}</p> }.into_any()
}

const fn what_happens(app: &AppView) -> &'static str {
    if app.pid.is_some() {
        "Everything slow happens beside the release that runs. Then a backup is made, and the app is stopped, switched and started. If it does not become healthy, the old release runs again."
    } else {
        "The new release is built beside the active one, a backup is made, and it is switched over. The app does not run, so it is not started."
    }
}

/// How far a file has come.
fn upload_bar(model: Update) -> AnyView {
    dynamic(move || {
        (model.asked.is_busy() && model.way.get() == Way::File).then(|| {
            let progress = model.progress.get();
            let words = match progress.0 {
                share if share < 1.0 => format!("Uploading, {}", number::percent(share)),
                _ => "Checking what is in it".to_owned(),
            };
            view! {
                <div class="progress progress-running" class:unknown={progress.0 >= 1.0}>
                    <span style:width=number::length(progress.0)></span>
                </div>
                <p class="muted small" role="status">{words}</p>
            }
        })
    })
}
