//! Whether the repository of an app is ahead of it: what is followed is read here for every screen that says it.

use leptos::prelude::*;
use leptos::task::spawn_local;
use mantyx_api_types::core::{EventKind, Origin};
use mantyx_api_types::{AppView, TrackingView};

use crate::api::Answer;
use crate::components::{Icon, dynamic, icon, prose};
use crate::state::{State, memo};
use crate::text::git;

/// How a repository is followed; nothing while it is on its way, or where there is no repository.
pub(super) type Tracked = RwSignal<Option<Answer<TrackingView>>>;

/// What changes how a repository is followed, or what is known of it.
const TELLING: [EventKind; 2] = [EventKind::AppTrackingChanged, EventKind::AppUpdateAvailable];

/// Reads how the repository of an app is followed, again with each change of it and of the app.
pub(super) fn tracked(state: State, app: Signal<AppView>) -> Tracked {
    let read: Tracked = RwSignal::new(None);
    let id = app.with_untracked(|app| app.id.to_string());
    let changed = memo(move || {
        let told = state.store.last_event(&TELLING, Some(&id));
        let app = app.read();
        (matches!(app.origin, Origin::Git { .. }), app.operation, app.release, told)
    });
    state.keep_loaded(move || match changed.get() {
        (true, ..) => read_again(state, app, read),
        _ => read.set(None),
    });
    read
}

/// Reads it now.
pub(super) fn read_again(state: State, app: Signal<AppView>, read: Tracked) {
    let name = app.with_untracked(|app| app.name.to_string());
    spawn_local(async move {
        let now = Some(state.client.tracking(&name).await);
        // What is drawn already stays, and whatever in it has the focus.
        if read.try_with_untracked(|before| *before != now) == Some(true) {
            read.try_set(now);
        }
    });
}

/// That there is something new, with what can be done about it.
pub(super) fn newer(read: Tracked, action: impl Fn() -> AnyView + Send + 'static) -> AnyView {
    let words = memo(move || {
        read.with(|read| {
            let view = read.as_ref()?.as_ref().ok()?;
            let found = view.last_check.as_ref()?;
            git::is_newer(found, &view.active).then(|| git::ahead(found))
        })
    });
    dynamic(move || {
        words.get().map(|words| {
            view! {
                <section class="newer" aria-label="Update available" data-testid="update-available">
                    {icon(Icon::Down)}
                    <p><b>"Update available."</b> " " {prose(&words)}</p>
                    {action()}
                </section>
            }
        })
    })
}
