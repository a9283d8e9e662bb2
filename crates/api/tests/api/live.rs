//! What goes on as long as both ends want: the WebSocket of the page, and the stream of events for programs.

use std::time::Duration;

use crate::server::{Api, refusal};
use mantyx_api_types::{EventView, LiveMessage, LiveRequest, LiveTicket, LogGap, NewToken, Page};
use mantyx_core::{Actor, AppName, Code, EventKind, Scope};
use reqwest::multipart::{Form, Part};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufStream};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// No wait in these tests is longer; on a busy machine it takes a while until everybody had their turn.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// Just enough of a WebSocket client (RFC 6455) to hear and say short texts.
pub(crate) struct Socket(BufStream<TcpStream>);

#[derive(Debug)]
enum Frame {
    Text(String),
    Close(u16),
}

impl Socket {
    /// Opens one with a ticket; the first line of the response when that is refused.
    pub(crate) async fn open(api: &Api, ticket: &str) -> Result<Self, String> {
        let host = api.url.trim_start_matches("http://");
        let mut stream = BufStream::new(TcpStream::connect(host).await.unwrap());
        let head = format!(
            "GET /api/live?ticket={ticket} HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\nUpgrade: websocket\r\n\
             Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.flush().await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            answer.push(stream.read_u8().await.unwrap());
        }
        let answer = String::from_utf8(answer).unwrap();
        if answer.starts_with("HTTP/1.1 101") { Ok(Self(stream)) } else { Err(answer) }
    }

    async fn frame(&mut self) -> Frame {
        loop {
            let head = self.0.read_u8().await.unwrap();
            let length = match self.0.read_u8().await.unwrap() {
                126 => self.0.read_u16().await.unwrap().into(),
                127 => self.0.read_u64().await.unwrap(),
                short => u64::from(short),
            };
            let mut payload = vec![0; usize::try_from(length).unwrap()];
            self.0.read_exact(&mut payload).await.unwrap();
            match head & 0x0f {
                1 => return Frame::Text(String::from_utf8(payload).unwrap()),
                8 => return Frame::Close(u16::from_be_bytes([payload[0], payload[1]])),
                // Pings and pongs are not what the tests are about.
                _ => {}
            }
        }
    }

    /// The first message that is looked for.
    pub(crate) async fn hear<T>(&mut self, wanted: impl Fn(LiveMessage) -> Option<T>) -> T {
        let hearing = async {
            loop {
                let Frame::Text(text) = self.frame().await else { panic!("closed") };
                if let Some(found) = wanted(serde_json::from_str(&text).unwrap()) {
                    return found;
                }
            }
        };
        timeout(DEADLINE, hearing).await.unwrap()
    }

    /// The code that the other end closes with.
    pub(crate) async fn closed(&mut self) -> u16 {
        let closing = async {
            loop {
                if let Frame::Close(code) = self.frame().await {
                    return code;
                }
            }
        };
        timeout(DEADLINE, closing).await.unwrap()
    }

    async fn say(&mut self, text: &str) {
        let length = u16::try_from(text.len()).unwrap();
        // A client masks what it says; a mask of zeros changes nothing.
        self.0.write_all(&[0x81, 0xfe]).await.unwrap();
        self.0.write_all(&length.to_be_bytes()).await.unwrap();
        self.0.write_all(&[0; 4]).await.unwrap();
        self.0.write_all(text.as_bytes()).await.unwrap();
        self.0.flush().await.unwrap();
    }
}

pub(crate) async fn ticket(api: &Api, token: &str) -> String {
    let response = api.request("POST", "/api/live/ticket").bearer_auth(token).send().await.unwrap();
    response.json::<LiveTicket>().await.unwrap().ticket
}

async fn connect(api: &Api) -> Socket {
    let token = api.token(Scope::Read).await;
    Socket::open(api, &ticket(api, &token).await).await.unwrap()
}

pub(crate) fn hello(message: LiveMessage) -> Option<String> {
    if let LiveMessage::Hello { version, .. } = message { Some(version) } else { None }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_is_good_for_one_greeting() {
    let api = Api::start().await;
    let token = api.token(Scope::Read).await;
    let ticket = ticket(&api, &token).await;
    let mut socket = Socket::open(&api, &ticket).await.unwrap();
    assert!(!socket.hear(hello).await.is_empty());
    let second = Socket::open(&api, &ticket).await.map(|_| ()).unwrap_err();
    assert!(second.starts_with("HTTP/1.1 401"), "{second}");
    api.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changes_is_told() {
    let api = Api::start().await;
    let mut socket = connect(&api).await;
    socket.hear(hello).await;
    let new = NewToken { name: "a new one".into(), scope: Scope::Read, expires_in: None };
    api.mantyx.create_token(&Actor::Mantyx, new).await.unwrap();
    let subject = |message| match message {
        LiveMessage::Event { event } if event.kind == EventKind::TokenCreated => Some(event.subject.name),
        _ => None,
    };
    assert_eq!(socket.hear(subject).await, "a new one");
    api.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_not_there_ends_with_the_reason() {
    let api = Api::start().await;
    let mut socket = connect(&api).await;
    let app = AppName::parse("absent").unwrap();
    let request = LiveRequest::FollowApp { subscription: 7, app, execution: None, tail: 10, after: None };
    socket.say(&serde_json::to_string(&request).unwrap()).await;
    let end = |message| match message {
        LiveMessage::LogEnd { subscription, error } => Some((subscription, error)),
        _ => None,
    };
    let (subscription, error) = socket.hear(end).await;
    assert!(subscription == 7 && error.unwrap().contains("absent"));
    api.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_of_another_version_is_no_reason_to_show_nothing() {
    let api = Api::start().await;
    let file = Part::bytes(b"print('hello')\n".to_vec()).file_name("hello.py");
    let upload = api.request("POST", "/api/apps/upload/script").bearer_auth(api.token(Scope::Admin).await);
    upload.multipart(Form::new().part("file", file)).send().await.unwrap().error_for_status().unwrap();
    let mut socket = connect(&api).await;
    for (subscription, after) in [(1, None), (2, Some("somewhere"))] {
        let (app, after) = (AppName::parse("hello").unwrap(), after.map(str::to_owned));
        let request = LiveRequest::FollowApp { subscription, app, execution: None, tail: 10, after };
        socket.say(&serde_json::to_string(&request).unwrap()).await;
    }
    let told = |message| match message {
        LiveMessage::LogGap { subscription, gap } => Some((subscription, gap)),
        LiveMessage::LogEnd { error, .. } => panic!("{error:?}"),
        _ => None,
    };
    assert_eq!(socket.hear(told).await, (2, LogGap::Unplaced));
    api.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_ends_with_its_token_and_with_nonsense() {
    let api = Api::start().await;
    let new = NewToken { name: "soon gone".into(), scope: Scope::Read, expires_in: None };
    let created = api.mantyx.create_token(&Actor::Mantyx, new).await.unwrap();
    let mut socket = Socket::open(&api, &ticket(&api, &created.secret).await).await.unwrap();
    socket.hear(hello).await;
    api.mantyx.revoke_token(&Actor::Mantyx, created.token.id).await.unwrap();
    assert_eq!(socket.closed().await, 1008);
    let mut other = connect(&api).await;
    other.say("nonsense").await;
    assert_eq!(other.closed().await, 1007);
    api.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_resumed_where_they_broke_off() {
    let api = Api::start().await;
    let token = api.token(Scope::Read).await;
    let page: Value =
        api.request("GET", "/api/events").bearer_auth(&token).send().await.unwrap().json().await.unwrap();
    let events = page["items"].as_array().unwrap();
    let (first, last) =
        (events[0]["sequence"].as_i64().unwrap(), events.last().unwrap()["sequence"].as_i64().unwrap());
    let stream = api.request("GET", "/api/events").bearer_auth(&token).header("accept", "text/event-stream");
    let mut stream = stream.header("last-event-id", first).send().await.unwrap();
    let mut text = String::new();
    let reading = async {
        let fresh = NewToken { name: "while it reads".into(), scope: Scope::Read, expires_in: None };
        api.mantyx.create_token(&Actor::Mantyx, fresh).await.unwrap();
        while !text.contains("while it reads") {
            text.push_str(std::str::from_utf8(&stream.chunk().await.unwrap().unwrap()).unwrap());
        }
    };
    timeout(DEADLINE, reading).await.unwrap();
    let ids: Vec<i64> =
        text.lines().filter_map(|line| line.strip_prefix("id: ")).map(|id| id.parse().unwrap()).collect();
    assert_eq!(ids, (first + 1..=last + 1).collect::<Vec<i64>>());
    let wrong = api.request("GET", "/api/events").bearer_auth(&token).header("accept", "text/event-stream");
    assert_eq!(refusal(wrong.header("last-event-id", "yesterday")).await, Code::Malformed);
    api.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_past_is_read_backwards_as_well() {
    let api = Api::start().await;
    let token = api.token(Scope::Read).await;
    let read = async |query: String| -> Page<EventView> {
        let request = api.request("GET", &format!("/api/events?{query}")).bearer_auth(&token);
        request.send().await.unwrap().json().await.unwrap()
    };
    let forwards: Vec<_> = read(String::new()).await.items.into_iter().map(|event| event.sequence).collect();
    let (mut backwards, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = read(format!("order=newest&limit=1{cursor}")).await;
        backwards.extend(page.items.into_iter().map(|event| event.sequence));
        let Some(next) = page.next_cursor else { break };
        cursor = format!("&cursor={next}");
    }
    backwards.reverse();
    assert!(forwards.len() > 1);
    assert_eq!(backwards, forwards);
    let stream = api.request("GET", "/api/events?order=newest").bearer_auth(&token);
    assert_eq!(refusal(stream.header("accept", "text/event-stream")).await, Code::Malformed);
    api.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_the_daemon_ends_what_has_no_end() {
    let api = Api::start().await;
    let token = api.token(Scope::Read).await;
    let mut socket = connect(&api).await;
    socket.hear(hello).await;
    let stream = api.request("GET", "/api/events").bearer_auth(&token).header("accept", "text/event-stream");
    let stream = stream.send().await.unwrap();
    timeout(DEADLINE, api.end()).await.unwrap();
    assert_eq!(socket.closed().await, 1001);
    timeout(DEADLINE, stream.bytes()).await.unwrap().unwrap();
}
