//! A question whose answer starts something: a dialog with its form, what is wrong with the answer, and whether it is on
//! its way.

use leptos::ev;
use leptos::prelude::*;
use leptos::task::spawn_local;

use super::dialog::{Dialog, dialog};
use super::dynamic::dynamic;
use super::notice::failure_notice;
use crate::api::{Answer, Failure};

/// A question that can be asked.
#[derive(Clone, Copy)]
pub(crate) struct Question {
    dialog: Dialog,
    failure: RwSignal<Option<Failure>>,
    busy: RwSignal<bool>,
}

/// The button that answers it.
pub(crate) struct AnswerButton {
    /// Its test id.
    pub(crate) id: &'static str,
    /// What happens.
    pub(crate) title: &'static str,
    /// How it looks: `button primary`, or `button danger` for what cannot be taken back.
    pub(crate) class: &'static str,
    /// Whether it can be pressed.
    pub(crate) ready: Signal<bool>,
    /// What it does.
    pub(crate) submit: Callback<()>,
}

impl Question {
    /// One that is not asked yet.
    pub(crate) fn new() -> Self {
        Self { dialog: Dialog::new(), failure: RwSignal::new(None), busy: RwSignal::new(false) }
    }

    /// Asks it, with nothing wrong yet.
    pub(crate) fn ask(self) {
        self.failure.set(None);
        self.dialog.open();
    }

    /// What is wrong with the last answer.
    pub(crate) const fn failure(self) -> RwSignal<Option<Failure>> {
        self.failure
    }

    /// Whether an answer is on its way.
    pub(crate) fn is_busy(self) -> bool {
        self.busy.get()
    }

    /// Sends an answer. One that is taken closes the dialog; of another the dialog says what is wrong.
    pub(crate) fn send<T: 'static>(
        self,
        answer: impl Future<Output = Answer<T>> + 'static,
        taken: impl FnOnce(T) + 'static,
    ) {
        self.busy.set(true);
        self.failure.set(None);
        spawn_local(async move {
            let answer = answer.await;
            self.busy.try_set(false);
            match answer {
                Ok(value) => {
                    self.dialog.close();
                    taken(value);
                }
                Err(failure) => {
                    self.failure.try_set(Some(failure));
                }
            }
        });
    }
}

/// The dialog of a question. What is wrong with a field stands at it, everything else before the buttons.
pub(crate) fn question(
    asked: Question,
    title: impl IntoView,
    content: impl IntoView,
    answer: AnswerButton,
) -> AnyView {
    let AnswerButton { id, title: word, class, ready, submit } = answer;
    let can = move || ready.get() && !asked.busy.get();
    let on_submit = move |event: ev::SubmitEvent| {
        event.prevent_default();
        if untrack(can) {
            submit.run(());
        }
    };
    let general = move || {
        let failure = asked.failure.get()?;
        failure.fields().is_empty().then(|| failure_notice(&failure))
    };
    let form = view! {
        <form class="question" novalidate on:submit=on_submit>
            {content}
            {dynamic(general)}
            <div class="submit">
                <button type="button" class="button" on:click=move |_| asked.dialog.close()>"Not now"</button>
                <button type="submit" class=class data-testid=id aria-disabled=move || (!can()).to_string()>{word}</button>
            </div>
        </form>
    };
    dialog(asked.dialog, title, form).into_any()
}
