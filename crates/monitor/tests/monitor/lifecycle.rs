//! From the start to the end of a process, whatever it does.

use std::fs;

use mantyx_core::Exit;
use mantyx_monitor::{Message, Outcome, Request, VERSION, Wish};
use rustix::process::Signal;

use crate::fixture::{Stage, is_gone, signal, state, wait_for};

fn outcome_of(script: &str) -> Outcome {
    Stage::script(script).start().exited().0.outcome
}

#[test]
fn exit_codes_and_signals_are_true() {
    assert_eq!(outcome_of("exit 0"), Outcome::Exited(Exit::Code(0)));
    assert_eq!(outcome_of("exit 255"), Outcome::Exited(Exit::Code(255)));
    assert_eq!(outcome_of("kill -KILL $$"), Outcome::Exited(Exit::Signal(9)));
    assert_eq!(outcome_of("kill -HUP $$"), Outcome::Exited(Exit::Signal(1)));
}

#[test]
fn what_a_process_used_is_recorded() {
    let busy = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done";
    let (record, _) = Stage::script(busy).start().exited();
    assert!(record.cpu_seconds > 0.01, "{record:?}");
    assert!(record.peak_memory > 500_000, "{record:?}");
    assert!(record.started_at.unwrap() < record.finished_at);
    assert_eq!((record.wish, record.dropped_lines), (Wish::None, 0));
}

#[test]
fn no_line_is_lost_not_even_the_one_without_an_end() {
    let (_, stage) = Stage::script("seq 1 100000; echo oops >&2; printf end").start().exited();
    let log = stage.log();
    assert_eq!(log.len(), 100_002);
    let numbers = log.iter().filter_map(|line| line.parse::<u32>().ok());
    assert!(numbers.eq(1..=100_000));
    assert!(log.contains(&"oops".to_owned()) && log.contains(&"end".to_owned()));
}

#[test]
fn a_process_gets_the_environment_that_was_given_and_nothing_else() {
    let mut stage = Stage::program("/usr/bin/env", &[]);
    let id = stage.launch.plan.execution;
    stage.launch.environment.insert("SECRET".to_owned(), "s3cret".to_owned());
    let (_, stage) = stage.start().exited();
    let mut log = stage.log();
    log.sort();
    let notify_socket = format!("NOTIFY_SOCKET=@mantyx/{id}");
    let id_variable = format!("MANTYX_EXECUTION_ID={id}");
    assert_eq!(log, [id_variable.as_str(), &notify_socket, "PATH=/usr/bin:/bin", "SECRET=s3cret"]);
    let record = fs::read_to_string(stage.launch.run_folder.join(format!("{id}.json"))).unwrap();
    assert!(!record.contains("s3cret"));
}

#[test]
fn what_cannot_be_started_says_why() {
    let failed = |stage: Stage| match stage.start().exited().0.outcome {
        Outcome::StartFailed(reason) => reason,
        other @ Outcome::Exited(_) => panic!("{other:?}"),
    };
    assert!(failed(Stage::program("/no/such/program", &[])).ends_with("there is no such file"));
    assert!(failed(Stage::program("/etc/passwd", &[])).ends_with("it may not be executed"));
    let mut lost = Stage::script("exit 0");
    lost.launch.plan.directory = lost.path("nowhere");
    assert!(failed(lost).ends_with("there is no such folder"));
    let mut orphan = Stage::script("exit 0");
    orphan.write_program("#!/no/python\n");
    assert!(failed(orphan).contains("interpreter"));
}

#[test]
fn an_ignored_signal_is_followed_by_a_kill() {
    let mut run = Stage::script("trap '' TERM; echo ready; while :; do sleep 0.01; done").start();
    run.stage.wait_for_log(1);
    run.stop(0.1);
    let (record, _) = run.exited();
    assert_eq!((record.outcome, record.wish), (Outcome::Exited(Exit::Signal(9)), Wish::Stop));
}

#[test]
fn a_process_may_end_in_its_own_way() {
    let script = "trap 'echo bye; exit 4' TERM; echo ready; while :; do sleep 0.01; done";
    let mut run = Stage::script(script).start();
    run.stage.wait_for_log(1);
    run.stop(25.0);
    let (record, stage) = run.exited();
    assert_eq!((record.outcome, record.wish), (Outcome::Exited(Exit::Code(4)), Wish::Stop));
    assert!(stage.log().contains(&"bye".to_owned()));
}

#[test]
fn a_stop_reaches_grandchildren_that_fled_twice() {
    let escape = "(setsid sh -c 'trap \"\" TERM; (setsid sleep 1000 & echo $!) ; echo $$; sleep 1000' &)";
    let mut run = Stage::script(&format!("{escape}; exec sleep 1000")).start();
    let fled = run.stage.wait_for_log(2);
    run.stop(0.2);
    let (record, _) = run.exited();
    assert_eq!(record.outcome, Outcome::Exited(Exit::Signal(15)));
    assert!(fled.iter().all(|pid| is_gone(pid)), "{fled:?}");
}

#[test]
fn nothing_outlives_the_main_process() {
    let (record, stage) = Stage::script("(setsid sleep 1000 & echo $!); exit 5").start().exited();
    assert_eq!((record.outcome, record.wish), (Outcome::Exited(Exit::Code(5)), Wish::None));
    assert!(is_gone(&stage.log()[0]));
}

#[test]
fn the_end_is_recorded_when_nobody_listens() {
    let stage = Stage::script("while [ ! -e go ]; do sleep 0.01; done; echo late; exit 7");
    stage.start_orphaned();
    let (folder, id) = (stage.folder(), stage.launch.plan.execution);
    wait_for("the process", || matches!(folder.record(id), Ok(Some(record)) if record.main.is_some()));
    fs::write(stage.path("go"), "").unwrap();
    wait_for("the exit record", || folder.exit_record(id).unwrap().is_some());
    let record = folder.exit_record(id).unwrap().unwrap();
    assert_eq!(record.outcome, Outcome::Exited(Exit::Code(7)));
    assert_eq!(stage.log(), ["late"]);
    wait_for("the monitor to leave", || !folder.socket(id).exists());
}

#[test]
fn clients_come_and_go() {
    let run = Stage::script("echo ready; exec sleep 1000").deep().start();
    run.stage.wait_for_log(1);
    drop(run.stage.connect());
    let mut link = run.stage.connect();
    link.ask(&Request::Hello { version: VERSION });
    let Message::Hello { execution, main: Some(main), .. } = link.next() else { panic!("no hello") };
    assert_eq!(execution, run.stage.launch.plan.execution);
    assert!(main.id.is_alive());
    link.say("what?");
    assert!(matches!(link.next(), Message::Refused { .. }));
    link.ask(&Request::Signal { number: 0 });
    assert!(matches!(link.next(), Message::Refused { .. }));
    link.ask(&Request::Status);
    assert!(matches!(link.next(), Message::Status { wish: Wish::None, .. }));
    link.ask(&Request::Signal { number: 10 });
    assert_eq!(link.next(), Message::Done);
    assert_eq!(link.exited().outcome, Outcome::Exited(Exit::Signal(10)));
    run.exited();
}

#[test]
fn the_monitor_minds_only_the_signal_that_is_meant_for_it() {
    let mut run = Stage::script("echo ready; exec sleep 1000").start();
    run.stage.wait_for_log(1);
    let monitor = run.monitor.id();
    signal(monitor, Signal::HUP);
    signal(monitor, Signal::INT);
    run.link().ask(&Request::Status);
    assert!(matches!(run.link().next(), Message::Status { wish: Wish::None, .. }));
    signal(monitor, Signal::TERM);
    let (record, _) = run.exited();
    assert_eq!((record.outcome, record.wish), (Outcome::Exited(Exit::Signal(15)), Wish::None));
}

#[test]
fn a_process_does_not_wait_for_a_log_that_cannot_be_written() {
    let mut stage = Stage::script("seq 1 50000");
    stage.launch.plan.log = stage.path("no/such/folder/app.log");
    let (record, _) = stage.start().exited();
    assert_eq!(record.outcome, Outcome::Exited(Exit::Code(0)));
    assert!(record.dropped_lines >= 50_000, "{record:?}");
}

#[test]
fn a_script_without_a_first_line_is_one_for_the_shell() {
    let mut stage = Stage::program("/nothing", &["one", "two"]);
    stage.write_program("echo $# $2\n");
    assert_eq!(stage.start().exited().1.log(), ["2 two"]);
}

#[test]
fn a_process_may_close_its_output_and_go_on() {
    let mut run = Stage::script("echo ready; exec >&- 2>&-; touch closed; exec sleep 1000").start();
    wait_for("the pipes to be closed", || run.stage.path("closed").exists());
    run.link().ask(&Request::Status);
    assert!(matches!(run.link().next(), Message::Status { dropped_lines: 0, .. }));
    run.stop(25.0);
    let (record, stage) = run.exited();
    assert_eq!(record.outcome, Outcome::Exited(Exit::Signal(15)));
    assert_eq!(stage.log(), ["ready"]);
}

#[test]
fn a_process_that_is_stopped_by_a_signal_can_still_be_killed() {
    let mut run = Stage::script("kill -STOP $$").start();
    wait_for("it to be stopped", || state(run.main()) == Some('T'));
    run.stop(0.1);
    assert_eq!(run.exited().0.outcome, Outcome::Exited(Exit::Signal(9)));
}

#[test]
fn a_stop_is_answered_while_output_floods() {
    let mut run =
        Stage::script("trap '' TERM; echo ready; head -c 40000000 /dev/zero | tr '\\0' 'x'; sleep 1000")
            .start();
    run.stage.wait_for_log(1);
    run.stop(0.2);
    assert_eq!(run.link().next(), Message::Done);
    assert_eq!(run.exited().0.outcome, Outcome::Exited(Exit::Signal(9)));
}

#[test]
fn a_monitor_that_is_killed_takes_the_process_along() {
    let mut run = Stage::script("echo $$; exec sleep 1000").start();
    let main = run.stage.wait_for_log(1).remove(0);
    run.monitor.kill().unwrap();
    run.monitor.wait().unwrap();
    wait_for("the process to go too", || is_gone(&main));
}
