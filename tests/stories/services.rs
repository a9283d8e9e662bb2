//! Perpetual apps: started, restarted when they die, given up on, stopped for good.

use std::net::{Ipv4Addr, TcpListener};

use mantyx_core::{AppState, ExecutionStatus, Exit, Trigger};
use mantyx_test_support::{PATIENCE, TestMantyx, apps, wait_until};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};

fn pid(number: u32) -> Pid {
    Pid::from_raw(i32::try_from(number).unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_killed_is_started_again() {
    let mantyx = TestMantyx::start().await;
    let client = mantyx.client();
    let name = client.upload_script("service.py", apps::sleeper_script(), &[]).await.unwrap().app.name;
    let before = client.install_and_enable(&name).await;
    kill_process(pid(before.pid.unwrap()), Signal::KILL).unwrap();
    let after = client
        .wait_for_app(&name, "have another process", |app| app.pid.is_some() && app.pid != before.pid)
        .await;
    assert_eq!((after.state, after.restarts), (AppState::Running, 1));
    let runs = client.executions(&name).await.unwrap();
    assert_eq!(runs[0].trigger, Trigger::Restart);
    assert_eq!((runs[1].status, runs[1].exit), (ExecutionStatus::Failed, Some(Exit::Signal(9))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_keeps_failing_is_given_up_with_the_reason() {
    let mantyx = TestMantyx::start().await;
    let client = mantyx.client();
    let script = "import time\nimport jinja3\n";
    let fields = [("restart_limit", "2"), ("restart_delay", "0")];
    let name = client.upload_script("broken.py", script, &fields).await.unwrap().app.name;
    assert_eq!(client.install(&name).await.unwrap().status, mantyx_core::OperationStatus::Succeeded);
    client.event(&name, "enable").await.unwrap();
    let failed = client.wait_for_state(&name, AppState::Failed).await;
    assert_eq!(failed.restarts, 2);
    let reason = failed.reason.unwrap();
    assert!(reason.contains("Restarted 2 times") && reason.contains("code 1"), "{reason}");
    let runs = client.executions(&name).await.unwrap();
    assert_eq!(runs.len(), 3);
    assert!(
        runs.iter().all(|run| run.cause.as_deref().is_some_and(|cause| cause.contains("jinja3"))),
        "{runs:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_ends_well_rests_unless_it_should_always_run() {
    let mantyx = TestMantyx::start().await;
    let client = mantyx.client();
    let name = client.upload_script("short.py", apps::hello_script(), &[]).await.unwrap().app.name;
    client.install(&name).await.unwrap();
    client.event(&name, "enable").await.unwrap();
    client.wait_for_state(&name, AppState::Stopped).await;
    let runs = client.executions(&name).await.unwrap();
    assert_eq!((runs.len(), runs[0].status), (1, ExecutionStatus::Success));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_ends_everything_that_the_app_started() {
    let mantyx = TestMantyx::start().await;
    let client = mantyx.client();
    let script = r"
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
def say(name):
    # At once, because both write to one pipe.
    os.write(1, b'%s %d\n' % (name.encode(), os.getpid()))
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        say('grandchild')
        time.sleep(3600)
    os._exit(0)
say('main')
while True:
    time.sleep(3600)
";
    let fields = [("stop_grace", "1")];
    let name = client.upload_script("stubborn.py", script, &fields).await.unwrap().app.name;
    client.install_and_enable(&name).await;
    let log = wait_until("the pids in the log", PATIENCE, async || {
        let log = client.get_text(&format!("/api/apps/{name}/logs?download=true")).await.ok()?;
        (log.contains("grandchild") && log.contains("main")).then_some(log)
    })
    .await;
    let pids: Vec<u32> =
        log.lines().filter_map(|line| line.split_whitespace().last()?.parse().ok()).collect();
    assert_eq!(pids.len(), 2, "{log}");
    client.event(&name, "stop").await.unwrap();
    assert_eq!(client.app(&name).await.unwrap().state, AppState::Stopped);
    for number in pids {
        assert!(test_kill_process(pid(number)).is_err(), "process {number} is alive after the stop");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn stop_start_restart_disable_do_what_they_say() {
    let mantyx = TestMantyx::start().await;
    let client = mantyx.client();
    let name = client.upload_script("service.py", apps::sleeper_script(), &[]).await.unwrap().app.name;
    let first = client.install_and_enable(&name).await;
    client.event(&name, "restart").await.unwrap();
    let second = client.app(&name).await.unwrap();
    assert_eq!(second.state, AppState::Running);
    assert_ne!(first.pid, second.pid);
    client.event(&name, "stop").await.unwrap();
    let stopped = client.app(&name).await.unwrap();
    assert_eq!((stopped.state, stopped.pid), (AppState::Stopped, None));
    client.event(&name, "start").await.unwrap();
    assert_eq!(client.app(&name).await.unwrap().state, AppState::Running);
    client.event(&name, "disable").await.unwrap();
    let disabled = client.app(&name).await.unwrap();
    assert_eq!((disabled.state, disabled.pid), (AppState::Disabled, None));
    assert_eq!(client.event(&name, "start").await.unwrap_err().status, 409);
    client.event(&name, "enable").await.unwrap();
    assert_eq!(client.app(&name).await.unwrap().state, AppState::Running);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_apps_never_get_the_same_port() {
    let mantyx = TestMantyx::start().await;
    let client = mantyx.client();
    let upload = async |name: &str, port: &str| {
        client.upload_script("x.py", apps::sleeper_script(), &[("name", name), ("web_port", port)]).await
    };
    let one = upload("one", "auto").await.unwrap().app.web_port.unwrap();
    let two = upload("two", "auto").await.unwrap().app.web_port.unwrap();
    assert_ne!(one, two);
    let taken = upload("three", &one.to_string()).await.unwrap_err();
    assert_eq!(taken.code(), Some(mantyx_core::Code::PortTaken));
    assert!(taken.problem.unwrap().detail.contains("`one`"));
    assert_eq!(client.app(&"three".parse().unwrap()).await.unwrap_err().status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_spoils_its_own_home_is_told_so_and_can_be_mended() {
    let mantyx = TestMantyx::start().await;
    let client = mantyx.client();
    let fields = [("type", "scheduled"), ("name", "spoiler")];
    let name = client.upload_script("s.py", apps::hello_script(), &fields).await.unwrap().app.name;
    client.install_and_enable(&name).await;
    let home = mantyx.root().join(format!("apps/{name}/data/home"));
    std::fs::write(&home, "a file").unwrap();
    let refused = client.event(&name, "run").await.unwrap_err();
    assert_eq!(refused.code(), Some(mantyx_core::Code::StartFailed), "{refused}");
    assert_eq!(client.app(&name).await.unwrap().state, AppState::Enabled);
    std::fs::remove_file(&home).unwrap();
    client.event(&name, "run").await.unwrap();
    client.wait_for_app(&name, "have run", |app| app.last_execution.is_some()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_another_program_holds_is_named_before_the_start() {
    let mantyx = TestMantyx::start().await;
    let client = mantyx.client();
    // A leased one is given to nobody else by chance.
    let fields = [("web_port", "auto")];
    let app = client.upload_script("s.py", apps::sleeper_script(), &fields).await.unwrap().app;
    let (name, port) = (app.name, app.web_port.unwrap());
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).unwrap();
    client.install(&name).await.unwrap();
    let refused = client.event(&name, "enable").await.unwrap_err();
    assert_eq!(refused.code(), Some(mantyx_core::Code::StartFailed));
    let detail = refused.problem.unwrap().detail;
    assert!(
        detail.contains(&port.to_string()) && detail.contains(&std::process::id().to_string()),
        "{detail}"
    );
    assert_eq!(client.app(&name).await.unwrap().state, AppState::Failed);
    drop(listener);
    // A child that another test is starting has a copy of the listener until it becomes another program.
    wait_until("the port to be free", PATIENCE, async || client.event(&name, "start").await.ok()).await;
    assert_eq!(client.app(&name).await.unwrap().state, AppState::Running);
}
