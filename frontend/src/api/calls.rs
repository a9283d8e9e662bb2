//! Every call that the page makes, one method each, in the order of the API's page of the specification.

use mantyx_api_types::core::{AppEvent, AppId, AppName, BackupId, OperationId, ScheduleId, ScheduleSpec};
use mantyx_api_types::{
    AppCreated, AppMetrics, AppPatch, AppView, BackupRequest, BackupRestoreRequest, BackupView,
    ConfigurationView, DependenciesView, EventView, ExecutionView, GitSource, GitUpdate, LiveTicket, LogLine,
    LoginCode, NewSchedule, OperationView, OutdatedPackage, Page, ReleaseDetail, ReleaseDiff, ReleaseView,
    RenameRequest, RestoreRequest, RollbackRequest, SchedulePatch, SchedulePreview, ScheduleView,
    SettingView, Sparkline, SystemView, TokenAnswer, TrashedAppView, UpdateCheck,
};
use serde_json::{Map, Value};

use super::Client;
use super::client::{Answer, Call, FileText, encoded, encoded_path};
use crate::state::search::Query;

impl Client {
    /// Logs in with the one-time code of the printed link.
    pub(crate) fn log_in_by_code(self, code: String) -> Call<TokenAnswer> {
        self.send("POST", "/api/login", &LoginCode { code })
    }

    /// Logs in with the password.
    pub(crate) fn log_in_by_password(self, password: &str) -> Call<TokenAnswer> {
        let form = format!("grant_type=password&username=admin&password={}", encoded(password));
        self.form("/token", form)
    }

    /// A one-time ticket for the socket.
    pub(crate) fn live_ticket(self) -> Call<LiveTicket> {
        self.ask("POST", "/api/live/ticket")
    }

    /// The daemon and its machine.
    pub(crate) fn system(self) -> Call<SystemView> {
        self.get("/api/system")
    }

    /// Imports a git repository as a new app.
    pub(crate) fn add_from_git(self, source: &GitSource) -> Call<AppCreated> {
        self.send("POST", "/api/apps/upload/git", source)
    }

    /// One app.
    pub(crate) fn app(self, app: &str) -> Call<AppView> {
        self.get(&format!("/api/apps/{app}"))
    }

    /// Changes an app whose configuration is still at this revision.
    pub(crate) fn change_app(self, app: &str, patch: &AppPatch, revision: u32) -> Call<()> {
        self.change(&format!("/api/apps/{app}"), patch, Some(revision))
    }

    /// Changes an app whose configuration is still at this revision, and restarts it with that.
    pub(crate) fn change_and_restart(
        self,
        app: &str,
        patch: &AppPatch,
        revision: u32,
    ) -> Call<OperationView> {
        self.send_if("PATCH", &format!("/api/apps/{app}?restart=true"), patch, revision)
    }

    /// Moves an app to the trash.
    pub(crate) fn delete_app(self, app: &str, confirm: &str) -> Call<OperationView> {
        self.ask("DELETE", &format!("/api/apps/{app}?confirm={}", encoded(confirm)))
    }

    /// Asks for an event.
    pub(crate) fn ask_event(self, app: &str, event: AppEvent) -> Call<()> {
        self.tell("POST", &format!("/api/apps/{app}/{}", event.as_str()))
    }

    /// Builds the environment of an app.
    pub(crate) fn install(self, app: &str) -> Call<OperationView> {
        self.ask("POST", &format!("/api/apps/{app}/install"))
    }

    /// Gives another name to an app, and waits so many seconds for it.
    pub(crate) fn rename(self, app: &str, name: AppName, wait: Option<u32>) -> Call<OperationView> {
        let wait = wait.map(|seconds| format!("?wait={seconds}")).unwrap_or_default();
        self.send("POST", &format!("/api/apps/{app}/rename{wait}"), &RenameRequest { name })
    }

    /// Updates an app from git.
    pub(crate) fn update_from_git(self, app: &str, source: &GitUpdate) -> Call<OperationView> {
        self.send("POST", &format!("/api/apps/{app}/update/git"), source)
    }

    /// Resolves the packages of an app anew.
    pub(crate) fn update_dependencies(self, app: &str) -> Call<OperationView> {
        self.ask("POST", &format!("/api/apps/{app}/update/dependencies"))
    }

    /// Whether the repository of an app is ahead of it.
    pub(crate) fn check_for_updates(self, app: &str) -> Call<UpdateCheck> {
        self.get(&format!("/api/apps/{app}/update/check"))
    }

    /// Takes an earlier release into use again.
    pub(crate) fn roll_back(self, app: &str, release: u32) -> Call<OperationView> {
        let request = RollbackRequest { release: Some(release) };
        self.send("POST", &format!("/api/apps/{app}/rollback"), &request)
    }

    /// The releases of an app.
    pub(crate) async fn releases(self, app: &str) -> Answer<Vec<ReleaseView>> {
        self.list(&format!("/api/apps/{app}/releases")).await
    }

    /// A release with its files.
    pub(crate) fn release(self, app: &str, release: u32) -> Call<ReleaseDetail> {
        self.get(&format!("/api/apps/{app}/releases/{release}"))
    }

    /// What changed from one release to another.
    pub(crate) fn release_diff(self, app: &str, from: u32, to: u32) -> Call<ReleaseDiff> {
        self.get(&format!("/api/apps/{app}/releases/{from}/diff/{to}"))
    }

    /// A file of a release, as bytes.
    pub(crate) async fn release_file(self, app: &str, release: u32, path: &str) -> Answer<web_sys::Blob> {
        self.bytes(&file_address(app, release, path)).await
    }

    /// A file of a release, as text where it is one.
    pub(crate) async fn release_text(self, app: &str, release: u32, path: &str) -> Answer<FileText> {
        self.text(&file_address(app, release, path)).await
    }

    /// Another text for a file of the active release: a release of its own.
    pub(crate) fn put_file(self, app: &str, release: u32, path: &str, text: String) -> Call<OperationView> {
        self.send_text("PUT", &file_address(app, release, path), text)
    }

    /// A release without this file.
    pub(crate) fn remove_file(self, app: &str, release: u32, path: &str) -> Call<OperationView> {
        self.ask("DELETE", &file_address(app, release, path))
    }

    /// What an app is told, and what was found in it.
    pub(crate) fn configuration(self, app: &str) -> Call<ConfigurationView> {
        self.get(&format!("/api/apps/{app}/configuration"))
    }

    /// What an app depends on.
    pub(crate) fn dependencies(self, app: &str) -> Call<DependenciesView> {
        self.get(&format!("/api/apps/{app}/dependencies"))
    }

    /// The packages that the index has newer versions of.
    pub(crate) async fn outdated(self, app: &str) -> Answer<Vec<OutdatedPackage>> {
        let page: Page<OutdatedPackage> = self.get(&format!("/api/apps/{app}/dependencies/outdated")).await?;
        Ok(page.items)
    }

    /// What was kept of an app.
    pub(crate) async fn backups(self, app: &str) -> Answer<Vec<BackupView>> {
        self.list(&format!("/api/apps/{app}/backups")).await
    }

    /// Keeps an app as it is.
    pub(crate) fn back_up(self, app: &str, request: &BackupRequest) -> Call<OperationView> {
        self.send("POST", &format!("/api/apps/{app}/backups"), request)
    }

    /// Takes what a backup kept into use.
    pub(crate) fn restore_backup(
        self,
        app: &str,
        id: BackupId,
        request: &BackupRestoreRequest,
    ) -> Call<OperationView> {
        self.send("POST", &format!("/api/apps/{app}/backups/{id}/restore"), request)
    }

    /// Removes a backup.
    pub(crate) fn remove_backup(self, app: &str, id: BackupId) -> Call<()> {
        self.tell("DELETE", &format!("/api/apps/{app}/backups/{id}"))
    }

    /// The lines of a log that a search finds, as a file.
    pub(crate) async fn log_file(self, app: &str, search: &Query) -> Answer<web_sys::Blob> {
        self.bytes(&format!("/api/apps/{app}/logs?download=true{}", parameters(search))).await
    }

    /// The lines of a log that a search finds, the oldest first.
    pub(crate) async fn log_lines(self, app: &str, search: &Query) -> Answer<Vec<LogLine>> {
        let path = format!("/api/apps/{app}/logs?follow=false{}", parameters(search));
        let page: Page<LogLine> = self.get(&path).await?;
        Ok(page.items)
    }

    /// The newest executions of an app.
    pub(crate) async fn executions(self, app: &str, limit: u32) -> Answer<Vec<ExecutionView>> {
        let path = format!("/api/executions?app={app}&limit={limit}");
        let page: Page<ExecutionView> = self.get(&path).await?;
        Ok(page.items)
    }

    /// What an app used over time: `hour`, `day` or `month`.
    pub(crate) fn metrics(self, app: &str, span: &str) -> Call<AppMetrics> {
        self.get(&format!("/api/apps/{app}/metrics?span={span}"))
    }

    /// What every app used in the last ten minutes.
    pub(crate) fn sparklines(self) -> Call<Vec<Sparkline>> {
        self.get("/api/sparklines")
    }

    /// What happened, the newest first, from before where a page ended.
    pub(crate) fn newest_events(self, cursor: Option<&str>) -> Call<Page<EventView>> {
        let before = cursor.map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
        self.get(&format!("/api/events?order=newest&limit=50{before}"))
    }

    /// One operation.
    pub(crate) fn operation(self, id: OperationId) -> Call<OperationView> {
        self.get(&format!("/api/operations/{id}"))
    }

    /// Calls an operation off.
    pub(crate) fn cancel_operation(self, id: OperationId) -> Call<()> {
        self.tell("POST", &format!("/api/operations/{id}/cancel"))
    }

    /// What a schedule would do.
    pub(crate) fn preview_schedule(self, spec: &ScheduleSpec) -> Call<SchedulePreview> {
        self.send("POST", "/api/schedules/preview", spec)
    }

    /// Makes a schedule.
    pub(crate) fn add_schedule(self, schedule: &NewSchedule) -> Call<ScheduleView> {
        self.send("POST", "/api/schedules", schedule)
    }

    /// Changes a schedule.
    pub(crate) fn change_schedule(self, id: ScheduleId, patch: &SchedulePatch) -> Call<()> {
        self.change(&format!("/api/schedules/{id}"), patch, None)
    }

    /// What was deleted.
    pub(crate) async fn trash(self) -> Answer<Vec<TrashedAppView>> {
        self.list("/api/trash").await
    }

    /// Brings an app back.
    pub(crate) fn restore(self, id: AppId, request: &RestoreRequest) -> Call<OperationView> {
        self.send("POST", &format!("/api/trash/{id}/restore"), request)
    }

    /// Removes an app for good.
    pub(crate) fn purge(self, id: AppId, confirm: &str) -> Call<OperationView> {
        self.ask("DELETE", &format!("/api/trash/{id}?confirm={}", encoded(confirm)))
    }

    /// What the daemon is told.
    pub(crate) async fn settings(self) -> Answer<Vec<SettingView>> {
        self.list("/api/settings").await
    }

    /// Changes a setting; null is its default. Answers all of them.
    pub(crate) async fn change_setting(self, name: &str, value: Value) -> Answer<Vec<SettingView>> {
        let patch = Map::from_iter([(name.to_owned(), value)]);
        let page: Page<SettingView> = self.send("PATCH", "/api/settings", &patch).await?;
        Ok(page.items)
    }
}

/// The address of a file of a release: the slashes of its path stay, everything else is encoded.
fn file_address(app: &str, release: u32, path: &str) -> String {
    format!("/api/apps/{app}/releases/{release}/files/{}", encoded_path(path))
}

/// Parameters behind others of an address.
fn parameters(query: &Query) -> String {
    query
        .iter()
        .flat_map(|(name, value)| ["&".to_owned(), (*name).to_owned(), "=".to_owned(), encoded(value)])
        .collect()
}
