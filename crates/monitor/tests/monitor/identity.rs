//! Apps that run as another user. Only root can start them; anybody else is told so.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use mantyx_core::{Exit, Identity};
use mantyx_monitor::{Outcome, process};

use crate::fixture::{Stage, is_gone, wait_for};

/// Numbers that need no account.
const UID: u32 = 54_321;
const GID: u32 = 54_322;

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A script that runs as another user in a folder of that user.
fn stage(script: &str) -> Stage {
    let mut stage = Stage::script(script);
    stage.launch.plan.identity =
        Some(Identity { uid: UID, gid: GID, groups: vec![GID, 44], name: "app".to_owned() });
    if is_root() {
        chown(stage.root.path(), Some(UID), Some(GID)).unwrap();
    }
    stage
}

/// Runs it, or sees that somebody who is not root is told why not.
fn log_of(stage: Stage) -> Option<Vec<String>> {
    let (record, stage) = stage.start().exited();
    if is_root() {
        assert_eq!(record.outcome, Outcome::Exited(Exit::Code(0)), "{:?}", stage.log());
        return Some(stage.log());
    }
    assert_refused(&record.outcome);
    None
}

fn assert_refused(outcome: &Outcome) {
    let Outcome::StartFailed(reason) = outcome else { panic!("{outcome:?}") };
    assert!(reason.contains("the user `app`") && reason.contains("only root"), "{reason}");
}

fn failure_of(stage: Stage) -> String {
    match stage.start().exited().0.outcome {
        Outcome::StartFailed(reason) => reason,
        other @ Outcome::Exited(_) => panic!("{other:?}"),
    }
}

#[test]
fn it_has_the_user_and_the_groups_and_can_gain_nothing() {
    let script = "grep -E '^(Uid|Gid|Groups|NoNewPrivs|CapEff):' /proc/self/status | tr '\\t' ' '";
    let Some(log) = log_of(stage(script)) else { return };
    let (uid, gid) = (format!("{UID} {UID} {UID} {UID}"), format!("{GID} {GID} {GID} {GID}"));
    assert_eq!(log[0], format!("Uid: {uid}"));
    assert_eq!(log[1], format!("Gid: {gid}"));
    assert_eq!(log[2].trim(), format!("Groups: 44 {GID}"));
    assert!(log.contains(&"CapEff: 0000000000000000".to_owned()), "{log:?}");
    assert!(log.contains(&"NoNewPrivs: 1".to_owned()), "{log:?}");
}

#[test]
fn it_reads_and_writes_what_its_user_may() {
    let stage = stage("cat secret 2>/dev/null || echo denied; touch mine && echo written; pwd");
    fs::write(stage.path("secret"), "s3cret").unwrap();
    fs::set_permissions(stage.path("secret"), PermissionsExt::from_mode(0o600)).unwrap();
    let folder = stage.root.path().display().to_string();
    let Some(log) = log_of(stage) else { return };
    assert_eq!(log, ["denied", "written", &folder]);
}

#[test]
fn it_ends_with_its_monitor() {
    if !is_root() {
        return assert_refused(&stage("exit 0").start().exited().0.outcome);
    }
    let mut run = stage("echo $$; exec sleep 1000").start();
    let main = run.stage.wait_for_log(1).remove(0);
    run.monitor.kill().unwrap();
    run.monitor.wait().unwrap();
    wait_for("the process to go too", || is_gone(&main));
}

#[test]
fn what_the_user_may_not_enter_or_execute_is_named() {
    if !is_root() {
        return assert_refused(&stage("exit 0").start().exited().0.outcome);
    }
    let close = |path: &Path, mode| fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    let mut closed = stage("exit 0");
    let folder = closed.path("closed");
    fs::create_dir_all(folder.join("inner")).unwrap();
    close(&folder, 0o700);
    closed.launch.plan.directory = folder.join("inner");
    let may_not = format!("the user `app` may not enter `{}`", folder.display());
    assert!(failure_of(closed).ends_with(&may_not));

    let mut closed = stage("exit 0");
    let folder = closed.path("closed");
    fs::create_dir(&folder).unwrap();
    closed.launch.plan.program = closed.copy_program("/bin/sh", "closed/sh");
    close(&folder, 0o700);
    let may_not = format!("the user `app` may not enter `{}`", folder.display());
    assert!(failure_of(closed).ends_with(&may_not));

    let mut not_theirs = stage("exit 0");
    not_theirs.launch.plan.program = not_theirs.copy_program("/bin/sh", "sh");
    close(&not_theirs.path("sh"), 0o700);
    assert!(failure_of(not_theirs).contains("the user `app` may not execute it"));
}

#[test]
fn a_monitor_that_is_not_root_cannot_start_as_somebody_else() {
    let stage = stage("exit 0");
    if !is_root() {
        return assert_refused(&stage.start().exited().0.outcome);
    }
    // The monitor and its folder have to be where another user can reach them.
    let program = stage.copy_program(env!("CARGO_BIN_EXE_mantyx-monitor"), "monitor");
    chown(&stage.launch.run_folder, Some(UID), Some(GID)).unwrap();
    let mut monitor = Command::new(program);
    monitor.uid(UID).gid(GID);
    assert_refused(&stage.start_with(monitor).exited().0.outcome);
}

#[test]
fn without_another_user_it_is_the_monitors_own() {
    let (record, stage) = Stage::script("id -u; grep NoNewPrivs /proc/self/status").start().exited();
    assert_eq!(record.outcome, Outcome::Exited(Exit::Code(0)));
    assert_eq!(stage.log()[0], rustix::process::geteuid().as_raw().to_string());
    assert!(process::all().unwrap().len() > 1);
}
