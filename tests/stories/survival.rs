//! The daemon is disposable: killed with SIGKILL, it takes nothing down and finds everything again. How much it can
//! lose is told in `faults/daemon.rs`.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;

use mantyx_api_types::AppView;
use mantyx_core::{AppState, Code, ExecutionStatus, Exit};
use mantyx_test_support::{PATIENCE, TestMantyx, apps, wait_until};
use rustix::process::{Pid, test_kill_process};

use crate::brake::Brake;

#[tokio::test(flavor = "multi_thread")]
async fn what_died_with_the_daemon_is_restarted_by_its_policy() {
    let mut mantyx = TestMantyx::start().await;
    let client = mantyx.client();
    let name = client.upload_script("service.py", apps::sleeper_script(), &[]).await.unwrap().app.name;
    let stays = client.upload_script("off.py", apps::sleeper_script(), &[]).await.unwrap().app.name;
    let before = client.install_and_enable(&name).await;
    client.install_and_enable(&stays).await;
    client.event(&stays, "stop").await.unwrap();
    mantyx.kill_9();
    let pid = Pid::from_raw(i32::try_from(before.pid.unwrap()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    wait_until("the service to die", PATIENCE, async || test_kill_process(pid).is_err().then_some(())).await;
    mantyx.start_again().await;
    let client = mantyx.client();
    let is_another = |app: &AppView| app.pid.is_some() && app.pid != before.pid;
    client.wait_for_app(&name, "have another process", is_another).await;
    let runs = client.executions(&name).await.unwrap();
    assert_eq!(runs.len(), 2);
    assert_eq!((runs[1].status, runs[1].exit), (ExecutionStatus::Failed, Some(Exit::Signal(9))));
    assert_eq!(
        client.app(&stays).await.unwrap().state,
        AppState::Stopped,
        "an explicit stop outlives the daemon"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_install_that_is_cut_short_is_undone() {
    let mut mantyx = TestMantyx::start().await;
    let client = mantyx.client();
    let brake = Brake::on(&mantyx);
    let name = client.upload_archive("slow.zip", brake.archive(), &[]).await.unwrap().app.name;
    client.event(&name, "install").await.unwrap();
    brake.wait_until_felt().await;
    mantyx.kill_9();
    mantyx.start_again().await;
    let client = mantyx.client();
    let is_undone = |app: &AppView| app.state == AppState::Failed && app.operation.is_none();
    let app = client.wait_for_app(&name, "be as if it had not been built", is_undone).await;
    assert!(app.reason.unwrap().contains("Mantyx ended in the middle"));
    let environments = mantyx.root().join("venvs").join(name.as_str());
    let left = fs::read_dir(&environments).map_or(0, Iterator::count);
    assert_eq!(left, 0, "half an environment was left behind");
    brake.release();
    client.install_and_enable(&name).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clean_end_leaves_the_apps_alive_too() {
    let mut mantyx = TestMantyx::start().await;
    let name = mantyx.client().upload_script("s.py", apps::sleeper_script(), &[]).await.unwrap().app.name;
    let before = mantyx.client().install_and_enable(&name).await;
    assert!(mantyx.stop().await.success());
    mantyx.start_again().await;
    let after = mantyx.client().app(&name).await.unwrap();
    assert_eq!((after.pid, after.started_at), (before.pid, before.started_at));
}

/// Ends when it is told by a file, and by no signal but SIGKILL.
const DEAF: &str = r"
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
told = os.environ['APP_DATA_DIR'] + '/end'
print('deaf', flush=True)
while not os.path.exists(told):
    time.sleep(0.02)
os.remove(told)
";

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_that_is_cut_short_goes_on() {
    let mut mantyx = TestMantyx::start().await;
    let client = mantyx.client();
    let name = client.upload_script("deaf.py", DEAF, &[("stop_grace", "600")]).await.unwrap().app.name;
    let before = client.install_and_enable(&name).await;
    wait_until("the app to be deaf", PATIENCE, async || {
        let log = client.get_text(&format!("/api/apps/{name}/logs?download=true")).await.ok()?;
        log.contains("deaf").then_some(())
    })
    .await;
    let request = client.request(reqwest::Method::POST, &format!("/api/apps/{name}/restart"));
    let asked = tokio::spawn(request.json(&serde_json::json!({})).send());
    let socket = mantyx.root().join(format!("run/{}.sock", before.execution.unwrap()));
    wait_until("the stop to begin", PATIENCE, async || is_stopping(&socket).then_some(())).await;
    mantyx.kill_9();
    let _ = asked.await;
    mantyx.start_again().await;
    fs::write(mantyx.root().join(format!("apps/{name}/data/end")), "").unwrap();
    let client = mantyx.client();
    let after =
        client.wait_for_app(&name, "run again", |app| app.pid.is_some() && app.pid != before.pid).await;
    assert_eq!(after.state, AppState::Running);
    let ended = client.executions(&name).await.unwrap().pop().unwrap();
    assert!(ended.cause.as_ref().is_some_and(|cause| cause.ends_with("(restart)")), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn beside_what_cannot_be_seen_nothing_is_started_or_said_to_be_stopped() {
    let mut mantyx = TestMantyx::start().await;
    let client = mantyx.client();
    let name = client.upload_script("s.py", apps::sleeper_script(), &[]).await.unwrap().app.name;
    let before = client.install_and_enable(&name).await;
    mantyx.kill_9();
    // A folder can be read as a file by nobody, root included.
    let record = mantyx.root().join(format!("run/{}.json", before.execution.unwrap()));
    let aside = mantyx.root().join("run/aside");
    fs::rename(&record, &aside).unwrap();
    fs::create_dir(&record).unwrap();
    mantyx.start_again().await;
    let client = mantyx.client();
    let app = client.app(&name).await.unwrap();
    assert!(app.reason.as_ref().is_some_and(|reason| reason.contains("cannot be read")), "{app:?}");
    for event in ["restart", "stop", "disable"] {
        let refused = client.event(&name, event).await.unwrap_err();
        assert_eq!((refused.status, refused.code()), (503, Some(Code::Unavailable)), "{event}: {refused}");
    }
    let runs = client.executions(&name).await.unwrap();
    assert_eq!(
        (runs.len(), runs[0].status),
        (1, ExecutionStatus::Running),
        "nothing is known, so nothing is said"
    );
    mantyx.kill_9();
    fs::remove_dir(&record).unwrap();
    fs::rename(&aside, &record).unwrap();
    mantyx.start_again().await;
    let after = mantyx.client().app(&name).await.unwrap();
    assert_eq!((after.pid, after.started_at, after.reason), (before.pid, before.started_at, None));
    mantyx.client().event(&name, "stop").await.unwrap();
    let pid = Pid::from_raw(i32::try_from(before.pid.unwrap()).unwrap()).unwrap();
    assert!(test_kill_process(pid).is_err(), "it was the one and only process");
}

/// Whether a monitor says that it stops its app.
fn is_stopping(socket: &Path) -> bool {
    let Ok(mut stream) = UnixStream::connect(socket) else { return false };
    let asked = writeln!(stream, "{}", serde_json::json!({ "ask": "status" }));
    let said = asked.ok().and_then(|()| BufReader::new(stream).lines().next()?.ok());
    let status: Option<serde_json::Value> = said.and_then(|line| serde_json::from_str(&line).ok());
    status.is_some_and(|status| !status["stopping"].is_null())
}
