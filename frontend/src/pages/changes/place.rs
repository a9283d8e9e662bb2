//! What of the releases is shown, as the address says it: `?release=3`, `?release=3&file=app.py`, `?from=2&to=3`.

use crate::route::{Route, Router, Tab};

/// A place among the releases of an app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// All of them.
    List,
    /// What is in one.
    Release(u32),
    /// One of its files.
    File(u32, String),
    /// What changed from one to another.
    Diff(u32, u32),
}

impl Place {
    /// That of the address bar, followed.
    pub(super) fn of(router: Router) -> Self {
        let number = |name: &str| router.parameter(name)?.parse().ok();
        match (number("release"), router.parameter("file"), number("from"), number("to")) {
            (Some(release), Some(file), ..) => Self::File(release, file),
            (Some(release), None, ..) => Self::Release(release),
            (None, _, Some(from), Some(to)) => Self::Diff(from, to),
            _ => Self::List,
        }
    }

    /// Its address.
    pub(super) fn address(&self, app: &str) -> String {
        let path = Route::App(app.to_owned(), Tab::Releases).path();
        match self {
            Self::List => path,
            Self::Release(release) => format!("{path}?release={release}"),
            Self::File(release, file) => {
                let file = String::from(js_sys::encode_uri_component(file));
                format!("{path}?release={release}&file={file}")
            }
            Self::Diff(from, to) => format!("{path}?from={from}&to={to}"),
        }
    }
}
