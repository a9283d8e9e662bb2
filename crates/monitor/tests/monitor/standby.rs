//! Monitors that are started before there is anything to launch.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use mantyx_core::{ConfinementId, Exit, Limits};
use mantyx_limits::{Confinement, Groups, Offer, plan};
use mantyx_monitor::process::{self, Stat};
use mantyx_monitor::{Message, Outcome, Standby};
use rustix::process::Signal;

use crate::fixture::{Stage, signal, wait_for};

/// A monitor on standby, with groups of its own where this machine has groups.
struct Waiting {
    monitor: Child,
    id: ConfinementId,
    offer: Option<Offer>,
}

impl Waiting {
    fn new() -> Self {
        let id = ConfinementId::generate();
        let offer = Offer::detect_direct(&format!("test-{id}"));
        let monitor = Command::new(env!("CARGO_BIN_EXE_mantyx-monitor"))
            .arg(id.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut standby =
            serde_json::to_vec(&Standby { standby: plan(&Limits::NONE, &offer, id).bare() }).unwrap();
        standby.push(b'\n');
        monitor.stdin.as_ref().unwrap().write_all(&standby).unwrap();
        Self { monitor, id, offer: Some(offer) }
    }

    fn plan(&self, limits: &Limits) -> Confinement {
        plan(limits, self.offer.as_ref().unwrap(), self.id)
    }

    fn groups(&self) -> Vec<PathBuf> {
        self.plan(&Limits::NONE).groups.into_iter().map(|group| group.path).collect()
    }

    /// The process that is to become the app, once it is where it waits.
    fn stub(&self) -> Stat {
        let stub = || process::all().unwrap().into_iter().find(|process| process.parent == self.monitor.id());
        wait_for("a process waits", || stub().is_some_and(|stub| self.is_in_its_groups(stub.id.pid)));
        stub().unwrap()
    }

    fn is_in_its_groups(&self, pid: u32) -> bool {
        self.groups().iter().all(|group| {
            let members = std::fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
            members.lines().any(|member| member == pid.to_string())
        })
    }

    /// Gives it its launch.
    fn launch(&mut self, stage: &mut Stage, limits: &Limits) -> Message {
        stage.launch.plan.confinement = Some(self.plan(limits));
        stage.record(self.monitor.id());
        serde_json::to_writer(self.monitor.stdin.take().unwrap(), &stage.launch).unwrap();
        let mut answer = String::new();
        BufReader::new(self.monitor.stdout.take().unwrap()).read_line(&mut answer).unwrap();
        serde_json::from_str(&answer).unwrap()
    }

    fn has_left_nothing(&self) -> bool {
        self.groups().iter().all(|group| !group.exists())
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let _ = self.monitor.kill();
        let _ = self.monitor.wait();
        // A monitor that was killed leaves them to the next daemon.
        let bare = self.plan(&Limits::NONE);
        wait_for("the groups to go", || Groups::of(&bare).remove().is_ok());
        self.offer.take().into_iter().for_each(Offer::release);
    }
}

#[test]
fn what_waited_becomes_the_app_under_its_limits() {
    let mut waiting = Waiting::new();
    let stub = waiting.stub();
    let mut stage = Stage::script("ulimit -n; echo $MANTYX_EXECUTION_ID; exec sleep 1000");
    let limits = Limits { open_files: Some(77), processes: Some(9), ..Limits::NONE };
    let Message::Started { main, warnings } = waiting.launch(&mut stage, &limits) else { panic!() };
    assert_eq!(main.id, stub.id, "it is the process that waited");
    assert_eq!(warnings, stage.launch.plan.confinement.as_ref().unwrap().warnings);
    let log = stage.wait_for_log(2);
    assert_eq!(log[..2], ["77".to_owned(), stage.launch.plan.execution.to_string()]);
    for group in waiting.groups().iter().filter(|group| group.join("pids.max").exists()) {
        assert_eq!(std::fs::read_to_string(group.join("pids.max")).unwrap(), "9\n");
        assert!(waiting.is_in_its_groups(main.id.pid));
    }
    let title = std::fs::read_to_string(format!("/proc/{}/cmdline", waiting.monitor.id())).unwrap();
    assert!(title.contains(&stage.launch.plan.execution.to_string()), "{title}");
    let mut link = stage.connect();
    signal(main.id.pid, Signal::KILL);
    assert_eq!(link.exited().outcome, Outcome::Exited(Exit::Signal(9)));
    assert!(waiting.monitor.wait().unwrap().success() && waiting.has_left_nothing());
}

#[test]
fn a_monitor_that_is_given_nothing_leaves_nothing() {
    let mut waiting = Waiting::new();
    let stub = waiting.stub();
    drop(waiting.monitor.stdin.take());
    assert!(waiting.monitor.wait().unwrap().success());
    assert!(!stub.id.is_alive() && waiting.has_left_nothing());
}

#[test]
fn nothing_waits_without_its_monitor() {
    let mut waiting = Waiting::new();
    let stub = waiting.stub();
    waiting.monitor.kill().unwrap();
    wait_for("what waited is gone", || !stub.id.is_alive());
}

#[test]
fn another_waits_where_the_first_was_killed() {
    let mut waiting = Waiting::new();
    let stub = waiting.stub();
    signal(stub.id.pid, Signal::KILL);
    wait_for("it is dead", || !stub.id.is_alive());
    let mut stage = Stage::script("exit 3");
    let Message::Started { main, .. } = waiting.launch(&mut stage, &Limits::NONE) else { panic!() };
    assert_ne!(main.id, stub.id);
    assert!(waiting.monitor.wait().unwrap().success() && waiting.has_left_nothing());
    let exit = stage.folder().exit_record(stage.launch.plan.execution).unwrap().unwrap();
    assert_eq!(exit.outcome, Outcome::Exited(Exit::Code(3)));
}

#[test]
fn a_name_is_looked_up_in_the_path_of_the_app() {
    let known = Stage::program("true", &[]).start().exited().0;
    assert_eq!(known.outcome, Outcome::Exited(Exit::Code(0)));
    let Message::Exited { record } = Stage::program("no-such-program", &[]).start().answer.clone() else {
        panic!()
    };
    let Outcome::StartFailed(reason) = record.outcome else { panic!("{record:?}") };
    assert!(reason.contains("`no-such-program`") && reason.contains("dependencies"), "{reason}");
}

#[test]
fn what_cannot_be_started_is_said_as_ever() {
    let mut waiting = Waiting::new();
    let mut stage = Stage::program("/nowhere/at-all", &[]);
    let Message::Exited { record } = waiting.launch(&mut stage, &Limits::NONE) else { panic!() };
    let Outcome::StartFailed(reason) = record.outcome else { panic!("{record:?}") };
    assert!(reason.contains("there is no such file"), "{reason}");
    assert!(waiting.monitor.wait().unwrap().success() && waiting.has_left_nothing());
}
