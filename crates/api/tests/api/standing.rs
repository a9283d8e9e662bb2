//! An app stands after a change as it stood before, whatever state that is.

use mantyx_api_types::{AppView, BackupView, ExecutionView, Page, ReleaseView, TrashedAppView, UpdateCheck};
use mantyx_core::{AppState, Code, ExecutionStatus, Origin};
use mantyx_test_support::apps::{GitRepository, zip};
use mantyx_test_support::{PATIENCE, wait_until};
use reqwest::StatusCode;
use reqwest::multipart::{Form, Part};
use serde_json::json;

use crate::server::{Api, refusal};
use crate::story::{Story, saying};

async fn install(story: &Story, app: &str) {
    story.done(story.send("POST", &format!("/api/apps/{app}/install?wait=120"))).await;
}

async fn event(story: &Story, app: &str, event: &str) {
    let answer = story.send("POST", &format!("/api/apps/{app}/{event}")).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK, "{event}: {}", answer.text().await.unwrap());
}

async fn releases(story: &Story, app: &str) -> Vec<ReleaseView> {
    story.read::<Page<ReleaseView>>(&format!("/api/apps/{app}/releases")).await.items
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_run_is_not_started() {
    let story = Story::running().await;
    let patch = json!({});
    story.upload("talker", &saying("one")).await;
    story.done(story.update("talker", &saying("two"), &patch)).await;
    assert_eq!(story.app("talker").await.state, AppState::Uploaded);
    assert_eq!(refusal(story.send("POST", "/api/apps/talker/rollback")).await, Code::IllegalState);
    install(&story, "talker").await;
    story.done(story.update("talker", &saying("three"), &patch)).await;
    assert_eq!(story.app("talker").await.state, AppState::Installed);
    event(&story, "talker", "enable").await;
    event(&story, "talker", "stop").await;
    story.done(story.update("talker", &saying("four"), &patch)).await;
    story.done(story.send("PATCH", "/api/apps/talker?restart=true&wait=60").json(&json!({}))).await;
    let stopped = story.app("talker").await;
    assert_eq!((stopped.state, stopped.pid, stopped.release), (AppState::Stopped, None, Some(4)));
    event(&story, "talker", "disable").await;
    story.done(story.send("POST", "/api/apps/talker/rollback?wait=60").json(&json!({ "release": 2 }))).await;
    let disabled = story.app("talker").await;
    assert_eq!((disabled.state, disabled.pid, disabled.release), (AppState::Disabled, None, Some(2)));
    // What was asked for as the same shares one environment.
    let environments = std::fs::read_dir(story.api.root().join("venvs/talker")).unwrap();
    // The other one is the link to it.
    assert_eq!(environments.count(), 2);
    story.api.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_could_not_be_installed_is_mended_by_an_update() {
    let story = Story::running().await;
    let archive = |requirements: &str| {
        let archive = zip(&[("main.py", "print(1)\n"), ("requirements.txt", requirements)]);
        Form::new().part("file", Part::bytes(archive).file_name("broken.zip"))
    };
    let upload = story.send("POST", "/api/apps/upload/archive").multipart(archive("./not-there\n"));
    assert_eq!(upload.send().await.unwrap().status(), StatusCode::CREATED);
    let install = story.send("POST", "/api/apps/broken/install?wait=120").send().await.unwrap();
    assert_eq!(install.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(story.app("broken").await.state, AppState::Failed);
    let update = |requirements: &str| {
        story.send("POST", "/api/apps/broken/update/archive?wait=120").multipart(archive(requirements))
    };
    let again = update("./not-there-either\n").send().await.unwrap();
    assert_eq!(again.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let failed: AppView = story.app("broken").await;
    assert_eq!((failed.state, failed.release), (AppState::Failed, None));
    story.done(update("# nothing\n")).await;
    let mended = story.app("broken").await;
    assert_eq!((mended.state, mended.release), (AppState::Installed, Some(3)), "{mended:?}");
    // Nothing was ever installed of the first one, and nothing can be.
    let back = story.send("POST", "/api/apps/broken/rollback?wait=120").send().await.unwrap();
    assert_eq!(back.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(story.app("broken").await.release, Some(3));
    story.api.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_goes_on_with_what_it_began_with() {
    let story = Story::running().await;
    let app = json!({ "name": "nightly", "type": "scheduled" }).to_string();
    let form = crate::story::form("main.py", &saying("one")).text("app", app);
    let upload = story.send("POST", "/api/apps/upload/script").multipart(form).send().await.unwrap();
    assert_eq!(upload.status(), StatusCode::CREATED);
    install(&story, "nightly").await;
    event(&story, "nightly", "enable").await;
    let run: ExecutionView =
        story.send("POST", "/api/apps/nightly/run").send().await.unwrap().json().await.unwrap();
    story.done(story.update("nightly", "print('two')\n", &json!({}))).await;
    let going: ExecutionView = story.read(&format!("/api/executions/{}", run.id)).await;
    assert_eq!(going.status, ExecutionStatus::Running, "{going:?}");
    let rename = story.send("POST", "/api/apps/nightly/rename").json(&json!({ "name": "daily" }));
    assert_eq!(refusal(rename).await, Code::IllegalState);
    event(&story, "nightly", "stop").await;
    event(&story, "nightly", "run").await;
    wait_until("the second release to speak", PATIENCE, async || {
        story.read_text("/api/apps/nightly/logs").await.contains("two").then_some(())
    })
    .await;
    story.api.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_name_changes_nothing_else() {
    let story = Story::running().await;
    let quick = json!({ "health": { "probe": { "kind": "exec", "command": "true" } } });
    story.service("talker", &saying("one")).await;
    story.done(story.update("talker", &saying("two"), &quick)).await;
    story.upload("taken", "print(1)\n").await;
    let rename = |from: &str, to: &str| {
        story.send("POST", &format!("/api/apps/{from}/rename?wait=120")).json(&json!({ "name": to }))
    };
    assert_eq!(refusal(rename("talker", "taken")).await, Code::NameTaken);
    story.done(rename("talker", "speaker")).await;
    let backups: Page<BackupView> = story.read("/api/apps/speaker/backups").await;
    assert_eq!(backups.items.len(), 1);
    // The environment of the other release was built for the old name.
    story.done(story.send("POST", "/api/apps/speaker/rollback?wait=120")).await;
    let log = story.read_text("/api/apps/speaker/logs").await;
    let words: Vec<&str> = log.lines().filter_map(|line| line.split_whitespace().last()).collect();
    assert_eq!(words, ["one", "two", "two", "one"]);
    let restore = format!("/api/apps/speaker/backups/{}/restore?wait=120", backups.items[0].id);
    story.done(story.send("POST", &restore)).await;
    story.done(rename("speaker", "talker")).await;
    let app = story.app("talker").await;
    assert!(app.state == AppState::Running && app.pid.is_some(), "{app:?}");
    for gone in ["apps/speaker", "venvs/speaker", "backups/speaker"] {
        assert!(!story.api.root().join(gone).exists(), "{gone}");
    }
    story.api.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn backups_outlive_releases_and_go_to_the_trash_with_their_app() {
    let story = Story::of(Api::with(&[("releases-kept", "2")]).await).await;
    story.upload("diary", "print(1)\n").await;
    for number in 2..=5 {
        story.done(story.update("diary", &format!("print({number})\n"), &json!({}))).await;
    }
    let numbers: Vec<u32> = releases(&story, "diary").await.iter().map(|release| release.number).collect();
    assert_eq!(numbers, [5, 4]);
    assert_eq!(refusal(story.send("GET", "/api/apps/diary/releases/1")).await, Code::NotFound);

    story.done(story.send("DELETE", "/api/apps/diary?confirm=diary&wait=60")).await;
    story.upload("diary", "print('another')\n").await;
    let trash: Page<TrashedAppView> = story.read("/api/trash").await;
    let restore = story.send("POST", &format!("/api/trash/{}/restore?wait=60", trash.items[0].id));
    story.done(restore.json(&json!({ "name": "old-diary" }))).await;
    let backups: Page<BackupView> = story.read("/api/apps/old-diary/backups").await;
    let first = backups.items.last().unwrap();
    assert_eq!((backups.items.len(), first.release), (4, 1));
    story
        .done(story.send("POST", &format!("/api/apps/old-diary/backups/{}/restore?wait=60", first.id)))
        .await;
    let main = story.read_text("/api/apps/old-diary/releases/6/files/main.py").await;
    assert_eq!(main, "print(1)\n");
    let purge = story.send("DELETE", "/api/apps/old-diary?mode=permanent&confirm=old-diary&wait=60");
    story.done(purge).await;
    assert!(!story.api.root().join("backups/old-diary").exists());
    assert_eq!(releases(&story, "diary").await.len(), 1);
    story.api.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_is_followed() {
    let story = Story::begin().await;
    let repository = GitRepository::create(&[("main.py", "print(1)\n")]);
    let source = json!({ "url": repository.url(), "name": "followed", "ref": "main" });
    let made = story.send("POST", "/api/apps/upload/git").json(&source).send().await.unwrap();
    assert_eq!(made.status(), StatusCode::CREATED, "{}", made.text().await.unwrap());
    let check: UpdateCheck = story.read("/api/apps/followed/update/check").await;
    assert!(check.commits.is_empty() && check.active == check.head, "{check:?}");
    let head = repository.commit("Say two", &[("main.py", "print(2)\n")]);
    let check: UpdateCheck = story.read("/api/apps/followed/update/check").await;
    let subjects: Vec<&str> = check.commits.iter().map(|commit| commit.subject.as_str()).collect();
    assert_eq!((check.head.as_str(), subjects), (head.as_str(), vec!["Say two"]));
    story.done(story.send("POST", "/api/apps/followed/update/git?wait=60")).await;
    let newest = releases(&story, "followed").await.remove(0);
    assert!(matches!(&newest.origin, Origin::Git { commit, .. } if *commit == head), "{newest:?}");
    let absent = json!({ "ref": "not-there" });
    let update = story.send("POST", "/api/apps/followed/update/git?wait=60").json(&absent);
    assert_eq!(refusal(update).await, Code::GitReference);
    let operator = story.api.token(mantyx_core::Scope::Operate).await;
    let update = story.api.request("POST", "/api/apps/followed/update/git?wait=60").bearer_auth(&operator);
    assert_eq!(refusal(update).await, Code::Forbidden);
    assert_eq!(releases(&story, "followed").await.len(), 2);
    story.api.end().await;
}
