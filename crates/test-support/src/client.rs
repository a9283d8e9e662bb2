//! A small client for the tests: one method a verb, typed views out, refusals as values to look at.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use mantyx_api_types::core::{AppEvent, AppName, AppState, Code, OperationId, OperationStatus};
use mantyx_api_types::{AppCreated, AppView, ExecutionView, OperationView, Page, Problem};
use reqwest::multipart::{Form, Part};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::wait::{PATIENCE, insist};

/// How long nothing may come before a request has failed: longer than the longest `?wait=`. Whoever follows a log
/// hears the heartbeat of the stream in between.
const SILENCE: Duration = Duration::from_secs(330);

/// A client for what answers on this machine. It sees what is answered itself: there is no proxy, no redirect is
/// followed, and what hangs is a failure. No connection is used twice, since one that has nothing to do may be closed
/// by the other end at the moment at which it is used again.
#[must_use]
pub fn http_client() -> reqwest::Client {
    patient_client(SILENCE)
}

fn patient_client(silence: Duration) -> reqwest::Client {
    let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
    let client = client.connect_timeout(PATIENCE).read_timeout(silence).pool_max_idle_per_host(0);
    client.build().expect("a client without TLS")
}

/// What the daemon answered.
pub type Answer<T> = Result<T, Refusal>;

/// An answer that is no success.
#[derive(Debug)]
pub struct Refusal {
    /// The HTTP status; 0 when nobody answered.
    pub status: u16,
    /// The problem, when there was one.
    pub problem: Option<Problem>,
    /// The body as it came.
    pub body: String,
}

impl Refusal {
    /// The stable code of the problem.
    #[must_use]
    pub fn code(&self) -> Option<Code> {
        self.problem.as_ref().map(|problem| problem.code)
    }

    fn nobody(error: &reqwest::Error) -> Self {
        Self { status: 0, problem: None, body: error.to_string() }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.problem {
            Some(problem) => write!(f, "{} {}: {}", self.status, problem.code.as_str(), problem.detail),
            None => write!(f, "{}: {}", self.status, self.body),
        }
    }
}

/// Talks to one daemon with one token, or with none.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    token: Option<String>,
}

impl Client {
    pub(crate) fn nobody(address: SocketAddr) -> Self {
        Self { http: http_client(), base: format!("http://{address}"), token: None }
    }

    /// The same without credentials.
    pub fn without_token(&self) -> Self {
        Self { token: None, ..self.clone() }
    }

    /// The same with another token.
    pub fn with_token(&self, token: &str) -> Self {
        Self { token: Some(token.to_owned()), ..self.clone() }
    }

    /// A request with the token, for what the methods below do not do.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// Reads something.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Answer<T> {
        view(self.request(Method::GET, path)).await
    }

    /// Reads a text.
    pub async fn get_text(&self, path: &str) -> Answer<String> {
        let answer = answer(self.request(Method::GET, path)).await?;
        answer.text().await.map_err(|error| Refusal::nobody(&error))
    }

    /// Asks for something.
    pub async fn post<T: DeserializeOwned>(&self, path: &str, body: impl Serialize) -> Answer<T> {
        view(self.request(Method::POST, path).json(&body)).await
    }

    /// Changes something that stands at this revision.
    pub async fn patch<T: DeserializeOwned>(
        &self,
        path: &str,
        revision: &str,
        body: impl Serialize,
    ) -> Answer<T> {
        view(self.request(Method::PATCH, path).header("If-Match", revision).json(&body)).await
    }

    /// Removes something.
    pub async fn delete<T: DeserializeOwned>(&self, path: &str) -> Answer<T> {
        view(self.request(Method::DELETE, path)).await
    }

    /// A new app from an archive, with fields of the form.
    pub async fn upload_archive(
        &self,
        file: &str,
        bytes: Vec<u8>,
        fields: &[(&str, &str)],
    ) -> Answer<AppCreated> {
        self.upload("/api/apps/upload/archive", file, bytes, fields).await
    }

    /// A new app from a single script, with fields of the form.
    pub async fn upload_script(&self, file: &str, text: &str, fields: &[(&str, &str)]) -> Answer<AppCreated> {
        self.upload("/api/apps/upload/script", file, text.into(), fields).await
    }

    /// A new app from a git repository: `{"url": …}` with further fields.
    pub async fn import_git(&self, request: Value) -> Answer<AppCreated> {
        self.post("/api/apps/upload/git", request).await
    }

    /// A new release of an app from an archive, with fields of the form; it need not be waited for.
    pub async fn update_archive(
        &self,
        name: &AppName,
        bytes: Vec<u8>,
        fields: &[(&str, &str)],
    ) -> Answer<OperationView> {
        self.upload(&format!("/api/apps/{name}/update/archive"), "new.zip", bytes, fields).await
    }

    /// An operation, once it has ended.
    pub async fn ended(&self, operation: OperationId) -> OperationView {
        insist(&format!("operation `{operation}` to end"), PATIENCE, async || {
            let view: Answer<OperationView> = self.get(&format!("/api/operations/{operation}?wait=60")).await;
            let view = view.map_err(|refusal| refusal.to_string())?;
            let ended = view.status != OperationStatus::Running;
            if ended { Ok(view) } else { Err(format!("it is running: {:?}", view.steps)) }
        })
        .await
    }

    /// Sends a file in a form, with fields before it.
    pub async fn upload<T: DeserializeOwned>(
        &self,
        path: &str,
        file: &str,
        bytes: Vec<u8>,
        fields: &[(&str, &str)],
    ) -> Answer<T> {
        let own = |text: &str| text.to_owned();
        // Fields stand before the file, as in a browser's form: they are known when the file is read.
        let form = fields.iter().fold(Form::new(), |form, (name, value)| form.text(own(name), own(value)));
        let form = form.part("file", Part::bytes(bytes).file_name(own(file)));
        view(self.request(Method::POST, path).multipart(form)).await
    }

    /// An app as it is now.
    pub async fn app(&self, name: &AppName) -> Answer<AppView> {
        self.get(&format!("/api/apps/{name}")).await
    }

    /// The executions of an app, newest first.
    pub async fn executions(&self, name: &AppName) -> Answer<Vec<ExecutionView>> {
        let page: Page<ExecutionView> = self.get(&format!("/api/executions?app={name}")).await?;
        Ok(page.items)
    }

    /// Asks for an event of an app that needs no body.
    pub async fn event(&self, name: &AppName, event: &str) -> Answer<Value> {
        self.post(&format!("/api/apps/{name}/{event}"), json!({})).await
    }

    /// Installs an app and waits for the end.
    pub async fn install(&self, name: &AppName) -> Answer<OperationView> {
        self.post(&format!("/api/apps/{name}/install?wait=300"), json!({})).await
    }

    /// Installs and enables an app that must be able to; a perpetual one is awaited until it has, or had, a process.
    pub async fn install_and_enable(&self, name: &AppName) -> AppView {
        let installed =
            self.install(name).await.unwrap_or_else(|refusal| panic!("install `{name}`: {refusal}"));
        assert_eq!(installed.status, OperationStatus::Succeeded, "install `{name}`: {:?}", installed.problem);
        self.event(name, "enable").await.unwrap_or_else(|refusal| panic!("enable `{name}`: {refusal}"));
        // A short one may have ended before anybody looked, and may wait for its restart.
        let ended = |app: &AppView| {
            matches!(app.state, AppState::Stopped | AppState::Failed) || app.restarts_at.is_some()
        };
        let ready = |app: &AppView| app.pid.is_some() || app.legal_events.contains(&AppEvent::Run);
        let up = |app: &AppView| ready(app) || ended(app);
        self.wait_for_app(name, "be enabled", up).await
    }

    /// Waits until an app is in a state.
    pub async fn wait_for_state(&self, name: &AppName, state: AppState) -> AppView {
        self.wait_for_app(name, &format!("be {}", state.as_str()), |app| app.state == state).await
    }

    /// Waits until an app is as it should be; `what` completes the sentence *the app is to …*.
    pub async fn wait_for_app(
        &self,
        name: &AppName,
        what: &str,
        is_so: impl Fn(&AppView) -> bool,
    ) -> AppView {
        insist(&format!("`{name}` to {what}"), PATIENCE, async || {
            let app = self.app(name).await.map_err(|refusal| refusal.to_string())?;
            if is_so(&app) { Ok(app) } else { Err(format!("it is {}", app.state.as_str())) }
        })
        .await
    }
}

async fn view<T: DeserializeOwned>(request: RequestBuilder) -> Answer<T> {
    let answer = answer(request).await?;
    let status = answer.status().as_u16();
    let body = answer.text().await.map_err(|error| Refusal::nobody(&error))?;
    let json = if body.is_empty() { "null" } else { &body };
    serde_json::from_str(json).map_err(|error| Refusal {
        status,
        problem: None,
        body: format!("{error} in {body}"),
    })
}

async fn answer(request: RequestBuilder) -> Answer<Response> {
    let answer = request.send().await.map_err(|error| Refusal::nobody(&error))?;
    if answer.status().is_success() || answer.status() == StatusCode::NOT_MODIFIED {
        return Ok(answer);
    }
    let status = answer.status().as_u16();
    let body = answer.text().await.unwrap_or_default();
    Err(Refusal { status, problem: serde_json::from_str(&body).ok(), body })
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn what_hangs_is_a_failure() {
        let hanging = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", hanging.local_addr().unwrap());
        let failure = patient_client(Duration::from_millis(50)).get(url).send().await.unwrap_err();
        assert!(failure.is_timeout(), "{failure:?}");
    }
}
