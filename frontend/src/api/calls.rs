//! Every call that the page makes, one method each, in the order of the API's page of the specification.

use mantyx_api_types::core::{AppEvent, AppId, AppName, OperationId, ScheduleId, ScheduleSpec};
use mantyx_api_types::{
    AppCreated, AppMetrics, AppPatch, AppView, ConfigurationView, DependenciesView, ExecutionView, GitSource,
    LiveTicket, LogLine, LoginCode, NewSchedule, OperationView, RenameRequest, RestoreRequest, SchedulePatch,
    SchedulePreview, ScheduleView, Sparkline, SystemView, TokenAnswer, TrashedAppView,
};

use super::Client;
use super::client::{Answer, Call, encoded};
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

    /// Gives another name to an app that was not installed yet.
    pub(crate) fn rename(self, app: &str, name: AppName) -> Call<AppView> {
        self.send("POST", &format!("/api/apps/{app}/rename"), &RenameRequest { name })
    }

    /// What an app is told, and what was found in it.
    pub(crate) fn configuration(self, app: &str) -> Call<ConfigurationView> {
        self.get(&format!("/api/apps/{app}/configuration"))
    }

    /// What an app depends on.
    pub(crate) fn dependencies(self, app: &str) -> Call<DependenciesView> {
        self.get(&format!("/api/apps/{app}/dependencies"))
    }

    /// The lines of a log that a search finds, as a file.
    pub(crate) async fn log_file(self, app: &str, search: &Query) -> Answer<web_sys::Blob> {
        self.bytes(&format!("/api/apps/{app}/logs?download=true{}", parameters(search))).await
    }

    /// The lines of a log that a search finds, the oldest first.
    pub(crate) async fn log_lines(self, app: &str, search: &Query) -> Answer<Vec<LogLine>> {
        let path = format!("/api/apps/{app}/logs?follow=false{}", parameters(search));
        let page: mantyx_api_types::Page<LogLine> = self.get(&path).await?;
        Ok(page.items)
    }

    /// The newest executions of an app.
    pub(crate) async fn executions(self, app: &str, limit: u32) -> Answer<Vec<ExecutionView>> {
        let path = format!("/api/executions?app={app}&limit={limit}");
        let page: mantyx_api_types::Page<ExecutionView> = self.get(&path).await?;
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
}

/// Parameters behind others of an address.
fn parameters(query: &Query) -> String {
    query
        .iter()
        .flat_map(|(name, value)| ["&".to_owned(), (*name).to_owned(), "=".to_owned(), encoded(value)])
        .collect()
}
