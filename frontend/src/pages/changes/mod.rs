//! What changes an app and can be undone: its releases, its packages, its backups; and the settings of the daemon.
//! A part of the program by itself, which is fetched when the first of its screens is opened.

mod backups;
mod compare;
mod dependencies;
mod diff;
mod fetch;
mod file;
mod look;
mod place;
mod releases;
mod rollback;
mod setting;
mod settings;
mod update;
mod update_git;

use leptos::prelude::*;

use super::later::Change;
use crate::route::Tab;
use crate::state::State;

/// Shows one of the screens.
pub(super) fn show(state: State, screen: Change) -> AnyView {
    match screen {
        Change::Settings => settings::settings(state),
        Change::Tab(app, Tab::Dependencies) => dependencies::dependencies(state, app),
        Change::Tab(app, Tab::Backups) => backups::backups(state, app),
        Change::Tab(app, _) => releases::releases(state, app),
    }
}
