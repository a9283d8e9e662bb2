//! What gives an app more than its own: for administrators, whichever way it is set.

use mantyx_api_types::{AppView, Page, Problem, TrashedAppView};
use mantyx_core::{Code, Scope};
use mantyx_test_support::apps::zip;
use reqwest::multipart::{Form, Part};
use reqwest::{RequestBuilder, StatusCode};
use serde_json::{Value, json};

use crate::server::{Api, problem};

/// Each with the field that a refusal names.
fn privileges() -> [(&'static str, Value); 4] {
    [
        ("user", json!({ "user": "root" })),
        ("groups", json!({ "groups": ["root"] })),
        ("limits.nice", json!({ "limits": { "nice": -1 } })),
        ("limits.oom_score", json!({ "limits": { "oom_score": -1000 } })),
    ]
}

struct Story {
    api: Api,
    operator: String,
    admin: String,
}

impl Story {
    async fn begin() -> Self {
        let api = Api::start().await;
        let (operator, admin) = (api.token(Scope::Operate).await, api.token(Scope::Admin).await);
        Self { api, operator, admin }
    }

    fn send(&self, token: &str, method: &str, path: &str) -> RequestBuilder {
        self.api.request(method, path).bearer_auth(token)
    }

    fn script(&self, token: &str, name: &str, configuration: &Value) -> RequestBuilder {
        let file = Part::bytes(b"print('hello')\n".to_vec()).file_name("hello.py");
        let app = json!({ "name": name, "configuration": configuration }).to_string();
        let form = Form::new().part("file", file).text("app", app);
        self.send(token, "POST", "/api/apps/upload/script").multipart(form)
    }

    fn change(&self, token: &str, configuration: &Value) -> RequestBuilder {
        self.send(token, "PATCH", "/api/apps/hello").json(&json!({ "configuration": configuration }))
    }

    async fn apps(&self) -> Page<AppView> {
        self.send(&self.admin, "GET", "/api/apps").send().await.unwrap().json().await.unwrap()
    }
}

async fn forbidden(request: RequestBuilder, field: &str) {
    let refused: Problem = problem(request.send().await.unwrap()).await;
    assert_eq!((refused.code, refused.status), (Code::Forbidden, 403), "{field}");
    assert_eq!(refused.errors[0].field, field);
    assert!(refused.detail.contains("`admin`") && refused.detail.contains(field), "{}", refused.detail);
}

async fn allowed(request: RequestBuilder) -> StatusCode {
    let answer = request.send().await.unwrap();
    let status = answer.status();
    assert!(status.is_success(), "{}", answer.text().await.unwrap());
    status
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_makes_no_app_that_has_more() {
    let story = Story::begin().await;
    for (field, more) in privileges() {
        forbidden(story.script(&story.operator, "hello", &more), field).await;
        let file = Part::bytes(zip(&[("main.py", "print()\n")])).file_name("app.zip");
        let app = json!({ "configuration": more }).to_string();
        let archive = story.send(&story.operator, "POST", "/api/apps/upload/archive");
        forbidden(archive.multipart(Form::new().part("file", file).text("app", app)), field).await;
        let mut source = more;
        // What may not be is refused before anything is fetched: nobody answers there.
        source["url"] = "https://127.0.0.1:9/hello.git".into();
        forbidden(story.send(&story.operator, "POST", "/api/apps/upload/git").json(&source), field).await;
    }
    assert!(story.apps().await.items.is_empty());
    story.api.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_changes_all_but_what_gives_more() {
    let story = Story::begin().await;
    allowed(story.script(&story.operator, "hello", &json!({}))).await;
    for (field, more) in privileges() {
        forbidden(story.change(&story.operator, &more), field).await;
        allowed(story.change(&story.admin, &more)).await;
        // What is there already may be said again.
        allowed(story.change(&story.operator, &more)).await;
        allowed(story.change(&story.operator, &json!({ "restart_limit": 5 }))).await;
    }
    forbidden(story.change(&story.operator, &json!({ "user": null })), "user").await;
    allowed(story.change(&story.operator, &json!({ "limits": { "nice": 5, "oom_score": 0 } }))).await;
    story.api.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_brings_back_no_app_that_has_more() {
    let story = Story::begin().await;
    allowed(story.script(&story.admin, "hello", &privileges()[0].1)).await;
    allowed(story.send(&story.operator, "DELETE", "/api/apps/hello?confirm=hello&wait=20")).await;
    let trash = story.send(&story.admin, "GET", "/api/trash").send().await.unwrap();
    let trash: Page<TrashedAppView> = trash.json().await.unwrap();
    let restore = format!("/api/trash/{}/restore?wait=20", trash.items[0].id);
    forbidden(story.send(&story.operator, "POST", &restore), "user").await;
    assert_eq!(allowed(story.send(&story.admin, "POST", &restore)).await, StatusCode::OK);
    story.api.end().await;
}
