//! The screens that nobody needs to see how the apps are. They and what only they use are two parts of the program by
//! themselves, which are fetched when the first screen of each is opened: adding apps, one app, the trash and the
//! system are one; what changes an app and can be undone, and the settings, are the other. So the page that everybody
//! waits for is a third as large.
//!
//! `cargo xtask page` cuts the program at [`screens`] and [`changes`]; nothing else has to know of it.
#![allow(unsafe_code, reason = "the function behind the cut is imported, which the macro declares")]
#![allow(clippy::unnecessary_wraps, reason = "a part that does not come is told by the type of the function")]

use std::pin::Pin;

use leptos::prelude::*;
use leptos::task::spawn_local;
use leptos::wasm_split::{SplitLoaderError, wasm_split};
use mantyx_api_types::AppView;

use crate::api::{Answer, Failure};
use crate::components::{dynamic, failure_notice, skeleton};
use crate::route::{Route, Tab};
use crate::state::State;

/// Shows one of the screens of a part.
type Show<T> = fn(State, T) -> AnyView;

/// A part that is on its way.
type Coming<T> = Pin<Box<dyn Future<Output = Result<Show<T>, SplitLoaderError>>>>;

/// A screen of the second part.
#[derive(Clone, Copy)]
pub(crate) enum Change {
    /// This part of this app.
    Tab(Signal<AppView>, Tab),
    /// What the daemon is told.
    Settings,
    /// What opens private repositories.
    Secrets,
    /// Taking all of Mantyx along.
    Transfer,
    /// What is under way, what was mended, and what changed.
    Activity,
}

/// One of the screens, as soon as they are here.
pub(crate) fn later(state: State, route: Route) -> AnyView {
    coming(state, || Box::pin(screens()), route)
}

/// One of the screens of the second part, as soon as they are here.
pub(crate) fn change(state: State, screen: Change) -> AnyView {
    coming(state, || Box::pin(changes()), screen)
}

fn coming<T: Clone + Send + 'static>(state: State, fetch: fn() -> Coming<T>, screen: T) -> AnyView {
    let fetched = RwSignal::new(None::<Answer<Show<T>>>);
    // One that is here stays as it is, with what was filled in; one that is gone needs nothing.
    let is_wanted =
        move || fetched.try_with_untracked(|fetched| !matches!(fetched, Some(Ok(_)))).unwrap_or_default();
    state.keep_loaded(move || {
        if is_wanted() {
            spawn_local(async move {
                let show = fetch().await.map_err(|_| Failure::PartMissing);
                if is_wanted() {
                    fetched.set(Some(show));
                }
            });
        }
    });
    dynamic(move || match fetched.get() {
        None => skeleton(10).into_any(),
        Some(Err(failure)) => failure_notice(&failure).into_any(),
        Some(Ok(show)) => show(state, screen.clone()),
    })
}

/// The first cut: what is reached through this function alone is fetched by it.
#[wasm_split(later, wasm_split_path = ::leptos::wasm_split, fallible)]
fn screens() -> Result<Show<Route>, SplitLoaderError> {
    Ok(show)
}

/// The second cut.
#[wasm_split(changes, wasm_split_path = ::leptos::wasm_split, fallible)]
fn changes() -> Result<Show<Change>, SplitLoaderError> {
    Ok(super::changes::show)
}

fn show(state: State, route: Route) -> AnyView {
    match route {
        Route::Add => super::add(state).into_any(),
        Route::Setup(app) => super::setup(state, app).into_any(),
        Route::App(app, _) => super::app(state, app).into_any(),
        Route::Trash => super::trash(state).into_any(),
        Route::System => super::system(state).into_any(),
        Route::Settings => change(state, Change::Settings),
        Route::Secrets => change(state, Change::Secrets),
        Route::Transfer => change(state, Change::Transfer),
        Route::Activity => change(state, Change::Activity),
        Route::Dashboard | Route::Login | Route::Nowhere => super::not_found().into_any(),
    }
}
