//! The screens that nobody needs to see how the apps are: adding one, one app, the trash, the system. They and what
//! only they use are a part of the program by itself, which is fetched when the first of them is opened. So the page
//! that everybody waits for is half as large.
//!
//! `cargo xtask page` cuts the program at [`screens`]; nothing else has to know of it.
#![allow(unsafe_code, reason = "the function behind the cut is imported, which the macro declares")]
#![allow(clippy::unnecessary_wraps, reason = "a part that does not come is told by the type of the function")]

use leptos::prelude::*;
use leptos::task::spawn_local;
use leptos::wasm_split::{SplitLoaderError, wasm_split};

use crate::api::{Answer, Failure};
use crate::components::{dynamic, failure_notice, skeleton};
use crate::route::Route;
use crate::state::State;

/// Shows one of the screens.
type Show = fn(State, Route) -> AnyView;

/// One of the screens, as soon as they are here.
pub(crate) fn later(state: State, route: Route) -> AnyView {
    let fetched = RwSignal::new(None::<Answer<Show>>);
    // One that is here stays as it is, with what was filled in; one that is gone needs nothing.
    let is_wanted =
        move || fetched.try_with_untracked(|fetched| !matches!(fetched, Some(Ok(_)))).unwrap_or_default();
    state.keep_loaded(move || {
        if is_wanted() {
            spawn_local(async move {
                let show = screens().await.map_err(|_| Failure::PartMissing);
                if is_wanted() {
                    fetched.set(Some(show));
                }
            });
        }
    });
    dynamic(move || match fetched.get() {
        None => skeleton(10).into_any(),
        Some(Err(failure)) => failure_notice(&failure).into_any(),
        Some(Ok(show)) => show(state, route.clone()),
    })
}

/// The cut: what is reached through this function alone is fetched by it.
#[wasm_split(later, wasm_split_path = ::leptos::wasm_split, fallible)]
fn screens() -> Result<Show, SplitLoaderError> {
    Ok(show)
}

fn show(state: State, route: Route) -> AnyView {
    match route {
        Route::Add => super::add(state).into_any(),
        Route::Setup(app) => super::setup(state, app).into_any(),
        Route::App(app, _) => super::app(state, app).into_any(),
        Route::Trash => super::trash(state).into_any(),
        Route::System => super::system(state).into_any(),
        Route::Dashboard | Route::Login | Route::Nowhere => super::not_found().into_any(),
    }
}
