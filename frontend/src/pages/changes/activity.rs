//! What goes on: what is under way, what is not as it should be, and everything that happened.

use leptos::prelude::*;
use mantyx_api_types::core::OperationId;
use mantyx_api_types::{EventView, OperationView};

use super::paged::{Paged, Part};
use super::reconcile::reconcile;
use crate::components::{dynamic, failure_notice, keyed, operation_steps, skeleton};
use crate::route::{Route, Tab};
use crate::state::{State, clock, effect, last_seen, memo};
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

/// The record of everything, as far back as was asked for, the newest first.
#[derive(Clone, Copy)]
struct Record {
    state: State,
    past: Paged<EventView>,
}

impl Record {
    fn load(self) {
        self.past.load(self.state.client.newest_events(None));
    }

    fn load_older(self) {
        self.past.load_rest(self.state, |older| self.state.client.newest_events(Some(older)));
    }

    /// What was told since it was read stands before it.
    fn events(self) -> Vec<EventView> {
        self.past.list.with(|past| {
            let Some(Ok(past)) = past else { return Vec::new() };
            let read = last_of(past);
            let mut events = self.state.store.events();
            events.retain(|event| event.sequence > read);
            events.extend_from_slice(&past.items);
            events
        })
    }

    /// How far it was read, once something was told after that and is forgotten by now.
    fn lapse(self) -> Option<i64> {
        let forgotten = self.state.store.events_forgotten()?;
        self.past.list.with(|past| {
            let read = last_of(past.as_ref()?.as_ref().ok()?);
            (forgotten > read).then_some(read)
        })
    }
}

fn last_of(past: &Part<EventView>) -> i64 {
    past.items.first().map_or(0, |event| event.sequence)
}

fn changes(state: State) -> AnyView {
    let record = Record { state, past: Paged::new() };
    state.keep_loaded(move || record.load());
    let lapse = memo(move || record.lapse());
    effect(move || {
        if lapse.get().is_some() {
            record.load();
        }
    });
    let stands =
        memo(move || record.past.list.with(|past| past.as_ref().map(|past| past.as_ref().err().cloned())));
    let has_older =
        memo(move || record.past.list.with(|past| matches!(past, Some(Ok(past)) if past.has_rest())));
    let foot = move || {
        has_older.get().then(|| {
            view! {
                <div class="panel-foot">
                    <button type="button" class="button" data-testid="events-older" on:click=move |_| record.load_older()>"Show older"</button>
                </div>
            }
        })
    };
    view! {
        <section class="panel" aria-label="What happened" data-testid="changes-told">
            <h2 class="panel-title">"What happened"</h2>
            {dynamic(move || match stands.get() {
                None => skeleton(6).into_any(),
                Some(Some(failure)) => failure_notice(&failure).into_any(),
                Some(None) => ().into_any(),
            })}
            <ol class="told">{keyed(move || record.events(), |event| event.sequence.to_string(), move |event| line(state, event))}</ol>
            {dynamic(foot)}
        </section>
    }
    .into_any()
}

fn line(state: State, event: EventView) -> AnyView {
    let at = event.at;
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
            <time class="muted" title=clock::stamp(at)>{dynamic(move || state.clock.moment(at))}</time>
            <span>{events::told(&event)} " " {subject}</span>
            <span class="muted">{events::actor(&event.actor)}</span>
        </li>
    }
    .into_any()
}
