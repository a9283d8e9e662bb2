//! Everything that the page knows: who is logged in, what the daemon last said, what the clock says. One value,
//! [`State`], is handed to every screen; screens read its signals and call its actions.

mod actions;
pub(crate) mod clock;
pub(crate) mod fields;
pub(crate) mod form;
mod live;
pub(crate) mod log;
pub(crate) mod search;
mod session;
mod store;
mod toasts;
mod usage;

use std::ops::Deref;

use leptos::prelude::*;

pub(crate) use clock::Clock;
pub(crate) use live::{Connection, Follow, From, Live, LogEvent};
pub(crate) use session::Session;
pub(crate) use store::Store;
pub(crate) use toasts::{Toast, Toasts, Tone};
pub(crate) use usage::{RECENT, Usage};

use crate::api::Client;
use crate::route::Router;

/// Everything that the page knows: a handle, as small as a pointer, that goes wherever it is needed.
#[derive(Clone, Copy)]
pub(crate) struct State(&'static Parts);

/// The parts, each a handle of its own.
pub(crate) struct Parts {
    /// The address bar.
    pub(crate) router: Router,
    /// Who is logged in.
    pub(crate) session: Session,
    /// The one HTTP client.
    pub(crate) client: Client,
    /// What the daemon last said.
    pub(crate) store: Store,
    /// The one socket.
    pub(crate) live: Live,
    /// Outcomes that pass by.
    pub(crate) toasts: Toasts,
    /// What time it is.
    pub(crate) clock: Clock,
}

impl Deref for State {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        self.0
    }
}

impl State {
    /// Reads the address and the stored session, and starts the clock. The socket waits for a session.
    pub(crate) fn start() -> Self {
        let session = Session::stored();
        let client = Client::new(session);
        let store = Store::empty();
        let parts = Parts {
            router: Router::start(),
            session,
            client,
            store,
            live: Live::new(client, store),
            toasts: Toasts::none(),
            clock: Clock::start(),
        };
        // It is made once and lives as long as the page.
        let state = Self(Box::leak(Box::new(parts)));
        state.announce_operations();
        state.keep_loaded(move || state.toasts.answered());
        state.keep_sparklines();
        state
    }

    /// Loads now, again whenever a signal changes that `load` reads, and again whenever a lost connection is back:
    /// what was asked for in between was not answered, and what was read before may be old.
    pub(crate) fn keep_loaded(self, load: impl Fn() + 'static) {
        effect(move || {
            self.live.returns();
            load();
        });
    }
}

/// Runs something now, and again whenever a signal that it reads changes. One type for all: Leptos compiles its
/// machinery once for each.
pub(crate) fn effect(run: impl FnMut() + 'static) {
    fn boxed(mut run: Box<dyn FnMut()>) {
        Effect::new(move |_| run());
    }
    boxed(Box::new(run));
}

/// A value that is computed anew when a signal changes that it reads, and that signals only when it differs. One type
/// for all of a value, as [`effect`].
pub(crate) fn memo<T: PartialEq + Send + Sync + 'static>(
    read: impl Fn() -> T + Send + Sync + 'static,
) -> Memo<T> {
    fn boxed<T: PartialEq + Send + Sync + 'static>(read: Box<dyn Fn() -> T + Send + Sync>) -> Memo<T> {
        Memo::new(move |_| read())
    }
    boxed(Box::new(read))
}

/// A value that is computed whenever it is read. One type for all of a value, as [`effect`].
pub(crate) fn derived<T: Send + Sync + 'static>(read: impl Fn() -> T + Send + Sync + 'static) -> Signal<T> {
    fn boxed<T: Send + Sync + 'static>(read: Box<dyn Fn() -> T + Send + Sync>) -> Signal<T> {
        Signal::derive(read)
    }
    boxed(Box::new(read))
}

/// A value that may be away for a moment: what was last seen of it stays.
pub(crate) fn last_seen<T: Clone + PartialEq + Send + Sync + 'static>(
    first: T,
    read: impl Fn() -> Option<T> + Send + Sync + 'static,
) -> Signal<T> {
    Memo::new(move |before: Option<&T>| read().or_else(|| before.cloned()).unwrap_or_else(|| first.clone()))
        .into()
}
