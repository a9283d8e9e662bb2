//! No address answers a stranger but those that are meant to. The addresses come from the OpenAPI document, so a
//! new one is tested before anybody thinks of it.

use crate::server::{Api, refusal};
use mantyx_core::{Code, Scope};
use serde_json::{Value, json};

/// What answers without credentials, and nothing else.
const OPEN: [&str; 4] = ["GET /health", "POST /api/hooks/{secret}", "POST /api/login", "POST /token"];

/// What a token that may only read can send without reading.
const HARMLESS: [&str; 2] = ["POST /api/live/ticket", "POST /api/schedules/preview"];

/// An address of the document, with something in the place of each parameter.
struct Address {
    method: String,
    path: String,
    security: Value,
}

impl Address {
    fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    fn example(&self) -> String {
        let id = "01890000-0000-7000-8000-000000000000";
        let named = self.path.replace("{app}", "some-app").replace("{id}", id);
        let named = named.replace("{name}", "some-secret").replace("{secret}", "some-hook");
        named.replace("{number}", "1").replace("{other}", "2").replace("{path}", "src/main.py")
    }
}

fn addresses() -> Vec<Address> {
    let document = serde_json::to_value(mantyx_api::openapi()).unwrap();
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let security = operation.get("security").cloned().unwrap_or_default();
            found.push(Address { method: method.to_uppercase(), path: path.clone(), security });
        }
    }
    assert!(found.len() > 40, "{}", found.len());
    found
}

fn closed() -> impl Iterator<Item = Address> {
    addresses().into_iter().filter(|address| !OPEN.contains(&address.name().as_str()))
}

#[test]
fn the_document_says_which_are_open() {
    let declared: Vec<String> =
        addresses().iter().filter(|a| a.security == json!([{}])).map(Address::name).collect();
    let mut expected = OPEN.map(str::to_owned).to_vec();
    expected.sort_by_key(|name| name.split(' ').nth(1).map(str::to_owned));
    assert_eq!(declared, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gets_in_without_credentials() {
    let api = Api::start().await;
    for address in closed() {
        let request = api.request(&address.method, &address.example());
        assert_eq!(refusal(request).await, Code::Unauthenticated, "{}", address.name());
    }
    api.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gets_in_with_foreign_or_malformed_credentials() {
    let api = Api::start().await;
    for address in closed() {
        for credentials in ["Bearer of-another-mantyx", "Bearer ", "Basic YWRtaW46YWRtaW4="] {
            let request =
                api.request(&address.method, &address.example()).header("authorization", credentials);
            // A body that does not parse must not be looked at before the token is.
            let request = request.header("content-type", "application/json").body("{");
            assert_eq!(refusal(request).await, Code::Unauthenticated, "{} {credentials}", address.name());
        }
    }
    api.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_may_read_changes_nothing() {
    let api = Api::start().await;
    let token = api.token(Scope::Read).await;
    for address in closed().filter(|address| address.method != "GET") {
        if HARMLESS.contains(&address.name().as_str()) {
            continue;
        }
        let request = api.request(&address.method, &address.example()).bearer_auth(&token);
        assert_eq!(refusal(request).await, Code::Forbidden, "{}", address.name());
    }
    api.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_may_operate_does_not_administer() {
    let api = Api::start().await;
    let token = api.token(Scope::Operate).await;
    let (app, id) = ("some-app", "01890000-0000-7000-8000-000000000000");
    for (method, path) in [
        ("DELETE", format!("/api/apps/{app}?mode=permanent&confirm={app}")),
        ("DELETE", format!("/api/trash/{id}?confirm={app}")),
        ("DELETE", format!("/api/tokens/{id}")),
        ("POST", "/api/tokens".into()),
        ("PUT", "/api/password".into()),
        ("POST", "/api/exports".into()),
        ("GET", "/api/exports".into()),
        ("GET", format!("/api/exports/{id}")),
        ("DELETE", format!("/api/exports/{id}")),
        ("POST", "/api/imports".into()),
        ("GET", "/api/secrets".into()),
        ("PUT", "/api/secrets/x".into()),
        ("DELETE", "/api/secrets/x".into()),
        ("POST", "/api/login/link".into()),
        ("DELETE", format!("/api/apps/{app}/backups/{id}")),
        ("PATCH", "/api/settings".into()),
    ] {
        let request = api.request(method, &path).bearer_auth(&token).json(&json!({}));
        assert_eq!(refusal(request).await, Code::Forbidden, "{method} {path}");
    }
    api.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_answers_a_foreign_host_or_origin() {
    let api = Api::start().await;
    let token = api.token(Scope::Admin).await;
    let paths = addresses();
    let everywhere = paths.iter().map(|a| (a.method.as_str(), a.example()));
    for (method, path) in everywhere.chain([("GET", "/".to_owned()), ("GET", "/docs/".to_owned())]) {
        let rebound = api.request(method, &path).bearer_auth(&token).header("host", "evil.example");
        assert_eq!(refusal(rebound).await, Code::ForeignOrigin, "{method} {path}");
        let elsewhere =
            api.request(method, &path).bearer_auth(&token).header("origin", "https://evil.example");
        assert_eq!(refusal(elsewhere).await, Code::ForeignOrigin, "{method} {path}");
    }
    api.end().await;
}
