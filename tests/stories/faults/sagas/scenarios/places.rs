//! Where an app lies: under another name, in the trash, nowhere.

use mantyx_api_types::{AppView, OperationView};
use mantyx_core::{AppEvent, AppId, AppName, Health};
use mantyx_test_support::Answer;
use serde_json::{Value, json};

use super::{Scenario, Stage};

/// A service gets another name, and later its first one again.
pub(in super::super) struct Rename {
    app: AppId,
    to: &'static str,
}

impl Scenario for Rename {
    const KIND: &str = "rename";

    async fn begin(stage: &mut Stage) -> Self {
        let app = stage.service("clock").await;
        // So that there is something of it in every place.
        let begun = stage.client().post("/api/apps/clock/backups", json!({})).await;
        stage.done(begun).await;
        Self { app, to: "watch" }
    }

    async fn prepare(&mut self, stage: &mut Stage) {
        self.to = if stage.name(self.app).as_str() == "clock" { "watch" } else { "clock" };
    }

    async fn ask(&mut self, stage: &mut Stage) -> Answer<Value> {
        let path = format!("/api/apps/{}/rename", stage.name(self.app));
        stage.client().post(&path, json!({ "name": self.to })).await
    }

    fn app(&self) -> AppId {
        self.app
    }

    fn done(&self, seen: &mut Value) {
        seen["name"] = json!(self.to);
    }
}

/// A service goes to the trash.
pub(in super::super) struct Delete {
    app: AppId,
}

impl Scenario for Delete {
    const KIND: &str = "delete";

    async fn begin(stage: &mut Stage) -> Self {
        Self { app: stage.service("clock").await }
    }

    async fn prepare(&mut self, stage: &mut Stage) {
        bring_back(stage, self.app).await;
    }

    async fn ask(&mut self, stage: &mut Stage) -> Answer<Value> {
        delete(stage, &stage.name(self.app), "trash").await.map(|begun| json!(begun))
    }

    fn app(&self) -> AppId {
        self.app
    }

    fn done(&self, seen: &mut Value) {
        seen["state"] = json!("deleted");
    }

    fn is_carried_on(_: &str) -> bool {
        true
    }
}

/// A job with a schedule goes to the trash.
pub(in super::super) struct DeleteJob(Delete);

impl Scenario for DeleteJob {
    const KIND: &str = "delete";

    async fn begin(stage: &mut Stage) -> Self {
        Self(Delete { app: stage.job("often").await })
    }

    async fn prepare(&mut self, stage: &mut Stage) {
        self.0.prepare(stage).await;
    }

    async fn ask(&mut self, stage: &mut Stage) -> Answer<Value> {
        self.0.ask(stage).await
    }

    fn app(&self) -> AppId {
        self.0.app
    }

    fn done(&self, seen: &mut Value) {
        self.0.done(seen);
    }

    fn is_carried_on(step: &str) -> bool {
        Delete::is_carried_on(step)
    }
}

/// An app comes back from the trash.
pub(in super::super) struct Restore {
    app: AppId,
}

impl Scenario for Restore {
    const KIND: &str = "restore";

    async fn begin(stage: &mut Stage) -> Self {
        Self { app: stage.service("clock").await }
    }

    async fn prepare(&mut self, stage: &mut Stage) {
        put_away(stage, self.app).await;
    }

    async fn ask(&mut self, stage: &mut Stage) -> Answer<Value> {
        restore(stage, self.app, json!({})).await.map(|begun| json!(begun))
    }

    fn app(&self) -> AppId {
        self.app
    }

    fn done(&self, seen: &mut Value) {
        seen["state"] = json!("disabled");
    }
}

/// An app comes back under another name, because its own was given to another app.
pub(in super::super) struct RestoreRenamed {
    app: AppId,
    to: String,
    names: u32,
}

impl Scenario for RestoreRenamed {
    const KIND: &str = "restore";

    async fn begin(stage: &mut Stage) -> Self {
        let app = stage.service("clock").await;
        put_away(stage, app).await;
        stage.upload("clock").await;
        Self { app, to: String::new(), names: 0 }
    }

    async fn prepare(&mut self, stage: &mut Stage) {
        put_away(stage, self.app).await;
        self.names += 1;
        self.to = format!("clock-{}", self.names);
    }

    async fn ask(&mut self, stage: &mut Stage) -> Answer<Value> {
        restore(stage, self.app, json!({ "name": self.to })).await.map(|begun| json!(begun))
    }

    fn app(&self) -> AppId {
        self.app
    }

    fn done(&self, seen: &mut Value) {
        seen["state"] = json!("disabled");
        seen["name"] = json!(self.to);
    }
}

/// A service is removed for good.
pub(in super::super) struct Purge {
    app: AppId,
    apps: u32,
}

impl Scenario for Purge {
    const KIND: &str = "purge";

    async fn begin(stage: &mut Stage) -> Self {
        Self { app: stage.service("clock").await, apps: 1 }
    }

    async fn prepare(&mut self, stage: &mut Stage) {
        if stage.look().app(self.app).is_null() {
            self.apps += 1;
            self.app = stage.service(&format!("clock-{}", self.apps)).await;
        }
    }

    async fn ask(&mut self, stage: &mut Stage) -> Answer<Value> {
        delete(stage, &stage.name(self.app), "permanent").await.map(|begun| json!(begun))
    }

    fn app(&self) -> AppId {
        self.app
    }

    fn done(&self, seen: &mut Value) {
        *seen = Value::Null;
    }

    fn is_carried_on(_: &str) -> bool {
        true
    }
}

/// What is in the trash is removed for good.
pub(in super::super) struct PurgeTrashed(Purge);

impl Scenario for PurgeTrashed {
    const KIND: &str = "purge";

    async fn begin(stage: &mut Stage) -> Self {
        Self(Purge::begin(stage).await)
    }

    async fn prepare(&mut self, stage: &mut Stage) {
        self.0.prepare(stage).await;
        put_away(stage, self.0.app).await;
    }

    async fn ask(&mut self, stage: &mut Stage) -> Answer<Value> {
        let (id, name) = (self.0.app, stage.name(self.0.app));
        stage.client().delete(&format!("/api/trash/{id}?confirm={name}")).await
    }

    fn app(&self) -> AppId {
        self.0.app
    }

    fn done(&self, seen: &mut Value) {
        self.0.done(seen);
    }

    fn is_carried_on(step: &str) -> bool {
        Purge::is_carried_on(step)
    }
}

async fn delete(stage: &Stage, name: &AppName, mode: &str) -> Answer<OperationView> {
    stage.client().delete(&format!("/api/apps/{name}?confirm={name}&mode={mode}")).await
}

async fn restore(stage: &Stage, app: AppId, body: Value) -> Answer<OperationView> {
    stage.client().post(&format!("/api/trash/{app}/restore"), body).await
}

/// Sees that an app is in the trash.
async fn put_away(stage: &Stage, app: AppId) {
    if stage.look().app(app)["state"] != "deleted" {
        stage.done(delete(stage, &stage.name(app), "trash").await).await;
    }
}

/// Sees that an app is on.
async fn bring_back(stage: &Stage, app: AppId) {
    if stage.look().app(app)["state"] == "deleted" {
        stage.done(restore(stage, app, json!({})).await).await;
        let name = stage.name(app);
        stage.client().event(&name, "enable").await.unwrap();
        let is_on =
            |app: &AppView| app.health == Health::Healthy || app.legal_events.contains(&AppEvent::Run);
        stage.client().wait_for_app(&name, "be on again", is_on).await;
    }
}
