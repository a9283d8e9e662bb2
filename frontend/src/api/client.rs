//! The one HTTP client: adds the token, reads JSON, turns every failure into a [`Failure`].

use std::pin::Pin;

use mantyx_api_types::Page;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{Headers, RequestInit, Response};

use super::{Failure, json, reader};
use crate::state::Session;

/// What a call answers.
pub(crate) type Answer<T> = Result<T, Failure>;

/// Calls the API with the session's token.
#[derive(Clone, Copy)]
pub(crate) struct Client {
    session: Session,
}

/// An answer that is on its way.
pub(crate) type Call<T> = Pin<Box<dyn Future<Output = Answer<T>>>>;

/// What a call sends.
enum Body {
    None,
    Json(String),
    Form(String),
    Text(String),
}

/// What a file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FileText {
    /// Text.
    Text(String),
    /// Something that is no text.
    Binary,
}

impl Client {
    /// A client for a session.
    pub(crate) const fn new(session: Session) -> Self {
        Self { session }
    }

    /// Whose token it sends.
    pub(super) const fn session(self) -> Session {
        self.session
    }

    /// Reads something.
    pub(super) fn get<T: DeserializeOwned + 'static>(self, path: &str) -> Call<T> {
        self.ask("GET", path)
    }

    /// Reads a list to its end.
    pub(super) async fn list<T: DeserializeOwned + 'static>(self, path: &str) -> Answer<Vec<T>> {
        let mut items = Vec::new();
        let mut address = path.to_owned();
        loop {
            let mut page: Page<T> = self.get(&address).await?;
            items.append(&mut page.items);
            let Some(cursor) = page.next_cursor else { return Ok(items) };
            let separator = if path.contains('?') { '&' } else { '?' };
            address = format!("{path}{separator}cursor={}", encoded(&cursor));
        }
    }

    /// Sends something and reads what it answers.
    pub(super) fn send<T: DeserializeOwned + 'static>(
        self,
        method: &'static str,
        path: &str,
        body: &impl Serialize,
    ) -> Call<T> {
        self.typed(method, path, as_json(body), None)
    }

    /// The same for what must still be as it was read.
    pub(super) fn send_if<T: DeserializeOwned + 'static>(
        self,
        method: &'static str,
        path: &str,
        body: &impl Serialize,
        revision: u32,
    ) -> Call<T> {
        self.typed(method, path, as_json(body), Some(revision.to_string()))
    }

    /// Sends a text and reads what it answers.
    pub(super) fn send_text<T: DeserializeOwned + 'static>(
        self,
        method: &'static str,
        path: &str,
        text: String,
    ) -> Call<T> {
        self.typed(method, path, Ok(Body::Text(text)), None)
    }

    /// Puts another text in the place of one that still has this tag.
    pub(super) fn send_text_if<T: DeserializeOwned + 'static>(
        self,
        path: &str,
        text: String,
        tag: &str,
    ) -> Call<T> {
        self.typed("PUT", path, Ok(Body::Text(text)), Some(tag.to_owned()))
    }

    /// Sends something that has no body and reads what it answers.
    pub(super) fn ask<T: DeserializeOwned + 'static>(self, method: &'static str, path: &str) -> Call<T> {
        self.typed(method, path, Ok(Body::None), None)
    }

    /// Sends a form as browsers do.
    pub(super) fn form<T: DeserializeOwned + 'static>(self, path: &str, form: String) -> Call<T> {
        self.typed("POST", path, Ok(Body::Form(form)), None)
    }

    /// Changes something that must still be as it was read.
    pub(super) fn change(self, path: &str, body: &impl Serialize, revision: Option<u32>) -> Call<()> {
        self.done("PATCH", path, as_json(body), revision.map(|revision| revision.to_string()))
    }

    /// Does something whose answer says no more than that it was done.
    pub(super) fn tell(self, method: &'static str, path: &str) -> Call<()> {
        self.done(method, path, Ok(Body::None), None)
    }

    /// Reads bytes, to be saved as a file.
    pub(super) async fn bytes(self, path: &str) -> Answer<web_sys::Blob> {
        let response = self.call("GET", path, Body::None, None).await?;
        let blob = response.blob().map_err(|_| Failure::Unreachable)?;
        let blob = JsFuture::from(blob).await.map_err(|_| Failure::Unreachable)?;
        blob.dyn_into().map_err(|_| Failure::Unreadable(response.status()))
    }

    /// Reads a file, whose type the daemon tells.
    pub(super) async fn text(self, path: &str) -> Answer<FileText> {
        self.tagged_text(path).await.map(|(text, _)| text)
    }

    /// The same, with the tag of what was read.
    pub(super) async fn tagged_text(self, path: &str) -> Answer<(FileText, String)> {
        let response = self.call("GET", path, Body::None, None).await?;
        let header = |name| response.headers().get(name).ok().flatten().unwrap_or_default();
        let tag = header("ETag").trim_matches('"').to_owned();
        let text = if header("Content-Type").starts_with("text/") {
            FileText::Text(text_of(&response).await?)
        } else {
            FileText::Binary
        };
        Ok((text, tag))
    }

    /// A call whose answer has a type. Everything but the last step is compiled once for all types.
    fn typed<T: DeserializeOwned + 'static>(
        self,
        method: &'static str,
        path: &str,
        body: Answer<Body>,
        tag: Option<String>,
    ) -> Call<T> {
        let answer = self.untyped(method, path.to_owned(), body, tag);
        Box::pin(async move {
            let (status, value) = answer.await?;
            reader::from_value(value).ok_or(Failure::Unreadable(status))
        })
    }

    fn untyped(
        self,
        method: &'static str,
        path: String,
        body: Answer<Body>,
        tag: Option<String>,
    ) -> Call<(u16, Value)> {
        Box::pin(async move {
            let response = self.call(method, &path, body?, tag).await?;
            let status = response.status();
            let value = json::read(&text_of(&response).await?).ok_or(Failure::Unreadable(status))?;
            Ok((status, value))
        })
    }

    fn done(self, method: &'static str, path: &str, body: Answer<Body>, tag: Option<String>) -> Call<()> {
        let path = path.to_owned();
        Box::pin(async move { self.call(method, &path, body?, tag).await.map(|_| ()) })
    }

    async fn call(self, method: &str, path: &str, body: Body, tag: Option<String>) -> Answer<Response> {
        let token = self.session.token();
        self.call_as(token.as_deref(), method, path, body, tag).await
    }

    /// Whether the daemon knows a token that is not the session's yet.
    pub(crate) async fn check_token(self, token: &str) -> Answer<()> {
        self.call_as(Some(token), "GET", "/api/system", Body::None, None).await.map(|_| ())
    }

    async fn call_as(
        self,
        token: Option<&str>,
        method: &str,
        path: &str,
        body: Body,
        tag: Option<String>,
    ) -> Answer<Response> {
        let request = request(token, method, body, tag).map_err(|_| Failure::Unreachable)?;
        let answer = JsFuture::from(leptos::prelude::window().fetch_with_str_and_init(path, &request)).await;
        let response: Response =
            answer.ok().and_then(|value| value.dyn_into().ok()).ok_or(Failure::Unreachable)?;
        if response.ok() {
            return Ok(response);
        }
        let failure = Failure::read(response.status(), &text_of(&response).await?);
        self.session.judge(response.status(), &failure);
        Err(failure)
    }
}

fn request(
    token: Option<&str>,
    method: &str,
    body: Body,
    tag: Option<String>,
) -> Result<RequestInit, JsValue> {
    let (request, headers) = (RequestInit::new(), Headers::new()?);
    request.set_method(method);
    headers.set("Accept", "application/json")?;
    if let Some(token) = token {
        headers.set("Authorization", &format!("Bearer {token}"))?;
    }
    if let Some(tag) = tag {
        headers.set("If-Match", &format!("\"{tag}\""))?;
    }
    let (text, content_type) = match body {
        Body::None => (None, None),
        Body::Json(text) => (Some(text), Some("application/json")),
        Body::Form(text) => (Some(text), Some("application/x-www-form-urlencoded")),
        Body::Text(text) => (Some(text), Some("text/plain; charset=utf-8")),
    };
    if let (Some(text), Some(content_type)) = (text, content_type) {
        headers.set("Content-Type", content_type)?;
        request.set_body(&JsValue::from_str(&text));
    }
    request.set_headers(&headers);
    Ok(request)
}

async fn text_of(response: &Response) -> Answer<String> {
    let promise = response.text().map_err(|_| Failure::Unreachable)?;
    let text = JsFuture::from(promise).await.map_err(|_| Failure::Unreachable)?;
    Ok(text.as_string().unwrap_or_default())
}

fn as_json(body: &impl Serialize) -> Answer<Body> {
    serde_json::to_string(body).map(Body::Json).map_err(|_| Failure::Unreadable(0))
}

/// A text as part of an address.
pub(super) fn encoded(text: &str) -> String {
    js_sys::encode_uri_component(text).into()
}

/// A path as part of an address: its slashes stay, everything else is encoded.
pub(super) fn encoded_path(path: &str) -> String {
    path.split('/').map(encoded).collect::<Vec<_>>().join("/")
}
