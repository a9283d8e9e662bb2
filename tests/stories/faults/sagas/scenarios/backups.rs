//! What is kept of an app, and taken into use again.

use mantyx_api_types::{BackupView, Page};
use mantyx_core::{AppId, BackupReason};
use mantyx_test_support::Answer;
use serde_json::{Value, json};

use super::{Scenario, Stage};

/// A service is kept with its files.
pub(in super::super) struct Backup {
    app: AppId,
}

impl Scenario for Backup {
    const KIND: &str = "backup";

    async fn begin(stage: &mut Stage) -> Self {
        Self { app: stage.service("clock").await }
    }

    async fn ask(&mut self, stage: &mut Stage) -> Answer<Value> {
        stage.client().post("/api/apps/clock/backups", json!({ "data": true })).await
    }

    fn app(&self) -> AppId {
        self.app
    }

    fn done(&self, _: &mut Value) {}
}

/// A service becomes what it was when it was kept: its code, its configuration, its files.
pub(in super::super) struct RestoreBackup {
    app: AppId,
    backup: Option<BackupView>,
    releases: u64,
}

impl Scenario for RestoreBackup {
    const KIND: &str = "restore_backup";

    async fn begin(stage: &mut Stage) -> Self {
        Self { app: stage.service("clock").await, backup: None, releases: 1 }
    }

    /// What was kept is colourless and has its first words. What is there has not.
    async fn prepare(&mut self, stage: &mut Stage) {
        let kept: Page<BackupView> = stage.client().get("/api/apps/clock/backups").await.unwrap();
        let (by_hand, others): (Vec<_>, Vec<_>) =
            kept.items.into_iter().partition(|backup| backup.reason == BackupReason::Manual);
        // Only so many are kept, and the one by hand is not to be the one that goes.
        for BackupView { id, .. } in others {
            let _: Value = stage.client().delete(&format!("/api/apps/clock/backups/{id}")).await.unwrap();
        }
        self.backup = by_hand.into_iter().next();
        let seen = stage.look().app(self.app);
        if self.backup.is_none() {
            assert_eq!(seen["data"]["kept"], "written first", "only what was restored can be kept again");
            let begun = stage.client().post("/api/apps/clock/backups", json!({ "data": true })).await;
            stage.done(begun).await;
            return Box::pin(self.prepare(stage)).await;
        }
        let name = stage.name(self.app);
        stage.write(&name, "written later");
        if seen["configuration"]["env"]["COLOUR"].is_null() {
            let body = json!({ "configuration": { "env": { "COLOUR": "red" } } });
            let current: Value = stage.client().get("/api/apps/clock/configuration").await.unwrap();
            let revision = format!("\"{}\"", current["revision"]);
            let begun = stage.client().patch("/api/apps/clock?restart=true", &revision, body).await;
            stage.done(begun).await;
        }
    }

    async fn ask(&mut self, stage: &mut Stage) -> Answer<Value> {
        let id = self.backup.as_ref().unwrap().id;
        self.releases += 1;
        stage.client().post(&format!("/api/apps/clock/backups/{id}/restore"), json!({ "data": true })).await
    }

    fn app(&self) -> AppId {
        self.app
    }

    fn done(&self, seen: &mut Value) {
        seen["release"] = json!(self.releases);
        seen["configuration"]["env"] = json!({});
        seen["data"]["kept"] = json!("written first");
    }
}
