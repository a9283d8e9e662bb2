//! The own files of an app: its folders, and one file of them. The address says which: `?folder=logs`,
//! `?file=logs/today.txt`.

use leptos::prelude::*;
use mantyx_api_types::AppView;

use super::data_file::file;
use super::data_folder::folder;
use crate::components::{IntoViews, dynamic};
use crate::route::{Route, Router, Tab};
use crate::state::{State, memo};

/// A place among the files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A folder; all of the files without a path.
    Folder(String),
    /// A file.
    File(String),
}

impl Place {
    fn of(router: Router) -> Self {
        match router.parameter("file") {
            Some(file) => Self::File(file),
            None => Self::Folder(router.parameter("folder").unwrap_or_default()),
        }
    }

    /// Its address.
    pub(super) fn address(&self, app: &str) -> String {
        let tab = Route::App(app.to_owned(), Tab::Files).path();
        let encoded = |path: &str| String::from(js_sys::encode_uri_component(path));
        match self {
            Self::Folder(path) if path.is_empty() => tab,
            Self::Folder(path) => format!("{tab}?folder={}", encoded(path)),
            Self::File(path) => format!("{tab}?file={}", encoded(path)),
        }
    }
}

/// The tab.
pub(super) fn data(state: State, app: Signal<AppView>) -> AnyView {
    let place = memo(move || Place::of(state.router));
    dynamic(move || match place.get() {
        Place::Folder(path) => folder(state, app, path),
        Place::File(path) => file(state, app, path),
    })
}

/// Every folder on the way to a place, each a link, and the place itself.
pub(super) fn crumbs(app: Signal<AppView>, path: &str) -> AnyView {
    let link = |path: String, name: String| {
        let place = Place::Folder(path);
        view! { <a class="link" href=move || place.address(app.read().name.as_str())>{name}</a> }
    };
    let (above, name) = path.rsplit_once('/').unwrap_or(("", path));
    let ends = above.match_indices('/').map(|(end, _)| end).chain((!above.is_empty()).then_some(above.len()));
    let folders = ends.map(|end| {
        let path = above.get(..end).unwrap_or_default();
        link(path.to_owned(), path.rsplit('/').next().unwrap_or_default().to_owned())
    });
    view! {
        <nav class="crumbs" aria-label="Where this is">
            {link(String::new(), "All files".to_owned())}
            {folders.into_views()}
            <h2 class="machine">{name.to_owned()}</h2>
        </nav>
    }
    .into_any()
}
