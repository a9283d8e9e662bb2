//! What a person can do, as far as more than one screen offers it. Each action is a call, and what the page says
//! about its outcome.

use leptos::prelude::*;
use leptos::task::spawn_local;
use mantyx_api_types::OperationView;
use mantyx_api_types::core::{AppEvent, ExecutionId, OperationId, OperationKind, OperationStatus};
use wasm_bindgen::JsCast;

use super::search::Search;
use super::store::Pending;
use super::{Connection, State, effect, memo};
use crate::api::Failure;
use crate::route::{Route, Tab};
use crate::text::{operations, words};

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

    /// Saves a file of a release as a file.
    pub(crate) fn save_file(self, app: String, release: u32, path: String) {
        spawn_local(async move {
            match self.client.release_file(&app, release, &path).await {
                Ok(blob) => save(&blob, path.rsplit('/').next().unwrap_or(&path)),
                Err(failure) => self.toasts.failure(&failure),
            }
        });
    }

    /// Has the browser fetch an export to its disk: it may be larger than what a page can hold.
    pub(crate) fn fetch_export(self, export: OperationId) {
        spawn_local(async move {
            match self.client.export_address(export).await {
                Ok(address) => follow_download(&address, ""),
                Err(failure) => self.toasts.failure(&failure),
            }
        });
    }

    /// Has the browser fetch one of an app's own files to its disk.
    pub(crate) fn fetch_data(self, app: String, path: String) {
        spawn_local(async move {
            match self.client.data_address(&app, &path).await {
                Ok(address) => follow_download(&address, path.rsplit('/').next().unwrap_or(&path)),
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

    /// Says how each operation ended, wherever the page is by then; a screen that shows its steps says it itself.
    pub(super) fn announce_operations(self) {
        effect(move || {
            let Some(operation) = self.store.ended() else { return };
            let app = self.name_of(&operation);
            let is_watched = match self.router.now() {
                Route::Setup(name) => operation.kind == OperationKind::Rename || app.as_ref() == Some(&name),
                // A configuration is saved at the foot of a long form, from where its steps cannot be seen.
                Route::App(name, _) => {
                    operation.kind != OperationKind::Configure && app.as_ref() == Some(&name)
                }
                _ => false,
            };
            if !is_watched {
                self.announce(&operation, app.as_deref());
            }
        });
    }

    /// What the app of an operation is called by now; what it was called if it is not here.
    fn name_of(self, operation: &OperationView) -> Option<String> {
        let here = operation.app_id.and_then(|id| untrack(|| self.store.app_of(id)));
        here.map(|app| app.name).or_else(|| operation.app.clone()).map(|name| name.to_string())
    }

    fn announce(self, operation: &OperationView, app: Option<&str>) {
        let name = app.map(|app| format!("`{app}`"));
        let name = name.as_deref();
        let link = match (operation.kind, operation.status) {
            (OperationKind::Purge, OperationStatus::Succeeded) => None,
            (OperationKind::Delete, OperationStatus::Succeeded)
            | (OperationKind::Purge | OperationKind::Restore, OperationStatus::Failed) => {
                Some((Route::Trash.path(), "Open trash"))
            }
            _ => app.map(|app| (Route::App(app.to_owned(), Tab::Overview).path(), "Open")),
        };
        match operation.status {
            OperationStatus::Succeeded => {
                self.toasts.good(operations::done(operation.kind, name), link);
            }
            OperationStatus::Failed => {
                let problem = operation.problem.as_ref();
                let detail = problem.map_or("It does not say why", |problem| problem.detail.as_str());
                let of = name.map(|name| format!(" of {name}")).unwrap_or_default();
                let text = format!("{}{of} failed: {detail}", operations::operation(operation.kind));
                self.toasts.bad(text, problem.and_then(|problem| problem.hint.clone()), link);
            }
            OperationStatus::Running | OperationStatus::Cancelled => {}
        }
    }
}

/// Hands bytes to the browser to be saved under a name.
fn save(blob: &web_sys::Blob, name: &str) {
    let Ok(address) = web_sys::Url::create_object_url_with_blob(blob) else { return };
    follow_download(&address, name);
    let _ = web_sys::Url::revoke_object_url(&address);
}

/// Saves what an address leads to, under a name or under the one that the answer says.
fn follow_download(address: &str, name: &str) {
    let link = document().create_element("a").ok();
    if let Some(link) = link.and_then(|link| link.dyn_into::<web_sys::HtmlAnchorElement>().ok()) {
        link.set_href(address);
        link.set_download(name);
        link.click();
    }
}
