//! What happens to an app while a change of it is under way, and that nothing stays of one that was undone.

use std::path::Path;
use std::time::Duration;

use mantyx_api_types::{AppView, BackupView, ConfigurationView, OperationView, Page, ReleaseView, StepView};
use mantyx_core::{AppState, Code, OperationStatus, StepStatus, WebPort};
use mantyx_test_support::apps::{failing_script, zip};
use mantyx_test_support::{PATIENCE, wait_until};
use reqwest::StatusCode;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use crate::server::{problem, refusal};
use crate::story::{Story, saying};

/// Ill for as long as it is looked at.
fn ill() -> Value {
    let probe = json!({ "kind": "exec", "command": "false" });
    json!({ "health": { "probe": probe, "interval": 1, "start_period": 1, "failures": 2 } })
}

fn entries(folder: &Path) -> usize {
    std::fs::read_dir(folder).map_or(0, Iterator::count)
}

/// How many releases, environments and backups of an app lie on the disk, and how many uploads.
fn on_disk(story: &Story, app: &str) -> [usize; 4] {
    let root = story.api.root();
    [
        entries(&root.join("apps").join(app).join("releases")),
        entries(&root.join("venvs").join(app)),
        entries(&root.join("backups").join(app)),
        entries(&story.api.mantyx.uploads()),
    ]
}

fn step<'a>(operation: &'a OperationView, name: &str) -> &'a StepView {
    operation.steps.iter().find(|step| step.name == name).unwrap()
}

async fn revision(story: &Story) -> ConfigurationView {
    story.read("/api/apps/talker/configuration").await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_ill_after_a_change_goes_back_and_leaves_nothing() {
    let story = Story::running().await;
    story.service("talker", &saying("one")).await;
    let (before, disk) = (revision(&story).await, on_disk(&story, "talker"));
    let patch = story.send("PATCH", "/api/apps/talker?restart=true&wait=120");
    let failed = problem(patch.json(&json!({ "configuration": ill() })).send().await.unwrap()).await;
    assert_eq!(failed.code, Code::Unhealthy, "{failed:?}");
    let update = story.update("talker", &saying("two"), &ill());
    assert_eq!(refusal(update).await, Code::Unhealthy);
    let operation = story.last_operation().await;
    assert_eq!(step(&operation, "watch").status, StepStatus::Failed);
    for undone in ["stage", "place", "build", "back_up", "stop", "activate", "start"] {
        assert_eq!(step(&operation, undone).status, StepStatus::Undone, "{undone}");
    }
    assert_eq!(step(&operation, "tidy").status, StepStatus::Pending);
    let after = revision(&story).await;
    assert_eq!((after.revision, &after.configuration), (1, &before.configuration));
    assert!(!after.restart_needed);
    assert_eq!(on_disk(&story, "talker"), disk);
    let app = story.app("talker").await;
    assert!(app.state == AppState::Running && app.pid.is_some(), "{app:?}");
    story.api.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_comes_between_the_steps_of_a_change() {
    let story = Story::running().await;
    story.service("talker", &saying("one")).await;
    let path = "/api/apps/talker/update/script";
    let form = crate::story::form("main.py", &saying("two"));
    let begun = story.send("POST", path).multipart(form).send().await.unwrap();
    let begun: OperationView = begun.json().await.unwrap();
    // It is alive for some seconds before it counts as well: time enough to be in its way.
    let address = format!("/api/operations/{}", begun.id);
    wait_until("it to be watched", PATIENCE, async || {
        let operation: OperationView = story.read(&address).await;
        (step(&operation, "watch").status == StepStatus::Running).then_some(())
    })
    .await;
    let app: AppView = story.app("talker").await;
    assert_eq!((app.state, app.release, app.operation), (AppState::Running, Some(2), Some(begun.id)));
    let post = |path: &str| story.send("POST", &format!("/api/apps/talker/{path}"));
    let in_the_way = [
        story.update("talker", &saying("three"), &json!({})),
        story.send("PATCH", "/api/apps/talker").json(&json!({ "description": "x" })),
        story.send("PATCH", "/api/apps/talker?restart=true").json(&json!({})),
        post("rollback"),
        post("backups"),
        post("restart"),
        post("rename").json(&json!({ "name": "other" })),
        story.send("PUT", "/api/apps/talker/data/note").body("x"),
        story.send("DELETE", "/api/apps/talker/data/home?recursive=true"),
    ];
    for (number, request) in in_the_way.into_iter().enumerate() {
        assert_eq!(refusal(request).await, Code::OperationInProgress, "request {number}");
    }
    let ended: OperationView = story.read(&format!("{address}?wait=60")).await;
    assert_eq!(ended.status, OperationStatus::Succeeded, "{ended:?}");
    assert!(
        step(&ended, "watch").finished_at.unwrap() - step(&ended, "watch").started_at.unwrap()
            >= chrono::TimeDelta::from_std(Duration::from_secs(4)).unwrap()
    );
    story.api.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_built_never_stops_what_runs() {
    let story = Story::running().await;
    let before = story.service("talker", &saying("one")).await;
    let disk = on_disk(&story, "talker");
    let impossible = zip(&[("main.py", "print(2)\n"), ("requirements.txt", "./not-there\n")]);
    let update = |archive: Vec<u8>| {
        let form = Form::new().part("file", Part::bytes(archive).file_name("x.zip"));
        story.send("POST", "/api/apps/talker/update/archive?wait=120").multipart(form)
    };
    let refused = update(impossible).send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let operation = story.last_operation().await;
    assert_eq!(operation.status, OperationStatus::Failed);
    assert_eq!(step(&operation, "build").status, StepStatus::Failed, "{operation:?}");
    // Nothing of it can be started as the app is set to.
    let refused = problem(update(zip(&[("other.txt", "no code")])).send().await.unwrap()).await;
    assert_eq!(refused.status, 422, "{refused:?}");
    let future = story.update("talker", &saying("two"), &json!({ "python": ">=4.2" }));
    assert_eq!(refusal(future).await, Code::NoPython);
    assert_eq!(story.app("talker").await.pid, before.pid);
    assert_eq!(on_disk(&story, "talker"), disk);
    story.api.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_comes_back_with_what_it_belonged_to() {
    let story = Story::running().await;
    story.service("talker", &saying("one")).await;
    let fixed =
        |port: u16| json!({ "web_port": port, "health": { "probe": { "kind": "exec", "command": "true" } } });
    story.done(story.update("talker", &saying("two"), &fixed(19_171))).await;
    assert_eq!(story.app("talker").await.web_port, Some(19_171));
    let failed = story.update("talker", &failing_script(3), &json!({ "web_port": 19_172, "health": null }));
    assert_eq!(refusal(failed).await, Code::Unhealthy);
    assert_eq!(story.app("talker").await.web_port, Some(19_171));
    assert_eq!(revision(&story).await.configuration.web_port, Some(WebPort::Fixed(19_171)));
    // Nobody has the other one by now.
    let taken = json!({ "web_port": 19_172 });
    story.upload("other", &saying("x")).await;
    let patch = story.send("PATCH", "/api/apps/other").json(&json!({ "configuration": taken }));
    assert_eq!(patch.send().await.unwrap().status(), StatusCode::OK);
    let clash = story.update("talker", &saying("three"), &taken);
    assert_eq!(refusal(clash).await, Code::PortTaken);
    let releases: Page<ReleaseView> = story.read("/api/apps/talker/releases").await;
    assert_eq!(releases.items.iter().map(|release| release.number).collect::<Vec<_>>(), [2, 1]);
    let backups: Page<BackupView> = story.read("/api/apps/talker/backups").await;
    assert_eq!(backups.items.len(), 1);
    assert!(story.app("talker").await.pid.is_some());
    story.api.end().await;
}
