//! An app that was given up is tried again slowly, until a person decides otherwise.

use std::net::TcpListener;

use chrono::{DateTime, TimeDelta, Utc};
use mantyx_api_types::{AppView, ConfigurationView, OperationView};
use mantyx_core::{AppName, AppState};
use mantyx_test_support::{Client, PATIENCE, TestMantyx, apps, wait_until};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

/// An app that is given up with its first end.
async fn given_up(client: &Client, name: &str) -> AppView {
    let app =
        json!({ "name": name, "type": "perpetual", "configuration": { "restart_limit": 0 } }).to_string();
    let created = client.upload_script("main.py", "raise SystemExit(3)\n", &[("app", &app)]).await.unwrap();
    client.install_and_enable(&created.app.name).await;
    fail_again(client, &created.app.name).await
}

async fn fail_again(client: &Client, name: &AppName) -> AppView {
    client.wait_for_app(name, "be tried again later", is_due).await
}

fn is_due(app: &AppView) -> bool {
    app.state == AppState::Failed && app.restarts_at.is_some()
}

async fn patch(client: &Client, name: &AppName, change: Value) {
    let path = format!("/api/apps/{name}");
    let seen: ConfigurationView = client.get(&format!("{path}/configuration")).await.unwrap();
    let seen = format!("\"{}\"", seen.revision);
    let _: ConfigurationView = client.patch(&path, &seen, change).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_changes_an_app_calls_its_next_try_off() {
    let mantyx = TestMantyx::start().await;
    let client = mantyx.client();
    let name = given_up(client, "hopeless").await.name;
    let state = async || {
        let app = client.app(&name).await.unwrap();
        (app.state, app.restarts_at)
    };

    patch(client, &name, json!({ "configuration": { "retry": false } })).await;
    assert_eq!(state().await, (AppState::Failed, None), "its own rule says so");
    patch(client, &name, json!({ "configuration": { "retry": true } })).await;

    client.event(&name, "start").await.unwrap();
    fail_again(client, &name).await;
    client.event(&name, "disable").await.unwrap();
    assert_eq!(state().await, (AppState::Disabled, None));

    client.event(&name, "enable").await.unwrap();
    fail_again(client, &name).await;
    client.install(&name).await.unwrap();
    assert_eq!(state().await, (AppState::Installed, None));

    client.event(&name, "enable").await.unwrap();
    fail_again(client, &name).await;
    patch(client, &name, json!({ "type": "scheduled" })).await;
    assert_eq!(state().await, (AppState::Failed, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_install_that_fails_leaves_the_next_try_as_it_was() {
    let mantyx = TestMantyx::start().await;
    let client = mantyx.client();
    let name = given_up(client, "hopeless").await.name;
    patch(client, &name, json!({ "configuration": { "python": ">=9" } })).await;
    let before = client.app(&name).await.unwrap();
    assert!(is_due(&before), "{before:?}");
    assert!(client.install(&name).await.is_err());
    let after = client.app(&name).await.unwrap();
    assert_eq!((after.restarts_at, after.reason), (before.restarts_at, before.reason));
    // Only what is really due can be called off by its own rule.
    patch(client, &name, json!({ "configuration": { "retry": false } })).await;
    assert_eq!(client.app(&name).await.unwrap().restarts_at, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_started_with_the_machine_is_tried_again() {
    let mut mantyx = TestMantyx::start().await;
    let client = mantyx.client();
    // A leased port is given to nobody else by chance.
    let configuration = json!({ "web_port": "auto", "restart_limit": 0, "health": { "start_period": 600 } });
    let app = json!({ "name": "page", "type": "perpetual", "configuration": configuration }).to_string();
    let created = client.upload_script("main.py", apps::sleeper_script(), &[("app", &app)]).await.unwrap();
    let (name, port) = (created.app.name, created.app.web_port.unwrap());
    let before = client.install_and_enable(&name).await;

    mantyx.kill_9();
    let pid = Pid::from_raw(i32::try_from(before.pid.unwrap()).unwrap()).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
    let somebody = TcpListener::bind(("127.0.0.1", port)).unwrap();
    mantyx.start_again().await;
    let client = mantyx.client();
    let failed = client.wait_for_app(&name, "be tried again later", is_due).await;
    assert!(failed.reason.is_some(), "{failed:?}");

    drop(somebody);
    // A child that another test is starting has a copy of the listener until it becomes another program.
    wait_until("the port to be free", PATIENCE, async || client.event(&name, "start").await.ok()).await;
    let mended = client.app(&name).await.unwrap();
    assert_eq!((mended.state, mended.restarts_at), (AppState::Running, None));
}

/// It has had its first restart, which is immediate, and waits for the next.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_daemon_is_no_way_around_a_back_off() {
    let mut mantyx = TestMantyx::start().await;
    let client = mantyx.client();
    let configuration = json!({ "restart_delay": 300, "restart_limit": 9, "restart_window": 3600 });
    let app = json!({ "name": "loop", "type": "perpetual", "configuration": configuration }).to_string();
    let created = client.upload_script("main.py", "raise SystemExit(3)\n", &[("app", &app)]).await.unwrap();
    let name = created.app.name;
    client.install_and_enable(&name).await;
    // Not only for the moment in which its first restart, which is immediate, is on its way.
    let is_later = |at: DateTime<Utc>| at > Utc::now() + TimeDelta::minutes(1);
    let waits = |app: &AppView| app.state == AppState::Running && app.restarts_at.is_some_and(is_later);
    let before = client.wait_for_app(&name, "wait for its restart", waits).await;

    mantyx.kill_9();
    mantyx.start_again().await;
    let client = mantyx.client();
    let after = client.app(&name).await.unwrap();
    assert_eq!((after.state, after.restarts_at), (before.state, before.restarts_at));
    assert_eq!(client.executions(&name).await.unwrap().len(), 2, "it was started again at once");
    // Who does not want to wait starts it.
    client.event(&name, "restart").await.unwrap();
    client.wait_for_app(&name, "have ended again", waits).await;
    assert_eq!(client.executions(&name).await.unwrap().len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delete_that_fails_leaves_the_next_try_as_it_was() {
    let mantyx = TestMantyx::start().await;
    let client = mantyx.client();
    let before = given_up(client, "stubborn").await;
    let trash = mantyx.root().join("trash");
    std::fs::remove_dir(&trash).unwrap();
    std::fs::write(&trash, "a file").unwrap();
    let path = format!("/api/apps/{}?confirm={}&wait=60", before.name, before.name);
    let deleted: Result<OperationView, _> = client.delete(&path).await;
    assert!(deleted.unwrap_err().problem.unwrap().detail.contains("/trash/"));
    let after = client.app(&before.name).await.unwrap();
    assert_eq!((after.state, after.restarts_at), (AppState::Failed, before.restarts_at));
    // Only what is really due can be called off by its own rule.
    patch(client, &before.name, json!({ "configuration": { "retry": false } })).await;
    assert_eq!(client.app(&before.name).await.unwrap().restarts_at, None);
}
