//! Pids are used again. A record that names one which somebody else has by now leads to nobody.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command};

use mantyx_core::{AppName, Ending, ExecutionStatus};
use mantyx_test_support::{PATIENCE, apps, wait_until};
use serde_json::{Value, json};

use super::scene::{Scene, kill_9};

/// A process that Mantyx has nothing to do with; it ends with its story.
struct Stranger(Child);

impl Stranger {
    fn appears() -> Self {
        Self(Command::new("sleep").arg("120").process_group(0).spawn().unwrap())
    }

    /// When it began, in clock ticks since boot: the 22nd field, counted behind the name (proc(5)).
    fn start_ticks(&self) -> u64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.0.id())).unwrap();
        stat.rsplit_once(')').unwrap().1.split_whitespace().nth(19).unwrap().parse().unwrap()
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_with_the_pid_of_an_app_is_neither_adopted_nor_killed() {
    let mut scene = Scene::begin().await;
    let reused = scene.service("reused", apps::sleeper_script(), json!({})).await;
    let rebooted = scene.service("rebooted", apps::sleeper_script(), json!({})).await;
    let before = [scene.pid(&reused).await, scene.pid(&rebooted).await];
    let (mut younger, mut unrelated) = (Stranger::appears(), Stranger::appears());

    let executions = [execution(&scene, &reused).await, execution(&scene, &rebooted).await];
    scene.mantyx.kill_9();
    for (execution, pid) in executions.iter().zip(before) {
        kill_9(scene.monitor(*execution)).await;
        kill_9(pid).await;
    }
    // Both the app and its monitor: the pid is the stranger's now, the start time is still the old one.
    forge(&scene, executions[0], |record| {
        record["monitor"]["pid"] = younger.0.id().into();
        record["main"]["id"]["pid"] = younger.0.id().into();
    });
    // Everything fits, but it was said of another boot, which left no control groups.
    remove(&scene.groups(executions[1])).await;
    forge(&scene, executions[1], |record| {
        let id = json!({ "pid": unrelated.0.id(), "start_ticks": unrelated.start_ticks() });
        (record["monitor"], record["main"]["id"]) = (id.clone(), id);
        record["boot_id"] = "00000000-0000-4000-8000-000000000000".into();
    });
    scene.mantyx.start_again().await;

    for (name, before) in [&reused, &rebooted].into_iter().zip(before) {
        let pid = scene.other_pid(name, before).await;
        assert!(pid != younger.0.id() && pid != unrelated.0.id(), "a stranger was adopted");
        let runs = scene.client().executions(name).await.unwrap();
        assert_eq!((runs[1].status, runs[1].ending.clone()), (ExecutionStatus::Lost, Some(Ending::Lost)));
    }
    scene.end().await;
    assert_eq!(younger.0.try_wait().unwrap(), None, "a stranger was killed");
    assert_eq!(unrelated.0.try_wait().unwrap(), None, "a stranger was killed");
}

async fn execution(scene: &Scene, app: &AppName) -> mantyx_core::ExecutionId {
    scene.client().app(app).await.unwrap().execution.unwrap()
}

/// Removes control groups, which takes until the kernel has let go of the last process that was in them.
async fn remove(groups: &[PathBuf]) {
    let is_gone = |group: &PathBuf| fs::remove_dir(group).is_ok() || !group.exists();
    let all = async || groups.iter().all(is_gone).then_some(());
    wait_until("control groups to be empty", PATIENCE, all).await;
}

fn forge(scene: &Scene, execution: mantyx_core::ExecutionId, change: impl FnOnce(&mut Value)) {
    let mut record = scene.record(execution);
    change(&mut record);
    fs::write(scene.record_file(execution), record.to_string()).unwrap();
}
