//! What holds for every address: how it refuses, which headers it sends, and that uploads stay within their limit.

use crate::server::{Api, problem, refusal};
use mantyx_api_types::Problem;
use mantyx_core::{Code, Scope};
use reqwest::StatusCode;
use reqwest::multipart::{Form, Part};

#[tokio::test(flavor = "multi_thread")]
async fn every_mistake_of_a_client_is_a_problem_with_its_own_code() {
    let api = Api::start().await;
    let token = api.token(Scope::Admin).await;
    let table = [
        ("GET", "/api/nothing", "", Code::NotFound),
        ("GET", "/api", "", Code::NotFound),
        ("GET", "/api/apps/No%20Name", "", Code::NotFound),
        ("GET", "/api/apps/absent", "", Code::NotFound),
        ("GET", "/api/executions/1", "", Code::NotFound),
        ("GET", "/api/apps?colour=red", "", Code::Malformed),
        ("GET", "/api/apps?state=happy", "", Code::Malformed),
        ("GET", "/api/apps/x/logs?tail=-1", "", Code::Malformed),
        ("DELETE", "/api/apps", "", Code::MethodNotAllowed),
        ("POST", "/health", "", Code::MethodNotAllowed),
        ("POST", "/", "", Code::MethodNotAllowed),
        ("POST", "/api/tokens", "{", Code::Malformed),
        ("POST", "/api/tokens", "[]", Code::Invalid),
        ("POST", "/api/tokens", "{\"name\": \"x\"}", Code::Invalid),
        ("POST", "/api/apps/upload/git", "{\"url\": \"https://x/y\", \"colour\": 1}", Code::Invalid),
        ("POST", "/api/apps/upload/archive", "{}", Code::UnsupportedType),
        ("GET", "/logo.png", "", Code::NotFound),
    ];
    for (method, path, body, code) in table {
        let request =
            api.request(method, path).bearer_auth(&token).header("content-type", "application/json");
        assert_eq!(refusal(request.body(body)).await, code, "{method} {path} {body}");
    }
    let typeless = api.request("POST", "/api/tokens").bearer_auth(&token).body("{}");
    assert_eq!(refusal(typeless).await, Code::UnsupportedType);
    let endless = api.request("POST", "/api/tokens").bearer_auth(&token).json(&"x".repeat(2 << 20));
    assert_eq!(refusal(endless).await, Code::UploadTooLarge);
    api.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_method_lists_the_right_ones() {
    let api = Api::start().await;
    let token = api.token(Scope::Read).await;
    let response = api.request("PUT", "/api/apps/some-app").bearer_auth(&token).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(response.headers()["allow"], "GET, HEAD, PATCH, DELETE");
    let response = api.request("GET", "/token").send().await.unwrap();
    assert_eq!(response.headers()["allow"], "POST");
    api.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_has_the_security_headers() {
    let api = Api::start().await;
    for (method, path) in
        [("GET", "/"), ("GET", "/health"), ("GET", "/api/apps"), ("GET", "/docs/"), ("PUT", "/x")]
    {
        let response = api.request(method, path).send().await.unwrap();
        let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
        assert!(header("content-security-policy").contains("frame-ancestors 'none'"), "{path}");
        assert_eq!(header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(header("referrer-policy"), "no-referrer", "{path}");
        assert_eq!(header("cache-control"), "no-store", "{path}");
        assert!(!response.headers().contains_key("access-control-allow-origin"), "{path}");
    }
    api.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn head_answers_like_get_without_a_body() {
    let api = Api::start().await;
    let token = api.token(Scope::Read).await;
    for path in ["/api/apps", "/health", "/api/openapi.json"] {
        let get = api.request("GET", path).bearer_auth(&token).send().await.unwrap();
        let head = api.request("HEAD", path).bearer_auth(&token).send().await.unwrap();
        assert_eq!(
            (head.status(), head.headers()["content-type"].clone()),
            (get.status(), get.headers()["content-type"].clone())
        );
        assert!(head.bytes().await.unwrap().is_empty(), "{path}");
    }
    // This one has no end, and HEAD must not wait for it.
    let events = api.request("HEAD", "/api/events").bearer_auth(&token).header("accept", "text/event-stream");
    assert_eq!(events.send().await.unwrap().headers()["content-type"], "text/event-stream");
    api.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_documentation_is_there() {
    let api = Api::start().await;
    let page = api.request("GET", "/docs").send().await.unwrap();
    assert!(page.url().path() == "/docs/" && page.text().await.unwrap().contains("swagger-ui"));
    let initializer =
        api.request("GET", "/docs/swagger-initializer.js").send().await.unwrap().text().await.unwrap();
    assert!(initializer.contains("/docs/openapi.json"));
    let document: serde_json::Value =
        api.request("GET", "/docs/openapi.json").send().await.unwrap().json().await.unwrap();
    assert_eq!(document["info"]["title"], "Mantyx");
    let problems = api.request("GET", Problem::TYPES).send().await.unwrap().text().await.unwrap();
    assert!(problems.contains("id=\"not_found\""));
    api.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_beyond_the_limit_is_refused_and_leaves_nothing() {
    let api = Api::with(&[("upload-limit", "64 KiB")]).await;
    let token = api.token(Scope::Operate).await;
    // One that the length gives away, and one that does not say how long it is.
    for length in [4 << 20, 65 << 10] {
        let form = Form::new().part("file", Part::bytes(vec![b'x'; length]).file_name("x.zip"));
        let request = api.request("POST", "/api/apps/upload/archive").bearer_auth(&token).multipart(form);
        assert_eq!(refusal(request).await, Code::UploadTooLarge, "{length}");
    }
    let left = std::fs::read_dir(api.mantyx.uploads()).unwrap().count();
    assert_eq!(left, 0);
    api.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_is_refused_field_by_field() {
    let api = Api::start().await;
    let token = api.token(Scope::Operate).await;
    let send = |form: Form| {
        let request = api.request("POST", "/api/apps/upload/script").bearer_auth(&token).multipart(form);
        async { problem(request.send().await.unwrap()).await }
    };
    let file = || Part::bytes(b"print(1)".to_vec()).file_name("x.py");
    let wrong = send(Form::new().part("file", file()).text("name", "No Name").text("colour", "red")).await;
    let fields: Vec<&str> = wrong.errors.iter().map(|error| error.field.as_str()).collect();
    assert_eq!((wrong.code, fields), (Code::Invalid, vec!["colour", "name"]));
    assert_eq!(send(Form::new().text("name", "x")).await.errors[0].field, "file");
    let twice = send(Form::new().part("file", file()).part("file", file())).await;
    assert_eq!(twice.errors[0].field, "file");
    api.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_in_is_refused_in_the_words_of_oauth() {
    let api = Api::start().await;
    let refused = |form: &'static [(&str, &str)]| {
        let request = api.request("POST", "/token").form(form);
        async {
            let response = request.send().await.unwrap();
            assert_eq!(response.status(), StatusCode::BAD_REQUEST);
            let body: serde_json::Value = response.json().await.unwrap();
            assert!(body["error_description"].as_str().is_some_and(|why| !why.is_empty()));
            body["error"].as_str().unwrap().to_owned()
        }
    };
    assert_eq!(refused(&[("grant_type", "client_credentials")]).await, "unsupported_grant_type");
    assert_eq!(refused(&[("username", "admin"), ("password", "x")]).await, "unauthorized_client");
    let formless = api.request("POST", "/token").json(&1).send().await.unwrap();
    let body: serde_json::Value = formless.json().await.unwrap();
    assert_eq!(body["error"], "invalid_request");
    api.end().await;
}
