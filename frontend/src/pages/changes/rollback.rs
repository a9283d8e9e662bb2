//! The question whether an earlier release is taken into use again, with what that does.

use leptos::prelude::*;
use mantyx_api_types::AppView;

use super::place::Place;
use crate::components::{AnswerButton, Question, dynamic, question};
use crate::state::{State, derived};

/// The question.
#[derive(Clone, Copy)]
pub(super) struct Rollback {
    state: State,
    app: Signal<AppView>,
    asked: Question,
    release: RwSignal<u32>,
}

impl Rollback {
    /// One that is not asked yet.
    pub(super) fn new(state: State, app: Signal<AppView>) -> Self {
        Self { state, app, asked: Question::new(), release: RwSignal::new(0) }
    }

    /// Asks it about a release.
    pub(super) fn ask(self, release: u32) {
        self.release.set(release);
        self.asked.ask();
    }

    fn submit(self) {
        let (state, release) = (self.state, self.release.get_untracked());
        let name = self.app.with_untracked(|app| app.name.to_string());
        let list = Place::List.address(&name);
        let answer = async move { state.client.roll_back(&name, release).await };
        self.asked.send(answer, move |operation| {
            state.store.put_operation(operation);
            state.router.visit(&list);
        });
    }
}

/// Its dialog.
pub(super) fn rollback(model: Rollback) -> AnyView {
    let title = move || format!("Roll back to release {}?", model.release.get());
    let answer = AnswerButton {
        id: "roll-back-submit",
        title: "Roll back",
        class: "button primary",
        ready: derived(|| true),
        submit: Callback::new(move |()| model.submit()),
    };
    question(model.asked, title, words(model), answer)
}

fn words(model: Rollback) -> AnyView {
    let now = move || match model.app.read().release {
        Some(release) => format!("release {release}"),
        None => "what runs now".to_owned(),
    };
    let switch = move || {
        if model.app.read().pid.is_some() {
            "The app is stopped, and started again with it. Only between the two it is down."
        } else {
            "The app does not run, so it is only switched over."
        }
    };
    view! {
        <ul class="happens">
            <li>{dynamic(move || format!("Release {} takes the place of {}, with its code and exactly its packages. Nothing is downloaded if they are still here.", model.release.get(), now()))}</li>
            <li>{dynamic(switch)}</li>
            <li>"Its configuration and its data stay as they are now. A backup is made first."</li>
            <li>{dynamic(move || format!("If it does not become healthy, {} is taken into use again.", now()))}</li>
        </ul>
    }
    .into_any()
}
