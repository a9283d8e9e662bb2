//! Another release, another configuration, another name: taken into use while the app runs, and taken back when it does
//! not become well.

use mantyx_api_types::{BackupView, ConfigurationView, OperationView, Page, ReleaseView};
use mantyx_core::{AppState, BackupReason, Code, OperationKind, OperationStatus, StepStatus};
use mantyx_test_support::apps::{failing_script, zip};
use reqwest::StatusCode;
use reqwest::multipart::{Form, Part};
use serde_json::json;

use crate::server::{problem, refusal};
use crate::story::{Story, form, saying};

fn steps(operation: &OperationView) -> Vec<&str> {
    operation.steps.iter().map(|step| step.name.as_str()).collect()
}

/// Seen well at once, and not only after it has been alive for a while.
fn looked_at() -> serde_json::Value {
    json!({ "health": { "probe": { "kind": "exec", "command": "true" } } })
}

async fn numbers(story: &Story, name: &str) -> Vec<(u32, bool)> {
    let releases: Page<ReleaseView> = story.read(&format!("/api/apps/{name}/releases")).await;
    releases.items.iter().map(|release| (release.number, release.active)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_app_is_updated_and_rolled_back() {
    let story = Story::running().await;
    let before = story.service("talker", &saying("one")).await;
    let updated = story.done(story.update("talker", &saying("two"), &looked_at())).await;
    assert_eq!((updated.kind, updated.app.as_ref()), (OperationKind::Update, Some(&before.name)));
    let expected = ["stage", "place", "build", "back_up", "stop", "activate", "start", "watch", "tidy"];
    assert_eq!(steps(&updated), expected);
    assert!(updated.steps.iter().all(|step| step.status == StepStatus::Done), "{updated:?}");
    let after = story.app("talker").await;
    assert_eq!((after.state, after.release), (AppState::Running, Some(2)));
    assert!(after.pid.is_some() && after.pid != before.pid, "{after:?}");
    assert_eq!(numbers(&story, "talker").await, [(2, true), (1, false)]);
    let configuration: ConfigurationView = story.read("/api/apps/talker/configuration").await;
    assert_eq!(configuration.revision, 2);
    let backups: Page<BackupView> = story.read("/api/apps/talker/backups").await;
    let kept: Vec<_> = backups.items.iter().map(|backup| (backup.reason, backup.release)).collect();
    assert_eq!(kept, [(BackupReason::Update, 1)]);

    let back = story.done(story.send("POST", "/api/apps/talker/rollback?wait=120")).await;
    assert_eq!(back.kind, OperationKind::Rollback);
    let again = story.app("talker").await;
    assert_eq!((again.state, again.release), (AppState::Running, Some(1)));
    assert!(again.pid.is_some() && again.pid != after.pid);
    assert_eq!(numbers(&story, "talker").await, [(2, false), (1, true)]);
    let said = story.read_text("/api/apps/talker/logs").await;
    let words: Vec<&str> = said.lines().filter_map(|line| line.split_whitespace().last()).collect();
    assert_eq!(words, ["one", "two", "one"]);
    story.api.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_stay_alive_is_taken_back() {
    let story = Story::running().await;
    story.service("talker", &saying("one")).await;
    let failed = problem(story.update("talker", &failing_script(3), &json!({})).send().await.unwrap()).await;
    assert_eq!(failed.code, Code::Unhealthy, "{failed:?}");
    let operation = story.last_operation().await;
    assert_eq!(operation.status, OperationStatus::Failed);
    let failed: Vec<&str> = operation
        .steps
        .iter()
        .filter(|step| step.status == StepStatus::Failed)
        .map(|step| step.name.as_str())
        .collect();
    assert_eq!(failed, ["watch"]);
    let app = story.app("talker").await;
    assert_eq!((app.state, app.release, app.operation), (AppState::Running, Some(1), None), "{app:?}");
    assert!(app.pid.is_some());
    assert_eq!(numbers(&story, "talker").await, [(1, true)]);
    let backups: Page<BackupView> = story.read("/api/apps/talker/backups").await;
    assert!(backups.items.is_empty(), "{backups:?}");
    assert_eq!(std::fs::read_dir(story.api.mantyx.uploads()).unwrap().count(), 0);
    // Numbers are not given twice.
    story.done(story.update("talker", &saying("three"), &looked_at())).await;
    assert_eq!(numbers(&story, "talker").await, [(3, true), (1, false)]);
    story.api.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_is_taken_into_use_with_a_restart() {
    let story = Story::running().await;
    let before = story.service("talker", &saying("one")).await;
    let change = json!({ "description": "talks", "configuration": looked_at() });
    let patch = |query: &str, tag: &str| {
        let request = story.send("PATCH", &format!("/api/apps/talker{query}"));
        request.header("if-match", tag).json(&change)
    };
    let operation = story.done(patch("?restart=true&wait=120", "\"1\"")).await;
    assert_eq!(operation.kind, OperationKind::Configure);
    assert_eq!(steps(&operation), ["build", "back_up", "stop", "activate", "start", "watch", "tidy"]);
    let after = story.app("talker").await;
    assert_eq!((after.state, after.description.as_str()), (AppState::Running, "talks"));
    assert!(after.pid.is_some() && after.pid != before.pid);
    let view: ConfigurationView = story.read("/api/apps/talker/configuration").await;
    assert_eq!((view.revision, view.restart_needed), (2, false));
    assert_eq!(refusal(patch("?restart=true", "\"1\"")).await, Code::Stale);
    assert_eq!(refusal(patch("?wait=5", "\"2\"")).await, Code::Invalid);
    assert_eq!(refusal(patch("?restart=yes", "\"2\"")).await, Code::Malformed);
    story.api.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_installed_app_gets_another_name() {
    let story = Story::running().await;
    let before = story.service("talker", &saying("one")).await;
    let rename =
        |to: &str| story.send("POST", "/api/apps/talker/rename?wait=120").json(&json!({ "name": to }));
    assert_eq!(refusal(rename("talker")).await, Code::Invalid);
    assert_eq!(refusal(rename("No Name")).await, Code::Invalid);
    let renamed = story.done(rename("speaker")).await;
    assert_eq!(renamed.kind, OperationKind::Rename);
    assert_eq!(refusal(story.send("GET", "/api/apps/talker")).await, Code::NotFound);
    let after = story.app("speaker").await;
    assert_eq!((after.id, after.state, after.release), (before.id, AppState::Running, Some(1)));
    assert!(after.pid.is_some() && after.pid != before.pid);
    story.api.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn packages_are_resolved_anew_as_a_release_of_the_same_code() {
    let story = Story::running().await;
    story.upload("once", "print('once')\n").await;
    story.done(story.send("POST", "/api/apps/once/install?wait=120")).await;
    let updated = story.done(story.send("POST", "/api/apps/once/update/dependencies?wait=120")).await;
    assert_eq!(updated.kind, OperationKind::Update);
    assert_eq!(numbers(&story, "once").await, [(2, true), (1, false)]);
    let back = json!({ "release": 1 });
    story.done(story.send("POST", "/api/apps/once/rollback?wait=120").json(&back)).await;
    assert_eq!(numbers(&story, "once").await, [(2, false), (1, true)]);
    assert_eq!(story.app("once").await.state, AppState::Installed);
    story.api.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_is_begun_once_for_each_key() {
    let story = Story::begin().await;
    story.upload("once", "print(1)\n").await;
    let send = || story.update("once", "print(2)\n", &json!({})).header("idempotency-key", "the-same");
    let first = story.done(send()).await;
    let again = send().send().await.unwrap();
    assert_eq!(again.headers()["idempotency-replayed"], "true");
    assert_eq!(again.json::<OperationView>().await.unwrap().id, first.id);
    assert_eq!(numbers(&story, "once").await, [(2, true), (1, false)]);
    story.api.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_waiting_the_operation_is_the_answer() {
    let story = Story::begin().await;
    story.upload("once", "print(1)\n").await;
    let archive = zip(&[("main.py", "print(2)\n"), ("lib/util.py", "x = 1\n")]);
    let form = Form::new().part("file", Part::bytes(archive).file_name("once.zip"));
    let begun = story.send("POST", "/api/apps/once/update/archive").multipart(form).send().await.unwrap();
    assert_eq!(begun.status(), StatusCode::ACCEPTED);
    let location = begun.headers()["location"].to_str().unwrap().to_owned();
    let operation: OperationView = begun.json().await.unwrap();
    assert_eq!(location, format!("/api/operations/{}", operation.id));
    let ended: OperationView = story.read(&format!("{location}?wait=60")).await;
    assert_eq!(ended.status, OperationStatus::Succeeded, "{ended:?}");
    assert_eq!(story.app("once").await.state, AppState::Uploaded);
    story.api.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_an_update_is_refused() {
    let story = Story::begin().await;
    story.upload("once", "print(1)\n").await;
    let post = |path: &str| story.send("POST", &format!("/api/apps/once/{path}"));
    let json =
        |path: &str, body: &'static str| post(path).header("content-type", "application/json").body(body);
    let table = [
        (post("update/archive").multipart(form("x.zip", "no zip")), Code::NotAnArchive),
        (post("update/archive").json(&json!({})), Code::UnsupportedType),
        (post("update/script").multipart(Form::new().text("configuration", "{}")), Code::Invalid),
        (post("update/script").multipart(form("x.py", "").text("name", "x")), Code::Invalid),
        (post("update/script").multipart(form("x.py", "").text("configuration", "[]")), Code::Invalid),
        (post("update/script?wiat=5").multipart(form("x.py", "print(1)")), Code::Malformed),
        (story.update("once", "print(2)\n", &json!({ "colour": 1 })), Code::Invalid),
        (story.update("absent", "print(2)\n", &json!({})), Code::NotFound),
        (json("update/git", ""), Code::IllegalState),
        (json("update/git", "{\"brnch\": \"x\"}"), Code::Invalid),
        (json("update/git", "{"), Code::Malformed),
        (json("rollback", "{\"release\": -1}"), Code::Invalid),
        (json("rollback", "[]"), Code::Invalid),
        (json("rollback", ""), Code::IllegalState),
        (story.send("GET", "/api/apps/once/update/check"), Code::IllegalState),
        (story.send("GET", "/api/apps/once/dependencies/outdated"), Code::IllegalState),
        (story.send("GET", "/api/apps/absent/update/check"), Code::NotFound),
    ];
    for (number, (request, code)) in table.into_iter().enumerate() {
        assert_eq!(refusal(request).await, code, "row {number}");
    }
    assert_eq!(numbers(&story, "once").await, [(1, true)]);
    assert_eq!(std::fs::read_dir(story.api.mantyx.uploads()).unwrap().count(), 0);
    story.api.end().await;
}
