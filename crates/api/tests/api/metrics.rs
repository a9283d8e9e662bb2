//! What apps use over time, as far as nothing of them needs to run.

use mantyx_api_types::{AppMetrics, Sparkline, UsageSpan};
use mantyx_core::{Code, Scope};
use reqwest::StatusCode;
use reqwest::multipart::{Form, Part};

use crate::server::{Api, refusal};

/// A Mantyx with the app `hello`, which never ran.
async fn with_an_app() -> (Api, String) {
    let api = Api::start().await;
    let token = api.token(Scope::Operate).await;
    let file = Part::bytes(b"print('hello')\n".to_vec()).file_name("hello.py");
    let upload = api.request("POST", "/api/apps/upload/script").bearer_auth(&token);
    let response = upload.multipart(Form::new().part("file", file)).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::CREATED);
    (api, token)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_span_has_its_resolution() {
    let (api, token) = with_an_app().await;
    let read = async |query: &str| -> AppMetrics {
        let request = api.request("GET", &format!("/api/apps/hello/metrics{query}")).bearer_auth(&token);
        request.send().await.unwrap().json().await.unwrap()
    };
    for (query, span, resolution) in [
        ("", UsageSpan::Hour, 10),
        ("?span=hour", UsageSpan::Hour, 10),
        ("?span=day", UsageSpan::Day, 60),
        ("?span=month", UsageSpan::Month, 3600),
    ] {
        let metrics = read(query).await;
        assert_eq!((metrics.span, metrics.resolution), (span, resolution), "{query}");
        assert!(metrics.points.is_empty() && metrics.lives.is_empty(), "{metrics:?}");
        assert!(metrics.uptime == 0.0 && metrics.restarts == 0, "{metrics:?}");
    }
    let lines = api.request("GET", "/api/sparklines").bearer_auth(&token).send().await.unwrap();
    assert!(lines.json::<Vec<Sparkline>>().await.unwrap().is_empty());
    api.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_span_and_no_app_is_refused() {
    let (api, token) = with_an_app().await;
    for (path, code) in [
        ("/api/apps/hello/metrics?span=year", Code::Malformed),
        ("/api/apps/hello/metrics?colour=red", Code::Malformed),
        ("/api/apps/absent/metrics", Code::NotFound),
    ] {
        assert_eq!(refusal(api.request("GET", path).bearer_auth(&token)).await, code, "{path}");
    }
    api.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_figures_name_every_app() {
    let (api, token) = with_an_app().await;
    let response = api.request("GET", "/metrics").bearer_auth(&token).send().await.unwrap();
    let text = response.text().await.unwrap();
    for line in [
        "# TYPE mantyx_app_cpu_seconds_total counter\nmantyx_app_cpu_seconds_total{app=\"hello\"} 0\n",
        "# TYPE mantyx_app_memory_bytes gauge\n#",
        "# TYPE mantyx_app_up gauge\nmantyx_app_up{app=\"hello\"} 0\n",
        "mantyx_app_restarts_total{app=\"hello\"} 0\n",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    api.end().await;
}
