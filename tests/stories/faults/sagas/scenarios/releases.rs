//! What runs: another release, an earlier one, another configuration, an environment.

use std::fs;

use mantyx_core::{AppId, AppName, AppState};
use mantyx_test_support::Answer;
use serde_json::{Value, json};

use super::{Scenario, Stage};

/// An app that was just uploaded gets its environment.
pub(in super::super) struct Install {
    app: AppId,
    name: AppName,
    apps: u32,
}

impl Scenario for Install {
    const KIND: &str = "install";

    async fn begin(stage: &mut Stage) -> Self {
        let app = stage.upload("first").await;
        Self { app: app.id, name: app.name, apps: 1 }
    }

    /// What was never installed is something else than what is installed again.
    async fn prepare(&mut self, stage: &mut Stage) {
        if stage.look().app(self.app)["installed"] == true {
            self.apps += 1;
            let app = stage.upload(&format!("app-{}", self.apps)).await;
            (self.app, self.name) = (app.id, app.name);
        }
    }

    async fn ask(&mut self, stage: &mut Stage) -> Answer<Value> {
        stage.client().post(&format!("/api/apps/{}/install", self.name), json!({})).await
    }

    fn app(&self) -> AppId {
        self.app
    }

    fn done(&self, seen: &mut Value) {
        seen["installed"] = json!(true);
        seen["state"] = json!("installed");
        seen["failed"] = Value::Null;
    }

    fn undone(&self, seen: &mut Value, problem: &str) {
        let problem: Value = serde_json::from_str(problem).unwrap();
        seen["state"] = json!("failed");
        seen["failed"] = problem["detail"].clone();
    }
}

/// A service gets other code.
pub(in super::super) struct Update {
    app: AppId,
    next: Option<u32>,
}

impl Scenario for Update {
    const KIND: &str = "update";

    async fn begin(stage: &mut Stage) -> Self {
        Self { app: stage.service("clock").await, next: None }
    }

    async fn ask(&mut self, stage: &mut Stage) -> Answer<Value> {
        let (name, archive) = (stage.name(self.app), stage.next_version());
        self.next = Some(self.next.unwrap_or(1) + 1);
        stage.client().update_archive(&name, archive, &[]).await.map(|begun| json!(begun))
    }

    fn app(&self) -> AppId {
        self.app
    }

    /// No number is given twice.
    fn done(&self, seen: &mut Value) {
        seen["release"] = json!(self.next);
    }
}

/// A service goes back to an earlier release, whose environment is gone: there is another one with the same packages.
pub(in super::super) struct Rollback {
    app: AppId,
    to: u64,
}

impl Scenario for Rollback {
    const KIND: &str = "rollback";

    async fn begin(stage: &mut Stage) -> Self {
        let app = stage.service("clock").await;
        let (name, archive) = (stage.name(app), stage.next_version());
        let begun = stage.client().update_archive(&name, archive, &[]).await;
        stage.done(begun).await;
        Self { app, to: 1 }
    }

    async fn prepare(&mut self, stage: &mut Stage) {
        let active = stage.look().app(self.app)["release"].as_u64().unwrap();
        self.to = if active == 1 { 2 } else { 1 };
        stage.forget_environments(self.app);
    }

    async fn ask(&mut self, stage: &mut Stage) -> Answer<Value> {
        let path = format!("/api/apps/{}/rollback", stage.name(self.app));
        stage.client().post(&path, json!({ "release": self.to })).await
    }

    fn app(&self) -> AppId {
        self.app
    }

    fn done(&self, seen: &mut Value) {
        seen["release"] = json!(self.to);
    }
}

/// A service gets another configuration and is started anew.
pub(in super::super) struct Configure {
    app: AppId,
    colours: u32,
}

impl Configure {
    fn colour(&self) -> Value {
        json!(format!("colour {}", self.colours))
    }
}

impl Scenario for Configure {
    const KIND: &str = "configure";

    async fn begin(stage: &mut Stage) -> Self {
        Self { app: stage.service("clock").await, colours: 0 }
    }

    async fn ask(&mut self, stage: &mut Stage) -> Answer<Value> {
        self.colours += 1;
        let body = json!({ "configuration": { "env": { "COLOUR": self.colour() } } });
        let path = format!("/api/apps/{}?restart=true", stage.name(self.app));
        let current: Value =
            stage.client().get(&format!("/api/apps/{}/configuration", stage.name(self.app))).await?;
        stage.client().patch(&path, &format!("\"{}\"", current["revision"]), body).await
    }

    fn app(&self) -> AppId {
        self.app
    }

    fn done(&self, seen: &mut Value) {
        seen["configuration"]["env"]["COLOUR"] = self.colour();
    }
}

/// The environment of a service has gone, and is built again.
pub(in super::super) struct Repair {
    app: AppId,
}

impl Scenario for Repair {
    const KIND: &str = "repair";
    const LEAVES_BROKEN: bool = true;

    async fn begin(stage: &mut Stage) -> Self {
        Self { app: stage.service("clock").await }
    }

    /// Another release has another environment.
    async fn prepare(&mut self, stage: &mut Stage) {
        let name = stage.name(self.app);
        let current = stage.scene.mantyx.root().join(format!("venvs/{name}/current"));
        if current.exists() {
            return;
        }
        let archive = stage.next_version();
        stage.done(stage.client().update_archive(&name, archive, &[]).await).await;
        if stage.client().app(&name).await.unwrap().state != AppState::Running {
            stage.client().event(&name, "start").await.unwrap();
        }
        stage.healthy(&name).await;
        stage.forget_environments(self.app);
    }

    async fn ask(&mut self, stage: &mut Stage) -> Answer<Value> {
        let venvs = stage.scene.mantyx.root().join(format!("venvs/{}", stage.name(self.app)));
        fs::remove_dir_all(venvs.join(fs::read_link(venvs.join("current")).unwrap())).unwrap();
        stage.client().post("/api/reconcile", json!({})).await
    }

    fn app(&self) -> AppId {
        self.app
    }

    fn done(&self, _: &mut Value) {}
}
