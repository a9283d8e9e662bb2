//! Nobody gets in without credentials, and credentials reach no further than they say.

use std::time::Instant;

use mantyx_api_types::{TokenAnswer, TokenCreated};
use mantyx_core::Code;
use mantyx_test_support::{TestMantyx, apps};
use reqwest::Method;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn the_password_logs_in_and_the_answer_is_that_of_oauth() {
    let mantyx =
        TestMantyx::builder().variable("MANTYX_OWNER_PASSWORD", "correct horse battery").start().await;
    let nobody = mantyx.client().without_token();
    let form = [("grant_type", "password"), ("username", "admin"), ("password", "correct horse battery")];
    let answer = nobody.request(Method::POST, "/token").form(&form).send().await.unwrap();
    let token: TokenAnswer = answer.json().await.unwrap();
    assert_eq!(token.token_type, "bearer");
    let _: Value = nobody.with_token(&token.access_token).get("/api/apps").await.unwrap();
    let wrong = [("username", "admin"), ("password", "wrong")];
    let answer = nobody.request(Method::POST, "/token").form(&wrong).send().await.unwrap();
    assert!(answer.status().is_client_error());
    let error: Value = answer.json().await.unwrap();
    assert_eq!(error["error"], "invalid_grant");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_password_the_form_says_so() {
    let mantyx = TestMantyx::start().await;
    let nobody = mantyx.client().without_token();
    let form = [("username", "admin"), ("password", "anything")];
    let answer = nobody.request(Method::POST, "/token").form(&form).send().await.unwrap();
    let error: Value = answer.json().await.unwrap();
    assert!(error["error_description"].as_str().unwrap().contains("No password is set"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_logs_one_browser_in_once() {
    let mantyx = TestMantyx::start().await;
    let link: Value = mantyx.client().post("/api/login/link", json!({})).await.unwrap();
    let code = link["url"].as_str().unwrap().split("code=").nth(1).unwrap().to_owned();
    let nobody = mantyx.client().without_token();
    let token: TokenAnswer = nobody.post("/api/login", json!({ "code": code })).await.unwrap();
    let _: Value = nobody.with_token(&token.access_token).get("/api/system").await.unwrap();
    let again: Result<Value, _> = nobody.post("/api/login", json!({ "code": code })).await;
    assert_eq!(again.unwrap_err().code(), Some(Code::WrongCredentials));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_reaches_as_far_as_its_scope_and_ends_when_revoked() {
    let mantyx = TestMantyx::start().await;
    let owner = mantyx.client();
    let name = owner.upload_script("s.py", apps::hello_script(), &[]).await.unwrap().app.name;
    let body = json!({ "name": "screen", "scope": "read" });
    let created: TokenCreated = owner.post("/api/tokens", body).await.unwrap();
    let reader = owner.with_token(&created.secret);
    reader.app(&name).await.unwrap();
    let refused = reader.event(&name, "install").await.unwrap_err();
    assert_eq!((refused.status, refused.code()), (403, Some(Code::Forbidden)));
    let _ = owner.request(Method::DELETE, &format!("/api/tokens/{}", created.token.id)).send().await.unwrap();
    assert_eq!(reader.app(&name).await.unwrap_err().status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_elsewhere_cannot_reach_in() {
    let mantyx = TestMantyx::start().await;
    let ask = async |name: &str, value: &str| {
        let request = mantyx.client().request(Method::GET, "/api/apps").header(name, value);
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(ask("Host", "evil.example").await, 403);
    assert_eq!(ask("Origin", "https://evil.example").await, 403);
    assert_eq!(ask("Host", "localhost:8420").await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn guessing_is_slowed_down() {
    let mantyx =
        TestMantyx::builder().variable("MANTYX_OWNER_PASSWORD", "correct horse battery").start().await;
    let nobody = mantyx.client().without_token();
    let mut answers = Vec::new();
    for _ in 0..8 {
        let form = [("username", "admin"), ("password", "wrong")];
        let answer = nobody.request(Method::POST, "/token").form(&form).send().await.unwrap();
        answers.push(answer.status().as_u16());
    }
    // Who is slow may guess again between two that are refused, after a pause that doubles.
    assert!(answers[5..].contains(&429), "{answers:?}");
    assert!(!answers[..5].contains(&429), "who mistypes is not slowed down: {answers:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_owner_token_is_for_the_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let mantyx = TestMantyx::start().await;
    let mode = mantyx.root().join("config/owner-token").metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(
        mantyx.client().with_token("nonsense").get::<Value>("/api/apps").await.unwrap_err().status,
        401
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn guessing_at_once_is_slowed_down_too() {
    let mantyx =
        TestMantyx::builder().variable("MANTYX_OWNER_PASSWORD", "correct horse battery").start().await;
    let nobody = mantyx.client().without_token();
    let begun = Instant::now();
    let mut guesses = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let form = [("username", "admin"), ("password", "wrong")];
        let guess = nobody.request(Method::POST, "/token").form(&form).send();
        guesses.spawn(async move { guess.await.unwrap().status().as_u16() });
    }
    let answers = guesses.join_all().await;
    let checked = answers.iter().filter(|status| **status != 429).count();
    // Five, and one more after a second, after two more, after four more: as slow as this machine may be.
    let most = 5 + (1 + begun.elapsed().as_secs()).ilog2();
    assert!(checked <= most as usize, "{checked} of 20 guesses were checked: {answers:?}");
}
