//! Scheduled apps: by cron, by interval, on demand, and what is skipped is said.

use mantyx_api_types::{EventView, Page, SchedulePreview, ScheduleView};
use mantyx_core::{AppName, Code, EventKind, ExecutionStatus, Trigger};
use mantyx_test_support::{Client, PATIENCE, TestMantyx, apps, wait_until};
use serde_json::{Value, json};

async fn every_second(client: &Client, app: &AppName) -> ScheduleView {
    let spec = json!({ "timing": { "kind": "interval", "seconds": 1 }, "timezone": "UTC" });
    let body = json!({ "app": app, "name": "every second", "spec": spec });
    client.post("/api/schedules", body).await.unwrap()
}

/// The first run that was left out.
async fn skipped(client: &Client) -> EventView {
    wait_until("a skipped run", PATIENCE, async || {
        let events: Page<EventView> = client.get("/api/events?limit=500").await.unwrap();
        events.items.into_iter().find(|event| event.kind == EventKind::ScheduleSkipped)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interval_runs_its_app_again_and_again_until_it_is_disabled() {
    let mantyx = TestMantyx::start().await;
    let client = mantyx.client();
    let fields = [("type", "scheduled"), ("name", "often")];
    let name = client.upload_script("often.py", apps::hello_script(), &fields).await.unwrap().app.name;
    let schedule = every_second(client, &name).await;
    assert_eq!(schedule.next.len(), 10);
    client.install_and_enable(&name).await;
    let runs = wait_until("three runs", PATIENCE, async || {
        let runs = client.executions(&name).await.unwrap();
        (runs.iter().filter(|run| run.status == ExecutionStatus::Success).count() >= 3).then_some(runs)
    })
    .await;
    assert!(runs.iter().all(|run| run.trigger == Trigger::Schedule && run.schedule == Some(schedule.id)));
    client.event(&name, "disable").await.unwrap();
    let stopped = client.executions(&name).await.unwrap().len();
    assert!(client.app(&name).await.unwrap().next_run.is_none());
    // Two further instants pass while another app's schedule shows that the clock goes on.
    let other = client.upload_script("o.py", apps::hello_script(), &fields[..1]).await.unwrap().app.name;
    every_second(client, &other).await;
    client.install_and_enable(&other).await;
    wait_until("two runs of the other app", PATIENCE, async || {
        (client.executions(&other).await.unwrap().len() >= 2).then_some(())
    })
    .await;
    assert_eq!(client.executions(&name).await.unwrap().len(), stopped);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_still_going_is_not_doubled_and_the_skip_is_recorded() {
    let mantyx = TestMantyx::start().await;
    let client = mantyx.client();
    let fields = [("type", "scheduled"), ("name", "slow")];
    let name = client.upload_script("slow.py", apps::sleeper_script(), &fields).await.unwrap().app.name;
    let schedule = every_second(client, &name).await;
    client.install_and_enable(&name).await;
    let skipped = skipped(client).await;
    assert_eq!(skipped.subject.id, schedule.id.to_string());
    assert_eq!(client.executions(&name).await.unwrap().len(), 1);
    let by_hand = client.event(&name, "run").await.unwrap_err();
    assert_eq!(by_hand.status, 409);
    client.event(&name, "stop").await.unwrap();
    let runs = client.executions(&name).await.unwrap();
    assert_eq!(runs.last().unwrap().status, ExecutionStatus::Cancelled);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cron_line_is_explained_and_a_wrong_one_says_which_field() {
    let mantyx = TestMantyx::start().await;
    let client = mantyx.client();
    let spec =
        |line: &str| json!({ "timing": { "kind": "cron", "expression": line }, "timezone": "Europe/Berlin" });
    let preview: SchedulePreview = client.post("/api/schedules/preview", spec("30 8 * * 1-5")).await.unwrap();
    assert_eq!(preview.next.len(), 10);
    assert!(preview.words.contains("08:30"), "{}", preview.words);
    let wrong: Result<Value, _> = client.post("/api/schedules/preview", spec("30 7 * * 1-8")).await;
    let wrong = wrong.unwrap_err();
    assert_eq!(wrong.code(), Some(Code::InvalidSchedule));
    assert!(wrong.problem.unwrap().detail.contains("0 to 7"));
    let refused = client.upload_script("x.py", apps::hello_script(), &[("schedule", "nonsense")]).await;
    assert_eq!(refused.unwrap_err().code(), Some(Code::InvalidSchedule));
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_that_were_missed_while_the_daemon_was_down_are_recorded() {
    let mut mantyx = TestMantyx::start().await;
    let client = mantyx.client();
    let fields = [("type", "scheduled"), ("name", "often")];
    let name = client.upload_script("often.py", apps::hello_script(), &fields).await.unwrap().app.name;
    let schedule = every_second(client, &name).await;
    client.install_and_enable(&name).await;
    wait_until("a run", PATIENCE, async || (!client.executions(&name).await.ok()?.is_empty()).then_some(()))
        .await;
    let due = client.app(&name).await.unwrap().next_run.unwrap();
    mantyx.kill_9();
    let down = chrono::Utc::now();
    // The instant that was due next and the one after it pass while nobody is there.
    let second = due + chrono::TimeDelta::seconds(1);
    wait_until("two instants to pass", PATIENCE, async || (chrono::Utc::now() > second).then_some(())).await;
    mantyx.start_again().await;
    let client = mantyx.client();
    let skipped = skipped(client).await;
    assert_eq!(skipped.subject.id, schedule.id.to_string());
    assert!(skipped.payload["count"].as_i64().unwrap() >= 1, "{skipped:?}");
    let first: chrono::DateTime<chrono::Utc> = skipped.payload["first"].as_str().unwrap().parse().unwrap();
    assert!(first >= due && first <= down + chrono::TimeDelta::seconds(1), "{skipped:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_perpetual_app_has_nothing_to_be_scheduled() {
    let mantyx = TestMantyx::start().await;
    let client = mantyx.client();
    let name = client.upload_script("s.py", apps::sleeper_script(), &[]).await.unwrap().app.name;
    let spec = json!({ "timing": { "kind": "interval", "seconds": 1 }, "timezone": "UTC" });
    let body = json!({ "app": name, "name": "never", "spec": spec });
    let refused: Result<Value, _> = client.post("/api/schedules", body).await;
    let problem = refused.unwrap_err().problem.unwrap();
    assert_eq!((problem.status, problem.errors[0].field.as_str()), (422, "app"));
}
