//! A request that is sent again after the daemon was killed is not carried out twice.

use mantyx_api_types::{AppView, Page};
use mantyx_test_support::{TestMantyx, apps};
use reqwest::multipart::{Form, Part};
use reqwest::{Method, Response};

async fn upload(mantyx: &TestMantyx, key: &str) -> Response {
    let file = Part::bytes(apps::hello_script().as_bytes().to_vec()).file_name("hello.py");
    let request = mantyx.client().request(Method::POST, "/api/apps/upload/script");
    let request = request.header("Idempotency-Key", key);
    request.multipart(Form::new().part("file", file)).send().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_is_sent_again_to_the_next_daemon_makes_one_app() {
    let mut mantyx = TestMantyx::start().await;
    let first = upload(&mantyx, "one").await;
    assert_eq!(first.status(), 201);
    let (place, body) = (first.headers()["location"].clone(), first.text().await.unwrap());
    for _ in 0..2 {
        mantyx.kill_9();
        mantyx.start_again().await;
        let again = upload(&mantyx, "one").await;
        assert_eq!((again.status().as_u16(), &again.headers()["location"]), (201, &place));
        assert_eq!(again.headers()["idempotency-replayed"], "true");
        assert_eq!(again.text().await.unwrap(), body);
    }
    let page: Page<AppView> = mantyx.client().get("/api/apps").await.unwrap();
    assert_eq!(page.items.len(), 1);
}
