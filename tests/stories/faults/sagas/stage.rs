//! A Mantyx with one web service, which says which release it is of and how it is configured.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use mantyx_api_types::{AppView, OperationView};
use mantyx_core::{AppId, AppName, AppState, Health, OperationStatus};
use mantyx_test_support::{
    Answer, Builder, Client, PATIENCE, TestMantyx, apps, http_client, insist, wait_until,
};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::picture::Picture;
use crate::faults::daemon::sql;
use crate::faults::scene::Scene;

/// Says on its web port of which release it is and which colour it was given, and that it is ready once it listens.
pub(super) const SERVICE: &str = r#"
import os, socket

body = (open("version.txt").read() + " " + os.environ.get("COLOUR", "")).encode()
server = socket.create_server(("127.0.0.1", int(os.environ["PORT"])))
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
    manager.connect(os.environ["NOTIFY_SOCKET"].replace("@", "\0"))
    manager.send(b"READY=1")
while True:
    peer, _ = server.accept()
    try:
        peer.recv(4096)
        head = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
        peer.sendall(head % len(body) + body)
    except OSError:
        pass
    peer.close()
"#;

/// How long what is removed beside everything else may be half gone.
const TIDIED: Duration = Duration::from_secs(15);

/// What the daemon is told to do at which point.
const ORDERS: &str = "_MANTYX_FAULT";

/// A Mantyx that is cut short again and again.
pub(super) struct Stage {
    pub(super) scene: Scene,
    /// The versions of the app are counted, so that no release is like another.
    versions: u32,
}

impl Stage {
    pub(super) async fn begin(builder: Builder) -> Self {
        let mantyx = builder.setting("releases_kept", "3").setting("backups_kept", "3").start().await;
        Self { scene: Scene::of(mantyx), versions: 0 }
    }

    pub(super) const fn client(&self) -> &Client {
        self.scene.client()
    }

    pub(super) const fn mantyx(&mut self) -> &mut TestMantyx {
        &mut self.scene.mantyx
    }

    /// The next version of the app. Its dependencies are said in other words each time, so that it gets an environment
    /// of its own.
    pub(super) fn next_version(&mut self) -> Vec<u8> {
        self.versions += 1;
        let (version, comment) = (format!("version {}", self.versions), format!("# {}\n", self.versions));
        apps::zip(&[("main.py", SERVICE), ("version.txt", &version), ("requirements.txt", &comment)])
    }

    /// The app, not installed yet.
    pub(super) async fn upload(&mut self, name: &str) -> AppView {
        let probe = json!({ "kind": "http", "url": "/" });
        let configuration = json!({ "web_port": "auto", "health": { "probe": probe, "start_period": 20 } });
        let app = json!({ "name": name, "type": "perpetual", "configuration": configuration });
        let archive = self.next_version();
        let created = self.client().upload_archive("app.zip", archive, &[("app", &app.to_string())]).await;
        created.unwrap_or_else(|refusal| panic!("{refusal}")).app
    }

    /// The app, running, with a file of its own.
    pub(super) async fn service(&mut self, name: &str) -> AppId {
        let app = self.upload(name).await;
        self.client().install_and_enable(&app.name).await;
        let app = self.healthy(&app.name).await;
        self.write(&app.name, "written first");
        app.id
    }

    /// A scheduled app that fires every second.
    pub(super) async fn job(&mut self, name: &str) -> AppId {
        let name = self.scene.job(name, apps::hello_script(), json!({})).await;
        let timing = json!({ "kind": "interval", "seconds": 1 });
        let body = json!({ "app": name, "name": "often", "spec": { "timing": timing, "timezone": "UTC" } });
        let _: Value = self.client().post("/api/schedules", body).await.unwrap();
        self.client().app(&name).await.unwrap().id
    }

    /// The app has something else in its file.
    pub(super) fn write(&self, name: &AppName, text: &str) {
        self.scene.tell(name, "kept", text);
    }

    pub(super) async fn healthy(&self, name: &AppName) -> AppView {
        let is_healthy = |app: &AppView| app.state == AppState::Running && app.health == Health::Healthy;
        self.client().wait_for_app(name, "be healthy", is_healthy).await
    }

    /// An operation that has to succeed, to its end.
    pub(super) async fn done(&self, begun: Answer<OperationView>) -> OperationView {
        let begun = begun.unwrap_or_else(|refusal| panic!("{refusal}"));
        let ended = self.client().ended(begun.id).await;
        assert_eq!(ended.status, OperationStatus::Succeeded, "{:?} {:#?}", ended.problem, ended.steps);
        ended
    }

    /// Takes the environments away that earlier releases have, as a rename does.
    pub(super) fn forget_environments(&self, app: AppId) {
        let name = self.name(app);
        let active = format!("(SELECT release_id FROM instances WHERE app_id = '{app}')");
        let used = "(SELECT environment_id FROM releases WHERE environment_id IS NOT NULL)";
        sql(
            &self.scene,
            &format!(
                "UPDATE releases SET environment_id = NULL WHERE app_id = '{app}' AND id <> {active};
                 DELETE FROM environments WHERE app_id = '{app}' AND id NOT IN {used};"
            ),
        );
        let folder = self.scene.mantyx.root().join(format!("venvs/{name}"));
        let active = fs::read_link(folder.join("current")).unwrap();
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_dir() && entry.file_name() != active.as_os_str() {
                fs::remove_dir_all(entry.path()).unwrap();
            }
        }
    }

    pub(super) fn look(&self) -> Picture {
        Picture::of(self.scene.mantyx.root())
    }

    /// The name that an app has now.
    pub(super) fn name(&self, app: AppId) -> AppName {
        name(&self.look().app(app))
    }

    /// Kills the daemon and starts the next one with these orders.
    pub(super) async fn restart(&mut self, orders: Option<&str>) {
        self.mantyx().kill_9();
        self.mantyx().set_variable(ORDERS, orders);
        self.mantyx().start_again().await;
        insist("every end to be written down", PATIENCE, async || self.find_no_open_end().await).await;
    }

    /// A monitor that found no room for its record writes it when there is some, and may be later than the daemon, which
    /// had heard of the end already. Such a record is removed when somebody holds what is against what should be.
    async fn find_no_open_end(&self) -> Result<(), String> {
        for name in names(&self.scene.mantyx.root().join("run")) {
            let Some(execution) = name.strip_suffix(".exit.json") else { continue };
            let row: Answer<Value> = self.client().get(&format!("/api/executions/{execution}")).await;
            if row.is_ok_and(|row| row["finished_at"].is_null()) {
                return Err(name);
            }
        }
        Ok(())
    }

    /// Waits until no operation is under way, and says how it looks then.
    pub(super) async fn settled(&self, patience: Duration) -> Picture {
        wait_until("every operation to end", patience, async || self.still()).await
    }

    /// How it looks once everything is in order. Old releases are removed beside everything else, and a picture may show
    /// one half gone.
    pub(super) async fn tidied(&self, picture: Picture) -> Picture {
        if picture.is_in_order() {
            return picture;
        }
        let orderly = async || self.still().filter(Picture::is_in_order);
        timeout(TIDIED, wait_until("everything to be in order", PATIENCE, orderly)).await.unwrap_or(picture)
    }

    /// How it looks while no operation is under way.
    fn still(&self) -> Option<Picture> {
        Picture::taken(self.scene.mantyx.root()).ok().filter(|picture| !picture.is_busy())
    }

    /// Files and rows fit, what should run answers as what is active, and nothing else runs.
    pub(super) async fn assert_in_order(&self, picture: &Picture, app: AppId) {
        picture.assert_in_order();
        let _: Value = self.client().get("/health").await.unwrap();
        let seen = picture.app(app);
        if seen["state"] == "enabled" {
            self.fires(&name(&seen)).await;
        }
        let runs = seen["state"] == "running";
        let alone = async || {
            let alive = self.scene.alive();
            let process = if runs {
                self.client().app(&name(&seen)).await.map_err(|refusal| refusal.to_string())?.pid
            } else {
                None
            };
            let is_so = alive.iter().eq(process.iter());
            if is_so { Ok(()) } else { Err(format!("{alive:?} are alive, {process:?} is known")) }
        };
        if runs {
            let app = self.healthy(&name(&seen)).await;
            let (expected, url) =
                (self.expected(&seen), format!("http://127.0.0.1:{}/", app.web_port.unwrap()));
            let answer = http_client().get(url).send().await.unwrap().text().await.unwrap();
            assert_eq!(answer, expected);
        }
        insist("what should run to be alive once, and nothing else", PATIENCE, alone).await;
        let settled = async || match self.look().leftovers() {
            [] => Ok(()),
            left => Err(format!("{left:?}")),
        };
        if !picture.leftovers().is_empty() {
            insist("the run folder to speak of what is alive alone", PATIENCE, settled).await;
        }
    }

    /// A schedule leads to another run.
    async fn fires(&self, app: &AppName) {
        let newest = async || Some(self.client().executions(app).await.unwrap().first()?.id);
        let before = newest().await;
        wait_until("another run", PATIENCE, async || (newest().await != before).then_some(())).await;
    }

    /// What the service says when it is of the active release and configured as the active revision says.
    fn expected(&self, seen: &Value) -> String {
        let version =
            format!("apps/{}/releases/{}/version.txt", seen["name"].as_str().unwrap(), seen["release"]);
        let version = fs::read_to_string(self.scene.mantyx.root().join(version)).unwrap();
        format!("{version} {}", seen["configuration"]["env"]["COLOUR"].as_str().unwrap_or_default())
    }

    /// Waits until the disk is full, and makes room again after a while.
    pub(super) async fn full_for_a_while(&self) {
        let filler = self.scene.mantyx.root().join("filler");
        wait_until("the disk to be full", PATIENCE, async || filler.exists().then_some(())).await;
        let (full, began) = (Duration::from_millis(300), Instant::now());
        wait_until("a while", PATIENCE, async || (began.elapsed() > full).then_some(())).await;
        fs::remove_file(filler).unwrap();
    }
}

fn name(seen: &Value) -> AppName {
    AppName::parse(seen["name"].as_str().unwrap()).unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
    entries.map(|entry| entry.file_name().into_string().unwrap()).collect()
}
