//! Secrets: set, listed, used and removed, and never told.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use mantyx_api_types::{EventView, Page, SecretView};
use mantyx_core::{Code, EventKind, Scope};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::server::{problem, refusal};
use crate::story::Story;

const VALUE: &str = "ghp_s3cretThatNobodyMaySee";

async fn set(story: &Story, name: &str, secret: &Value) -> SecretView {
    let answer = story.send("PUT", &format!("/api/secrets/{name}")).json(secret).send().await.unwrap();
    let (status, text) = (answer.status(), answer.text().await.unwrap());
    assert_eq!(status, StatusCode::OK, "{text}");
    assert!(!text.contains(VALUE), "{text}");
    serde_json::from_str(&text).unwrap()
}

fn token(host: &str) -> Value {
    json!({ "kind": "token", "value": VALUE, "username": "me", "host": host })
}

/// The files below a folder that hold a text.
fn holding(folder: &Path, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            found.extend(holding(&entry.path(), text));
        } else if kind.is_file() {
            let bytes = fs::read(entry.path()).unwrap();
            if bytes.windows(text.len()).any(|part| part == text.as_bytes()) {
                found.push(entry.path().display().to_string());
            }
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_set_and_never_told() {
    let story = Story::begin().await;
    let made = set(&story, "github", &token("GitHub.com")).await;
    assert_eq!((made.host.as_deref(), made.used_by.len()), (Some("github.com"), 0));
    let key =
        json!({ "kind": "ssh_key", "value": format!("-----BEGIN OPENSSH PRIVATE KEY-----\n{VALUE}\n") });
    set(&story, "deploy", &key).await;
    set(&story, "github", &token("gitlab.com")).await;
    let text = story.read_text("/api/secrets").await;
    assert!(!text.contains(VALUE), "{text}");
    let list: Page<SecretView> = serde_json::from_str(&text).unwrap();
    let names: Vec<(&str, Option<&str>)> =
        list.items.iter().map(|secret| (secret.name.as_str(), secret.host.as_deref())).collect();
    assert_eq!(names, [("deploy", None), ("github", Some("gitlab.com"))]);
    let events: Page<EventView> = story.read("/api/events?limit=500").await;
    let of = |kind| events.items.iter().filter(|event| event.kind == kind).count();
    assert_eq!(of(EventKind::SecretSet), 3);
    assert!(!serde_json::to_string(&events.items).unwrap().contains(VALUE));
    let root = story.api.mantyx.settings().root.clone();
    assert_eq!(holding(&root, VALUE), Vec::<String>::new());
    let key = fs::metadata(root.join("config/key")).unwrap();
    assert_eq!((key.len(), key.permissions().mode() & 0o7777), (32, 0o600));

    let gone = || story.send("DELETE", "/api/secrets/github");
    assert_eq!(gone().send().await.unwrap().status(), StatusCode::NO_CONTENT);
    assert_eq!(refusal(gone()).await, Code::NotFound);
    story.api.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_secret_is_refused_at_its_field() {
    let story = Story::begin().await;
    for (field, secret) in [
        ("value", json!({ "kind": "token", "value": "", "host": "a" })),
        ("value", json!({ "kind": "ssh_key", "value": "ssh-ed25519 AAAA me" })),
        ("username", json!({ "kind": "text", "value": "x", "username": "me" })),
        ("passphrase", json!({ "kind": "token", "value": "x", "host": "a", "passphrase": "y" })),
        ("host", json!({ "kind": "token", "value": "x" })),
        ("host", json!({ "kind": "token", "value": "x", "host": "https://github.com" })),
        ("kind", json!({ "kind": "password", "value": "x" })),
        ("colour", json!({ "kind": "token", "value": "x", "colour": "red" })),
    ] {
        let refused = problem(story.send("PUT", "/api/secrets/x").json(&secret).send().await.unwrap()).await;
        assert_eq!((refused.code, refused.errors[0].field.as_str()), (Code::Invalid, field), "{secret}");
    }
    assert_eq!(
        refusal(story.send("PUT", "/api/secrets/No").json(&token("github.com"))).await,
        Code::NotFound
    );
    let operator = story.api.token(Scope::Operate).await;
    for (method, path) in [("GET", "/api/secrets"), ("PUT", "/api/secrets/x"), ("DELETE", "/api/secrets/x")] {
        let request = story.api.request(method, path).bearer_auth(&operator).json(&token("github.com"));
        assert_eq!(refusal(request).await, Code::Forbidden, "{method}");
    }
    story.api.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_goes_nowhere_but_to_its_host() {
    let story = Story::begin().await;
    set(&story, "bound", &token("github.com")).await;
    set(&story, "note", &json!({ "kind": "text", "value": VALUE })).await;
    set(&story, "free", &token("127.0.0.1:9")).await;
    let operator = story.api.token(Scope::Operate).await;
    // Nobody answers there, so that what gets through is told from what is refused.
    let import = |credential: &str| {
        let source = json!({ "url": "https://127.0.0.1:9/a/b.git", "credential": credential });
        story.api.request("POST", "/api/apps/upload/git").bearer_auth(&operator).json(&source)
    };
    for (credential, word) in [("missing", "no secret"), ("bound", "`github.com` alone"), ("note", "a text")]
    {
        let refused = problem(import(credential).send().await.unwrap()).await;
        assert_eq!((refused.code, refused.errors[0].field.as_str()), (Code::Invalid, "credential"));
        assert!(refused.errors[0].detail.contains(word), "{refused:?}");
    }
    assert_eq!(refusal(import("free")).await, Code::GitRemote);
    let key = story.api.mantyx.settings().root.join("config/key");
    fs::write(&key, [7; 32]).unwrap();
    let unreadable = problem(import("free").send().await.unwrap()).await;
    assert_eq!(unreadable.code, Code::SecretUnreadable);
    assert!(unreadable.detail.contains("`free`") && unreadable.hint.is_some(), "{unreadable:?}");
    story.api.end().await;
}
