//! What has no end of its own ends with the token that opened it, however that came to its end.

use crate::live::{DEADLINE, Socket, hello, ticket};
use crate::server::Api;
use mantyx_api_types::{NewPassword, NewToken, TokenCreated};
use mantyx_core::{Actor, Code, Scope};
use reqwest::Response;
use reqwest::multipart::{Form, Part};
use tokio::time::timeout;

/// A live connection, and the streams of the events and of a log, all opened with one token.
struct Opened {
    socket: Socket,
    events: Response,
    log: Response,
}

impl Opened {
    async fn with(api: &Api, token: &str) -> Self {
        let mut socket = Socket::open(api, &ticket(api, token).await).await.unwrap();
        socket.hear(hello).await;
        let log = stream(api, token, "/api/apps/hello/logs?follow=true").await;
        Self { socket, events: stream(api, token, "/api/events").await, log }
    }

    /// Waits until all are told that they are over.
    async fn ended(mut self) {
        assert_eq!(self.socket.closed().await, 1008);
        for stream in [self.events, self.log] {
            let text = timeout(DEADLINE, stream.text()).await.unwrap().unwrap();
            let (_, last_words) = text.split_once("event: error\ndata: ").unwrap();
            assert!(last_words.contains(Code::Unauthenticated.as_str()), "{text}");
        }
    }

    /// Shows that all go on: what happens next is heard.
    async fn goes_on(mut self, api: &Api) {
        make_token(api, "heard", None).await;
        let made = |message| serde_json::to_string(&message).unwrap().contains("heard").then_some(());
        self.socket.hear(made).await;
        read_until(&mut self.events, "heard").await;
        assert!(timeout(std::time::Duration::ZERO, self.log.chunk()).await.is_err(), "it has ended");
    }
}

async fn stream(api: &Api, token: &str, path: &str) -> Response {
    let request = api.request("GET", path).bearer_auth(token).header("accept", "text/event-stream");
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 200, "{path}");
    response
}

async fn read_until(stream: &mut Response, wanted: &str) {
    let mut text = String::new();
    let reading = async {
        while !text.contains(wanted) {
            text.push_str(std::str::from_utf8(&stream.chunk().await.unwrap().unwrap()).unwrap());
        }
    };
    timeout(DEADLINE, reading).await.unwrap();
}

async fn make_token(api: &Api, name: &str, expires_in: Option<u64>) -> TokenCreated {
    let new = NewToken { name: name.into(), scope: Scope::Read, expires_in };
    api.mantyx.create_token(&Actor::Mantyx, new).await.unwrap()
}

/// A Mantyx with an app, whose log can be followed.
async fn begin() -> Api {
    let api = Api::start().await;
    let token = api.token(Scope::Admin).await;
    let form = Form::new().part("file", Part::bytes(b"print(1)".to_vec()).file_name("hello.py"));
    let upload = api.request("POST", "/api/apps/upload/script").bearer_auth(&token).multipart(form);
    assert_eq!(upload.send().await.unwrap().status(), 201);
    api
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_token_ends_what_it_opened_and_no_more() {
    let api = begin().await;
    let (gone, stays) = (make_token(&api, "gone", None).await, make_token(&api, "stays", None).await);
    let of_gone = Opened::with(&api, &gone.secret).await;
    let of_stays = Opened::with(&api, &stays.secret).await;
    let unused = ticket(&api, &gone.secret).await;
    api.mantyx.revoke_token(&Actor::Mantyx, gone.token.id).await.unwrap();
    of_gone.ended().await;
    of_stays.goes_on(&api).await;
    let late = Socket::open(&api, &unused).await.map(drop).unwrap_err();
    assert!(late.starts_with("HTTP/1.1 401"), "{late}");
    api.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_password_ends_the_sessions_and_no_more() {
    let api = begin().await;
    let code = api.mantyx.login_code().unwrap();
    let session = api.mantyx.redeem_code(&code, "127.0.0.1").await.unwrap().access_token;
    let of_session = Opened::with(&api, &session).await;
    let of_program = Opened::with(&api, &api.token(Scope::Read).await).await;
    let new = NewPassword { password: "correct horse battery staple".into() };
    api.mantyx.set_password(&Actor::Mantyx, &new).await.unwrap();
    of_session.ended().await;
    of_program.goes_on(&api).await;
    api.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_token_ends_what_it_opened() {
    let api = begin().await;
    // Everything must be open before it expires, on a busy machine too.
    let short = make_token(&api, "short", Some(15)).await;
    Opened::with(&api, &short.secret).await.ended().await;
    api.end().await;
}
