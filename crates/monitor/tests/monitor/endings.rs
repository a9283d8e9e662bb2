//! Why an execution ended: the first reason is the one that counts.

use mantyx_core::{Ending, Exit};
use mantyx_monitor::{Deadlines, Message, Outcome, Request, StopTerms, Terms, Wish};
use rustix::process::Signal;

use crate::fixture::{Stage, signal, wait_for};

const SLEEP: &str = "echo ready; exec sleep 1000";

fn owner() -> Ending {
    Ending::Stopped { by: "owner".to_owned() }
}

fn timeout(seconds: f64) -> Deadlines {
    Deadlines { timeout_seconds: Some(seconds), ..Deadlines::default() }
}

#[test]
fn one_that_ends_by_itself_exited() {
    for script in ["exit 0", "exit 3", "kill -KILL $$"] {
        let (record, _) = Stage::script(script).start().exited();
        assert_eq!((record.ending, record.wish), (Some(Ending::Exited), Wish::None));
    }
}

#[test]
fn one_that_was_stopped_says_by_whom() {
    let mut run = Stage::script(SLEEP).start();
    run.stop_because(25.0, Some(owner()));
    let (record, _) = run.exited();
    assert_eq!((record.ending, record.wish), (Some(owner()), Wish::Stop));
}

#[test]
fn a_signal_to_the_monitor_is_the_end_of_the_machine_and_nobodys_wish() {
    let run = Stage::script(SLEEP).start();
    signal(run.monitor.id(), Signal::TERM);
    let (record, _) = run.exited();
    assert_eq!(record.outcome, Outcome::Exited(Exit::Signal(15)));
    assert_eq!((record.ending, record.wish), (Some(Ending::ShutDown), Wish::None));
    assert_eq!(record.boot_id, Some(mantyx_monitor::process::boot_id().unwrap()));
}

#[test]
fn the_first_reason_stays() {
    let unhealthy = Ending::Unhealthy { detail: "503 instead of 200".to_owned() };
    let mut run = Stage::script("trap '' TERM; echo ready; while :; do sleep 0.01; done").start();
    run.stage.wait_for_log(1);
    run.stop_because(25.0, Some(unhealthy.clone()));
    assert_eq!(run.link().next(), Message::Done);
    run.link().ask(&Request::Status);
    let Message::Status { stopping, wish, .. } = run.link().next() else { panic!("no status") };
    assert_eq!((stopping, wish), (Some(unhealthy.clone()), Wish::None));
    // The person is not waited for longer, but was not the reason.
    run.stop_because(0.05, Some(owner()));
    let (record, _) = run.exited();
    assert_eq!(record.outcome, Outcome::Exited(Exit::Signal(9)));
    assert_eq!((record.ending, record.wish), (Some(unhealthy), Wish::Stop));
}

#[test]
fn what_comes_after_the_end_was_not_its_reason() {
    // The child is deaf from its first moment on: its parent may end before it has said anything.
    let mut run =
        Stage::script("trap '' TERM; (echo ready; while :; do sleep 0.01; done) & read x; exit 6").start();
    run.stage.wait_for_log(1);
    wait_for("the process to end before its child", || {
        run.link().ask(&Request::Signal { number: 28 });
        matches!(run.link().next(), Message::Refused { .. })
    });
    run.stop_because(0.05, Some(owner()));
    let (record, _) = run.exited();
    assert_eq!((record.outcome, record.ending), (Outcome::Exited(Exit::Code(6)), Some(Ending::Exited)));
}

#[test]
fn one_that_never_began_says_why() {
    let (record, _) = Stage::program("/no/such/program", &[]).start().exited();
    let Outcome::StartFailed(reason) = record.outcome else { panic!("{record:?}") };
    assert_eq!(record.ending, Some(Ending::NotStarted { reason }));
}

#[test]
fn a_time_limit_holds_without_a_daemon() {
    let mut stage = Stage::script(SLEEP);
    stage.launch.plan.deadlines = timeout(0.2);
    stage.start_orphaned();
    let (folder, id) = (stage.folder(), stage.launch.plan.execution);
    wait_for("the exit record", || folder.exit_record(id).unwrap().is_some());
    let record = folder.exit_record(id).unwrap().unwrap();
    assert_eq!(record.outcome, Outcome::Exited(Exit::Signal(15)));
    assert_eq!((record.ending, record.wish), (Some(Ending::TimedOut { after: 1 }), Wish::None));
    wait_for("the monitor to leave", || !folder.socket(id).exists());
}

#[test]
fn a_signal_that_does_not_exist_becomes_the_usual_one_and_it_is_said() {
    let mut stage = Stage::script("trap 'exit 4' TERM; echo ready; while :; do sleep 0.01; done");
    stage.launch.plan.stop.signal = 99;
    let mut run = stage.start();
    let [warning] = &run.warnings()[..] else { panic!("{:?}", run.warnings()) };
    assert!(warning.contains("99") && warning.contains("SIGTERM"), "{warning}");
    run.stage.wait_for_log(1);
    let terms = StopTerms { signal: 1000, grace_seconds: 25.0 };
    run.link().ask(&Request::Stop { terms, why: Some(owner()) });
    assert_eq!(run.link().next(), Message::Done);
    let (record, _) = run.exited();
    assert_eq!((record.outcome, record.ending), (Outcome::Exited(Exit::Code(4)), Some(owner())));
}

#[test]
fn a_disk_that_is_stuck_holds_nobody_up() {
    let mut run = Stage::script(SLEEP).start();
    run.stage.wait_for_log(1);
    let id = run.stage.launch.plan.execution;
    // Whoever opens a pipe to write waits for somebody who reads.
    let beside = run.stage.launch.run_folder.join(format!(".{id}.json.new"));
    assert!(std::process::Command::new("mkfifo").arg(&beside).status().unwrap().success());
    let stop = StopTerms { signal: 10, grace_seconds: 20.0 };
    let terms = Terms { stop, deadlines: Deadlines::default(), confinement: None };
    for _ in 0..3 {
        run.link().ask(&Request::Adjust(Box::new(terms.clone())));
        assert_eq!(run.link().next(), Message::Done);
    }
    assert_ne!(run.stage.folder().record(id).unwrap().unwrap().plan.stop, stop);
    // When the disk answers, the last terms are there.
    std::fs::rename(&beside, run.stage.path("pipe")).unwrap();
    std::fs::read(run.stage.path("pipe")).unwrap();
    wait_for("the last terms", || {
        run.stage.folder().record(id).unwrap().is_some_and(|record| record.plan.stop == stop)
    });
    signal(run.monitor.id(), Signal::TERM);
    assert_eq!(run.exited().0.outcome, Outcome::Exited(Exit::Signal(10)));
}

#[test]
fn terms_can_be_changed_while_it_runs() {
    let mut run =
        Stage::script("trap '' TERM; trap 'exit 8' USR1; echo ready; while :; do sleep 0.01; done").start();
    run.stage.wait_for_log(1);
    let stop = StopTerms { signal: 10, grace_seconds: 20.0 };
    let adjust = |deadlines| Request::Adjust(Box::new(Terms { stop, deadlines, confinement: None }));
    run.link().ask(&adjust(timeout(1000.0)));
    assert_eq!(run.link().next(), Message::Done);
    let (folder, id) = (run.stage.folder(), run.stage.launch.plan.execution);
    // A slow disk does not hold up the answer.
    wait_for("the record", || {
        let plan = folder.record(id).unwrap().unwrap().plan;
        (plan.stop, plan.deadlines) == (stop, timeout(1000.0))
    });
    run.link().ask(&adjust(timeout(0.3)));
    let (record, _) = run.exited();
    assert_eq!(record.outcome, Outcome::Exited(Exit::Code(8)));
    assert_eq!(record.ending, Some(Ending::TimedOut { after: 1 }));
}
