//! The third step: the installation with its steps and its log, and then the switch.

use leptos::prelude::*;
use mantyx_api_types::AppView;
use mantyx_api_types::core::{AppEvent, AppState, OperationKind, OperationStatus};

use crate::components::{Icon, LogView, dynamic, icon, log_view, operation_steps, skeleton};
use crate::route::{Route, Tab};
use crate::state::{Follow, State, last_seen, memo};

/// The step. `back` leads to the form.
pub(super) fn install(state: State, name: String, back: impl Fn() + Copy + Send + 'static) -> impl IntoView {
    let app = memo(move || state.store.app(&name));
    let operation = memo(move || {
        let id = app.read().as_ref().map(|app| app.id)?;
        state.store.last_operation(id).filter(|operation| operation.kind == OperationKind::Install)
    });
    let id = memo(move || operation.read().as_ref().map(|operation| operation.id));
    let steps = move || match id.get() {
        None => app.with(Option::is_none).then(|| skeleton(6)).into_any(),
        Some(id) => {
            let shown = operation.get_untracked().map(|first| last_seen(first, move || operation.get()));
            view! {
                <section class="panel">
                    {shown.map(|shown| operation_steps(state, shown))}
                    {log_view(state, LogView {
                        follow: Follow::Operation(id),
                        search: None,
                        more: ViewFn::default(),
                        nothing: "The log of the installation comes here",
                    })}
                </section>
            }
            .into_any()
        }
    };
    let ending = move || {
        let app = app.get()?;
        let status = operation.read().as_ref().map(|operation| operation.status);
        Some(match (status, app.state) {
            (Some(OperationStatus::Running), _) => working().into_any(),
            (_, AppState::Uploaded | AppState::Failed) => failed(back).into_any(),
            _ => installed(state, app).into_any(),
        })
    };
    view! { {dynamic(steps)} {dynamic(ending)} }
}

fn working() -> impl IntoView {
    view! {
        <div class="submit">
            <p class="muted" role="status">"You may leave this page: the installation goes on, and the dashboard shows it."</p>
        </div>
    }
}

fn failed(back: impl Fn() + 'static) -> impl IntoView {
    view! {
        <div class="submit">
            <p role="status">"It is not installed. What was built is gone again."</p>
            <button type="button" class="button primary" data-testid="back-to-form" on:click=move |_| back()>
                "Back to the form"
            </button>
        </div>
    }
}

fn installed(state: State, app: AppView) -> impl IntoView {
    let name = app.name.to_string();
    let enabled = !app.legal_events.contains(&AppEvent::Enable);
    let address = Route::App(name.clone(), Tab::Overview);
    let path = address.path();
    let enable = move |_| {
        state.ask(name.clone(), AppEvent::Enable);
        state.router.go(&address);
    };
    view! {
        <div class="submit">
            <p role="status"><b>"It is installed."</b> " Enable it, and Mantyx runs it from now on."</p>
            <a class="button" href=path>"Not yet"</a>
            {(!enabled).then(|| view! {
                <button type="button" class="button primary" data-testid="enable" on:click=enable>
                    {icon(Icon::Enable)} "Enable"
                </button>
            })}
        </div>
    }
}
