//! The daemon is disposable: killed with SIGKILL, it takes nothing down and finds everything again.

use std::collections::BTreeMap;

use mantyx_api_types::AppView;
use mantyx_core::{AppName, AppState, ExecutionStatus, Exit};
use mantyx_test_support::{PATIENCE, TestMantyx, apps, wait_until};
use rustix::process::{Pid, test_kill_process};

const SERVICES: usize = 10;

#[tokio::test(flavor = "multi_thread")]
async fn ten_services_survive_a_killed_daemon_with_their_pids_and_every_log_line() {
    let mut mantyx = TestMantyx::start().await;
    let client = mantyx.client();
    let mut names: Vec<AppName> = Vec::new();
    for number in 0..SERVICES {
        let script = if number == 0 { apps::ticker_script() } else { apps::sleeper_script() };
        let name = format!("service-{number}");
        let created = client.upload_script("main.py", script, &[("name", &name)]).await.unwrap();
        names.push(client.install_and_enable(&created.app.name).await.name);
    }
    let ending = upload_job_that_ends_when_told(&mantyx).await;
    let before = pids(&mantyx, &names).await;
    let ticks_before = ticks(&mantyx, &names[0]).await;

    mantyx.kill_9();
    let job = Pid::from_raw(i32::try_from(ending.pid).unwrap()).unwrap();
    std::fs::write(&ending.signal, "end").unwrap();
    wait_until("the job to end without a daemon", PATIENCE, async || {
        test_kill_process(job).is_err().then_some(())
    })
    .await;
    mantyx.start_again().await;

    let client = mantyx.client();
    assert_eq!(pids(&mantyx, &names).await, before);
    for name in &names {
        let runs = client.executions(name).await.unwrap();
        assert_eq!((runs.len(), runs[0].status), (1, ExecutionStatus::Running), "{name} was started twice");
    }
    let runs = client.executions(&ending.name).await.unwrap();
    assert_eq!((runs[0].status, runs[0].exit), (ExecutionStatus::Failed, Some(Exit::Code(3))));
    client.wait_for_state(&ending.name, AppState::Enabled).await;

    let more = wait_until("the ticker to go on", PATIENCE, async || {
        let ticks = ticks(&mantyx, &names[0]).await;
        (ticks.len() > ticks_before.len() + 5).then_some(ticks)
    })
    .await;
    let expected: Vec<u64> = (1..).take(more.len()).collect();
    assert_eq!(more, expected, "a line is missing or doubled");
}

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
    let after = client.wait_for_app(&name, "have another process", |app| app.pid.is_some()).await;
    assert_ne!(after.pid, before.pid);
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
    let archive = apps::zip(&[("main.py", "print(1)\n"), ("requirements.txt", "flask\nrich\nhttpx\n")]);
    let name = client.upload_archive("slow.zip", archive, &[]).await.unwrap().app.name;
    client.event(&name, "install").await.unwrap();
    let environments = mantyx.root().join("venvs").join(name.as_str());
    wait_until("the build to begin", PATIENCE, async || {
        std::fs::read_dir(&environments).ok()?.next().map(drop)
    })
    .await;
    mantyx.kill_9();
    mantyx.start_again().await;
    let client = mantyx.client();
    let app = client.app(&name).await.unwrap();
    assert_eq!((app.state, app.operation), (AppState::Failed, None));
    assert!(app.reason.unwrap().contains("Mantyx ended in the middle"));
    let left = std::fs::read_dir(&environments).map_or(0, Iterator::count);
    assert_eq!(left, 0, "half an environment was left behind");
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

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_that_is_cut_short_goes_on() {
    let mut mantyx = TestMantyx::start().await;
    let client = mantyx.client();
    let script = "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('deaf', flush=True)\ntime.sleep(3600)\n";
    let name = client.upload_script("deaf.py", script, &[("stop_grace", "2")]).await.unwrap().app.name;
    let before = client.install_and_enable(&name).await;
    wait_until("the app to be deaf", PATIENCE, async || {
        let log = client.get_text(&format!("/api/apps/{name}/logs?download=true")).await.ok()?;
        log.contains("deaf").then_some(())
    })
    .await;
    let request = client.request(reqwest::Method::POST, &format!("/api/apps/{name}/restart"));
    let asked = tokio::spawn(request.json(&serde_json::json!({})).send());
    client.wait_for_app(&name, "be about to start again", |app| app.restarts_at.is_some()).await;
    mantyx.kill_9();
    let _ = asked.await;
    mantyx.start_again().await;
    let client = mantyx.client();
    let after =
        client.wait_for_app(&name, "run again", |app| app.pid.is_some() && app.pid != before.pid).await;
    assert_eq!(after.state, AppState::Running);
}

struct Ending {
    name: AppName,
    pid: u32,
    /// The job ends with code 3 once this file is there.
    signal: std::path::PathBuf,
}

async fn upload_job_that_ends_when_told(mantyx: &TestMantyx) -> Ending {
    let client = mantyx.client();
    let signal = mantyx.root().join("end-now");
    let script = format!(
        "import os, sys, time\nwhile not os.path.exists({:?}):\n    time.sleep(0.02)\nprint('the end')\nsys.exit(3)\n",
        signal.display()
    );
    let fields = [("type", "scheduled"), ("name", "ending")];
    let name = client.upload_script("ending.py", &script, &fields).await.unwrap().app.name;
    client.install_and_enable(&name).await;
    client.event(&name, "run").await.unwrap();
    let app = client.wait_for_app(&name, "run", |app| app.pid.is_some()).await;
    Ending { name, pid: app.pid.unwrap(), signal }
}

async fn pids(mantyx: &TestMantyx, names: &[AppName]) -> BTreeMap<AppName, Option<u32>> {
    let mut pids = BTreeMap::new();
    for name in names {
        let app: AppView = mantyx.client().app(name).await.unwrap();
        assert_eq!(app.state, AppState::Running);
        pids.insert(name.clone(), app.pid);
    }
    pids
}

async fn ticks(mantyx: &TestMantyx, name: &AppName) -> Vec<u64> {
    let log = mantyx.client().get_text(&format!("/api/apps/{name}/logs?download=true")).await.unwrap();
    log.lines().filter_map(|line| line.split("tick ").nth(1)?.trim().parse().ok()).collect()
}
