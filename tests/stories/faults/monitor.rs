//! A monitor is killed: its tree is stopped, its execution is lost, and the restart policy applies.

use mantyx_core::{AppState, Ending, ExecutionStatus, Trigger};
use mantyx_test_support::{PATIENCE, wait_until};
use reqwest::Method;
use serde_json::json;

use super::scene::{Scene, is_alive, kill_9};

/// Has a child, and, when it is told so, a grandchild that left its session, lost its parent and knows nothing of
/// where it came from.
const FAMILY: &str = r"
import os, sys, time
nap = 'import time; print(20 * chr(42), flush=True); time.sleep(600)'
if os.fork() == 0:
    time.sleep(600)
if 'stray' in sys.argv and os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execve(sys.executable, [sys.executable, '-c', nap, os.environ['APP_DATA_DIR']], {})
    os._exit(0)
print('up', flush=True)
time.sleep(600)
";

/// Whether there is a daemon when the monitor is killed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Daemon {
    Up,
    Down,
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_killed_monitor_its_whole_tree_goes_and_the_service_begins_again() {
    kill_monitor(Daemon::Up).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_monitor_that_was_killed_while_there_was_no_daemon_is_missed_too() {
    kill_monitor(Daemon::Down).await;
}

async fn kill_monitor(daemon: Daemon) {
    let mut scene = Scene::begin().await;
    // Only its control group leads to who has left everything else behind.
    let has_groups = scene.system().await.limits.processes;
    let (arguments, size) = if has_groups { (json!(["stray"]), 3) } else { (json!([]), 2) };
    let name = scene.service("family", FAMILY, json!({ "arguments": arguments })).await;
    scene.line(&name, if has_groups { "********" } else { "up" }).await;
    let family = async || Some(scene.alive()).filter(|tree| tree.len() == size);
    let tree = wait_until("the whole family", PATIENCE, family).await;
    let app = scene.client().app(&name).await.unwrap();
    let (execution, pid) = (app.execution.unwrap(), app.pid.unwrap());
    let groups = scene.groups(execution);
    assert_eq!(groups.is_empty(), !has_groups);
    let monitor = scene.monitor(execution);
    if daemon == Daemon::Down {
        scene.mantyx.kill_9();
    }
    kill_9(monitor).await;
    if daemon == Daemon::Down {
        scene.mantyx.start_again().await;
    }
    scene.other_pid(&name, pid).await;
    let left: Vec<&u32> = tree.iter().filter(|pid| is_alive(**pid)).collect();
    assert!(left.is_empty(), "of the old tree {left:?} are alive");
    let left: Vec<_> = groups.iter().filter(|group| group.exists()).collect();
    assert!(left.is_empty(), "of its groups {left:?} are there");
    let runs = scene.client().executions(&name).await.unwrap();
    assert_eq!((runs.len(), runs[0].trigger), (2, Trigger::Restart));
    assert_eq!((runs[1].status, runs[1].exit), (ExecutionStatus::Lost, None));
    assert_eq!(runs[1].ending, Some(Ending::Lost));
    assert!(runs[1].cause.as_ref().unwrap().contains("monitor"), "{runs:?}");
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_is_over_when_its_monitor_is_killed_and_a_run_is_lost_with_it() {
    let scene = Scene::begin().await;
    let deaf = "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('deaf', flush=True)\ntime.sleep(600)\n";
    let service = scene.service("service", deaf, json!({ "stop_grace": 600 })).await;
    let job = scene.job("job", deaf, json!({})).await;
    scene.client().event(&job, "run").await.unwrap();
    scene.line(&job, "deaf").await;
    scene.line(&service, "deaf").await;
    let run = scene.client().executions(&job).await.unwrap()[0].id;
    let served = scene.client().app(&service).await.unwrap().execution.unwrap();

    let stop = scene.client().request(Method::POST, &format!("/api/apps/{service}/stop"));
    let stopped = tokio::spawn(stop.json(&json!({})).send());
    scene.stopping(served).await;
    kill_9(scene.monitor(run)).await;
    assert_eq!(scene.ended(&job, 1).await.status, ExecutionStatus::Lost);
    scene.client().wait_for_state(&job, AppState::Enabled).await;
    kill_9(scene.monitor(served)).await;
    assert!(stopped.await.unwrap().unwrap().status().is_success());
    scene.assert_nobody_is_alive();
    assert_eq!(scene.client().app(&service).await.unwrap().state, AppState::Stopped);
    assert_eq!(scene.client().executions(&service).await.unwrap().len(), 1, "it was started again");
    scene.end().await;
}
