//! What changes an app and can be undone: its releases, its packages, its backups; and the settings of the daemon.
//! A part of the program by itself, which is fetched when the first of its screens is opened.

mod activity;
mod backups;
mod compare;
mod data;
mod data_file;
mod data_folder;
mod dependencies;
mod diff;
mod export;
mod fetch;
mod file;
mod follow;
mod hook;
mod import;
mod look;
mod news;
mod paged;
mod parts;
mod place;
mod reconcile;
mod releases;
mod rollback;
mod secret;
mod secrets;
mod setting;
mod settings;
mod tracking;
mod transfer;
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
        Change::Secrets => secrets::secrets(state),
        Change::Transfer => transfer::transfer(state),
        Change::Activity => activity::activity(state),
        Change::Tab(app, Tab::Dependencies) => dependencies::dependencies(state, app),
        Change::Tab(app, Tab::Files) => data::data(state, app),
        Change::Tab(app, Tab::Backups) => backups::backups(state, app),
        Change::Tab(app, _) => releases::releases(state, app),
    }
}
