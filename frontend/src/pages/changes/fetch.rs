//! What a screen reads: once and for all, or again with each change; and how it looks until it is there.

use leptos::prelude::*;
use leptos::task::spawn_local;
use mantyx_api_types::AppView;

use crate::api::{Answer, Failure};
use crate::components::{dynamic, failure_notice, skeleton};
use crate::state::{State, memo};

/// What was read, or why it could not be; nothing while it is on its way.
pub(super) type Fetched<T> = RwSignal<Option<Answer<T>>>;

/// Reads what never changes: until it is there, and no more.
pub(super) fn once<T, A>(state: State, call: impl Fn() -> A + 'static) -> Fetched<T>
where
    T: Send + Sync + 'static,
    A: Future<Output = Answer<T>> + 'static,
{
    let read: Fetched<T> = RwSignal::new(None);
    state.keep_loaded(move || {
        if !read.with_untracked(|read| matches!(read, Some(Ok(_)))) {
            let answer = call();
            spawn_local(async move {
                read.try_set(Some(answer.await));
            });
        }
    });
    read
}

/// Reads what changes with the operations of an app.
pub(super) fn of_app<T, A>(
    state: State,
    app: Signal<AppView>,
    call: impl Fn(String) -> A + 'static,
) -> Fetched<T>
where
    T: PartialEq + Send + Sync + 'static,
    A: Future<Output = Answer<T>> + 'static,
{
    let read: Fetched<T> = RwSignal::new(None);
    let changed = memo(move || {
        let app = app.read();
        (app.operation, app.release)
    });
    state.keep_loaded(move || {
        // It is read, not only tracked: what was never computed signals nothing.
        let _ = changed.get();
        let answer = call(app.with_untracked(|app| app.name.to_string()));
        spawn_local(async move {
            let now = Some(answer.await);
            // What is drawn already stays, and whatever in it has the focus.
            if read.try_with_untracked(|before| *before != now) == Some(true) {
                read.try_set(now);
            }
        });
    });
    read
}

/// What was read, drawn; until then grey lines, and what went wrong instead of it.
pub(super) fn fetched<T: Send + Sync + 'static>(
    read: Fetched<T>,
    lines: usize,
    draw: impl Fn(&T) -> AnyView + Send + 'static,
) -> AnyView {
    dynamic(move || {
        read.with(|read| match read {
            None => skeleton(lines).into_any(),
            Some(Err(failure)) => failed(failure),
            Some(Ok(value)) => draw(value),
        })
    })
}

fn failed(failure: &Failure) -> AnyView {
    failure_notice(failure).into_any()
}
