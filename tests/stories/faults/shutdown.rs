//! The machine is shut down, or the daemon is told to take its apps along: what ran comes up again, what a person
//! stopped does not.

use std::fs;

use mantyx_api_types::{EventView, Page};
use mantyx_core::{AppName, AppState, Ending, EventKind, ExecutionStatus, Trigger};
use mantyx_test_support::{PATIENCE, TestMantyx, apps, wait_until};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use super::scene::{Scene, is_alive, kill_9};

/// One that always runs again, one that never does by its own rule, one that somebody stopped.
async fn three(scene: &Scene) -> [AppName; 3] {
    let service = async |name, policy| {
        scene.service(name, apps::sleeper_script(), json!({ "restart_policy": policy })).await
    };
    let three =
        [service("busy", "always").await, service("once", "never").await, service("idle", "always").await];
    scene.client().event(&three[2], "stop").await.unwrap();
    three
}

/// As systemd does with everything when the machine goes down.
async fn terminate(monitor: u32) {
    let pid = Pid::from_raw(i32::try_from(monitor).unwrap()).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
    wait_until("a monitor to end", PATIENCE, async || (!is_alive(monitor)).then_some(())).await;
}

/// The first two run again, with a second execution each; the third is as it was.
async fn assert_back(scene: &Scene, [busy, once, idle]: &[AppName; 3]) {
    for name in [busy, once] {
        scene.pid(name).await;
        assert_eq!(scene.client().app(name).await.unwrap().state, AppState::Running);
        let runs = scene.client().executions(name).await.unwrap();
        assert_eq!((runs.len(), runs[0].trigger), (2, Trigger::Boot), "{runs:?}");
        assert_eq!((runs[1].status, &runs[1].ending), (ExecutionStatus::Cancelled, &Some(Ending::ShutDown)));
    }
    let idle = scene.client().app(idle).await.unwrap();
    assert_eq!((idle.state, idle.pid), (AppState::Stopped, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn after_the_machine_was_shut_down_what_ran_runs_again() {
    let mut scene = Scene::begin().await;
    let three = three(&scene).await;
    let mut monitors = Vec::new();
    for name in &three[..2] {
        let execution = scene.client().app(name).await.unwrap().execution.unwrap();
        monitors.push(scene.monitor(execution));
    }
    scene.mantyx.kill_9();
    for monitor in monitors {
        terminate(monitor).await;
    }
    scene.mantyx.start_again().await;
    assert_back(&scene, &three).await;
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_takes_its_apps_along_brings_them_up_again() {
    let mut scene = Scene::with(TestMantyx::builder().setting("stop_apps_on_shutdown", "true")).await;
    let three = three(&scene).await;
    assert!(scene.mantyx.stop().await.success());
    scene.assert_nobody_is_alive();
    scene.mantyx.start_again().await;
    assert_back(&scene, &three).await;
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_went_down_with_the_machine_without_a_word_is_lost_and_on_the_record() {
    let mut scene = Scene::begin().await;
    let name = scene.service("busy", apps::sleeper_script(), json!({})).await;
    let (pid, execution) =
        (scene.pid(&name).await, scene.client().app(&name).await.unwrap().execution.unwrap());
    scene.mantyx.kill_9();
    kill_9(scene.monitor(execution)).await;
    kill_9(pid).await;
    let run = scene.mantyx.root().join("run");
    for entry in fs::read_dir(&run).unwrap().flatten() {
        if entry.file_name().to_string_lossy().starts_with(&execution.to_string()) {
            fs::remove_file(entry.path()).unwrap();
        }
    }
    scene.mantyx.start_again().await;
    scene.other_pid(&name, pid).await;
    let runs = scene.client().executions(&name).await.unwrap();
    assert_eq!((runs.len(), runs[1].id, runs[1].status), (2, execution, ExecutionStatus::Lost));
    let events: Page<EventView> = scene.client().get("/api/events?limit=500").await.unwrap();
    let ends: Vec<_> =
        events.items.iter().filter(|event| event.kind == EventKind::ExecutionFinished).collect();
    assert_eq!((ends.len(), &ends[0].payload["status"]), (1, &json!("lost")), "{ends:?}");
    scene.end().await;
}
