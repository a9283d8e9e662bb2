//! The calls about all of Mantyx: taking it along in one archive, bringing it back, and what is not as it should be.

use mantyx_api_types::core::OperationId;
use mantyx_api_types::{ExportRequest, ExportView, OperationView, ReconcileView};

use super::client::{Answer, Call, encoded};
use super::{Client, Progress};

impl Client {
    /// Exports everything.
    pub(crate) fn export(self, request: &ExportRequest) -> Call<OperationView> {
        self.send("POST", "/api/exports", request)
    }

    /// The exports that can be fetched, the newest first.
    pub(crate) async fn exports(self) -> Answer<Vec<ExportView>> {
        self.list("/api/exports").await
    }

    /// An address that an export can be fetched from once, within half a minute: a link carries no token.
    pub(crate) async fn export_address(self, id: OperationId) -> Answer<String> {
        let ticket = self.live_ticket().await?.ticket;
        Ok(format!("/api/exports/{id}?ticket={}", encoded(&ticket)))
    }

    /// Removes an export.
    pub(crate) fn remove_export(self, id: OperationId) -> Call<()> {
        self.tell("DELETE", &format!("/api/exports/{id}"))
    }

    /// Takes over everything that is in an export.
    pub(crate) async fn import(
        self,
        file: &web_sys::Blob,
        name: &str,
        progress: impl Fn(Progress) + 'static,
    ) -> Answer<OperationView> {
        self.upload("/api/imports", file, name, progress).await
    }

    /// What the last look found; nothing before the first has ended.
    pub(crate) fn reconciled(self) -> Call<Option<ReconcileView>> {
        self.get("/api/reconcile")
    }

    /// Looks now whether everything is as it should be.
    pub(crate) fn reconcile(self) -> Call<ReconcileView> {
        self.ask("POST", "/api/reconcile")
    }
}
