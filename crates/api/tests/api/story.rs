//! A Mantyx, a token that may do everything, and what the tests of changes do with both.

use mantyx_api_types::{AppView, OperationView};
use mantyx_core::{AppState, OperationStatus, Scope};
use reqwest::multipart::{Form, Part};
use reqwest::{RequestBuilder, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::server::Api;

pub(crate) struct Story {
    pub(crate) api: Api,
    token: String,
}

impl Story {
    /// Nothing of an app runs in it.
    pub(crate) async fn begin() -> Self {
        Self::of(Api::start().await).await
    }

    /// Apps run in it.
    pub(crate) async fn running() -> Self {
        Self::of(Api::running().await).await
    }

    pub(crate) async fn of(api: Api) -> Self {
        let token = api.token(Scope::Admin).await;
        Self { api, token }
    }

    pub(crate) fn send(&self, method: &str, path: &str) -> RequestBuilder {
        self.api.request(method, path).bearer_auth(&self.token)
    }

    pub(crate) async fn read<T: DeserializeOwned>(&self, path: &str) -> T {
        let answer = self.send("GET", path).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        answer.json().await.unwrap()
    }

    pub(crate) async fn read_text(&self, path: &str) -> String {
        let answer = self.send("GET", path).header("accept", "text/plain").send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        answer.text().await.unwrap()
    }

    pub(crate) async fn app(&self, name: &str) -> AppView {
        self.read(&format!("/api/apps/{name}")).await
    }

    /// An app from a script.
    pub(crate) async fn upload(&self, name: &str, script: &str) {
        let app = json!({ "name": name }).to_string();
        let request =
            self.send("POST", "/api/apps/upload/script").multipart(form("main.py", script).text("app", app));
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::CREATED, "{}", answer.text().await.unwrap());
    }

    /// An app from a script, on and with a process.
    pub(crate) async fn service(&self, name: &str, script: &str) -> AppView {
        self.upload(name, script).await;
        self.done(self.send("POST", &format!("/api/apps/{name}/install?wait=120"))).await;
        let enabled = self.send("POST", &format!("/api/apps/{name}/enable")).send().await.unwrap();
        assert_eq!(enabled.status(), StatusCode::OK, "{}", enabled.text().await.unwrap());
        let app = self.app(name).await;
        assert!(app.state == AppState::Running && app.pid.is_some(), "{app:?}");
        app
    }

    /// A new release from a script.
    pub(crate) fn update(&self, name: &str, script: &str, patch: &Value) -> RequestBuilder {
        let form = form("main.py", script).text("configuration", patch.to_string());
        self.send("POST", &format!("/api/apps/{name}/update/script?wait=120")).multipart(form)
    }

    /// An operation that is waited for and succeeds.
    pub(crate) async fn done(&self, request: RequestBuilder) -> OperationView {
        let answer = request.send().await.unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        assert_eq!(status, StatusCode::OK, "{text}");
        let operation: OperationView = serde_json::from_str(&text).unwrap();
        assert_eq!(operation.status, OperationStatus::Succeeded, "{operation:?}");
        operation
    }

    /// The newest operation.
    pub(crate) async fn last_operation(&self) -> OperationView {
        let mut page: mantyx_api_types::Page<OperationView> = self.read("/api/operations?limit=1").await;
        page.items.pop().unwrap()
    }
}

/// A form with a file.
pub(crate) fn form(name: &str, content: &str) -> Form {
    Form::new().part("file", Part::bytes(content.as_bytes().to_vec()).file_name(name.to_owned()))
}

/// A service that says one word. Should a test fail and leave it behind, it ends by itself.
pub(crate) fn saying(word: &str) -> String {
    format!("import time\n\nprint('{word}', flush=True)\ntime.sleep(300)\n")
}
