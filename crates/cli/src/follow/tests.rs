//! Following, with a server that goes by a script: it breaks off, is not there, has no time, or is another one.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use mantyx_api_types::LogGap;
use proptest::prelude::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::client::tests::client_of;

/// When the first answer was given.
const DATE: &str = "Fri, 20 Nov 2026 14:37:15 GMT";

/// What becomes of a request.
#[derive(Clone, Debug)]
enum Turn {
    /// The connection is closed without an answer.
    Nothing,
    /// A refusal with this status and code.
    Refusal(u16, &'static str),
    /// The lines behind the one that is named, up to so many bytes of the answer's body.
    Lines(usize),
    /// A body of one's own.
    Body(&'static str),
}

/// To the end of the log.
const ALL: Turn = Turn::Lines(usize::MAX);

/// A server with a log of some lines. It goes by its script, then answers properly.
struct Server {
    url: String,
    requests: Arc<Mutex<Vec<String>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Server {
    async fn start(lines: usize, script: Vec<Turn>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&requests);
        let task = tokio::spawn(async move {
            for turn in script.into_iter().chain(std::iter::repeat(ALL)) {
                let (mut stream, _) = listener.accept().await.unwrap();
                let request = read_request(&mut stream).await;
                let last = request.split("last-event-id: line-").nth(1);
                let next =
                    last.map_or(0, |id| id.split("\r\n").next().unwrap().parse::<usize>().unwrap() + 1);
                heard.lock().unwrap().push(request);
                // Who was answered enough is gone before the last byte.
                let _ = stream.write_all(&answer(&turn, next..lines)).await;
            }
        });
        Self { url, requests, task }
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn read_request(stream: &mut TcpStream) -> String {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        request.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(request).unwrap().to_lowercase()
}

fn answer(turn: &Turn, lines: std::ops::Range<usize>) -> Vec<u8> {
    let answer = |status: &str, body: &str| {
        format!("HTTP/1.1 {status}\r\nconnection: close\r\ndate: {DATE}\r\n\r\n{body}").into_bytes()
    };
    match turn {
        Turn::Nothing => Vec::new(),
        Turn::Body(body) => answer("200 OK", body),
        Turn::Refusal(status, code) => {
            let body = format!(
                r#"{{"type": "", "title": "", "status": {status}, "detail": "No", "code": "{code}"}}"#
            );
            answer(&format!("{status} No"), &body)
        }
        Turn::Lines(most) => {
            let line = |number: usize| format!(": \n\nid: line-{number}\ndata: {number}\n\n");
            let mut body: String = lines.map(line).collect();
            body.push_str("event: end\ndata: {}\n\n");
            body.truncate(*most);
            answer("200 OK", &body)
        }
    }
}

const IMPATIENT: Patience =
    Patience { first: Duration::from_millis(1), longest: Duration::from_millis(4), at_most: None };

/// Everything that a follower is told, to the end or to its failure.
async fn follow(server: &Server, patience: Patience) -> (Vec<News>, Option<Failure>) {
    let client = client_of(&server.url);
    let asking =
        |untold: Option<DateTime<Utc>>| untold.map(|at| ("since", at.to_rfc3339())).into_iter().collect();
    let mut told = Vec::new();
    let mut follower = match Follower::open(&client, "/log", asking, patience).await {
        Ok(follower) => follower,
        Err(failure) => return (told, Some(failure)),
    };
    loop {
        match follower.next().await {
            Ok(Some(news)) => told.push(news),
            Ok(None) => return (told, None),
            Err(failure) => return (told, Some(failure)),
        }
    }
}

/// The same for a log of a few lines, and what was asked.
async fn told(lines: usize, script: Vec<Turn>) -> (Vec<News>, Option<Failure>, Vec<String>) {
    let server = Server::start(lines, script).await;
    let (news, failure) = follow(&server, IMPATIENT).await;
    (news, failure, server.requests())
}

fn line(number: usize) -> News {
    News::Data(number.to_string())
}

const BROKE_OFF: News = News::Lapse(Lapse::BrokeOff);
const BACK: News = News::Lapse(Lapse::Back);

/// Enough for the first line and the beginning of the second.
const FIRST_LINE: Turn = Turn::Lines(40);

fn any_turn() -> impl Strategy<Value = Turn> {
    prop_oneof![
        Just(Turn::Nothing),
        Just(Turn::Refusal(503, "unavailable")),
        Just(Turn::Refusal(429, "slow_down")),
        (0_usize..300).prop_map(Turn::Lines),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_line_is_lost_or_told_twice(
        lines in 0_usize..20,
        first in 0_usize..300,
        rest in prop::collection::vec(any_turn(), 0..6),
    ) {
        let script = std::iter::once(Turn::Lines(first)).chain(rest).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (news, failure, _) = runtime.block_on(told(lines, script));
        prop_assert!(failure.is_none(), "{:?}", failure);
        let (data, lapses): (Vec<News>, Vec<News>) = news.into_iter().partition(|news| matches!(news, News::Data(_)));
        prop_assert_eq!(data, (0..lines).map(line).collect::<Vec<_>>());
        // However often it is tried, it is said once that it broke off, and once that it is back.
        prop_assert!(lapses.chunks(2).all(|pair| pair == [BROKE_OFF, BACK]), "{:?}", lapses);
    }
}

#[tokio::test]
async fn it_goes_on_behind_the_last_line_that_was_told() {
    let script = vec![FIRST_LINE, Turn::Nothing, Turn::Refusal(503, "unavailable"), Turn::Lines(0)];
    let (news, failure, requests) = told(3, script).await;
    assert!(failure.is_none(), "{failure:?}");
    assert_eq!(news, [line(0), BROKE_OFF, BACK, BROKE_OFF, BACK, line(1), line(2)]);
    assert!(!requests[0].contains("last-event-id"), "{}", requests[0]);
    assert!(
        requests[1..].iter().all(|request| request.contains("last-event-id: line-0\r\n")),
        "{requests:?}"
    );
    assert_eq!(requests.len(), 5);
}

#[tokio::test]
async fn the_first_connection_fails_at_once() {
    for turn in [Turn::Nothing, Turn::Refusal(503, "unavailable"), Turn::Refusal(404, "not_found")] {
        let (news, failure, requests) = told(1, vec![turn]).await;
        assert!(failure.is_some() && news.is_empty());
        assert_eq!(requests.len(), 1);
    }
}

#[tokio::test]
async fn a_refusal_is_one_also_when_it_is_back() {
    for (status, code) in
        [(401, "unauthenticated"), (403, "forbidden"), (404, "not_found"), (500, "internal")]
    {
        let (news, failure, _) = told(2, vec![FIRST_LINE, Turn::Nothing, Turn::Refusal(status, code)]).await;
        assert_eq!(news, [line(0), BROKE_OFF]);
        assert!(matches!(failure, Some(Failure::Refused(problem)) if problem.status == status));
    }
}

#[tokio::test]
async fn a_refusal_in_the_middle_ends_it_and_what_is_not_known_is_passed_over() {
    let (news, failure, _) =
        told(0, vec![Turn::Body("event: new\ndata: x\n\ndata: 7\n\nevent: error\ndata: {}\n\n")]).await;
    assert_eq!(news, [line(7)]);
    assert!(matches!(failure, Some(Failure::Strange(_))), "{failure:?}");
}

#[tokio::test]
async fn lines_that_are_gone_are_told_of_where_they_stood() {
    let gap = Turn::Body("event: gap\ndata: \"removed\"\n\ndata: 7\n\nevent: end\ndata: {}\n\n");
    let (news, failure, _) = told(2, vec![FIRST_LINE, gap]).await;
    assert!(failure.is_none(), "{failure:?}");
    let missing = News::Lapse(Lapse::Missing(LogGap::Removed));
    assert_eq!(news, [line(0), BROKE_OFF, News::Lapse(Lapse::Back), missing, line(7)]);
}

#[tokio::test]
async fn where_the_place_is_not_known_it_begins_again_and_says_so() {
    let (news, failure, requests) = told(2, vec![FIRST_LINE, Turn::Refusal(400, "malformed")]).await;
    assert!(failure.is_none(), "{failure:?}");
    assert_eq!(news, [line(0), BROKE_OFF, News::Lapse(Lapse::BackElsewhere), line(0), line(1)]);
    assert!(
        requests[2].starts_with("get /log http") && !requests[2].contains("last-event-id"),
        "{}",
        requests[2]
    );
    // What is not understood without a place either is a refusal.
    let refusal = Turn::Refusal(400, "malformed");
    let (_, failure, requests) = told(2, vec![FIRST_LINE, refusal.clone(), refusal]).await;
    assert!(matches!(failure, Some(Failure::Refused(_))) && requests.len() == 3, "{failure:?}");
}

#[tokio::test]
async fn who_was_told_nothing_yet_asks_since_when() {
    let (news, failure, requests) = told(1, vec![Turn::Lines(0), Turn::Lines(0), FIRST_LINE]).await;
    assert!(failure.is_none(), "{failure:?}");
    assert_eq!(news, [BROKE_OFF, BACK, BROKE_OFF, BACK, line(0), BROKE_OFF, BACK]);
    let asks = |request: &String| request.contains("?since=2026-11-20t14%3a37%3a15%2b00%3a00 ");
    assert_eq!(
        requests.iter().map(asks).collect::<Vec<_>>(),
        [false, true, true, true],
        "an id is good for the query that it comes from"
    );
}

#[tokio::test]
async fn whose_patience_has_an_end_gives_up() {
    let mut script = vec![FIRST_LINE];
    script.extend(vec![Turn::Nothing; 10_000]);
    let server = Server::start(2, script).await;
    let at_most = Some(Duration::from_millis(20));
    let (news, failure) = follow(&server, Patience { at_most, ..IMPATIENT }).await;
    assert_eq!(news, [line(0), BROKE_OFF]);
    assert!(matches!(failure, Some(Failure::Unreachable(_))), "{failure:?}");
    assert!(server.requests().len() > 1, "it was tried again");
}
