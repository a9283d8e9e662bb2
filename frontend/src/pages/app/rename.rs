//! Another name for an app.

use leptos::prelude::*;
use mantyx_api_types::AppView;
use mantyx_api_types::core::{AppEvent, AppName};

use crate::api::Failure;
use crate::components::{
    AnswerButton, InputStyle, Question, TextField, dynamic, prose, question, text_field,
};
use crate::state::form::errors_at;
use crate::state::{State, derived, memo};

/// The section of the screen, with its dialog.
pub(super) fn rename(state: State, app: Signal<AppView>) -> AnyView {
    let (asked, typed) = (Question::new(), RwSignal::new(String::new()));
    let can = memo(move || app.read().legal_events.contains(&AppEvent::Rename));
    let ask = move |_| {
        typed.set(app.with_untracked(|app| app.name.to_string()));
        asked.ask();
    };
    let button = move || {
        view! { <button type="button" class="button" data-testid="rename" on:click=ask>"Rename"</button> }
    };
    view! {
        <section class="group">
            <div class="group-words">
                <h2>"Rename"</h2>
                <p class="muted">"Its address, its folder and its commands get the new name. Everything that it has stays."</p>
            </div>
            <div class="group-fields">
                {dynamic(move || if can.get() { button().into_any() } else { view! { <p class="muted">"It cannot be renamed now."</p> }.into_any() })}
            </div>
            {dialog(state, app, asked, typed)}
        </section>
    }
    .into_any()
}

fn dialog(state: State, app: Signal<AppView>, asked: Question, typed: RwSignal<String>) -> AnyView {
    let submit = move |()| {
        let (name, wanted) = (app.with_untracked(|app| app.name.to_string()), typed.get_untracked());
        let answer = async move {
            let wanted = AppName::parse(wanted.trim());
            let wanted = wanted.map_err(|error| Failure::field("name", &error.to_string()))?;
            state.client.rename(&name, wanted, None).await
        };
        asked.send(answer, move |operation| state.store.put_operation(operation));
    };
    let failure = asked.failure();
    let field = text_field(TextField {
        id: "rename-name",
        label: "New name",
        help: "Lower case letters, digits, `-` and `_`.",
        style: InputStyle::Machine,
        list: None,
        value: typed.into(),
        change: Callback::new(move |text| {
            failure.set(None);
            typed.set(text);
        }),
        error: derived(move || failure.read().as_ref().and_then(|f| errors_at(&f.fields(), &["name"]))),
    });
    let content = view! { {dynamic(move || prose(what_happens(&app.read()))).into_any()} {field} };
    let answer = AnswerButton {
        id: "rename-submit",
        title: "Rename",
        class: "button primary",
        ready: derived(move || {
            let typed = typed.read();
            !typed.trim().is_empty() && typed.trim() != app.read().name.as_str()
        }),
        submit: Callback::new(submit),
    };
    let title = move || format!("Rename {}", app.read().name);
    question(asked, title, view! { <div class="stack-tight">{content}</div> }, answer)
}

/// What a new name takes, for an app as it is.
fn what_happens(app: &AppView) -> &'static str {
    if app.pid.is_some() {
        "Its environment is built again under the new name, because programs in it know where they lie. Then it is stopped, moved, and started again."
    } else {
        "Its environment is built again under the new name, because programs in it know where they lie."
    }
}
