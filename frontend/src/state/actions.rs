//! What a person can do, as far as more than one screen offers it. Each action is a call, and what the page says
//! about its outcome.

use leptos::prelude::*;
use leptos::task::spawn_local;
use mantyx_api_types::OperationView;
use mantyx_api_types::core::{AppEvent, ExecutionId, OperationKind, OperationStatus};
use wasm_bindgen::JsCast;

use super::search::Search;
use super::store::Pending;
use super::{Connection, State, effect, memo};
use crate::api::Failure;
use crate::route::{Route, Tab};
use crate::text::words;

/// How many executions a screen asks for.
const RUNS: u32 = 100;

impl State {
    /// Asks for an event, such as a start.
    pub(crate) fn ask(self, app: String, event: AppEvent) {
        self.store.set_pending(&app, event, Pending::Yes);
        spawn_local(async move {
            let answer = match event {
                AppEvent::Install => self.client.install(&app).await.map(|o| self.store.put_operation(o)),
                _ => self.client.ask_event(&app, event).await,
            };
            self.store.set_pending(&app, event, Pending::No);
            match answer {
                Ok(()) if event == AppEvent::Install => {}
                Ok(()) => self.toasts.good(words::asked(event, &app), None),
                Err(failure) => self.toasts.failure(&failure),
            }
        });
    }

    /// Reads the lines beside the names of apps, for each connection anew.
    pub(super) fn keep_sparklines(self) {
        let live = memo(move || self.live.connection() == Connection::Live);
        effect(move || {
            if live.get() {
                spawn_local(async move {
                    // Without an answer the lines begin with the next look.
                    if let Ok(lines) = self.client.sparklines().await {
                        self.store.usage().begin(lines);
                    }
                });
            }
        });
    }

    /// Reads the executions of an app; the socket keeps them up to date from then on.
    pub(crate) fn load_runs(self, app: String) {
        spawn_local(async move {
            match self.client.executions(&app, RUNS).await {
                Ok(executions) => self.store.put_runs(&app, executions),
                Err(failure) => self.toasts.failure(&failure),
            }
        });
    }

    /// Saves a log as a file: all of it, or what a search finds.
    pub(crate) fn save_log(self, app: String, execution: Option<ExecutionId>, search: Search) {
        spawn_local(async move {
            match self.client.log_file(&app, &search.query(execution)).await {
                Ok(blob) => save(&blob, &format!("{app}.log")),
                Err(failure) => self.toasts.failure(&failure),
            }
        });
    }

    /// Calls an operation off.
    pub(crate) fn cancel(self, operation: &OperationView) {
        let id = operation.id;
        spawn_local(async move {
            if let Err(failure) = self.client.cancel_operation(id).await {
                self.toasts.failure(&failure);
            }
        });
    }

    /// Moves an app to the trash; the dashboard shows what is left.
    pub(crate) async fn delete(self, app: String, confirm: String) -> Result<(), Failure> {
        let operation = self.client.delete_app(&app, &confirm).await?;
        self.store.put_operation(operation);
        self.router.go(&Route::Dashboard);
        Ok(())
    }

    /// Ends the session.
    pub(crate) fn log_out(self) {
        self.session.close();
    }

    /// Says how each operation ended, wherever the page is by then; its own screen says it itself.
    pub(super) fn announce_operations(self) {
        effect(move || {
            let Some(operation) = self.store.ended() else { return };
            let watched = match self.router.now() {
                Route::Setup(app) => app == operation.app.as_str(),
                _ => false,
            };
            if !watched {
                self.announce(&operation);
            }
        });
    }

    fn announce(self, operation: &OperationView) {
        let app = operation.app.as_str();
        let to_app = || Some((Route::App(app.to_owned(), Tab::Overview).path(), "Open"));
        let to_trash = || Some((Route::Trash.path(), "Open trash"));
        match (operation.status, operation.kind) {
            (OperationStatus::Succeeded, OperationKind::Install) => {
                self.toasts.good(format!("`{app}` is installed"), to_app());
            }
            (OperationStatus::Succeeded, OperationKind::Delete) => {
                self.toasts.good(format!("`{app}` is in the trash"), to_trash());
            }
            (OperationStatus::Succeeded, OperationKind::Restore) => {
                self.toasts.good(format!("`{app}` is back, switched off"), to_app());
            }
            (OperationStatus::Succeeded, OperationKind::Purge) => {
                self.toasts.good(format!("`{app}` is gone for good"), None);
            }
            (OperationStatus::Failed, kind) => {
                let problem = operation.problem.as_ref();
                let detail = problem.map_or("It does not say why", |problem| problem.detail.as_str());
                let text = format!("{} of `{app}` failed: {detail}", words::operation(kind));
                self.toasts.bad(text, problem.and_then(|problem| problem.hint.clone()), to_app());
            }
            (OperationStatus::Running | OperationStatus::Cancelled, _) => {}
        }
    }
}

/// Hands bytes to the browser to be saved under a name.
fn save(blob: &web_sys::Blob, name: &str) {
    let Ok(address) = web_sys::Url::create_object_url_with_blob(blob) else { return };
    let link = document().create_element("a").ok();
    if let Some(link) = link.and_then(|link| link.dyn_into::<web_sys::HtmlAnchorElement>().ok()) {
        link.set_href(&address);
        link.set_download(name);
        link.click();
    }
    let _ = web_sys::Url::revoke_object_url(&address);
}
