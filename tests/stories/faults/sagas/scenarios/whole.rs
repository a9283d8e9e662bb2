//! All of Mantyx: into an archive, and out of it again.

use mantyx_api_types::{AppView, Page};
use mantyx_core::AppId;
use mantyx_test_support::Answer;
use reqwest::Method;
use serde_json::{Value, json};

use super::{Scenario, Stage};

/// Everything is written into an archive.
pub(in super::super) struct Export {
    app: AppId,
}

impl Scenario for Export {
    const KIND: &str = "export";

    async fn begin(stage: &mut Stage) -> Self {
        Self { app: stage.service("clock").await }
    }

    async fn ask(&mut self, stage: &mut Stage) -> Answer<Value> {
        stage.client().post("/api/exports", json!({})).await
    }

    fn app(&self) -> AppId {
        self.app
    }

    fn done(&self, _: &mut Value) {}
}

/// A service comes out of an archive.
pub(in super::super) struct Import {
    app: AppId,
    archive: Vec<u8>,
    /// The app as it was when it was exported.
    exported: Value,
}

impl Scenario for Import {
    const KIND: &str = "import";

    async fn begin(stage: &mut Stage) -> Self {
        let app = stage.service("clock").await;
        let exported = stage.look().app(app);
        let begun = stage.client().post("/api/exports", json!({})).await;
        let path = format!("/api/exports/{}", stage.done(begun).await.id);
        let archive = stage.client().request(Method::GET, &path).send().await.unwrap();
        Self { app, archive: archive.bytes().await.unwrap().to_vec(), exported }
    }

    /// Only an empty Mantyx takes another one in.
    async fn prepare(&mut self, stage: &mut Stage) {
        let apps: Page<AppView> = stage.client().get("/api/apps").await.unwrap();
        for AppView { name, .. } in apps.items {
            let path = format!("/api/apps/{name}?confirm={name}&mode=permanent");
            stage.done(stage.client().delete(&path).await).await;
        }
    }

    async fn ask(&mut self, stage: &mut Stage) -> Answer<Value> {
        stage.client().upload("/api/imports", "mantyx.tar.gz", self.archive.clone(), &[]).await
    }

    fn app(&self) -> AppId {
        self.app
    }

    fn done(&self, seen: &mut Value) {
        *seen = self.exported.clone();
    }

    fn is_carried_on(step: &str) -> bool {
        matches!(step, "rebuild" | "start" | "tidy")
    }
}
