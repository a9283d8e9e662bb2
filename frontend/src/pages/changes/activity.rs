//! What goes on: what is under way, what is not as it should be, and what changed while one looks.

use leptos::prelude::*;
use mantyx_api_types::core::OperationId;
use mantyx_api_types::{EventView, OperationView};

use super::reconcile::reconcile;
use crate::components::{dynamic, keyed, operation_steps};
use crate::route::{Route, Tab};
use crate::state::{State, clock, last_seen, memo};
use crate::text::events;

/// The screen.
pub(super) fn activity(state: State) -> AnyView {
    view! {
        <div class="page narrow">
            <header class="head"><h1>"Activity"</h1></header>
            {under_way(state)}
            {reconcile(state)}
            {changes(state)}
        </div>
    }
    .into_any()
}

fn under_way(state: State) -> AnyView {
    let ids = memo(move || state.store.under_way().iter().map(|operation| operation.id).collect::<Vec<_>>());
    let none = move || {
        ids.read().is_empty().then(|| view! { <p class="panel-words muted">"Nothing is under way."</p> })
    };
    view! {
        <section class="panel" aria-label="Under way" data-testid="under-way">
            <h2 class="panel-title">"Under way"</h2>
            {dynamic(none)}
            {keyed(move || ids.get(), ToString::to_string, move |id| one(state, id))}
        </section>
    }
    .into_any()
}

fn one(state: State, id: OperationId) -> Option<AnyView> {
    let first: OperationView = untrack(|| state.store.operation(id))?;
    let app = first.app.as_ref().map(|name| {
        let address = Route::App(name.to_string(), Tab::Overview).path();
        view! { <p class="operation-app"><a class="strong-link" href=address>{name.to_string()}</a></p> }
    });
    let shown = last_seen(first, move || state.store.operation(id));
    Some(view! { <div class="operation-of">{app} {operation_steps(state, shown)}</div> }.into_any())
}

/// What was recorded since the page was opened. The whole record is a matter of the API.
fn changes(state: State) -> AnyView {
    let none = move || {
        state.store.events().is_empty().then(|| {
            view! { <p class="panel-words muted">"Nothing since this page was opened. What happens from now on is told here."</p> }
        })
    };
    view! {
        <section class="panel" aria-label="Changes" data-testid="changes-told">
            <div class="panel-title"><h2>"Since this page was opened"</h2></div>
            {dynamic(none)}
            <ol class="told">{keyed(move || state.store.events(), |event| event.sequence.to_string(), line)}</ol>
        </section>
    }
    .into_any()
}

fn line(event: EventView) -> AnyView {
    let subject = match event.subject.kind.as_str() {
        "app" => {
            let address = Route::App(event.subject.name.clone(), Tab::Overview).path();
            view! { <a class="strong-link" href=address>{event.subject.name.clone()}</a> }.into_any()
        }
        "daemon" => ().into_any(),
        "operation" | "execution" => view! { <b>{event.subject.name.clone()}</b> }.into_any(),
        _ => view! { <code>{event.subject.name.clone()}</code> }.into_any(),
    };
    view! {
        <li data-testid="event">
            <time class="muted" title=clock::stamp(event.at)>{clock::time_of_day(event.at)}</time>
            <span>{events::told(&event)} " " {subject}</span>
            <span class="muted">{events::actor(&event.actor)}</span>
        </li>
    }
    .into_any()
}
