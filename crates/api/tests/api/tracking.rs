//! Following a git origin: by webhook, on demand, and what waits for what.

use hmac::{Hmac, KeyInit, Mac};
use mantyx_api_types::{
    EventView, HookCreated, OperationView, Page, TrackingOutcome, TrackingResult, TrackingView,
};
use mantyx_core::{Actor, Code, EventKind, OperationKind, OperationStatus, Scope, TrackingMode};
use mantyx_test_support::apps::{GitRepository, failing_script};
use mantyx_test_support::{PATIENCE, wait_until};
use reqwest::{RequestBuilder, StatusCode};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::server::{problem, refusal};
use crate::story::{Story, saying};

/// An app that comes from a repository of this machine.
struct Scene {
    story: Story,
    repository: GitRepository,
}

const TRACKING: &str = "/api/apps/tool/tracking";

impl Scene {
    async fn begin() -> Self {
        Self::of(Story::begin().await).await
    }

    async fn of(story: Story) -> Self {
        let repository = GitRepository::create(&[("main.py", &saying("one"))]);
        let source = json!({ "url": repository.url(), "name": "tool" });
        let made = story.send("POST", "/api/apps/upload/git").json(&source).send().await.unwrap();
        assert_eq!(made.status(), StatusCode::CREATED, "{}", made.text().await.unwrap());
        Self { story, repository }
    }

    async fn follow(&self, tracking: &Value) -> TrackingView {
        let answer = self.story.send("PUT", TRACKING).json(tracking).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{}", answer.text().await.unwrap());
        answer.json().await.unwrap()
    }

    async fn tracking(&self) -> TrackingView {
        self.story.read(TRACKING).await
    }

    async fn hook(&self) -> HookCreated {
        let answer = self.story.send("POST", &format!("{TRACKING}/hook")).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::CREATED);
        answer.json().await.unwrap()
    }

    async fn check(&self) -> TrackingOutcome {
        let answer = self.story.send("POST", &format!("{TRACKING}/check")).send().await.unwrap();
        let begun = answer.status() == StatusCode::ACCEPTED;
        assert!(begun || answer.status() == StatusCode::OK, "{}", answer.text().await.unwrap());
        let outcome: TrackingOutcome = answer.json().await.unwrap();
        assert_eq!(outcome.operation.is_some(), begun);
        outcome
    }

    /// A delivery without credentials.
    fn deliver(&self, path: &str, payload: &Value) -> RequestBuilder {
        self.story.api.request("POST", path).header("x-github-event", "push").json(payload)
    }

    /// A delivery that has somebody look; answers how it stands after that.
    async fn pushed(&self, delivery: RequestBuilder) -> TrackingView {
        let before = self.tracking().await.checked_at;
        assert_eq!(told(delivery).await.result, TrackingResult::Queued);
        let looked = async || Some(self.tracking().await).filter(|view| view.checked_at > before);
        wait_until("a look", PATIENCE, looked).await
    }

    async fn ended(&self, outcome: &TrackingOutcome) -> OperationView {
        let id = outcome.operation.unwrap_or_else(|| panic!("nothing was begun: {outcome:?}"));
        let operation: OperationView = self.story.read(&format!("/api/operations/{id}?wait=120")).await;
        assert_eq!(operation.status, OperationStatus::Succeeded, "{operation:?}");
        operation
    }

    async fn events(&self, kind: EventKind) -> Vec<EventView> {
        let page: Page<EventView> = self.story.read("/api/events?limit=500").await;
        page.items.into_iter().filter(|event| event.kind == kind).collect()
    }

    fn commit(&self, word: &str) -> String {
        self.repository.commit(word, &[("main.py", &saying(word))])
    }
}

async fn told(request: RequestBuilder) -> TrackingOutcome {
    let answer = request.send().await.unwrap();
    let (status, text) = (answer.status(), answer.text().await.unwrap());
    assert_eq!(status, StatusCode::ACCEPTED, "{text}");
    serde_json::from_str(&text).unwrap()
}

fn push(branch: &str) -> Value {
    json!({ "ref": format!("refs/heads/{branch}"), "after": "ab12", "repository": { "default_branch": "main" } })
}

fn mac(secret: &str, body: &str) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap().chain_update(body);
    hex::encode(mac.finalize().into_bytes())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_is_taken_into_use_and_what_somebody_went_back_from_is_left_alone() {
    let scene = Scene::of(Story::running().await).await;
    scene.story.done(scene.story.send("POST", "/api/apps/tool/install?wait=120")).await;
    let view = scene.follow(&json!({ "mode": "apply" })).await;
    assert_eq!((view.mode, view.reference.as_deref(), view.next_check), (TrackingMode::Apply, None, None));
    let hook = scene.hook().await;
    let ping = scene.story.api.request("POST", &hook.path).header("x-github-event", "ping").json(&json!({}));
    assert_eq!(told(ping).await.result, TrackingResult::Ping);
    let elsewhere = told(scene.deliver(&hook.path, &push("topic"))).await;
    assert_eq!(elsewhere.result, TrackingResult::Ignored);
    assert!(elsewhere.detail.contains("another branch"), "{elsewhere:?}");
    scene.pushed(scene.deliver(&hook.path, &push("main"))).await;
    assert_eq!(scene.story.last_operation().await.kind, OperationKind::Install, "nothing was new");

    let head = scene.commit("two");
    scene.pushed(scene.deliver(&hook.path, &push("main"))).await;
    let begun =
        async || Some(scene.story.last_operation().await).filter(|it| it.kind == OperationKind::Update);
    let operation = wait_until("the update to begin", PATIENCE, begun).await.id;
    let done: OperationView = scene.story.read(&format!("/api/operations/{operation}?wait=120")).await;
    assert_eq!(done.status, OperationStatus::Succeeded, "{done:?}");
    let view = scene.tracking().await;
    assert_eq!((&view.active, view.held_back.as_ref(), view.problem.as_ref()), (&head, None, None));
    assert!(view.last_check.is_some_and(|check| check.commits.len() == 1 && check.complete));
    let updates = scene.events(EventKind::AppUpdated).await;
    assert!(matches!(&updates[..], [EventView { actor: Actor::Webhook { .. }, .. }]), "{updates:?}");
    let view = scene.pushed(scene.deliver(&hook.path, &push("main"))).await;
    assert!(view.last_check.is_some_and(|check| check.head == check.active));

    scene.story.done(scene.story.send("POST", "/api/apps/tool/rollback?wait=120")).await;
    assert_eq!(scene.check().await.result, TrackingResult::HeldBack);
    assert_eq!(scene.tracking().await.held_back, Some(head));
    let next = scene.commit("three");
    let updating = scene.check().await;
    assert_eq!((updating.result, updating.head.as_ref()), (TrackingResult::Updating, Some(&next)));
    scene.ended(&updating).await;
    assert_eq!(scene.tracking().await.active, next);

    // Nobody went back from that one: the branch did.
    let first = scene.repository.go_back("HEAD~2");
    let updating = scene.check().await;
    assert_eq!(
        (updating.result, updating.head),
        (TrackingResult::Updating, Some(first)),
        "{}",
        updating.detail
    );
    scene.story.api.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_gone_vouches_for_nothing_more() {
    let scene = Scene::begin().await;
    let made = scene.story.send("POST", "/api/tokens").json(&json!({ "name": "ci", "scope": "admin" }));
    let made: Value = made.send().await.unwrap().json().await.unwrap();
    let follow = scene.story.api.request("PUT", TRACKING).bearer_auth(made["secret"].as_str().unwrap());
    let followed = follow.json(&json!({ "mode": "apply" })).send().await.unwrap();
    assert_eq!(followed.status(), StatusCode::OK);
    assert_eq!(scene.check().await.result, TrackingResult::UpToDate);
    let token = format!("/api/tokens/{}", made["token"]["id"].as_str().unwrap());
    assert_eq!(scene.story.send("DELETE", &token).send().await.unwrap().status(), StatusCode::NO_CONTENT);
    scene.commit("two");
    // A repository of this machine is for administrators.
    let check = scene.story.send("POST", &format!("{TRACKING}/check")).send().await.unwrap();
    let refused = problem(check).await;
    assert_eq!(refused.code, Code::Forbidden);
    assert!(refused.detail.contains("is gone") && refused.hint.is_some(), "{refused:?}");
    assert_eq!(scene.tracking().await.problem.map(|problem| problem.code), Some(Code::Forbidden));
    scene.follow(&json!({ "mode": "notify" })).await;
    assert_eq!(scene.check().await.result, TrackingResult::Available);
    scene.story.api.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_commit_is_told_of_once() {
    let scene = Scene::begin().await;
    scene.follow(&json!({ "mode": "notify", "schedule": "0 4 * * 7" })).await;
    assert_eq!(scene.check().await.result, TrackingResult::UpToDate);
    let head = scene.commit("two");
    for _ in 0..2 {
        let found = scene.check().await;
        assert_eq!((found.result, found.head.as_ref()), (TrackingResult::Available, Some(&head)));
    }
    let said = scene.events(EventKind::AppUpdateAvailable).await;
    assert_eq!(said.len(), 1, "{said:?}");
    assert_eq!((&said[0].payload["head"], &said[0].payload["commits"]), (&json!(head), &json!(1)));
    assert_eq!(said[0].payload["subject"], "two");
    scene.commit("three");
    scene.check().await;
    assert_eq!(scene.events(EventKind::AppUpdateAvailable).await.len(), 2);
    let view = scene.tracking().await;
    assert!(view.next_check.is_some() && view.words.as_ref().is_some_and(|words| words.contains("04:00")));
    assert_eq!(view.last_check.as_ref().unwrap().commits.len(), 2);
    assert_ne!(view.active, head);

    // Off, it is looked at only when somebody asks, and nothing is said.
    scene.follow(&json!({ "mode": "off" })).await;
    let hook = scene.hook().await;
    assert_eq!(told(scene.deliver(&hook.path, &push("main"))).await.result, TrackingResult::Ignored);
    assert_eq!(scene.check().await.result, TrackingResult::Available);
    assert_eq!(scene.events(EventKind::AppUpdateAvailable).await.len(), 2);
    let gone = scene.story.send("DELETE", TRACKING).send().await.unwrap();
    assert_eq!(gone.status(), StatusCode::NO_CONTENT);
    assert_eq!(refusal(scene.deliver(&hook.path, &push("main"))).await, Code::NotFound);
    assert_eq!(scene.tracking().await.set_at, None);
    scene.story.api.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_has_to_be_signed_right_where_it_is_signed() {
    let scene = Scene::begin().await;
    scene.follow(&json!({ "mode": "notify" })).await;
    let HookCreated { path, secret } = scene.hook().await;
    assert!(path.ends_with(&secret), "{path}");
    let body = push("main").to_string();
    let send = |headers: &[(&str, String)]| {
        let request = scene.story.api.request("POST", &path).body(body.clone());
        headers.iter().fold(request, |request, (name, value)| request.header(*name, value))
    };
    let (right, wrong) = (mac(&secret, &body), mac("another", &body));
    for headers in [
        vec![],
        vec![("x-hub-signature-256", format!("sha256={right}"))],
        vec![("x-gitea-signature", right.clone()), ("x-hub-signature-256", format!("sha256={right}"))],
        vec![("x-forgejo-signature", right.clone())],
        vec![("x-gitlab-token", secret.clone()), ("x-gitlab-event", "Push Hook".to_owned())],
    ] {
        assert_eq!(told(send(&headers)).await.result, TrackingResult::Queued, "{headers:?}");
    }
    for headers in [
        vec![("x-hub-signature-256", format!("sha256={wrong}"))],
        vec![("x-gitea-signature", right.clone()), ("x-hub-signature-256", format!("sha256={wrong}"))],
        vec![("x-gitlab-token", "guess".to_owned())],
    ] {
        assert_eq!(refusal(send(&headers)).await, Code::HookSignature, "{headers:?}");
    }
    let guess = || scene.story.api.request("POST", "/api/hooks/mantyx_hook_guess").json(&push("main"));
    let unknown = problem(guess().send().await.unwrap()).await;
    assert_eq!((unknown.code, unknown.hint), (Code::NotFound, None));
    assert_eq!(refusal(guess()).await, Code::NotFound);
    assert_eq!(refusal(guess()).await, Code::SlowDown, "five were refused");
    assert_eq!(told(send(&[])).await.result, TrackingResult::Queued, "whoever knows is never slowed");
    let rotated = scene.hook().await;
    assert_ne!(rotated.secret, secret);
    assert_eq!(told(scene.deliver(&rotated.path, &push("main"))).await.result, TrackingResult::Queued);
    let removed = scene.story.send("DELETE", &format!("{TRACKING}/hook")).send().await.unwrap();
    assert_eq!((removed.status(), scene.tracking().await.hook), (StatusCode::NO_CONTENT, None));
    scene.story.api.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_that_is_none_is_refused() {
    let scene = Scene::begin().await;
    scene.follow(&json!({ "mode": "notify" })).await;
    let HookCreated { path, .. } = scene.hook().await;
    let post = |body: Vec<u8>| scene.story.api.request("POST", &path).body(body);
    assert_eq!(refusal(post(b"<xml/>".to_vec())).await, Code::Malformed);
    assert_eq!(refusal(post(vec![b'x'; (1 << 20) + 1])).await, Code::UploadTooLarge);
    // Whoever says nothing has it looked at.
    scene.pushed(post(Vec::new())).await;
    let form = "payload=%7B%22ref%22%3A%22refs%2Fheads%2Ftopic%22%7D";
    let form = scene.story.api.request("POST", &path).body(form);
    let form = form.header("content-type", "application/x-www-form-urlencoded");
    assert_eq!(told(form).await.result, TrackingResult::Ignored);
    scene.story.api.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_followed_is_refused() {
    let scene = Scene::begin().await;
    scene.story.upload("script", "print(1)\n").await;
    let of_script = "/api/apps/script/tracking";
    assert_eq!(refusal(scene.story.send("GET", of_script)).await, Code::IllegalState);
    let follow = |path: &str, body: &Value| scene.story.send("PUT", path).json(body);
    assert_eq!(refusal(follow(of_script, &json!({ "mode": "notify" }))).await, Code::IllegalState);
    let wrong = follow(TRACKING, &json!({ "mode": "apply", "schedule": "daily at four" }));
    let wrong = problem(wrong.send().await.unwrap()).await;
    assert_eq!((wrong.code, wrong.errors[0].field.as_str()), (Code::InvalidSchedule, "schedule"));
    assert_eq!(refusal(follow(TRACKING, &json!({ "mode": "apply", "ref": " " }))).await, Code::Invalid);
    assert_eq!(refusal(follow(TRACKING, &json!({ "mode": "always" }))).await, Code::Invalid);
    for what in ["hook", "check"] {
        let request = scene.story.send("POST", &format!("{TRACKING}/{what}"));
        assert_eq!(refusal(request).await, Code::IllegalState, "{what}");
    }
    // A repository of this machine is read with the rights of Mantyx itself.
    let operator = scene.story.api.token(Scope::Operate).await;
    for mode in ["notify", "apply"] {
        let request = scene.story.api.request("PUT", TRACKING).bearer_auth(&operator);
        assert_eq!(refusal(request.json(&json!({ "mode": mode }))).await, Code::Forbidden, "{mode}");
    }
    let lost = scene.follow(&json!({ "mode": "notify", "ref": "topic" })).await;
    assert_eq!((lost.reference.as_deref(), lost.r#override.as_deref()), (Some("topic"), Some("topic")));
    assert_eq!(refusal(scene.story.send("POST", &format!("{TRACKING}/check"))).await, Code::GitReference);
    let view = scene.tracking().await;
    assert_eq!(view.problem.map(|problem| problem.code), Some(Code::GitReference));
    assert!(view.checked_at.is_some() && view.last_check.is_none());
    scene.story.api.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_failed_once_is_left_alone_until_there_is_another() {
    let scene = Scene::of(Story::running().await).await;
    let story = &scene.story;
    story.done(story.send("POST", "/api/apps/tool/install?wait=120")).await;
    assert_eq!(story.send("POST", "/api/apps/tool/enable").send().await.unwrap().status(), StatusCode::OK);
    let before = scene.follow(&json!({ "mode": "apply" })).await.active;
    let bad = scene.repository.commit("Break it", &[("main.py", &failing_script(3))]);
    let begun = scene.check().await;
    let path = format!("/api/operations/{}?wait=120", begun.operation.unwrap());
    let operation: OperationView = story.read(&path).await;
    assert_eq!(operation.status, OperationStatus::Failed, "{operation:?}");
    let again = scene.check().await;
    assert_eq!((again.result, again.head.as_ref()), (TrackingResult::HeldBack, Some(&bad)));
    let view = scene.tracking().await;
    assert_eq!((view.active, view.held_back), (before, Some(bad)));
    let good = scene.commit("mended");
    scene.ended(&scene.check().await).await;
    assert_eq!(scene.tracking().await.active, good);
    scene.story.api.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_waits_for_the_operation_that_has_the_app() {
    let scene = Scene::of(Story::running().await).await;
    let story = &scene.story;
    story.done(story.send("POST", "/api/apps/tool/install?wait=120")).await;
    assert_eq!(story.send("POST", "/api/apps/tool/enable").send().await.unwrap().status(), StatusCode::OK);
    scene.follow(&json!({ "mode": "apply" })).await;
    // A restart goes on for as long as a file is not there.
    let mark = story.api.mantyx.settings().root.join("well");
    let probe = json!({ "kind": "exec", "command": format!("test -f {}", mark.display()) });
    let patch = json!({ "configuration": { "health": { "probe": probe, "interval": 1 } } });
    let begun = story.send("PATCH", "/api/apps/tool?restart=true").json(&patch).send().await.unwrap();
    assert_eq!(begun.status(), StatusCode::ACCEPTED, "{}", begun.text().await.unwrap());
    let head = scene.commit("two");
    let waiting = scene.check().await;
    assert_eq!(waiting.result, TrackingResult::Waiting);
    assert!(scene.tracking().await.waiting);
    std::fs::write(&mark, "").unwrap();
    let taken = async || Some(scene.tracking().await).filter(|view| view.active == head && !view.waiting);
    wait_until("the newest commit to be active", PATIENCE, taken).await;
    let updates = scene.events(EventKind::AppUpdated).await;
    assert_eq!(updates.last().map(|event| &event.actor), Some(&Actor::Mantyx));
    scene.story.api.end().await;
}
