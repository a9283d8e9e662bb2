//! What one does rarely and with care: giving an app another name, switching it off, and moving it to the trash.

use leptos::ev;
use leptos::prelude::*;
use leptos::task::spawn_local;
use mantyx_api_types::AppView;
use mantyx_api_types::core::AppEvent;

use crate::api::Failure;
use crate::components::{Look, action_button, dynamic, failure_notice, name_field};
use crate::state::{State, memo};

/// The tab.
pub(super) fn danger(state: State, app: Signal<AppView>) -> impl IntoView {
    let can_disable = memo(move || app.read().legal_events.contains(&AppEvent::Disable));
    view! {
        <div class="stack form-page">
            {super::rename::rename(state, app)}
            <section class="group">
                <div class="group-words">
                    <h2>"Disable"</h2>
                    <p class="muted">"Stops it and keeps it switched off, whatever its schedules or the machine say. Everything is kept."</p>
                </div>
                <div class="group-fields">
                    {dynamic(move || if can_disable.get() { action_button(state, app, AppEvent::Disable, Look::Full).into_any() } else { view! { <p class="muted">"It is not enabled, so there is nothing to switch off."</p> }.into_any() })}
                </div>
            </section>
            {delete(state, app)}
        </div>
    }
}

/// The signals of the question whether to delete.
#[derive(Clone, Copy)]
struct Deletion {
    state: State,
    app: Signal<AppView>,
    typed: RwSignal<String>,
    failure: RwSignal<Option<Failure>>,
    busy: RwSignal<bool>,
}

impl Deletion {
    /// Whether the name was repeated and nothing is on its way.
    fn ready(self) -> bool {
        self.typed.read().trim() == self.app.read().name.as_str() && !self.busy.get()
    }

    fn submit(self) {
        if !untrack(|| self.ready()) {
            return;
        }
        self.busy.set(true);
        self.failure.set(None);
        let name = self.app.with_untracked(|app| app.name.to_string());
        let confirm = self.typed.get_untracked().trim().to_owned();
        spawn_local(async move {
            if let Err(error) = self.state.delete(name, confirm).await {
                self.failure.try_set(Some(error));
            }
            self.busy.try_set(false);
        });
    }
}

fn delete(state: State, app: Signal<AppView>) -> impl IntoView {
    let model = Deletion {
        state,
        app,
        typed: RwSignal::new(String::new()),
        failure: RwSignal::new(None),
        busy: RwSignal::new(false),
    };
    view! {
        <section class="group">
            <div class="group-words">
                <h2>"Delete"</h2>
                <p class="muted">
                    "Stops it and moves it to the " <a class="link" href="/trash">"trash"</a>
                    " with its releases, data, configuration and schedules. From there it can come back, until the trash is emptied."
                </p>
            </div>
            {confirmation(model)}
        </section>
    }
}

fn confirmation(model: Deletion) -> impl IntoView {
    let submit = move |event: ev::SubmitEvent| {
        event.prevent_default();
        model.submit();
    };
    view! {
        <form class="group-fields" novalidate on:submit=submit>
            <p>"Type " <code>{dynamic(move || model.app.read().name.to_string())}</code> " to confirm."</p>
            {name_field("delete-confirm", "Name of the app", model.typed, model.failure)}
            {dynamic(move || model.failure.get().map(|failure| failure_notice(&failure)))}
            <button
                type="submit"
                class="button danger"
                data-testid="delete-submit"
                aria-disabled=move || (!model.ready()).to_string()
            >
                "Move to trash"
            </button>
        </form>
    }
}
