//! The buttons that ask for an event of an app's life.

use leptos::prelude::*;
use mantyx_api_types::AppView;
use mantyx_api_types::core::{AppEvent, AppState};

use super::icon::{Icon, icon};
use crate::state::State;
use crate::text::words;

/// How a button looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// An icon alone, with its word as label.
    Quiet,
    /// An icon and a word.
    Full,
    /// The one thing to do next.
    Primary,
}

/// The legal events that a person is offered as buttons; the rest have screens of their own.
///
/// Of several that come to the same thing only one is offered: what runs is restarted, what does not is started,
/// and what can be started is enabled already.
pub(crate) fn offered(app: &AppView) -> Vec<AppEvent> {
    let starts = app.legal_events.contains(&AppEvent::Start);
    let sensible = |event: &AppEvent| match event {
        AppEvent::Restart => app.state == AppState::Running,
        AppEvent::Enable => !starts,
        other => icon_of(*other).is_some(),
    };
    app.legal_events.iter().copied().filter(sensible).collect()
}

const fn icon_of(event: AppEvent) -> Option<Icon> {
    Some(match event {
        AppEvent::Enable => Icon::Enable,
        AppEvent::Start => Icon::Play,
        AppEvent::Run => Icon::Run,
        AppEvent::Stop => Icon::Stop,
        AppEvent::Restart => Icon::Restart,
        AppEvent::Disable => Icon::Disable,
        _ => return None,
    })
}

/// A button that asks for an event.
pub(crate) fn action_button(
    state: State,
    app: Signal<AppView>,
    event: AppEvent,
    look: Look,
) -> impl IntoView {
    let name = move || app.read().name.to_string();
    let pending = move || state.store.is_pending(app.read().name.as_str());
    let label = move || format!("{} {}", words::event(event), name());
    let class = match look {
        Look::Quiet => "icon-button",
        Look::Full => "button",
        Look::Primary => "button primary",
    };
    let ask = move |_| {
        if !untrack(pending) {
            state.ask(untrack(name), event);
        }
    };
    view! {
        <button
            type="button"
            class=class
            data-testid=format!("action-{event}")
            aria-label=label
            title=(look == Look::Quiet).then(|| words::event(event))
            aria-disabled=move || pending().to_string()
            on:click=ask
        >
            {icon_of(event).map(icon)}
            {(look != Look::Quiet).then(|| words::event(event))}
        </button>
    }
}
