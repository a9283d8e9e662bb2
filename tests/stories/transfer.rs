//! All of Mantyx goes into one archive, and out of it into an empty one.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use mantyx_api_types::{
    EventView, ExecutionView, ExportView, OperationView, Page, ScheduleView, TrashedAppView,
};
use mantyx_core::{AppName, AppState, Code, EventKind, ExecutionStatus, OperationKind, OperationStatus};
use mantyx_test_support::{Answer, PATIENCE, TestMantyx, apps, wait_until};
use reqwest::Method;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

/// A web service without a dependency, which counts in a file of its own.
const SERVICE: &str = r#"
import http.server, os, pathlib
count = pathlib.Path(os.environ["APP_DATA_DIR"]) / "count"
count.write_text(str(int(count.read_text()) + 1 if count.exists() else 1))

class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"start " + count.read_text().encode())

http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Page).serve_forever()
"#;

fn name(text: &str) -> AppName {
    text.parse().unwrap()
}

/// A web service that runs, a job with a schedule and a past, one in the trash, and one that was never installed.
async fn furnish(mantyx: &TestMantyx) {
    let client = mantyx.client();
    let web = [("name", "web"), ("web_port", "auto")];
    client.upload_script("web.py", SERVICE, &web).await.unwrap();
    client.install_and_enable(&name("web")).await;
    let job = [("name", "job"), ("schedule", "0 4 * * *")];
    client.upload_script("job.py", apps::hello_script(), &job).await.unwrap();
    client.install_and_enable(&name("job")).await;
    client.event(&name("job"), "run").await.unwrap();
    let ran =
        |app: &mantyx_api_types::AppView| app.last_execution.is_some() && app.state == AppState::Enabled;
    client.wait_for_app(&name("job"), "have run", ran).await;
    client
        .upload_script("old.py", apps::hello_script(), &[("name", "old"), ("schedule", "0 5 * * *")])
        .await
        .unwrap();
    client.install_and_enable(&name("old")).await;
    let _: OperationView = client.delete("/api/apps/old?confirm=old&wait=60").await.unwrap();
    client.upload_script("raw.py", apps::hello_script(), &[("name", "raw")]).await.unwrap();
    let _: OperationView =
        client.post("/api/apps/job/backups?wait=60", json!({ "data": true })).await.unwrap();
    let secret = json!({ "kind": "token", "value": "s3cret", "host": "example.org" });
    let request = client.request(Method::PUT, "/api/secrets/deploy").json(&secret);
    assert!(request.send().await.unwrap().status().is_success());
    let data = mantyx.root().join("apps/web/data");
    wait_until("the service to have counted", PATIENCE, async || data.join("count").exists().then_some(()))
        .await;
    std::fs::create_dir(data.join("photos")).unwrap();
    std::fs::write(data.join("photos/a.txt"), "a photo").unwrap();
    symlink("photos/a.txt", data.join("newest")).unwrap();
    symlink("/etc/hostname", data.join("leaves")).unwrap();
}

async fn export(mantyx: &TestMantyx) -> (ExportView, Vec<u8>) {
    let client = mantyx.client();
    let operation: OperationView = client.post("/api/exports?wait=120", json!({})).await.unwrap();
    assert_eq!((operation.kind, operation.status), (OperationKind::Export, OperationStatus::Succeeded));
    let exports: Page<ExportView> = client.get("/api/exports").await.unwrap();
    let export = exports.items.into_iter().find(|export| export.id == operation.id).unwrap();
    let answer = client.request(Method::GET, &format!("/api/exports/{}", export.id)).send().await.unwrap();
    assert_eq!(answer.content_length(), Some(export.bytes));
    (export, answer.bytes().await.unwrap().to_vec())
}

async fn import(mantyx: &TestMantyx, archive: Vec<u8>) -> Answer<OperationView> {
    let form = Form::new().part("file", Part::bytes(archive).file_name("mantyx.tar.gz"));
    let request = mantyx.client().request(Method::POST, "/api/imports").multipart(form);
    let answer = request.send().await.unwrap();
    let (status, body) = (answer.status(), answer.text().await.unwrap());
    if !status.is_success() {
        let problem = serde_json::from_str(&body).ok();
        return Err(mantyx_test_support::Refusal { status: status.as_u16(), problem, body });
    }
    let begun: OperationView = serde_json::from_str(&body).unwrap();
    mantyx.client().get(&format!("/api/operations/{}?wait=300", begun.id)).await
}

async fn text_of(port: u16) -> Option<String> {
    let answer =
        mantyx_test_support::http_client().get(format!("http://127.0.0.1:{port}/")).send().await.ok()?;
    answer.text().await.ok()
}

/// Whether there is nothing in a Mantyx, neither rows nor files.
async fn assert_empty(mantyx: &TestMantyx) {
    let apps: Page<Value> = mantyx.client().get("/api/apps").await.unwrap();
    let trash: Page<Value> = mantyx.client().get("/api/trash").await.unwrap();
    let secrets: Page<Value> = mantyx.client().get("/api/secrets").await.unwrap();
    assert!(apps.items.is_empty() && trash.items.is_empty() && secrets.items.is_empty());
    assert!(!mantyx.root().join("config/key").exists());
    for place in ["apps", "trash", "backups", "venvs", "imports"] {
        assert_eq!(entries(&mantyx.root().join(place)), 0, "{place}");
    }
}

fn entries(folder: &Path) -> usize {
    std::fs::read_dir(folder).map_or(0, Iterator::count)
}

/// Whether all that was exported is there and runs.
async fn assert_furnished(mantyx: &TestMantyx) {
    let client = mantyx.client();
    let web = client.wait_for_app(&name("web"), "run", |app| app.pid.is_some()).await;
    let port = web.web_port.unwrap();
    let text = wait_until("the service to answer", PATIENCE, async || text_of(port).await).await;
    assert!(text.starts_with("start ") && text != "start 1", "its data came along: {text}");
    let data = mantyx.root().join("apps/web/data");
    assert_eq!(std::fs::read_to_string(data.join("newest")).unwrap(), "a photo");
    assert!(std::fs::symlink_metadata(data.join("leaves")).is_err());
    assert!(
        mantyx.root().join("apps/web/app/main.py").exists()
            || entries(&mantyx.root().join("apps/web/app")) > 0
    );

    let job = client.wait_for_state(&name("job"), AppState::Enabled).await;
    assert!(job.next_run.is_some(), "its schedule is armed");
    let past = client.executions(&name("job")).await.unwrap();
    assert!(past.iter().any(|run| run.status == ExecutionStatus::Success));
    client.event(&name("job"), "run").await.unwrap();
    let again = |app: &mantyx_api_types::AppView| {
        let last = app.last_execution.as_ref();
        last.is_some_and(|last| {
            past.iter().all(|run| run.id != last.id) && last.status == ExecutionStatus::Success
        })
    };
    client.wait_for_app(&name("job"), "run again", again).await;
    let schedules: Page<ScheduleView> = client.get("/api/schedules").await.unwrap();
    assert!(schedules.items.iter().any(|schedule| schedule.app == name("job")));
    let backups: Page<Value> = client.get("/api/apps/job/backups").await.unwrap();
    assert_eq!(backups.items.len(), 1);
    let raw = client.app(&name("raw")).await.unwrap();
    assert_eq!(raw.state, AppState::Uploaded);
    assert_eq!(entries(&mantyx.root().join("imports")), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_of_mantyx_moves_into_an_empty_one_and_runs_there() {
    let old = TestMantyx::start().await;
    furnish(&old).await;
    let (export, archive) = export(&old).await;
    assert_eq!(export.bytes, archive.len() as u64);
    assert!(export.left_out.iter().any(|odd| odd.contains("apps/web/data/leaves")), "{:?}", export.left_out);
    let file = old.root().join(format!("exports/{}.tar.gz", export.id));
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(entries(&old.root().join("exports")), 2, "it and its label");
    assert!(old.client().app(&name("web")).await.unwrap().pid.is_some(), "it goes on where it was");
    let refused = import(&old, archive.clone()).await.unwrap_err();
    assert_eq!(refused.code(), Some(Code::NotEmpty), "{refused}");

    let new = TestMantyx::start().await;
    let operation = import(&new, archive).await.unwrap();
    assert_eq!(operation.status, OperationStatus::Succeeded, "{operation:?}");
    assert_furnished(&new).await;
    let ports = [&old, &new].map(|mantyx| mantyx.client().clone());
    let [before, after] =
        [ports[0].app(&name("web")).await.unwrap(), ports[1].app(&name("web")).await.unwrap()];
    assert_eq!(before.id, after.id);
    assert_ne!(before.web_port, after.web_port, "the port was taken");

    // What is sealed can be opened.
    let secrets: Page<Value> = new.client().get("/api/secrets").await.unwrap();
    assert_eq!(secrets.items[0]["name"], "deploy");
    let keys = [&old, &new].map(|mantyx| std::fs::read(mantyx.root().join("config/key")).unwrap());
    assert_eq!(keys[0], keys[1]);

    // The record is this installation's own, whole, and says where all of it came from.
    let events: Page<EventView> = new.client().get("/api/events?limit=500").await.unwrap();
    let imported = events.items.iter().find(|event| event.kind == EventKind::DaemonImported).unwrap();
    assert_eq!(
        (imported.payload["trashed"].clone(), imported.payload["broken_at"].clone()),
        (json!(1), Value::Null)
    );
    assert_eq!(imported.payload["apps"], json!(["job", "raw", "web"]));

    // What was in the trash comes back, with an environment of its own.
    let trash: Page<TrashedAppView> = new.client().get("/api/trash").await.unwrap();
    let path = format!("/api/trash/{}/restore?wait=120", trash.items[0].id);
    let restored: OperationView = new.client().post(&path, json!({})).await.unwrap();
    assert_eq!(restored.status, OperationStatus::Succeeded, "{restored:?}");
    new.client().event(&name("old"), "enable").await.unwrap();
    let run: ExecutionView = new.client().post("/api/apps/old/run", json!({})).await.unwrap();
    let ended = |app: &mantyx_api_types::AppView| {
        app.last_execution
            .as_ref()
            .is_some_and(|last| last.id == run.id && last.status == ExecutionStatus::Success)
    };
    new.client().wait_for_app(&name("old"), "run", ended).await;

    // It outlives its daemon like any other.
    let mut new = new;
    new.kill_9();
    new.start_again().await;
    assert_furnished(&new).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_is_fetched_in_parts_by_a_ticket_and_removed() {
    let mantyx = TestMantyx::start().await;
    let client = mantyx.client();
    let (export, archive) = export(&mantyx).await;
    let path = format!("/api/exports/{}", export.id);
    let part = client.request(Method::GET, &path).header("range", "bytes=10-").send().await.unwrap();
    assert_eq!(part.status(), 206);
    assert_eq!(part.headers()["content-range"], format!("bytes 10-{}/{}", export.bytes - 1, export.bytes));
    assert_eq!(part.bytes().await.unwrap(), archive[10..]);
    let beyond = client.request(Method::GET, &path).header("range", format!("bytes={}-", export.bytes));
    assert_eq!(beyond.send().await.unwrap().status(), 416);
    let head = client.request(Method::HEAD, &path).send().await.unwrap();
    assert_eq!(head.headers()["content-length"], export.bytes.to_string());
    let named = format!("attachment; filename=\"{}\"", export.file_name);
    assert_eq!(head.headers()["content-disposition"], named);

    let ticket: Value = client.post("/api/live/ticket", json!({})).await.unwrap();
    let link = format!("{path}?ticket={}", ticket["ticket"].as_str().unwrap());
    let stranger = client.without_token();
    assert_eq!(stranger.request(Method::GET, &link).send().await.unwrap().bytes().await.unwrap(), archive);
    assert_eq!(stranger.request(Method::GET, &link).send().await.unwrap().status(), 401, "once");
    let made: Value = client.post("/api/tokens", json!({ "name": "ci", "scope": "admin" })).await.unwrap();
    let theirs =
        stranger.request(Method::POST, "/api/live/ticket").bearer_auth(made["secret"].as_str().unwrap());
    let ticket: Value = theirs.send().await.unwrap().json().await.unwrap();
    let link = format!("{path}?ticket={}", ticket["ticket"].as_str().unwrap());
    let _: Value =
        client.delete(&format!("/api/tokens/{}", made["token"]["id"].as_str().unwrap())).await.unwrap();
    assert_eq!(stranger.request(Method::GET, &link).send().await.unwrap().status(), 401, "revoked");

    let _: Value = client.delete(&path).await.unwrap();
    assert_eq!(client.get_text(&path).await.unwrap_err().status, 404);
    let events: Page<EventView> = client.get("/api/events?limit=500").await.unwrap();
    let count = |kind| events.items.iter().filter(|event| event.kind == kind).count();
    assert_eq!((count(EventKind::ExportFetched), count(EventKind::ExportRemoved)), (3, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_sound_export_leaves_an_empty_mantyx() {
    let old = TestMantyx::start().await;
    old.client().upload_script("s.py", apps::sleeper_script(), &[("name", "s")]).await.unwrap();
    let (_, archive) = export(&old).await;
    let new = TestMantyx::start().await;
    let foreign = apps::tar_gz(&[("main.py", "print(1)")]);
    for (what, bytes, code) in [
        ("no archive", b"hello".to_vec(), Code::NotAnExport),
        ("another archive", foreign, Code::NotAnExport),
        ("half of one", archive[..archive.len() / 2].to_vec(), Code::ArchiveCorrupt),
    ] {
        let refused = match import(&new, bytes).await {
            Ok(operation) => operation.problem.map(|problem| problem.code),
            Err(refusal) => refusal.code(),
        };
        assert_eq!(refused, Some(code), "{what}");
        assert_empty(&new).await;
    }
    // After all that it takes a sound one.
    let operation = import(&new, archive).await.unwrap();
    assert_eq!(operation.status, OperationStatus::Succeeded, "{operation:?}");
    assert!(new.client().app(&name("s")).await.is_ok());
}

/// What goes wrong in an import, and whether it is undone then.
const ORDERS: [(&str, bool); 18] = [
    ("kill@import/unpack/before", true),
    ("kill@import/unpack/acted", true),
    ("kill@import/check/before", true),
    ("kill@import/check/acted", true),
    ("kill@import/place/before", true),
    ("kill@import/place/acted", true),
    ("fail@import/place/acted;kill@import/place/undoing", true),
    ("fail@import/place/acted;kill@import/place/undone", true),
    ("fail@import/place/acted;kill@import/unpack/undone", true),
    ("fail@import/start/acted;kill@import/start/undone", true),
    ("fail@import/start/acted;kill@import/place/undone", true),
    ("fail@import/rebuild/acted;kill@import/rebuild/undone", true),
    ("kill@import/rebuild/before", false),
    ("kill@import/rebuild/acted", false),
    ("kill@import/start/before", false),
    ("kill@import/start/acted", false),
    ("kill@import/tidy/before", false),
    ("kill@import/tidy/acted", false),
];

#[tokio::test(flavor = "multi_thread")]
async fn an_import_that_a_crash_interrupts_is_undone_or_carried_on() {
    let old = TestMantyx::start().await;
    furnish(&old).await;
    let (_, archive) = export(&old).await;
    for (order, undone) in ORDERS {
        let mut new = TestMantyx::builder().variable("_MANTYX_FAULT", order).start().await;
        let form = Form::new().part("file", Part::bytes(archive.clone()).file_name("mantyx.tar.gz"));
        // The daemon may be gone before it has answered.
        let _ = new.client().request(Method::POST, "/api/imports").multipart(form).send().await;
        new.ended().await;
        new.set_variable("_MANTYX_FAULT", None);
        new.start_again().await;
        let ended = async || {
            let page: Page<OperationView> = new.client().get("/api/operations?limit=500").await.ok()?;
            let import = page.items.into_iter().find(|row| row.kind == OperationKind::Import)?;
            (import.status != OperationStatus::Running).then_some(import)
        };
        let import = wait_until("the import to be settled", PATIENCE, ended).await;
        if undone {
            assert_eq!(import.status, OperationStatus::Failed, "{order}");
            assert_empty(&new).await;
        } else {
            assert_eq!(import.status, OperationStatus::Succeeded, "{order}: {import:?}");
            assert_furnished(&new).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_that_a_crash_interrupts_leaves_nothing() {
    for moment in ["copy/before", "copy/acted", "pack/before", "pack/acted"] {
        let mut mantyx =
            TestMantyx::builder().variable("_MANTYX_FAULT", &format!("kill@export/{moment}")).start().await;
        let _: Answer<Value> = mantyx.client().post("/api/exports", json!({})).await;
        mantyx.ended().await;
        mantyx.set_variable("_MANTYX_FAULT", None);
        mantyx.start_again().await;
        let gone = async || (entries(&mantyx.root().join("exports")) == 0).then_some(());
        wait_until("nothing to be left", PATIENCE, gone).await;
        export(&mantyx).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_cannot_be_rebuilt_hinders_no_other() {
    let old = TestMantyx::start().await;
    furnish(&old).await;
    let (_, archive) = export(&old).await;
    let new = TestMantyx::start().await;
    // A file stands where its environments would.
    std::fs::create_dir_all(new.root().join("venvs")).unwrap();
    std::fs::write(new.root().join("venvs/job"), "").unwrap();
    let operation = import(&new, archive).await.unwrap();
    assert_eq!(operation.status, OperationStatus::Succeeded, "{operation:?}");
    let rebuilt = operation.steps.iter().find(|step| step.name == "rebuild").unwrap();
    assert!(rebuilt.detail.as_ref().unwrap().contains("`job`"), "{rebuilt:?}");
    let job = new.client().app(&name("job")).await.unwrap();
    assert_eq!(job.state, AppState::Failed);
    assert!(job.reason.is_some_and(|reason| reason.contains("could not be rebuilt")));
    new.client().wait_for_app(&name("web"), "run", |app| app.pid.is_some()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_commands_move_everything() {
    let (old, new) = (TestMantyx::start().await, TestMantyx::start().await);
    old.client().upload_script("s.py", apps::hello_script(), &[("name", "s")]).await.unwrap();
    let file = old.root().join("all.tar.gz");
    let file = file.to_str().unwrap();
    let said = typed(&old, &["export", file, "--logs"]);
    assert!(said.contains("Pack all of it: ") && said.contains("It holds the key of the secrets"), "{said}");
    assert_eq!(std::fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(entries(&old.root().join("exports")), 0, "what was fetched does not stay");
    let refused = typed(&old, &["export", file]);
    assert!(refused.contains("already"), "{refused}");
    let said = typed(&new, &["import", file]);
    assert!(said.contains("Rebuild the environments: ") && said.contains("is taken over"), "{said}");
    assert!(new.client().app(&name("s")).await.is_ok());
    let refused = typed(&new, &["import", file]);
    assert!(refused.contains("Only an empty Mantyx takes another one in"), "{refused}");
}

/// What a command says in all, once it has ended.
fn typed(mantyx: &TestMantyx, arguments: &[&str]) -> String {
    let program = std::fs::read_link(format!("/proc/{}/exe", mantyx.pid())).unwrap();
    let mut command = std::process::Command::new(program);
    command.args(arguments).args(["--url", &mantyx.url()]).arg("--root").arg(mantyx.root());
    let output = command.output().unwrap();
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}
