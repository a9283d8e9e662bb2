//! Apps that follow a repository: a push becomes a release, and a private repository stays private.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use mantyx_api_types::{
    AppView, EventView, HookCreated, OperationView, Page, SecretView, TrackingOutcome, TrackingResult,
    TrackingView, UpdateCheck,
};
use mantyx_core::{Actor, AppName, AppState, Code, EventKind, OperationStatus, Origin};
use mantyx_test_support::apps::GitRepository;
use mantyx_test_support::{Client, PATIENCE, TestMantyx, wait_until, workspace};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

/// A service that says one word.
fn saying(word: &str) -> String {
    format!("import time\n\nprint('{word}', flush=True)\nwhile True:\n    time.sleep(3600)\n")
}

async fn put(client: &Client, path: &str, body: &Value) -> Value {
    let answer = client.request(Method::PUT, path).json(body).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK, "{path}: {}", answer.text().await.unwrap());
    answer.json().await.unwrap()
}

async fn tracking(client: &Client, name: &AppName) -> TrackingView {
    client.get(&format!("/api/apps/{name}/tracking")).await.unwrap()
}

async fn updates(client: &Client) -> Vec<EventView> {
    let events: Page<EventView> = client.get("/api/events?limit=500").await.unwrap();
    events.items.into_iter().filter(|event| event.kind == EventKind::AppUpdated).collect()
}

/// As if nobody had looked for years.
fn forget_the_last_look(root: &Path) {
    let change = "import sqlite3, sys\n\
        with sqlite3.connect(sys.argv[1]) as database:\n    \
            database.execute(\"UPDATE trackings SET set_at = '2020-01-01 00:00:00+00:00', checked_at = NULL\")\n";
    let done =
        Command::new("python3").args(["-c", change]).arg(root.join("data/mantyx.db")).status().unwrap();
    assert!(done.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_becomes_a_release_that_runs() {
    let mut mantyx = TestMantyx::start().await;
    let client = mantyx.client().clone();
    let repository = GitRepository::create(&[("main.py", &saying("one"))]);
    let name = client.import_git(json!({ "url": repository.url() })).await.unwrap().app.name;
    client.install_and_enable(&name).await;
    let path = format!("/api/apps/{name}/tracking");
    put(&client, &path, &json!({ "mode": "apply", "schedule": "0 4 * * *" })).await;
    let hook: HookCreated = client.post(&format!("{path}/hook"), json!({})).await.unwrap();

    let two = repository.commit("Say two", &[("main.py", &saying("two"))]);
    let delivery = json!({ "ref": "refs/heads/main", "after": two, "project": { "default_branch": "main" } });
    let stranger = client.without_token();
    let pushed = stranger.request(Method::POST, &hook.path).header("X-Gitlab-Event", "Push Hook");
    let answer = pushed.header("X-Gitlab-Token", &hook.secret).json(&delivery).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::ACCEPTED);
    let outcome: TrackingOutcome = answer.json().await.unwrap();
    assert_eq!(outcome.result, TrackingResult::Queued, "{outcome:?}");
    let is_taken = |app: &AppView| {
        (app.state, app.release, app.operation.is_none()) == (AppState::Running, Some(2), true)
    };
    client.wait_for_app(&name, "run what was pushed", is_taken).await;
    assert!(client.get_text(&format!("/api/apps/{name}/logs")).await.unwrap().contains("two"));

    // What fell due while nobody was there is looked at when somebody is.
    mantyx.stop().await;
    let three = repository.commit("Say three", &[("main.py", &saying("three"))]);
    forget_the_last_look(mantyx.root());
    mantyx.start_again().await;
    let client = mantyx.client();
    let taken = async || Some(tracking(client, &name).await).filter(|view| view.active == three);
    let view = wait_until("the newest commit to be taken into use", PATIENCE, taken).await;
    assert!(view.next_check.is_some() && view.checked_at.is_some(), "{view:?}");
    let actors: Vec<Actor> = updates(client).await.into_iter().map(|event| event.actor).collect();
    assert!(matches!(&actors[..], [Actor::Webhook { .. }, Actor::Mantyx]), "{actors:?}");
    assert!(!mantyx.log().contains(&hook.secret));
}

/// What stands for a forge that knows one key: an `ssh` that lets in who has it.
fn forge(folder: &Path, key: &str) -> String {
    let script = format!(
        "#!/bin/sh\n\
         for word in \"$@\"; do case $word in IdentityFile=*) key=${{word#IdentityFile=}};; esac; done\n\
         grep -q '{key}' \"$key\" || {{ echo 'Permission denied (publickey).' >&2; exit 255; }}\n\
         eval \"exec git ${{word#git-}}\"\n"
    );
    let program = folder.join("ssh");
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
    let tools = workspace().join("target/tools/uv/bin");
    format!("{}:{}:{}", folder.display(), tools.display(), std::env::var("PATH").unwrap())
}

async fn set_key(client: &Client, key: &str, host: Option<&str>) {
    let value = format!("-----BEGIN OPENSSH PRIVATE KEY-----\n{key}\n-----END OPENSSH PRIVATE KEY-----\n");
    let secret = json!({ "kind": "ssh_key", "value": value, "host": host });
    assert_eq!(put(client, "/api/secrets/deploy", &secret).await["host"], json!(host));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_repository_is_opened_by_its_secret_alone() {
    let (key, folder) = ("TheKeyThatTheForgeKnows", tempfile::tempdir().unwrap());
    let path = forge(folder.path(), key);
    let mantyx = TestMantyx::builder().variable("PATH", &path).start().await;
    let client = mantyx.client();
    let repository = GitRepository::create(&[("main.py", &saying("one"))]);
    let source = |credential: Option<&str>| {
        let url = format!("git@forge.invalid:{}", repository.path().display());
        json!({ "url": url, "name": "tool", "credential": credential })
    };
    for wrong in [("AnotherKey", None, Code::GitAuth), (key, Some("github.com"), Code::Invalid)] {
        let (key, host, code) = wrong;
        set_key(client, key, host).await;
        let refused = client.import_git(source(Some("deploy"))).await.unwrap_err();
        assert_eq!(refused.code(), Some(code), "{refused}");
    }
    set_key(client, key, Some("forge.invalid")).await;
    let app = client.import_git(source(Some("deploy"))).await.unwrap().app;
    let credential = |origin: &Origin| match origin {
        Origin::Git { credential, .. } => credential.as_ref().map(ToString::to_string),
        _ => None,
    };
    assert_eq!(credential(&app.origin).as_deref(), Some("deploy"));
    let used: Page<SecretView> = client.get("/api/secrets").await.unwrap();
    assert_eq!(used.items[0].used_by, std::slice::from_ref(&app.name));
    let kept = client.delete::<Value>("/api/secrets/deploy").await.unwrap_err();
    assert_eq!(kept.code(), Some(Code::SecretInUse));
    assert!(kept.problem.unwrap().detail.contains("`tool`"));

    let head = repository.commit("Say two", &[("main.py", &saying("two"))]);
    let check: UpdateCheck = client.get("/api/apps/tool/update/check").await.unwrap();
    assert_eq!((check.head.as_str(), check.commits.len()), (head.as_str(), 1));
    let begun: OperationView = client.post("/api/apps/tool/update/git?wait=60", json!({})).await.unwrap();
    assert_eq!(begun.status, OperationStatus::Succeeded, "{begun:?}");
    let view = tracking(client, &app.name).await;
    assert_eq!((view.active, view.credential.map(|name| name.to_string())), (head, Some("deploy".into())));
    assert!(!mantyx.log().contains(key));
}
