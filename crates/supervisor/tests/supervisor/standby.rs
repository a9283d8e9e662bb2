//! Monitors that wait for the next launch.
#![allow(clippy::unwrap_used, reason = "a test may fail anywhere")]

use std::fs;
use std::os::unix::fs::symlink;

use mantyx_core::{Exit, Health, RestartHistory, Trigger};
use mantyx_monitor::process::{self, ProcessId, Stat};
use mantyx_supervisor::{Limiter, Role, Supervisor};

use crate::fixture::{Stage, by_somebody, kill, monitor_program, wait_for};

const FOREVER: &str = "exec sleep 1000";

/// A daemon with the limits of this machine, whose monitors can be told from all others by their program.
async fn supervisor(stage: &Stage) -> Supervisor {
    let _ = symlink(monitor_program(), stage.path("monitor"));
    let limiter = Limiter::detect(&format!("test-{}", stage.instance)).await;
    stage.supervisor_with(stage.path("monitor"), limiter)
}

/// The oldest first.
fn monitors(stage: &Stage) -> Vec<Stat> {
    let program = stage.path("monitor").display().to_string();
    let has_program = |process: &Stat| {
        let line = fs::read(format!("/proc/{}/cmdline", process.id.pid)).unwrap_or_default();
        line.split(|byte| *byte == 0).next() == Some(program.as_bytes())
    };
    let all = process::all().unwrap();
    let mine: Vec<Stat> =
        all.into_iter().filter(|process| !process.has_ended() && has_program(process)).collect();
    // What a monitor has forked is called like the monitor until it is the app.
    let is_monitor = |process: &Stat| !mine.iter().any(|other| other.id.pid == process.parent);
    let mut monitors: Vec<Stat> = mine.iter().copied().filter(is_monitor).collect();
    monitors.sort_by_key(|monitor| (monitor.id.start_ticks, monitor.id.pid));
    monitors
}

/// The oldest monitor that has nothing to watch, and the process that waits in it.
async fn standby(stage: &Stage, busy: u32) -> (Stat, ProcessId) {
    let found = || {
        let all = process::all().unwrap();
        let child = |monitor: &Stat| all.iter().find(|process| process.parent == monitor.id.pid).copied();
        let is_busy = |monitor: &Stat| child(monitor).is_some_and(|child| child.id.pid == busy);
        let oldest = monitors(stage).into_iter().find(|monitor| !is_busy(monitor))?;
        Some((oldest, child(&oldest)?.id))
    };
    wait_for("a monitor on standby", || found().is_some()).await;
    found().unwrap()
}

#[tokio::test]
async fn a_restart_becomes_what_waited_for_it() {
    let stage = Stage::new(FOREVER);
    let (supervisor, book) = (supervisor(&stage).await, &stage.book);
    supervisor.start_service(stage.instance, Trigger::Manual).await.unwrap();
    let (_, first) = book.started().await;
    let (monitor, waiting) = standby(&stage, first).await;
    kill(first);
    assert_eq!(book.exited().await.1.exit, Some(Exit::Signal(9)));
    let (execution, pid) = book.started().await;
    assert_eq!((pid, stage.record(execution).monitor), (waiting.pid, monitor.id));
    let (next, _) = standby(&stage, pid).await;
    assert_ne!(next.id, monitor.id, "another waits for the next");
    supervisor.stop(stage.instance, by_somebody()).await.unwrap();
    supervisor.shutdown().await;
    wait_for("nothing is left", || monitors(&stage).is_empty()).await;
}

#[tokio::test]
async fn a_process_that_had_waited_is_adopted_with_its_limits() {
    let stage = Stage::new(FOREVER);
    let (first, book) = (supervisor(&stage).await, &stage.book);
    first.start_service(stage.instance, Trigger::Manual).await.unwrap();
    let (_, pid) = book.started().await;
    standby(&stage, pid).await;
    kill(pid);
    book.exited().await;
    let (execution, pid) = book.started().await;
    let before = stage.record(execution);
    first.shutdown().await;
    let second = supervisor(&stage).await;
    let service = Role::Service { history: RestartHistory::default(), health: Health::Unknown };
    let found = second.discover().await.unwrap().remove(0);
    second.adopt(found, service, stage.book.current_care()).await.unwrap();
    wait_for("it is watched", || second.status(stage.instance).and_then(|status| status.pid) == Some(pid))
        .await;
    second.adjust(stage.instance, stage.book.current_care()).await.unwrap();
    assert_eq!(stage.record(execution).plan.confinement, before.plan.confinement, "it is held as before");
    second.stop(stage.instance, by_somebody()).await.unwrap();
    second.shutdown().await;
    let groups = before.plan.confinement.unwrap().groups;
    wait_for("no group is left", || groups.iter().all(|group| !group.path.exists())).await;
}

#[tokio::test]
async fn a_start_does_without_a_standby_that_was_killed() {
    let stage = Stage::new(FOREVER);
    let (supervisor, book) = (supervisor(&stage).await, &stage.book);
    supervisor.start_service(stage.instance, Trigger::Manual).await.unwrap();
    let (_, first) = book.started().await;
    let (monitor, waiting) = standby(&stage, first).await;
    kill(monitor.id.pid);
    wait_for("it is gone", || !waiting.is_alive()).await;
    kill(first);
    book.exited().await;
    let (_, second) = book.started().await;
    assert_ne!(second, waiting.pid);
    supervisor.stop(stage.instance, by_somebody()).await.unwrap();
    supervisor.shutdown().await;
    wait_for("nothing is left", || monitors(&stage).is_empty()).await;
}
