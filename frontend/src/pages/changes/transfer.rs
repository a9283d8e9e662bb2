//! All of Mantyx in one archive: made here, fetched from here, and brought to a Mantyx that is still empty.

use leptos::prelude::*;
use mantyx_api_types::OperationView;
use mantyx_api_types::core::OperationKind;

use super::{export, import};
use crate::components::{dynamic, operation_steps};
use crate::pages::system::tabs;
use crate::route::Route;
use crate::state::{State, last_seen, memo};

/// The screen.
pub(super) fn transfer(state: State) -> AnyView {
    view! {
        <div class="page narrow">
            <header class="head"><h1>"System"</h1></header>
            {tabs(Route::Transfer)}
            {export::export(state)}
            {import::import(state)}
        </div>
    }
    .into_any()
}

/// How far the newest operation of that kind has come, and what came of it.
pub(super) fn steps(state: State, kind: OperationKind) -> AnyView {
    let last = memo(move || state.store.last_of(kind));
    let there = memo(move || last.with(Option::is_some));
    dynamic(move || {
        let first: OperationView = there.get().then(|| last.get_untracked()).flatten()?;
        Some(operation_steps(state, last_seen(first, move || last.get())))
    })
}
