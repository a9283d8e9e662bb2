//! Settings, read and changed while the daemon runs.

use mantyx_api_types::{Page, SettingSource, SettingView};
use mantyx_core::{Code, Scope};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::server::refusal;
use crate::story::Story;

fn named<'a>(settings: &'a Page<SettingView>, name: &str) -> &'a SettingView {
    settings.items.iter().find(|setting| setting.name == name).unwrap_or_else(|| panic!("no `{name}`"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_setting_changes_and_becomes_its_default_again() {
    let story = Story::begin().await;
    let read = story.send("GET", "/api/settings").send().await.unwrap();
    let tag = read.headers()["etag"].clone();
    let before: Page<SettingView> = read.json().await.unwrap();
    let live = before.items.iter().find(|setting| setting.live && setting.value.is_number()).unwrap();
    assert_eq!((&live.source, &live.value), (&SettingSource::Default, &live.default));
    assert!(!live.description.is_empty() && !live.form.is_empty(), "{live:?}");

    let change = |value: &Value, tag: &str| {
        let request = story.send("PATCH", "/api/settings").header("if-match", tag);
        request.json(&json!({ &live.name: value }))
    };
    let changed = change(&json!(7), tag.to_str().unwrap()).send().await.unwrap();
    assert_eq!(changed.status(), StatusCode::OK);
    assert_ne!(changed.headers()["etag"], tag);
    let changed: Page<SettingView> = changed.json().await.unwrap();
    assert_eq!(named(&changed, &live.name).value, json!(7));
    assert!(matches!(named(&changed, &live.name).source, SettingSource::File { .. }));
    assert_eq!(story.read::<Page<SettingView>>("/api/settings").await, changed);
    assert_eq!(refusal(change(&json!(8), tag.to_str().unwrap())).await, Code::Stale);
    let again: Page<SettingView> = change(&Value::Null, "*").send().await.unwrap().json().await.unwrap();
    assert_eq!(named(&again, &live.name).value, live.default);
    story.api.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_set_is_refused_and_nothing_changes() {
    let story = Story::begin().await;
    let before: Page<SettingView> = story.read("/api/settings").await;
    let live = before.items.iter().find(|setting| setting.live && setting.value.is_number()).unwrap();
    let settled = before.items.iter().find(|setting| !setting.live).unwrap();
    let patch = |body: Value| story.send("PATCH", "/api/settings").json(&body);
    let wrong = [
        json!({ "colour": "red" }),
        json!({ &live.name: "many" }),
        json!({ &live.name: -1 }),
        json!({ &live.name: 7, "colour": "red" }),
        json!([]),
    ];
    for body in wrong {
        assert_eq!(refusal(patch(body.clone())).await, Code::Invalid, "{body}");
    }
    let code = refusal(patch(json!({ &settled.name: settled.default }))).await;
    assert!(matches!(code, Code::Invalid | Code::IllegalState), "{code:?}");
    assert_eq!(story.read::<Page<SettingView>>("/api/settings").await, before);

    let reader = story.api.token(Scope::Read).await;
    let read = story.api.request("GET", "/api/settings").bearer_auth(&reader).send().await.unwrap();
    assert_eq!(read.status(), StatusCode::OK);
    story.api.end().await;
}
