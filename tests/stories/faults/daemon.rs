//! The daemon is killed while everything runs, and two daemons want the same root.

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Command, Stdio};
use std::time::Duration;

use mantyx_api_types::{ExecutionView, Page, ScheduleView};
use mantyx_core::{AppName, ExecutionId, ExecutionStatus, Exit};
use mantyx_test_support::{Client, PATIENCE, apps, wait_until};
use reqwest::Method;
use serde_json::json;
use tokio::task::{JoinSet, LocalSet};

use super::scene::{Scene, is_alive};

const SERVICES: usize = 20;
const RUNS: usize = 5;

/// Numbers its lines for ever.
const COUNT: &str = "n=0\nwhile :; do n=$((n+1)); echo \"line $n\"; sleep 0.2; done\n";
/// Numbers its lines until it is told with which code to end.
const COUNT_UNTIL_TOLD: &str = r#"
n=0
end="$APP_DATA_DIR/end-$MANTYX_EXECUTION_ID"
while [ ! -e "$end" ]; do n=$((n+1)); echo "line $n"; sleep 0.2; done
echo "last $n"
exit "$(cat "$end")"
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_daemon_takes_none_of_twenty_services_and_five_runs_with_it() {
    let mut scene = Scene::begin().await;
    let services = LocalSet::new().run_until(install_services(scene.client())).await;
    let job = install(scene.client().clone(), "job".to_owned(), "scheduled", COUNT_UNTIL_TOLD).await;
    run_beside_each_other(&scene, &job).await;
    let before = running(&scene).await;
    assert_eq!(before.len(), SERVICES + RUNS);
    let (id, _) = before.iter().next().unwrap();
    let lines = lines_on_disk(&scene, *id);

    scene.mantyx.kill_9();
    wait_until("lines without a daemon", PATIENCE, async || {
        (lines_on_disk(&scene, *id) > lines + 5).then_some(())
    })
    .await;
    scene.mantyx.start_again().await;
    assert_eq!(running(&scene).await, before, "a process was lost, doubled or started again");
    assert_eq!(executions(&scene).await.len(), SERVICES + RUNS);

    let runs = scene.client().executions(&job).await.unwrap();
    scene.mantyx.kill_9();
    for (code, run) in runs.iter().enumerate() {
        scene.tell(&job, &format!("end-{}", run.id), &code.to_string());
    }
    wait_until("the runs to end without a daemon", PATIENCE, async || {
        runs.iter().all(|run| !is_alive(run.pid.unwrap())).then_some(())
    })
    .await;
    scene.mantyx.start_again().await;
    let after = running(&scene).await;
    assert_eq!(after.len(), SERVICES);
    assert!(after.iter().all(|(id, pid)| before.get(id) == Some(pid)), "a service was started again");
    for (code, run) in (0..).zip(&runs) {
        assert_ended(&scene, &job, run.id, code).await;
    }
    for service in &services {
        assert_counted(&numbers(&scene, service, None).await);
    }
    scene.end().await;
}

/// Wherever it is in starting and stopping things.
#[tokio::test(flavor = "multi_thread")]
async fn whenever_a_daemon_is_killed_the_next_one_runs_each_service_once() {
    let mut scene = Scene::begin().await;
    let mut services = Vec::new();
    for number in 0..4 {
        services.push(scene.service(&format!("service-{number}"), apps::sleeper_script(), json!({})).await);
    }
    for round in 0..10 {
        let restarts: Vec<_> =
            services.iter().map(|name| tokio::spawn(restart(scene.client(), name))).collect();
        // Another moment each time; nothing is waited for.
        tokio::time::sleep(Duration::from_millis(round * 6)).await;
        scene.mantyx.kill_9();
        for restart in restarts {
            let _ = restart.await;
        }
        scene.mantyx.start_again().await;
        wait_until("each service to be there once", PATIENCE, async || {
            let pids: BTreeSet<u32> = running(&scene).await.into_values().collect();
            (pids.len() == services.len() && scene.alive().into_iter().eq(pids)).then_some(())
        })
        .await;
    }
    scene.end().await;
}

fn restart(client: &Client, name: &AppName) -> impl Future<Output = ()> + Send + use<> {
    let request = client.request(Method::POST, &format!("/api/apps/{name}/restart")).json(&json!({}));
    async move { drop(request.send().await) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_daemon_on_the_same_root_is_refused() {
    let scene = Scene::begin().await;
    let name = scene.service("alone", apps::sleeper_script(), json!({})).await;
    let before = scene.pid(&name).await;
    let program = std::fs::read_link(format!("/proc/{}/exe", scene.mantyx.pid())).unwrap();
    let mut second = Command::new(program);
    second.arg("serve").arg("--root").arg(scene.mantyx.root()).args(["--bind", "127.0.0.1:0"]);
    let mut second = second.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let status = wait_until("the second daemon to end", PATIENCE, async || second.try_wait().unwrap()).await;
    let said = std::io::read_to_string(second.stderr.take().unwrap()).unwrap();
    assert!(!status.success(), "{said}");
    assert!(
        said.contains("daemon.lock") || said.contains(&scene.mantyx.root().display().to_string()),
        "{said}"
    );
    assert_eq!(scene.pid(&name).await, before);
    assert_eq!(scene.client().executions(&name).await.unwrap().len(), 1);
    scene.end().await;
}

async fn install_services(client: &Client) -> Vec<AppName> {
    let mut installing = JoinSet::new();
    for number in 0..SERVICES {
        let name = format!("service-{number}");
        installing.spawn_local(install(client.clone(), name, "perpetual", COUNT));
    }
    installing.join_all().await
}

async fn install(client: Client, name: String, kind: &'static str, script: &'static str) -> AppName {
    let archive = apps::zip(&[("count.sh", script), ("main.py", "")]);
    let app =
        json!({ "name": name, "type": kind, "configuration": { "entrypoint": "sh count.sh" } }).to_string();
    let created = client.upload_archive("count.zip", archive, &[("app", &app)]).await.unwrap();
    client.install_and_enable(&created.app.name).await;
    created.app.name
}

/// Only a schedule says that runs may overlap.
async fn run_beside_each_other(scene: &Scene, job: &AppName) {
    let timing = json!({ "kind": "interval", "seconds": 86400 });
    let spec = json!({ "timing": timing, "timezone": "UTC", "overlap": "parallel" });
    let body = json!({ "app": job, "name": "daily", "spec": spec });
    let _: ScheduleView = scene.client().post("/api/schedules", body).await.unwrap();
    for _ in 0..RUNS {
        scene.client().event(job, "run").await.unwrap();
    }
}

async fn executions(scene: &Scene) -> Vec<ExecutionView> {
    let page: Page<ExecutionView> = scene.client().get("/api/executions?limit=500").await.unwrap();
    page.items
}

/// The process of each execution that is alive.
async fn running(scene: &Scene) -> BTreeMap<ExecutionId, u32> {
    let live = executions(scene).await.into_iter().filter(|run| run.status == ExecutionStatus::Running);
    live.map(|run| (run.id, run.pid.expect("what runs has a process"))).collect()
}

async fn numbers(scene: &Scene, app: &AppName, execution: Option<ExecutionId>) -> Vec<u64> {
    let text = scene.text(app, execution).await;
    text.lines().filter_map(|line| line.split("line ").nth(1)?.parse().ok()).collect()
}

/// With this code, and with every line to the last.
async fn assert_ended(scene: &Scene, job: &AppName, run: ExecutionId, code: i32) {
    let ended: ExecutionView = scene.client().get(&format!("/api/executions/{run}")).await.unwrap();
    let status = if code == 0 { ExecutionStatus::Success } else { ExecutionStatus::Failed };
    assert_eq!((ended.status, ended.exit), (status, Some(Exit::Code(code))));
    let (text, numbers) = (scene.text(job, Some(run)).await, numbers(scene, job, Some(run)).await);
    assert!(text.ends_with(&format!("last {}\n", numbers.len())), "the end is missing: {text}");
    assert_counted(&numbers);
}

fn assert_counted(numbers: &[u64]) {
    assert!(!numbers.is_empty());
    let expected: Vec<u64> = (1..).take(numbers.len()).collect();
    assert_eq!(numbers, expected, "a line is missing or doubled");
}

/// Counted in the file, because there is no daemon to ask.
fn lines_on_disk(scene: &Scene, execution: ExecutionId) -> usize {
    let log = scene.record(execution)["plan"]["log"].as_str().unwrap().to_owned();
    std::fs::read_to_string(log).unwrap().lines().count()
}
