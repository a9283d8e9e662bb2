//! An app from its upload to the trash and back, as far as nothing of it needs to run.

use mantyx_api_types::{AppCreated, AppView, ConfigurationView, OperationView, Page, TrashedAppView};
use mantyx_core::{AppEvent, Code, OperationStatus, Scope};
use reqwest::multipart::{Form, Part};
use reqwest::{RequestBuilder, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::server::{Api, problem, refusal};

/// A Mantyx with the app `hello`, and a token that may do everything.
struct Story {
    api: Api,
    token: String,
}

impl Story {
    async fn begin() -> Self {
        let api = Api::start().await;
        let token = api.token(Scope::Admin).await;
        let story = Self { api, token };
        let file = Part::bytes(b"print('hello')\n".to_vec()).file_name("hello.py");
        let form = Form::new().part("file", file).text("web_port", "19050").text("tags", "a, b");
        let response = story.send("POST", "/api/apps/upload/script").multipart(form).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::CREATED);
        assert_eq!(response.headers()["location"], "/api/apps/hello");
        let created: AppCreated = response.json().await.unwrap();
        assert_eq!(created.app.web_url.as_deref(), Some("http://127.0.0.1:19050/"));
        assert_eq!(created.app.tags, ["a", "b"]);
        story
    }

    fn send(&self, method: &str, path: &str) -> RequestBuilder {
        self.api.request(method, path).bearer_auth(&self.token)
    }

    async fn read<T: DeserializeOwned>(&self, path: &str) -> T {
        self.send("GET", path).send().await.unwrap().json().await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_link_to_where_the_request_came_from() {
    let story = Story::begin().await;
    let apps: Page<AppView> = story
        .send("GET", "/api/apps?tag=b")
        .header("host", "localhost")
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(apps.items[0].web_url.as_deref(), Some("http://localhost:19050/"));
    let none: Page<AppView> = story.read("/api/apps?type=scheduled").await;
    assert!(none.items.is_empty());
    story.api.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_overwrites_what_another_changed() {
    let story = Story::begin().await;
    let read = story.send("GET", "/api/apps/hello/configuration").send().await.unwrap();
    let tag = read.headers()["etag"].clone();
    assert_eq!(tag, "\"1\"");
    let change = |limit: i32| {
        let patch = json!({"configuration": {"restart_limit": limit}});
        story.send("PATCH", "/api/apps/hello").header("if-match", tag.clone()).json(&patch)
    };
    let first = change(7).send().await.unwrap();
    assert_eq!(first.headers()["etag"], "\"2\"");
    assert_eq!(first.json::<ConfigurationView>().await.unwrap().configuration.restart_limit, 7);
    assert_eq!(refusal(change(8)).await, Code::Stale);
    let wrong = story.send("PATCH", "/api/apps/hello").json(&json!({"configuration": {"x": 1}}));
    assert_eq!(refusal(wrong).await, Code::Invalid);
    story.api.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_illegal_event_lists_the_legal_ones() {
    let story = Story::begin().await;
    for event in ["enable", "start", "stop", "restart", "run"] {
        let response = story.send("POST", &format!("/api/apps/hello/{event}")).send().await.unwrap();
        let problem = problem(response).await;
        assert_eq!(problem.code, Code::IllegalState, "{event}");
        assert!(problem.legal_events.contains(&AppEvent::Install), "{event}");
    }
    story.api.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_goes_to_the_trash_and_comes_back() {
    let story = Story::begin().await;
    let unconfirmed = story.send("DELETE", "/api/apps/hello");
    assert_eq!(refusal(unconfirmed).await, Code::ConfirmationRequired);
    let begun = story.send("DELETE", "/api/apps/hello?confirm=hello").send().await.unwrap();
    assert_eq!(begun.status(), StatusCode::ACCEPTED);
    let location = begun.headers()["location"].to_str().unwrap().to_owned();
    let ended: OperationView = story.read(&format!("{location}?wait=20")).await;
    assert_eq!(ended.status, OperationStatus::Succeeded);
    assert_eq!(refusal(story.send("GET", "/api/apps/hello")).await, Code::NotFound);
    let trash: Page<TrashedAppView> = story.read("/api/trash").await;
    let restore = format!("/api/trash/{}/restore?wait=20", trash.items[0].id);
    let restored = story.send("POST", &restore).send().await.unwrap();
    assert_eq!(restored.status(), StatusCode::OK);
    let app: AppView = story.read("/api/apps/hello").await;
    assert_eq!(app.id, trash.items[0].id);
    story.api.end().await;
}
