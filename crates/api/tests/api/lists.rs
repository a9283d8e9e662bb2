//! Short lists in pages, and schedules that nobody overwrites unseen.

use crate::server::{Api, refusal};
use mantyx_api_types::{Page, ScheduleView};
use mantyx_core::{Code, Scope};
use reqwest::RequestBuilder;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

/// A Mantyx with scheduled apps, and a token that may do everything.
struct Story {
    api: Api,
    token: String,
}

impl Story {
    async fn with(apps: &[&str]) -> Self {
        let api = Api::start().await;
        let story = Self { token: api.token(Scope::Admin).await, api };
        for app in apps {
            let file = Part::bytes(b"print(1)".to_vec()).file_name("x.py");
            let form = Form::new().part("file", file).text("name", (*app).to_owned());
            let form = form.text("type", "scheduled").text("schedule", "0 4 * * *");
            let made = story.send("POST", "/api/apps/upload/script").multipart(form).send().await.unwrap();
            assert_eq!(made.status(), 201, "{app}");
        }
        story
    }

    fn send(&self, method: &str, path: &str) -> RequestBuilder {
        self.api.request(method, path).bearer_auth(&self.token)
    }

    async fn page(&self, path: &str) -> Page<Value> {
        self.send("GET", path).send().await.unwrap().json().await.unwrap()
    }

    /// One field of everything, read in pages of one, and the same read at once.
    async fn both_ways(&self, path: &str, field: &str) -> (Vec<Value>, Vec<Value>) {
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = self.page(&format!("{path}?limit=1{cursor}")).await;
            assert!(page.items.len() <= 1, "{path}");
            seen.extend(page.items.iter().map(|item| item[field].clone()));
            let Some(next) = page.next_cursor else { break };
            cursor = format!("&cursor={next}");
        }
        let whole = self.page(path).await;
        assert_eq!(whole.next_cursor, None);
        (seen, whole.items.iter().map(|item| item[field].clone()).collect())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_list_is_read_in_pages() {
    let story = Story::with(&["c", "a", "b"]).await;
    let (paged, whole) = story.both_ways("/api/schedules", "app").await;
    assert_eq!((&paged, &whole), (&vec![json!("a"), json!("b"), json!("c")], &paged));
    let (paged, whole) = story.both_ways("/api/apps/a/releases", "number").await;
    assert_eq!((&paged, &whole), (&vec![json!(1)], &paged));
    story.api.token(Scope::Read).await;
    let (paged, whole) = story.both_ways("/api/tokens", "name").await;
    assert_eq!((&paged, &whole), (&vec![json!("a test with admin"), json!("a test with read")], &paged));
    for app in ["b", "a"] {
        let gone = story.send("DELETE", &format!("/api/apps/{app}?confirm={app}&wait=20"));
        assert_eq!(gone.send().await.unwrap().status(), 200);
    }
    let (paged, whole) = story.both_ways("/api/trash", "name").await;
    assert_eq!((&paged, &whole), (&vec![json!("a"), json!("b")], &paged));
    story.api.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_page_is_refused() {
    let story = Story::with(&["a"]).await;
    for list in ["/api/schedules", "/api/trash", "/api/tokens", "/api/apps/a/releases"] {
        for query in ["limit=0", "limit=501", "limit=x", "cursor=x", "colour=red"] {
            let request = story.send("GET", &format!("{list}?{query}"));
            assert_eq!(refusal(request).await, Code::Malformed, "{list} {query}");
        }
    }
    story.api.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_overwrites_a_schedule_that_another_changed() {
    let story = Story::with(&["a"]).await;
    let list: Page<ScheduleView> =
        story.send("GET", "/api/schedules?app=a").send().await.unwrap().json().await.unwrap();
    let path = format!("/api/schedules/{}", list.items[0].id);
    let tag = async || {
        let read = story.send("GET", &path).send().await.unwrap();
        read.headers()["etag"].to_str().unwrap().to_owned()
    };
    let before = tag().await;
    assert!(before.starts_with('"') && before == tag().await, "{before}");
    let rename = |name: &str, tag: &str| {
        story.send("PATCH", &path).header("if-match", tag).json(&json!({ "name": name }))
    };
    let changed = rename("nightly", &before).send().await.unwrap();
    assert_eq!(changed.status(), 200);
    let after = changed.headers()["etag"].to_str().unwrap().to_owned();
    assert!(after != before && after == tag().await);
    assert_eq!(refusal(rename("hourly", &before)).await, Code::Stale);
    assert_eq!(refusal(rename("hourly", "nonsense")).await, Code::Malformed);
    assert_eq!(tag().await, after);
    assert_eq!(rename("hourly", "*").send().await.unwrap().status(), 200);
    // Without a tag it is changed whatever it is, and back to what it was it has the tag that it had.
    let back = story.send("PATCH", &path).json(&json!({ "name": list.items[0].name })).send().await.unwrap();
    assert_eq!(back.headers()["etag"].to_str().unwrap(), before);
    story.api.end().await;
}
