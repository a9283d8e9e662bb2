//! Requests with an `Idempotency-Key`: sent twice, carried out once, whichever daemon they reach.

use std::convert::Infallible;
use std::future::poll_fn;
use std::task::Poll;

use crate::live::DEADLINE;
use crate::server::{Api, problem, refusal};
use actix_web::dev::Service;
use actix_web::test::{TestRequest, init_service, read_body_json};
use futures_util::stream::{self, FuturesUnordered, StreamExt};
use mantyx_api::Server;
use mantyx_api_types::{AppView, NewToken, Page, Problem, TokenCreated, TokenView};
use mantyx_core::{Actor, Code, Scope};
use mantyx_operations::{Answer, KeyedRequest};
use reqwest::multipart::{Form, Part};
use reqwest::{Body, RequestBuilder, Response};
use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// A Mantyx, and a token that may do everything.
struct Story {
    api: Api,
    token: String,
}

impl Story {
    async fn begin() -> Self {
        let api = Api::start().await;
        let token = api.token(Scope::Admin).await;
        Self { api, token }
    }

    fn post(&self, path: &str, key: &str) -> RequestBuilder {
        self.api.request("POST", path).bearer_auth(&self.token).header("Idempotency-Key", key)
    }

    fn upload(&self, key: &str, file: Part) -> RequestBuilder {
        let form = Form::new().part("file", file.file_name("hello.py"));
        self.post("/api/apps/upload/script", key).multipart(form)
    }

    fn make_token(&self, key: &str, name: &str) -> RequestBuilder {
        self.post("/api/tokens", key).json(&json!({ "name": name, "scope": "read" }))
    }

    /// Waits until a file arrives.
    async fn upload_has_begun(&self) {
        let begun = async {
            while std::fs::read_dir(self.api.mantyx.uploads()).unwrap().count() == 0 {
                tokio::task::yield_now().await;
            }
        };
        timeout(DEADLINE, begun).await.unwrap();
    }

    async fn apps(&self) -> Vec<AppView> {
        self.api.mantyx.apps(&mantyx_api_types::AppFilter::default()).await.unwrap().items
    }

    async fn tokens_named(&self, name: &str) -> usize {
        let tokens: Page<TokenView> = self.api.mantyx.tokens().await.unwrap();
        tokens.items.iter().filter(|token| token.name == name).count()
    }
}

fn script() -> Part {
    Part::bytes(b"print('hello')\n".to_vec())
}

/// A file that arrives as far as it is sent.
fn slow_script() -> (mpsc::Sender<&'static str>, Part) {
    let (send, receive) = mpsc::channel(4);
    let chunks = stream::unfold(receive, |mut receive: mpsc::Receiver<&'static str>| async {
        receive.recv().await.map(|chunk| (Ok::<_, Infallible>(chunk), receive))
    });
    (send, Part::stream(Body::wrap_stream(chunks)))
}

fn is_replayed(response: &Response) -> bool {
    response.headers().get("idempotency-replayed").is_some_and(|value| value == "true")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retried_upload_makes_one_app() {
    let story = Story::begin().await;
    let first = story.upload("one", script()).send().await.unwrap();
    let retried = story.upload("one", script()).send().await.unwrap();
    assert_eq!((first.status().as_u16(), retried.status().as_u16()), (201, 201));
    assert_eq!((is_replayed(&first), is_replayed(&retried)), (false, true));
    for name in ["location", "content-type", "content-security-policy"] {
        assert_eq!(first.headers()[name], retried.headers()[name]);
    }
    assert_eq!(first.bytes().await.unwrap(), retried.bytes().await.unwrap());
    assert_eq!(story.apps().await.len(), 1);
    // A long one is read to its end before it is answered, or its client would hear of a broken connection.
    let long = Part::bytes(vec![b'#'; 8 << 20]);
    assert!(is_replayed(&story.upload("one", long).send().await.unwrap()));
    story.api.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_request_waits_for_the_first() {
    let story = Story::begin().await;
    let (send, slow) = slow_script();
    let first = tokio::spawn(story.upload("one", slow).send());
    send.send("print('hel").await.unwrap();
    story.upload_has_begun().await;
    let second = problem(story.upload("one", script()).send().await.unwrap()).await;
    assert_eq!(second.code, Code::OperationInProgress);
    assert!(second.hint.is_some());
    send.send("lo')\n").await.unwrap();
    drop(send);
    let first = first.await.unwrap().unwrap();
    assert_eq!(first.status(), 201);
    assert!(is_replayed(&story.upload("one", script()).send().await.unwrap()));
    assert_eq!(story.apps().await.len(), 1);
    story.api.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_broke_off_can_be_sent_again() {
    let story = Story::begin().await;
    let (send, slow) = slow_script();
    let first = tokio::spawn(story.upload("one", slow).send());
    send.send("print('hel").await.unwrap();
    story.upload_has_begun().await;
    first.abort();
    let repeated = async {
        loop {
            let response = story.upload("one", script()).send().await.unwrap();
            if response.status() != 409 {
                return response;
            }
        }
    };
    let repeated = timeout(DEADLINE, repeated).await.unwrap();
    assert_eq!((repeated.status().as_u16(), is_replayed(&repeated)), (201, false));
    assert_eq!(story.apps().await.len(), 1);
    story.api.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_stands_for_one_request_of_one_token() {
    let story = Story::begin().await;
    let first = story.make_token("one", "a").send().await.unwrap();
    let retried = story.make_token("one", "a").send().await.unwrap();
    assert!(is_replayed(&retried));
    assert_eq!(first.text().await.unwrap(), retried.text().await.unwrap());
    assert_eq!(refusal(story.make_token("one", "b")).await, Code::Invalid);
    assert_eq!(refusal(story.post("/api/login/link", "one")).await, Code::Invalid);
    assert_eq!((story.tokens_named("a").await, story.tokens_named("b").await), (1, 0));
    let body = json!({ "name": "a", "scope": "read" });
    let other = story.api.token(Scope::Admin).await;
    let of_other = story.api.request("POST", "/api/tokens").bearer_auth(&other).json(&body);
    let of_other = of_other.header("Idempotency-Key", "one").send().await.unwrap();
    assert!(!is_replayed(&of_other));
    assert_eq!(story.tokens_named("a").await, 2);
    story.api.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_repeated_and_what_was_never_begun_is_not() {
    let story = Story::begin().await;
    let refused = |response: Response| async {
        let replayed = is_replayed(&response);
        let Problem { code, .. } = problem(response).await;
        (code, replayed)
    };
    let nameless = || story.make_token("one", " ").send();
    assert_eq!(refused(nameless().await.unwrap()).await, (Code::Invalid, false));
    assert_eq!(refused(nameless().await.unwrap()).await, (Code::Invalid, true));
    let broken = || story.post("/api/tokens", "two").header("content-type", "application/json").body("{");
    for _ in 0..2 {
        assert_eq!(refused(broken().send().await.unwrap()).await, (Code::Malformed, false));
    }
    assert_eq!(story.make_token("two", "whole").send().await.unwrap().status(), 201);
    let long = story.post("/api/tokens", "three").json(&"x".repeat(2 << 20));
    assert_eq!(refusal(long).await, Code::UploadTooLarge);
    assert_eq!(refusal(story.make_token("", "x")).await, Code::Malformed);
    story.api.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_no_credential() {
    let story = Story::begin().await;
    let made = NewToken { name: "gone".into(), scope: Scope::Admin, expires_in: None };
    let gone = story.api.mantyx.create_token(&Actor::Mantyx, made).await.unwrap();
    let send = || {
        let request = story.api.request("POST", "/api/login/link").bearer_auth(&gone.secret);
        request.header("Idempotency-Key", "one")
    };
    assert_eq!(send().send().await.unwrap().status(), 200);
    story.api.mantyx.revoke_token(&Actor::Mantyx, gone.token.id).await.unwrap();
    assert_eq!(refusal(send()).await, Code::Unauthenticated);
    story.api.end().await;
}

impl Story {
    /// An upload that another daemon has begun on this database.
    async fn begun_before(&self, key: &str) -> KeyedRequest {
        let token = self.api.mantyx.tokens().await.unwrap().items[0].id;
        let path = "/api/apps/upload/script".to_owned();
        let request = KeyedRequest { token, key: key.to_owned(), path, body: None };
        assert_eq!(self.api.mantyx.begin_request(&request).await.unwrap(), None);
        request
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_earlier_daemon_has_answered_is_answered_again() {
    let story = Story::begin().await;
    let request = story.begun_before("one").await;
    let headers = vec![("location".to_owned(), "/api/apps/hello".to_owned())];
    let answer = Answer { status: 201, headers, body: Some("{\"a\": 1}".into()) };
    story.api.mantyx.keep_answer(&request, answer).await.unwrap();
    let again = story.upload("one", script()).send().await.unwrap();
    assert_eq!((again.status().as_u16(), is_replayed(&again)), (201, true));
    assert_eq!(again.headers()["location"], "/api/apps/hello");
    assert_eq!(again.text().await.unwrap(), "{\"a\": 1}");
    assert_eq!(refusal(story.make_token("one", "a")).await, Code::Invalid, "another request");
    assert_eq!(story.apps().await.len(), 0);
    story.api.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_earlier_daemon_did_not_finish_is_not_done_twice() {
    let story = Story::begin().await;
    let request = story.begun_before("one").await;
    let refused = problem(story.upload("one", script()).send().await.unwrap()).await;
    assert_eq!(refused.code, Code::IllegalState);
    assert!(refused.detail.contains("cannot tell how far it came") && refused.hint.is_some());
    assert_eq!(story.apps().await.len(), 0);
    story.api.mantyx.forget_request(&request).await.unwrap();
    let again = story.upload("one", script()).send().await.unwrap();
    assert_eq!((again.status().as_u16(), is_replayed(&again)), (201, false));
    story.api.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_database_has_no_secret_of_an_answer() {
    let story = Story::begin().await;
    let made = story.make_token("one", "a").send().await.unwrap();
    let secret = made.json::<TokenCreated>().await.unwrap().secret;
    let token = story.api.mantyx.tokens().await.unwrap().items[0].id;
    let other = KeyedRequest { token, key: "one".into(), path: "/".into(), body: None };
    let kept = story.api.mantyx.begin_request(&other).await.unwrap().unwrap();
    let answer = kept.answer.unwrap();
    assert_eq!((kept.request.path.as_str(), answer.status, &answer.body), ("/api/tokens", 201, &None));
    assert!(!format!("{answer:?}").contains(&secret));
    story.api.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_a_code_nor_another_spelling_of_an_address_gets_a_secret_kept() {
    let story = Story::begin().await;
    let code = story.api.mantyx.login_code().unwrap();
    let login = story.post("/api/login", "one").json(&json!({ "code": code })).send().await.unwrap();
    assert_eq!(login.status(), 200);
    let spelled = |path, name| story.post(path, "two").json(&json!({ "name": name, "scope": "read" }));
    assert_eq!(spelled("/%61pi/%74okens", "a").send().await.unwrap().status(), 201);
    assert!(is_replayed(&spelled("/api/tokens", "a").send().await.unwrap()));
    let token = story.api.mantyx.tokens().await.unwrap().items;
    let token = token.iter().find(|token| token.name == "a test with admin").unwrap().id;
    for (key, status) in [("one", 200), ("two", 201)] {
        let other = KeyedRequest { token, key: key.into(), path: "/".into(), body: None };
        let kept = story.api.mantyx.begin_request(&other).await.unwrap().unwrap().answer.unwrap();
        assert_eq!((kept.status, kept.body), (status, None), "{key}");
    }
    story.api.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_nowhere_is_not_noted() {
    let story = Story::begin().await;
    for (path, code) in [("/api/nothing", Code::NotFound), ("/api/system", Code::MethodNotAllowed)] {
        for _ in 0..2 {
            let refused = story.post(path, "one").send().await.unwrap();
            assert!(!is_replayed(&refused), "{path}");
            assert_eq!(problem(refused).await.code, code, "{path}");
        }
    }
    assert_eq!(story.make_token("one", "a").send().await.unwrap().status(), 201, "the key is free");
    story.api.end().await;
}

/// Polls a future until it is pending for the nth time, then drops it as actix does when a client leaves.
async fn leave_at<F: Future>(nth: usize, future: F) -> Option<F::Output> {
    let (mut future, mut pending) = (Box::pin(future), 0);
    let leaving = poll_fn(move |context| match future.as_mut().poll(context) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => {
            pending += 1;
            if pending == nth { Poll::Ready(None) } else { Poll::Pending }
        }
    });
    // In there it is polled only when it was woken itself.
    FuturesUnordered::from_iter([leaving]).next().await.unwrap()
}

#[actix_web::test]
async fn a_client_may_leave_at_any_moment_and_ask_again() {
    let story = Story::begin().await;
    let app = init_service(Server::new(story.api.mantyx.clone()).unwrap().app()).await;
    let send = |name: &str| {
        let request = TestRequest::post().uri("/api/tokens").insert_header(("Host", "localhost"));
        let request = request.insert_header(("Authorization", format!("Bearer {}", story.token)));
        let request = request.insert_header(("Idempotency-Key", name));
        app.call(request.set_json(json!({ "name": name, "scope": "read" })).to_request())
    };
    let mut left = 0;
    // It is pending while it is found out who asks, and while it is carried out, unless that is done at once.
    for round in 0..20 {
        let name = format!("left in round {round}");
        left += usize::from(leave_at(1 + round % 2, send(&name)).await.is_none());
        let again = async {
            loop {
                let response = send(&name).await.unwrap();
                if response.status() != 409 {
                    return response.status().as_u16();
                }
                let refusal: Problem = read_body_json(response).await;
                assert_eq!(refusal.code, Code::OperationInProgress, "{name}: {}", refusal.detail);
                tokio::task::yield_now().await;
            }
        };
        assert_eq!(timeout(DEADLINE, again).await.unwrap(), 201, "{name}");
        assert_eq!(story.tokens_named(&name).await, 1, "{name}");
    }
    assert!(left > 0);
    drop(app);
    story.api.end().await;
}
