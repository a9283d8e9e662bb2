//! What is, held against what should be: when it was looked, what was mended, and what a person has to decide.

use leptos::prelude::*;
use leptos::task::spawn_local;
use mantyx_api_types::core::EventKind;
use mantyx_api_types::{Finding, Outcome, ReconcileView};

use super::fetch::{Fetched, fetched};
use crate::components::{Icon, IntoViews, dynamic, icon, prose};
use crate::route::{Route, Tab};
use crate::state::{State, clock, memo};
use crate::text::number;

/// The panel.
pub(super) fn reconcile(state: State) -> AnyView {
    let read: Fetched<Option<ReconcileView>> = RwSignal::new(None);
    let repaired = memo(move || state.store.last_event(&[EventKind::DaemonRepaired], None));
    state.keep_loaded(move || {
        let _ = (repaired.get(), state.store.ended());
        spawn_local(async move {
            read.try_set(Some(state.client.reconciled().await));
        });
    });
    let looking = RwSignal::new(false);
    view! {
        <section class="panel" aria-label="What is and what should be" data-testid="reconcile">
            <div class="panel-title">
                <h2>"What is, and what should be"</h2>
                {dynamic(move || looked(state, read))}
                <span class="spring"></span>
                <button
                    type="button"
                    class="button small"
                    data-testid="reconcile-now"
                    aria-disabled=move || looking.get().to_string()
                    on:click=move |_| look(state, read, looking)
                >
                    {icon(Icon::Search)} {dynamic(move || if looking.get() { "Looking" } else { "Look now" })}
                </button>
            </div>
            {fetched(read, 2, |view: &Option<ReconcileView>| report(view.as_ref()))}
        </section>
    }
    .into_any()
}

fn look(state: State, read: Fetched<Option<ReconcileView>>, looking: RwSignal<bool>) {
    if looking.get_untracked() {
        return;
    }
    looking.set(true);
    spawn_local(async move {
        let answer = state.client.reconcile().await;
        looking.try_set(false);
        match answer {
            Ok(found) => {
                read.try_set(Some(Ok(Some(found))));
            }
            Err(failure) => state.toasts.failure(&failure),
        }
    });
}

fn looked(state: State, read: Fetched<Option<ReconcileView>>) -> Option<AnyView> {
    let at = read.read().as_ref()?.as_ref().ok()?.as_ref()?.at;
    let words = view! {
        <span class="muted small" title=clock::stamp(at) data-testid="reconcile-at">"looked " {dynamic(move || state.clock.ago(at))}</span>
    };
    Some(words.into_any())
}

fn report(view: Option<&ReconcileView>) -> AnyView {
    let Some(view) = view else {
        return view! { <p class="panel-words muted">"Nobody has looked since Mantyx came up. It does so every few minutes."</p> }
            .into_any();
    };
    if view.findings.is_empty() {
        return view! {
            <p class="panel-words muted" data-testid="reconcile-well">
                "Everything is as it should be: environments, processes, links and folders are what the database says."
            </p>
        }
        .into_any();
    }
    let of = |outcome| view.findings.iter().filter(|finding| finding.outcome == outcome).collect::<Vec<_>>();
    view! {
        {group("For you to decide", Icon::Alert, "findings reported", &of(Outcome::Reported))}
        {group("Mended", Icon::Check, "findings repaired", &of(Outcome::Repaired))}
    }
    .into_any()
}

fn group(title: &'static str, picture: Icon, class: &'static str, findings: &[&Finding]) -> Option<AnyView> {
    let line = |finding: &&Finding| {
        let app = finding.app.as_ref().map(|name| {
            let address = Route::App(name.to_string(), Tab::Overview).path();
            view! { <a class="strong-link" href=address>{name.to_string()}</a> " " }
        });
        view! { <li data-testid="finding">{icon(picture)} <span>{app} {prose(&finding.detail)}</span></li> }
    };
    let count = number::count(findings.len());
    let shown = view! {
        <div class=class>
            <h3>{title} " " <span class="muted">{count}</span></h3>
            <ul>{findings.iter().map(line).into_views()}</ul>
        </div>
    };
    (!findings.is_empty()).then(|| shown.into_any())
}
