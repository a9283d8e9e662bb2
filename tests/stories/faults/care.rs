//! Apps that are alive and do nothing: they fall ill, miss their watchdog, or are given up for a while.

use chrono::{TimeDelta, Utc};
use mantyx_api_types::{AppView, EventView, Page};
use mantyx_core::{AppState, Ending, EventKind, ExecutionStatus, Exit, Health, Trigger};
use serde_json::json;

use super::scene::Scene;
use crate::visitor::visitor;

/// A page that stops to answer when somebody asks for `/hang`.
const HANGING_PAGE: &str = r"
import http.server, os, time
hangs = False
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        global hangs
        while hangs:
            time.sleep(0.1)
        hangs = self.path == '/hang'
        self.send_response(200)
        self.send_header('Content-Length', '2')
        self.end_headers()
        self.wfile.write(b'ok')
address = ('127.0.0.1', int(os.environ['PORT']))
http.server.ThreadingHTTPServer(address, Page).serve_forever()
";

/// Says that it is alive until its file is there.
const HANGING_WATCHDOG: &str = r"
import os, socket, time
notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
address = os.environ['NOTIFY_SOCKET'].replace('@', '\0', 1)
told = os.environ['APP_DATA_DIR'] + '/hang'
notify.sendto(b'READY=1\nSTATUS=Going well', address)
while True:
    if os.path.exists(told):
        os.remove(told)
        print('hangs', flush=True)
        time.sleep(600)
    notify.sendto(b'WATCHDOG=1', address)
    time.sleep(0.1)
";

/// Cannot work before its file is there.
const WANTING: &str = r"
import os, sys, time
if not os.path.exists(os.environ['APP_DATA_DIR'] + '/wanted'):
    sys.exit('Where is it?')
time.sleep(600)
";

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_stops_answering_is_ill_and_started_again() {
    let scene = Scene::begin().await;
    let probe = json!({ "kind": "http", "url": "/" });
    let health = json!({ "probe": probe, "interval": 1, "timeout": 3, "failures": 2, "start_period": 20 });
    let configuration = json!({ "web_port": "auto", "health": health, "stop_grace": 1 });
    let name = scene.service("page", HANGING_PAGE, configuration).await;
    let before = scene.client().wait_for_app(&name, "be well", |app| app.health == Health::Healthy).await;
    hang(&before).await;

    scene.other_pid(&name, before.pid.unwrap()).await;
    let after =
        scene.client().wait_for_app(&name, "be well again", |app| app.health == Health::Healthy).await;
    assert_eq!((after.state, after.restarts), (AppState::Running, 1));
    let runs = scene.client().executions(&name).await.unwrap();
    assert_eq!((runs.len(), runs[0].trigger, runs[1].status), (2, Trigger::Restart, ExecutionStatus::Failed));
    assert!(matches!(&runs[1].ending, Some(Ending::Unhealthy { detail }) if !detail.is_empty()), "{runs:?}");
    let events: Page<EventView> = scene.client().get("/api/events?limit=500").await.unwrap();
    let of_health = events.items.iter().filter(|event| event.kind == EventKind::AppHealthChanged);
    let told: Vec<String> = of_health.map(|event| event.payload.to_string()).collect();
    assert!(told.iter().any(|payload| payload.contains("unhealthy")), "{told:?}");
    assert!(told.last().is_some_and(|payload| payload.contains("\"healthy\"")), "{told:?}");
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_fell_ill_without_a_daemon_is_found_out_by_the_next_one() {
    let mut scene = Scene::begin().await;
    let probe = json!({ "kind": "http", "url": "/" });
    let health = json!({ "probe": probe, "interval": 1, "timeout": 5, "failures": 1, "start_period": 1 });
    let configuration = json!({ "web_port": "auto", "health": health, "stop_grace": 1, "restart_limit": 20 });
    let name = scene.service("page", HANGING_PAGE, configuration).await;
    let before = scene.client().wait_for_app(&name, "be well", |app| app.health == Health::Healthy).await;
    scene.mantyx.kill_9();
    hang(&before).await;
    scene.mantyx.start_again().await;
    scene.other_pid(&name, before.pid.unwrap()).await;
    let runs = scene.client().executions(&name).await.unwrap();
    let ill = runs.iter().find(|run| Some(run.id) == before.execution).unwrap();
    // Only what was adopted can be found to be ill.
    assert!(matches!(ill.ending, Some(Ending::Unhealthy { .. })), "{ill:?}");
    scene.end().await;
}

/// Lets a page stop to answer.
async fn hang(app: &AppView) {
    let page = format!("http://127.0.0.1:{}/hang", app.web_port.unwrap());
    visitor().get(page).send().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_misses_its_watchdog_is_ended_and_started_again() {
    let scene = Scene::begin().await;
    let configuration = json!({ "watchdog": 3, "stop_grace": 1 });
    let name = scene.service("watched", HANGING_WATCHDOG, configuration).await;
    let says =
        |app: &AppView| app.status_text.as_deref() == Some("Going well") && app.health == Health::Healthy;
    let before = scene.client().wait_for_app(&name, "say that it is ready and how it goes", says).await;
    scene.tell(&name, "hang", "");
    scene.other_pid(&name, before.pid.unwrap()).await;
    scene.client().wait_for_app(&name, "say it again", says).await;
    let runs = scene.client().executions(&name).await.unwrap();
    assert_eq!((runs.len(), runs[0].trigger), (2, Trigger::Restart));
    assert_eq!(
        (runs[1].exit, runs[1].ending.clone()),
        (Some(Exit::Signal(6)), Some(Ending::WatchdogExpired))
    );
    assert!(runs[1].cause.as_ref().unwrap().contains("WATCHDOG=1"));
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_was_given_up_is_tried_again_slowly_also_by_the_next_daemon() {
    let mut scene = Scene::begin().await;
    let configuration = json!({ "restart_limit": 1, "restart_delay": 0 });
    let name = scene.service("wanting", WANTING, configuration).await;
    let failed = scene.client().wait_for_state(&name, AppState::Failed).await;
    let retry = failed.restarts_at.expect("it is tried again");
    let soon = Utc::now() + TimeDelta::minutes(15);
    assert!((soon - retry).abs() < TimeDelta::minutes(2), "{retry}");
    assert!(failed.reason.as_ref().unwrap().contains("Restarted once"), "{failed:?}");

    scene.mantyx.kill_9();
    scene.mantyx.start_again().await;
    let found = scene.client().app(&name).await.unwrap();
    assert_eq!((found.state, found.restarts_at), (AppState::Failed, Some(retry)));
    assert_eq!(scene.client().executions(&name).await.unwrap().len(), 2, "it was not tried at once");

    scene.tell(&name, "wanted", "");
    scene.client().event(&name, "start").await.unwrap();
    let mended = scene.client().app(&name).await.unwrap();
    assert_eq!((mended.state, mended.restarts_at, mended.restarts), (AppState::Running, None, 0));
    scene.end().await;
}
