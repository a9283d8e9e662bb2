//! Apps that do not want to end. After a stop, or after their main process, nothing of them is alive.

use mantyx_core::{AppState, ExecutionStatus, Exit};
use mantyx_test_support::{PATIENCE, wait_until};
use reqwest::Method;
use serde_json::json;

use super::scene::Scene;

/// Deaf to SIGTERM, as is everything that it starts: a child, one in a session of its own, one that became a daemon,
/// and one that in addition threw its environment away.
const DEAF: &str = r"
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
def nap(name):
    print(name, flush=True)
    time.sleep(600)
def daemonise(name, then):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            then(name)
        os._exit(0)
    os.wait()
def forget(name):
    code = 'import time; print(%r, flush=True); time.sleep(600)' % name
    os.execve(sys.executable, [sys.executable, '-c', code, os.environ['APP_DATA_DIR']], {})
daemonise('daemon', nap)
daemonise('stray', forget)
if os.fork() == 0:
    nap('child')
if os.fork() == 0:
    os.setsid()
    nap('session')
if 'leave' in sys.argv:
    while not os.path.exists(os.environ['APP_DATA_DIR'] + '/leave'):
        time.sleep(0.02)
    print('leaving', flush=True)
    sys.exit(0)
nap('main')
";

/// Never the same process for longer than a few milliseconds, and always in a session of its own. It ends by itself,
/// whoever else does not stop it.
const HOPPER: &str = r"
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
end = time.monotonic() + 120
if os.fork() == 0:
    print('hops', flush=True)
    while time.monotonic() < end:
        if os.fork() != 0:
            os._exit(0)
        os.setsid()
        time.sleep(0.002)
    os._exit(0)
time.sleep(120)
";

const NAMES: [&str; 4] = ["daemon", "stray", "child", "session"];

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_ends_the_deaf_the_daemonised_and_those_who_left_everything_behind() {
    let scene = Scene::begin().await;
    let name = scene.service("deaf", DEAF, json!({ "stop_grace": 1 })).await;
    for process in NAMES.into_iter().chain(["main"]) {
        scene.line(&name, process).await;
    }
    let all = async || (scene.alive().len() == 5).then_some(());
    wait_until("the whole tree", PATIENCE, all).await;
    scene.client().event(&name, "stop").await.unwrap();
    scene.assert_nobody_is_alive();
    let app = scene.client().app(&name).await.unwrap();
    assert_eq!((app.state, app.pid), (AppState::Stopped, None));
    let run = scene.client().executions(&name).await.unwrap().remove(0);
    assert_eq!((run.status, run.exit), (ExecutionStatus::Cancelled, Some(Exit::Signal(9))));
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_main_process_leaves_behind_ends_with_it() {
    let scene = Scene::begin().await;
    let configuration = json!({ "stop_grace": 1, "arguments": ["leave"] });
    let service = scene.service("service", DEAF, configuration.clone()).await;
    let job = scene.job("job", DEAF, configuration).await;
    scene.client().event(&job, "run").await.unwrap();
    for name in [&service, &job] {
        for process in NAMES {
            scene.line(name, process).await;
        }
        scene.tell(name, "leave", "");
        let run = scene.ended(name, 1).await;
        assert_eq!((run.status, run.exit), (ExecutionStatus::Success, Some(Exit::Code(0))));
        scene.line(name, "leaving").await;
    }
    scene.assert_nobody_is_alive();
    scene.client().wait_for_state(&service, AppState::Stopped).await;
    scene.client().wait_for_state(&job, AppState::Enabled).await;
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_forks_away_from_every_signal_is_caught() {
    let scene = Scene::begin().await;
    let name = scene.service("hopper", HOPPER, json!({ "stop_grace": 1 })).await;
    scene.line(&name, "hops").await;
    scene.client().event(&name, "stop").await.unwrap();
    scene.assert_nobody_is_alive();
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_whose_daemon_is_killed_is_a_stop_all_the_same() {
    let mut scene = Scene::begin().await;
    let name = scene.service("deaf", DEAF, json!({ "stop_grace": 10 })).await;
    for process in NAMES.into_iter().chain(["main"]) {
        scene.line(&name, process).await;
    }
    let execution = scene.client().app(&name).await.unwrap().execution.unwrap();
    let request = scene.client().request(Method::POST, &format!("/api/apps/{name}/stop"));
    let asked = tokio::spawn(request.json(&json!({})).send());
    scene.stopping(execution).await;
    scene.mantyx.kill_9();
    let _ = asked.await;
    scene.mantyx.start_again().await;
    scene.client().wait_for_state(&name, AppState::Stopped).await;
    wait_until("everybody to be gone", PATIENCE, async || scene.alive().is_empty().then_some(())).await;
    let runs = scene.client().executions(&name).await.unwrap();
    assert_eq!((runs.len(), runs[0].status), (1, ExecutionStatus::Cancelled));
    scene.end().await;
}
