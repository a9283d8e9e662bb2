//! How far a token for apps reaches. What an administrator gave an app is nobody else's to give, and nobody else's to
//! put code into.

use std::fs;

use mantyx_api_types::{ConfigurationView, TokenCreated};
use mantyx_core::{AppName, Code};
use mantyx_test_support::{Client, Refusal, TestMantyx, apps};
use serde_json::{Value, json};

/// Somebody who operates apps, and is not an administrator.
async fn operator(owner: &Client) -> Client {
    let body = json!({ "name": "ci", "scope": "operate" });
    let created: TokenCreated = owner.post("/api/tokens", body).await.unwrap();
    owner.with_token(&created.secret)
}

async fn set(client: &Client, name: &AppName, configuration: Value) -> Result<ConfigurationView, Refusal> {
    let view: ConfigurationView = client.get(&format!("/api/apps/{name}/configuration")).await.unwrap();
    let change = json!({ "configuration": configuration });
    client.patch(&format!("/api/apps/{name}"), &format!("\"{}\"", view.revision), change).await
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_may_not_become_root_puts_nothing_into_an_app_that_is() {
    let mantyx = TestMantyx::start().await;
    let owner = mantyx.client();
    let operator = operator(owner).await;
    let archive = apps::zip(&[("main.py", "print(1)\n"), ("other/x.py", "print(2)\n")]);
    let name = owner.upload_archive("tool.zip", archive, &[]).await.unwrap().app.name;
    let gives = set(&operator, &name, json!({ "user": "root" })).await.unwrap_err();
    assert_eq!((gives.status, gives.code()), (403, Some(Code::Forbidden)));
    set(&operator, &name, json!({ "env": { "MINE": "1" } })).await.unwrap();
    set(owner, &name, json!({ "user": "root" })).await.unwrap();
    for (field, code) in [
        ("entrypoint", json!({ "entrypoint": "id > /tmp/evil" })),
        ("arguments", json!({ "arguments": ["-c", "evil()"] })),
        ("working_directory", json!({ "working_directory": "other" })),
        ("env", json!({ "env": { "PYTHONSTARTUP": "/tmp/evil.py" } })),
        ("python", json!({ "python": ">=3.8" })),
        ("health.probe", json!({ "health": { "probe": { "kind": "exec", "command": "id > /tmp/evil" } } })),
        ("user", json!({ "user": null, "entrypoint": "id" })),
    ] {
        let refused = set(&operator, &name, code.clone()).await.unwrap_err();
        assert_eq!((refused.status, refused.code()), (403, Some(Code::Forbidden)), "{code}");
        let problem = refused.problem.unwrap();
        assert_eq!(problem.errors[0].field, field, "{code}");
        assert!(problem.detail.contains("`ci`") && problem.detail.contains("`admin`"), "{}", problem.detail);
        set(owner, &name, json!({ "restart_limit": 4 })).await.unwrap();
    }
    // It is still theirs to look after.
    let cared = set(&operator, &name, json!({ "autostart": false, "stop_grace": 3 })).await.unwrap();
    assert_eq!(cared.configuration.user.as_deref(), Some("root"));
    let _: Value = owner.delete(&format!("/api/apps/{name}?confirm={name}&wait=60")).await.unwrap();
    let trash: Value = owner.get("/api/trash").await.unwrap();
    let restore = format!("/api/trash/{}/restore?wait=60", trash["items"][0]["id"].as_str().unwrap());
    let back: Result<Value, _> = operator.post(&restore, json!({})).await;
    assert_eq!(back.unwrap_err().status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_user_could_have_written_into_is_not_run_as_root() {
    let mantyx = TestMantyx::start().await;
    let client = mantyx.client();
    let name = client.upload_script("s.py", apps::sleeper_script(), &[]).await.unwrap().app.name;
    client.install_and_enable(&name).await;
    client.event(&name, "stop").await.unwrap();
    set(client, &name, json!({ "user": "root" })).await.unwrap();
    let warnings = client.app(&name).await.unwrap().warnings.join("\n");
    if !rustix::process::geteuid().is_root() {
        assert!(warnings.contains("not as `root`"), "said before anything starts: {warnings}");
        return;
    }
    assert!(warnings.contains("installed again"), "said before anything starts: {warnings}");
    let refused = client.event(&name, "start").await.unwrap_err();
    assert_eq!((refused.status, refused.code()), (409, Some(Code::IllegalState)));
    client.install(&name).await.unwrap();
    let installed = client.app(&name).await.unwrap();
    assert!(!installed.warnings.iter().any(|said| said.contains("installed again")), "{installed:?}");
    client.event(&name, "enable").await.unwrap();
    let app = client.wait_for_app(&name, "run", |app| app.pid.is_some()).await;
    let status = fs::read_to_string(format!("/proc/{}/status", app.pid.unwrap())).unwrap();
    assert!(status.contains("Uid:\t0\t0"), "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn repositories_of_this_machine_are_for_administrators() {
    let mantyx = TestMantyx::start().await;
    let owner = mantyx.client();
    let operator = operator(owner).await;
    let nowhere = json!({ "url": "file:///nowhere/at/all" });
    let refused = operator.import_git(nowhere.clone()).await.unwrap_err();
    assert_eq!((refused.status, refused.code()), (403, Some(Code::Forbidden)));
    assert!(refused.problem.unwrap().detail.contains("`file:///nowhere/at/all`"));
    let looked = owner.import_git(nowhere).await.unwrap_err();
    assert_eq!(looked.code(), Some(Code::GitRemote));
}
