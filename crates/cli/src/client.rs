//! Speaks HTTP: one place where requests are sent and refusals become failures.

use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::stream::{self, BoxStream};
use futures_util::{Stream, StreamExt, TryStreamExt};
use mantyx_api_types::{Page, Problem};
use mantyx_core::{Code, Error};
use reqwest::header::{CONTENT_LENGTH, DATE, IF_MATCH};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::AsyncBufReadExt as _;
use tokio_util::io::StreamReader;

use crate::connection::Connection;
use crate::failure::{Failure, Result};
use crate::sse::{Event, Parser};

/// Parameters of an address.
pub(crate) type Query<'a> = &'a [(&'static str, String)];

/// What a stream of events says of itself when it is gone on with.
const LAST_EVENT_ID: &str = "last-event-id";

/// How long a daemon may take to accept a connection. How long it works has no limit.
const CONNECT: Duration = Duration::from_secs(5);

/// The most items that one page of a list may have.
const PAGE: usize = 500;

/// A stream of events that has begun.
pub(crate) struct Events<'a> {
    /// When that was, by the clock of the daemon.
    pub(crate) began: Option<DateTime<Utc>>,
    /// Each event. It has no end of its own: when there are no more, the connection broke off.
    pub(crate) stream: BoxStream<'a, Result<Event>>,
}

#[derive(Debug)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: String,
    token: Option<String>,
}

impl Client {
    pub(crate) fn new(connection: &Connection) -> Result<Self> {
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT)
            .user_agent(concat!("mantyx/", env!("CARGO_PKG_VERSION")));
        // No proxy reaches what listens on loopback here, and none shall see the token.
        let http = if connection.is_local()? { http.no_proxy() } else { http };
        let http =
            http.build().map_err(|error| Failure::Local(Error::internal("prepare the connection", error)))?;
        Ok(Self { http, base: connection.base()?.to_owned(), token: connection.token()? })
    }

    /// The address of the daemon, without a slash at its end.
    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str, query: Query<'_>) -> Result<T> {
        self.read(path, self.request(Method::GET, path).query(query)).await
    }

    pub(crate) async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T> {
        self.read(path, self.request(Method::POST, path).json(body)).await
    }

    /// A `POST` that says everything with its address.
    pub(crate) async fn ask<T: DeserializeOwned>(&self, path: &str, query: Query<'_>) -> Result<T> {
        self.read(path, self.request(Method::POST, path).query(query)).await
    }

    pub(crate) async fn patch<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T> {
        self.read(path, self.request(Method::PATCH, path).json(body)).await
    }

    /// A change to a revision, refused when there is another by now.
    pub(crate) async fn patch_revision<T: DeserializeOwned>(
        &self,
        path: &str,
        revision: u32,
        body: &impl Serialize,
    ) -> Result<T> {
        let tag = format!("\"{revision}\"");
        self.read(path, self.request(Method::PATCH, path).header(IF_MATCH, tag).json(body)).await
    }

    pub(crate) async fn delete<T: DeserializeOwned>(&self, path: &str, query: Query<'_>) -> Result<T> {
        self.read(path, self.request(Method::DELETE, path).query(query)).await
    }

    /// Every item of a list, page by page, up to a number of them.
    pub(crate) async fn list<T: DeserializeOwned>(
        &self,
        path: &str,
        query: Query<'_>,
        most: usize,
    ) -> Result<Vec<T>> {
        let mut items: Vec<T> = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let mut query = query.to_vec();
            query.push(("limit", (most - items.len()).min(PAGE).to_string()));
            query.extend(cursor.map(|cursor| ("cursor", cursor)));
            let page: Page<T> = self.get(path, &query).await?;
            items.extend(page.items);
            cursor = page.next_cursor;
            if cursor.is_none() || items.len() >= most {
                items.truncate(most);
                return Ok(items);
            }
        }
    }

    /// The JSON that a request is answered with.
    pub(crate) async fn read<T: DeserializeOwned>(&self, path: &str, request: RequestBuilder) -> Result<T> {
        let body = self.send(request).await?.bytes().await.map_err(|error| self.unreachable(error))?;
        serde_json::from_slice(&body).map_err(|error| Failure::strange(path, error))
    }

    /// The answer to a request, when it is none of refusal.
    pub(crate) async fn send(&self, request: RequestBuilder) -> Result<Response> {
        let response = request.send().await.map_err(|error| self.unreachable(error))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let (path, status) = (response.url().path().to_owned(), response.status());
        let body = response.bytes().await.map_err(|error| self.unreachable(error))?;
        match serde_json::from_slice::<Problem>(&body) {
            Ok(problem) => Err(Failure::Refused(Box::new(self.with_token_hint(problem)))),
            Err(_) if status.is_server_error() => Err(self.not_reached(status)),
            Err(_) => Err(Failure::strange(&path, status)),
        }
    }

    /// A stream of events, from its beginning or behind the event with an id.
    pub(crate) async fn events(
        &self,
        path: &str,
        query: Query<'_>,
        after: Option<&str>,
    ) -> Result<Events<'_>> {
        let mut request = self.request(Method::GET, path).query(query);
        if let Some(id) = after {
            request = request.header(LAST_EVENT_ID, id);
        }
        let response = self.send(request).await?;
        let date = response.headers().get(DATE).and_then(|date| date.to_str().ok());
        let began = date.and_then(|date| DateTime::parse_from_rfc2822(date).ok()).map(|date| date.to_utc());
        let mut parser = Parser::default();
        let pieces = response.bytes_stream().map(move |piece| piece.map(|piece| parser.push(&piece)));
        let events = pieces.flat_map(|events| match events {
            Ok(events) => stream::iter(events.into_iter().map(Ok).collect::<Vec<_>>()),
            Err(error) => stream::iter(vec![Err(self.unreachable(error))]),
        });
        Ok(Events { began, stream: events.boxed() })
    }

    /// The bytes of a file of any length, piece by piece.
    pub(crate) async fn bytes(
        &self,
        path: &str,
    ) -> Result<impl Stream<Item = Result<impl AsRef<[u8]> + use<>>> + use<'_>> {
        self.measured_bytes(path).await.map(|(_, pieces)| pieces)
    }

    /// The same, with how many there are where that is said. It is said with the bytes themselves: what was said of a
    /// file before is old when somebody writes to it.
    pub(crate) async fn measured_bytes(
        &self,
        path: &str,
    ) -> Result<(Option<u64>, impl Stream<Item = Result<impl AsRef<[u8]> + use<>>> + use<'_>)> {
        let response = self.send(self.request(Method::GET, path)).await?;
        let length =
            response.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        Ok((length, response.bytes_stream().map(|piece| piece.map_err(|_| self.broke_off()))))
    }

    /// The lines of a text of any length. What an app wrote need not be UTF-8.
    pub(crate) async fn lines(
        &self,
        path: &str,
        query: Query<'_>,
    ) -> Result<impl Stream<Item = Result<String>> + use<'_>> {
        let response = self.send(self.request(Method::GET, path).query(query)).await?;
        let pieces = response.bytes_stream().map_err(std::io::Error::other);
        let lines = StreamReader::new(pieces).split(b'\n');
        Ok(stream::try_unfold(lines, |mut lines| async {
            let line = lines.next_segment().await.map_err(|_| self.broke_off())?;
            Ok(line.map(|line| (String::from_utf8_lossy(&line).into_owned(), lines)))
        }))
    }

    fn unreachable(&self, error: reqwest::Error) -> Failure {
        let detail = if error.is_connect() {
            format!("No Mantyx answers at {}", self.base)
        } else {
            format!("The connection to {} broke off", self.base)
        };
        let hint = "Is it running? `mantyx serve` starts it, --url says where it is";
        Failure::Unreachable(Error::new(Code::Unavailable, detail).hint(hint).because(error))
    }

    /// What stands before the daemon says that it is not there.
    fn not_reached(&self, status: StatusCode) -> Failure {
        let detail = format!("No Mantyx answers behind {}, but {status}", self.base);
        Failure::Unreachable(Error::new(Code::Unavailable, detail).hint("Is the daemon still running?"))
    }

    /// An answer has ended before its end.
    pub(crate) fn broke_off(&self) -> Failure {
        let detail = format!("{} ended in the middle", self.base);
        Failure::Unreachable(Error::new(Code::Unavailable, detail).hint("Is the daemon still running?"))
    }

    /// How a token is given is nothing that the daemon can know.
    fn with_token_hint(&self, mut problem: Problem) -> Problem {
        if problem.status == 401 {
            let hint = match self.token {
                None => "Give a token with --token or MANTYX_TOKEN, or the daemon's root with --root",
                Some(_) => "Is it of another daemon, or revoked? Give another with --token or MANTYX_TOKEN",
            };
            problem.hint = Some(hint.to_owned());
        }
        problem
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use clap::Parser;
    use mantyx_api_types::HealthView;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        connection: Connection,
    }

    pub(crate) fn client_of(url: &str) -> Client {
        let program = Program::parse_from(["mantyx", "--url", url, "--token", "secret"]);
        Client::new(&program.connection).unwrap()
    }

    /// A client of a server that gives one answer to one request, and what that request was.
    async fn answered(status: &str, body: impl AsRef<[u8]>) -> (Client, tokio::task::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let mut answer = format!("HTTP/1.1 {status}\r\nconnection: close\r\n\r\n").into_bytes();
        answer.extend_from_slice(body.as_ref());
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 4096];
            let length = stream.read(&mut request).await.unwrap();
            stream.write_all(&answer).await.unwrap();
            String::from_utf8_lossy(&request[..length]).into_owned()
        });
        (client_of(&url), server)
    }

    #[tokio::test]
    async fn a_request_carries_the_token_and_its_parameters() {
        let (client, server) = answered("200 OK", "{\"status\": \"ok\", \"reasons\": []}").await;
        let health: HealthView = client.get("/health", &[("text", "a b&c".into())]).await.unwrap();
        assert_eq!(health.status, "ok");
        let request = server.await.unwrap();
        assert!(request.starts_with("GET /health?text=a+b%26c HTTP/1.1"), "{request}");
        assert!(request.to_lowercase().contains("authorization: bearer secret"), "{request}");
    }

    #[tokio::test]
    async fn a_change_names_the_revision_that_it_was_made_to() {
        let (client, server) = answered("200 OK", "{}").await;
        let _: serde_json::Value = client.patch_revision("/api/apps/x", 7, &()).await.unwrap();
        let request = server.await.unwrap();
        assert!(request.starts_with("PATCH /api/apps/x "), "{request}");
        assert!(request.contains("if-match: \"7\"\r\n"), "{request}");
    }

    #[tokio::test]
    async fn a_refusal_is_the_problem_of_the_api() {
        let problem = "{\"type\": \"\", \"title\": \"\", \"status\": 404, \"detail\": \"No app\", \"code\": \"not_found\"}";
        let (client, _server) = answered("404 Not Found", problem).await;
        let refusal = client.get::<HealthView>("/api/apps/x", &[]).await.unwrap_err();
        assert!(matches!(refusal, Failure::Refused(problem) if problem.code == Code::NotFound));
    }

    #[tokio::test]
    async fn somebody_else_and_nobody_are_not_mantyx() {
        for status in ["200 OK", "404 Not Found"] {
            let (client, _server) = answered(status, "<html>").await;
            assert!(matches!(client.get::<HealthView>("/health", &[]).await, Err(Failure::Strange(_))));
        }
        let (client, _server) = answered("502 Bad Gateway", "<html>").await;
        assert!(matches!(client.get::<HealthView>("/health", &[]).await, Err(Failure::Unreachable(_))));
        // The port was bound and let go, so nobody listens there.
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let nobody = client_of(&format!("http://{free}"));
        assert!(matches!(nobody.get::<HealthView>("/health", &[]).await, Err(Failure::Unreachable(_))));
    }

    #[tokio::test]
    async fn a_text_is_read_line_by_line() {
        let (client, _server) = answered("200 OK", b"a\nb\xff\n").await;
        let lines = client.lines("/api/apps/x/logs", &[]).await.unwrap();
        assert_eq!(lines.try_collect::<Vec<_>>().await.unwrap(), ["a", "b\u{fffd}"]);
    }
}
