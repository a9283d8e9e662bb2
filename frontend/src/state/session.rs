//! Who is logged in: a bearer token in storage that belongs to this origin. A cookie would go to every app on
//! another port of the same host.

use leptos::prelude::*;
use mantyx_api_types::core::Code;

use crate::api::Failure;

const KEY: &str = "mantyx.token";

/// The token, or none.
#[derive(Clone, Copy)]
pub(crate) struct Session {
    token: RwSignal<Option<String>>,
}

impl Session {
    /// The session of the last visit.
    pub(crate) fn stored() -> Self {
        let token = storage().and_then(|storage| storage.get_item(KEY).ok().flatten());
        Self { token: RwSignal::new(token) }
    }

    /// The token to send.
    pub(crate) fn token(self) -> Option<String> {
        self.token.get_untracked()
    }

    /// Whether somebody is logged in.
    pub(crate) fn is_open(self) -> bool {
        self.token.with(Option::is_some)
    }

    /// Begins a session.
    pub(crate) fn open(self, token: String) {
        if let Some(storage) = storage() {
            let _ = storage.set_item(KEY, &token);
        }
        self.token.set(Some(token));
    }

    /// Ends it.
    pub(crate) fn close(self) {
        if let Some(storage) = storage() {
            let _ = storage.remove_item(KEY);
        }
        self.token.set(None);
    }

    /// A token that the daemon does not know any more ends the session; a wrong password does not.
    pub(crate) fn judge(self, status: u16, failure: &Failure) {
        if status == 401 && self.token().is_some() && !failure.is(Code::WrongCredentials) {
            self.close();
        }
    }
}

fn storage() -> Option<web_sys::Storage> {
    window().local_storage().ok().flatten()
}
