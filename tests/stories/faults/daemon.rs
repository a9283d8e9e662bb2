//! The daemon is killed while everything runs, and two daemons want the same root.

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Command, Stdio};

use mantyx_api_types::{ExecutionView, Page, ScheduleView};
use mantyx_core::{AppName, AppState, Code, ExecutionId, ExecutionStatus, Exit};
use mantyx_test_support::{Client, PATIENCE, apps, wait_until};
use reqwest::Method;
use serde_json::json;
use tokio::task::{JoinSet, LocalSet};

use super::scene::Scene;

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
    scene.ends_recorded(&runs.iter().map(|run| run.id).collect::<Vec<_>>()).await;
    scene.mantyx.start_again().await;
    let after = running(&scene).await;
    assert_eq!(after.len(), SERVICES, "the ends of the runs are told before the daemon answers");
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
    // Each has a record and a socket, which go, and come for the next: sixteen changes in all.
    for round in 0..=12 {
        let before = run_folder(&scene);
        let restarts: Vec<_> =
            services.iter().map(|name| tokio::spawn(restart(scene.client(), name))).collect();
        wait_until("another moment of the restarts", PATIENCE, async || {
            (before.symmetric_difference(&run_folder(&scene)).count() >= round).then_some(())
        })
        .await;
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

/// What the run folder holds of executions.
fn run_folder(scene: &Scene) -> BTreeSet<String> {
    let entries = std::fs::read_dir(scene.mantyx.root().join("run")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.split('.').next().is_some_and(|id| id.parse::<ExecutionId>().is_ok())).collect()
}

fn restart(client: &Client, name: &AppName) -> impl Future<Output = ()> + Send + use<> {
    let request = client.request(Method::POST, &format!("/api/apps/{name}/restart")).json(&json!({}));
    async move { drop(request.send().await) }
}

/// As a database that is locked or full does, but for as long as the story wants.
const TAKE_NO_PROCESS: &str = "CREATE TRIGGER full BEFORE UPDATE OF pid ON executions \
                               BEGIN SELECT RAISE(ABORT, 'the database is full'); END";

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_adopted_at_once_is_adopted_later_and_not_started_beside() {
    let mut scene = Scene::begin().await;
    let name = scene.service("alone", apps::sleeper_script(), json!({})).await;
    let before = running(&scene).await;
    scene.mantyx.kill_9();
    sql(&scene, TAKE_NO_PROCESS);
    scene.mantyx.start_again().await;
    let refused = scene.client().event(&name, "stop").await.unwrap_err();
    assert_eq!(refused.code(), Some(Code::Unavailable), "what is not watched cannot be stopped");
    assert_eq!(scene.client().app(&name).await.unwrap().state, AppState::Running);
    assert_eq!((running(&scene).await, scene.alive().len()), (before.clone(), 1));

    sql(&scene, "DROP TRIGGER full");
    let stop = async || scene.client().event(&name, "stop").await.ok();
    wait_until("it to be adopted", PATIENCE, stop).await;
    let runs = executions(&scene).await;
    assert_eq!((runs.len(), runs[0].status), (1, ExecutionStatus::Cancelled), "it was started a second time");
    scene.end().await;
}

/// Changes the database behind its back.
pub(super) fn sql(scene: &Scene, statement: &str) {
    let code = "import sqlite3, sys; sqlite3.connect(sys.argv[1], timeout=60).executescript(sys.argv[2])";
    let database = scene.mantyx.root().join("data/mantyx.db");
    let done = Command::new("python3").args(["-c", code]).arg(database).arg(statement).status().unwrap();
    assert!(done.success());
}

/// A folder cannot be read as a file, by whomever.
#[tokio::test(flavor = "multi_thread")]
async fn beside_what_cannot_be_looked_at_nothing_is_started_until_it_can_be() {
    let mut scene = Scene::begin().await;
    let name = scene.service("hidden", apps::sleeper_script(), json!({})).await;
    let before = running(&scene).await;
    let record = scene.record_file(*before.keys().next().unwrap());
    let aside = scene.mantyx.root().join("aside");
    scene.mantyx.kill_9();
    std::fs::rename(&record, &aside).unwrap();
    std::fs::create_dir(&record).unwrap();
    scene.mantyx.start_again().await;
    let app = scene.client().app(&name).await.unwrap();
    assert!(app.reason.is_some_and(|reason| reason.contains("cannot be read")));
    assert_eq!(running(&scene).await, before, "it was given up");
    let refused = scene.client().event(&name, "restart").await.unwrap_err();
    assert_eq!(refused.code(), Some(Code::Unavailable));
    assert_eq!(scene.alive().len(), 1, "it was started a second time");

    std::fs::remove_dir(&record).unwrap();
    std::fs::rename(&aside, &record).unwrap();
    scene.client().wait_for_app(&name, "be seen again", |app| app.reason.is_none()).await;
    assert_eq!((running(&scene).await, executions(&scene).await.len()), (before, 1));
    wait_until("a stop to be taken", PATIENCE, async || scene.client().event(&name, "stop").await.ok()).await;
    scene.end().await;
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
