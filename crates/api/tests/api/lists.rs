//! Lists in pages, lists that are never older than what somebody was told, and things that nobody overwrites unseen.

use crate::server::{Api, refusal};
use mantyx_api_types::{NewToken, Page, ScheduleView};
use mantyx_core::{Actor, Code, Scope};
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

/// What is answered to a request that sends back the tag of an earlier answer.
async fn unless_had(story: &Story, path: &str, tag: &str) -> (u16, String) {
    let answer = story.send("GET", path).header("if-none-match", tag).send().await.unwrap();
    let tag = answer.headers()["etag"].to_str().unwrap().to_owned();
    let status = answer.status().as_u16();
    assert_eq!(answer.text().await.unwrap().is_empty(), status == 304);
    (status, tag)
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_was_told_of_a_change_finds_it_in_the_next_list() {
    let story = Story::with(&["a", "b"]).await;
    let lists = ["/api/apps", "/api/apps?limit=1", "/api/apps?text=a", "/api/apps?type=scheduled&tag=x"];
    let patch = async |tags: &[String]| {
        let change = json!({ "description": tags.join(" "), "tags": tags });
        let changed = story.send("PATCH", "/api/apps/a").json(&change).send().await.unwrap();
        assert_eq!(changed.status(), 200);
    };
    for turn in 0..40 {
        let said = [format!("turn {turn}"), "x".to_owned()];
        // Others ask all the while, so that there is always an answer of before to be given.
        let asked = async {
            for list in lists {
                story.page(list).await;
            }
        };
        tokio::join!(patch(&said), asked);
        for list in lists {
            let app = &story.page(list).await.items[0];
            assert_eq!(app["description"], said.join(" "), "{list} in turn {turn}");
        }
    }
    let gone = story.send("DELETE", "/api/apps/a?confirm=a&wait=20").send().await.unwrap();
    assert_eq!(gone.status(), 200);
    assert_eq!(story.page("/api/apps?limit=1").await.items[0]["name"], "b");
    story.api.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_one_has_is_not_sent_again() {
    let story = Story::with(&["a"]).await;
    for path in ["/api/apps", "/api/apps?limit=1", "/api/apps/a"] {
        let (status, tag) = unless_had(&story, path, "\"other\"").await;
        assert_eq!(status, 200);
        assert_eq!(unless_had(&story, path, &tag).await, (304, tag.clone()), "{path}");
        assert_eq!(unless_had(&story, path, &format!("W/{tag}")).await.0, 304, "{path}");
        let change = json!({ "display_name": format!("After {path}") });
        assert_eq!(story.send("PATCH", "/api/apps/a").json(&change).send().await.unwrap().status(), 200);
        assert_eq!(unless_had(&story, path, &tag).await.0, 200, "{path}");
    }
    story.api.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_nobodys_but_who_may_read_and_names_the_host_that_was_asked() {
    let story = Story::with(&["a"]).await;
    let port = json!({ "configuration": { "web_port": 19050 } });
    assert_eq!(story.send("PATCH", "/api/apps/a").json(&port).send().await.unwrap().status(), 200);
    let from = async |host: &str| {
        let answer = story.send("GET", "/api/apps").header("host", host).send().await.unwrap();
        answer.json::<Page<Value>>().await.unwrap().items[0]["web_url"].clone()
    };
    for host in ["localhost", "127.0.0.1", "localhost"] {
        assert_eq!(from(host).await, format!("http://{host}:19050/"));
    }
    assert_eq!(refusal(story.api.request("GET", "/api/apps")).await, Code::Unauthenticated);
    let made = NewToken { name: "gone".into(), scope: Scope::Read, expires_in: None };
    let gone = story.api.mantyx.create_token(&Actor::Mantyx, made).await.unwrap();
    let ask = || story.api.request("GET", "/api/apps").bearer_auth(&gone.secret);
    assert_eq!(ask().send().await.unwrap().status(), 200);
    let path = format!("/api/tokens/{}", gone.token.id);
    assert_eq!(story.send("DELETE", &path).send().await.unwrap().status(), 204);
    assert_eq!(refusal(ask()).await, Code::Unauthenticated, "who is revoked is known no more");
    story.api.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tag_of_an_app_is_good_for_its_change() {
    let story = Story::with(&["a"]).await;
    let (_, tag) = unless_had(&story, "/api/apps/a", "\"other\"").await;
    let change = |tag: &str, limit: u32| {
        let change = json!({ "configuration": { "restart_limit": limit } });
        story.send("PATCH", "/api/apps/a").header("if-match", tag).json(&change)
    };
    assert_eq!(change(&tag, 7).send().await.unwrap().status(), 200);
    assert_eq!(refusal(change(&tag, 8)).await, Code::Stale);
    story.api.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_without_a_zone_is_read_in_that_of_mantyx() {
    let story = Story::with(&["a"]).await;
    let timing = json!({ "kind": "cron", "expression": "0 4 * * *" });
    let new = json!({ "app": "a", "name": "early", "spec": { "timing": timing } });
    let made = story.send("POST", "/api/schedules").json(&new).send().await.unwrap();
    assert_eq!(made.status(), 201);
    let made: ScheduleView = made.json().await.unwrap();
    let system: Value = story.send("GET", "/api/system").send().await.unwrap().json().await.unwrap();
    assert_eq!(made.spec.timezone, system["timezone"]);
    let preview =
        story.send("POST", "/api/schedules/preview").json(&json!({ "timing": timing })).send().await;
    assert_eq!(preview.unwrap().status(), 200);
    // A change that names none keeps the one that is there.
    let path = format!("/api/schedules/{}", made.id);
    for (spec, zone) in [
        (json!({ "timing": timing, "timezone": "Asia/Tokyo" }), "Asia/Tokyo"),
        (json!({ "timing": { "kind": "cron", "expression": "0 5 * * *" } }), "Asia/Tokyo"),
    ] {
        let changed = story.send("PATCH", &path).json(&json!({ "spec": spec })).send().await.unwrap();
        assert_eq!(changed.json::<ScheduleView>().await.unwrap().spec.timezone, zone);
    }
    story.api.end().await;
}
