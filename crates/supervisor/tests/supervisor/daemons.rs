//! Daemons that come and go, and monitors that are killed, over processes that go on.

use std::fs;
use std::process::Stdio;

use crate::fixture::{Stage, by_somebody, is_alive, kill, wait_for};
use mantyx_core::{Ending, ExecutionId, Exit, Health, InstanceId, RestartHistory, Trigger};
use mantyx_logs::Rotation;
use mantyx_monitor::process::{self, ProcessId};
use mantyx_monitor::{Deadlines, MainProcess, Output, Plan, Record, RunFolder, StopTerms, VERSION};
use mantyx_supervisor::{Found, Role, Start};

const FOREVER: &str = "echo $$; exec sleep 1000";
/// Ends when it is let go, with 7.
const UNTIL_GO: &str = "echo begun; while [ ! -e go ]; do sleep 0.01; done; echo over; exit 7";
/// Two processes that no longer belong to their parent, one without a trace of Mantyx in its environment.
const FLEEING: &str = "(setsid sleep 1000 & echo $!); (env -i sleep 1000 & echo $!); exec sleep 1000";

fn service() -> Role {
    Role::Service { history: RestartHistory::default(), health: Health::Unknown }
}

#[tokio::test]
async fn the_next_daemon_adopts_what_runs() {
    let stage = Stage::new(FOREVER);
    let first = stage.supervisor();
    first.start_service(stage.instance, Trigger::Manual).await.unwrap();
    let (execution, pid) = stage.book.started().await;
    first.shutdown().await;
    assert!(first.start_service(stage.instance, Trigger::Manual).await.is_err());
    let second = stage.supervisor();
    let found = second.discover().await.unwrap().remove(0);
    assert_eq!((found.execution, found.instance, found.app), (execution, stage.instance, stage.app()));
    assert!(matches!(found.found, Found::Live { pid: alive, .. } if alive == pid));
    second.adopt(found, service(), stage.book.current_care()).await.unwrap();
    assert_eq!(second.status(stage.instance).unwrap().pid, Some(pid));
    assert!(stage.book.has_no_report());
    kill(pid);
    assert_eq!(stage.book.exited().await.0, execution);
    assert_ne!(stage.book.started().await.1, pid);
    second.stop(stage.instance, by_somebody()).await.unwrap();
    assert_eq!(stage.book.exited().await.1.ending, by_somebody());
    stage.wait_for_empty_run_folder().await;
}

#[tokio::test]
async fn an_adopted_run_is_stopped_in_its_own_way() {
    let stage = Stage::new("trap 'exit 5' TERM; echo $$; while :; do sleep 0.01; done");
    let first = stage.supervisor();
    first.start_run(stage.instance, Start::by(Trigger::Manual)).await.unwrap();
    stage.book.started().await;
    stage.log(1).await;
    first.shutdown().await;
    let second = stage.supervisor();
    let found = second.discover().await.unwrap().remove(0);
    second.adopt(found, Role::Run, stage.book.current_care()).await.unwrap();
    assert_eq!(second.live_runs(stage.instance), 1);
    second.stop(stage.instance, by_somebody()).await.unwrap();
    let (_, how) = stage.book.exited().await;
    assert_eq!((how.exit, how.ending), (Some(Exit::Code(5)), by_somebody()));
}

#[tokio::test]
async fn an_end_without_a_daemon_is_known_to_the_next() {
    let stage = Stage::new(UNTIL_GO);
    let first = stage.supervisor();
    let execution = first.start_run(stage.instance, Start::by(Trigger::Manual)).await.unwrap();
    first.shutdown().await;
    fs::write(stage.path("go"), "").unwrap();
    let folder = RunFolder::open(&stage.path("run")).unwrap();
    wait_for("the exit record", || folder.exit_record(execution).unwrap().is_some()).await;
    let second = stage.supervisor();
    let found = second.discover().await.unwrap().remove(0);
    let Found::Ended(how) = &found.found else { panic!("{found:?}") };
    assert_eq!((how.exit, &how.ending), (Some(Exit::Code(7)), &Ending::Exited));
    assert_eq!(stage.log(2).await, ["begun", "over"]);
    second.adopt(found, Role::Run, stage.book.current_care()).await.unwrap();
    assert_eq!(stage.book.started().await.0, execution);
    let (ended, how) = stage.book.exited().await;
    assert_eq!((ended, how.exit), (execution, Some(Exit::Code(7))));
    stage.wait_for_empty_run_folder().await;
    second.forget(execution).await.unwrap();
    assert_eq!(second.discover().await.unwrap(), []);
}

#[tokio::test]
async fn a_killed_monitor_takes_its_app_along_and_the_service_goes_on() {
    let stage = Stage::new(FLEEING);
    let supervisor = stage.supervisor();
    supervisor.start_service(stage.instance, Trigger::Manual).await.unwrap();
    let (execution, pid) = stage.book.started().await;
    let fled = stage.log(2).await;
    kill(stage.record(execution).monitor.pid);
    let (lost, how) = stage.book.exited().await;
    assert_eq!((lost, how.exit, how.ending), (execution, None, Ending::Lost));
    assert!(!is_alive(&pid.to_string()));
    assert!(fled.iter().all(|pid| !is_alive(pid)), "{fled:?}");
    stage.book.started().await;
    supervisor.stop(stage.instance, by_somebody()).await.unwrap();
}

#[tokio::test]
async fn a_monitor_that_was_killed_without_a_daemon_leaves_nothing_alive() {
    let stage = Stage::new(FLEEING);
    let first = stage.supervisor();
    first.start_service(stage.instance, Trigger::Manual).await.unwrap();
    let (execution, _) = stage.book.started().await;
    let fled = stage.log(2).await;
    first.shutdown().await;
    kill(stage.record(execution).monitor.pid);
    let second = stage.supervisor();
    let found = second.discover().await.unwrap().remove(0);
    assert_eq!(found.found, Found::Lost);
    assert!(fled.iter().all(|pid| !is_alive(pid)), "{fled:?}");
    // Its service goes on as if somebody had watched.
    second.adopt(found, service(), stage.book.current_care()).await.unwrap();
    let (lost, how) = stage.book.exited().await;
    assert_eq!((lost, how.ending), (execution, Ending::Lost));
    assert_ne!(stage.book.started().await.0, execution);
    second.stop(stage.instance, by_somebody()).await.unwrap();
}

#[tokio::test]
async fn a_stranger_with_an_old_pid_is_left_alone() {
    let stage = Stage::new("");
    let supervisor = stage.supervisor();
    let mut stranger = std::process::Command::new("/bin/sleep");
    let mut stranger = stranger.arg("1000").stdout(Stdio::null()).spawn().unwrap();
    let now = ProcessId::of(stranger.id()).unwrap();
    let before = ProcessId { start_ticks: now.start_ticks - 1, ..now };
    let record = Record {
        version: VERSION,
        plan: Plan {
            execution: ExecutionId::generate(),
            instance: InstanceId::generate(),
            app: stage.app(),
            program: "/bin/sh".into(),
            arguments: Vec::new(),
            directory: "/".into(),
            log: stage.path("app.log"),
            stop: StopTerms { signal: 15, grace_seconds: 1.0 },
            output: Output::Pipes,
            identity: None,
            deadlines: Deadlines::default(),
            confinement: None,
            rotation: Rotation::default(),
            web_port: None,
        },
        boot_id: process::boot_id().unwrap(),
        monitor: before,
        main: Some(MainProcess { id: before, started_at: chrono::Utc::now() }),
    };
    let folder = RunFolder::open(&stage.path("run")).unwrap();
    folder.write_record(&record).unwrap();
    assert_eq!(supervisor.discover().await.unwrap().remove(0).found, Found::Lost);
    // The same pid and start time in another boot is a stranger too.
    let main = MainProcess { id: now, started_at: chrono::Utc::now() };
    let elsewhen = Record { boot_id: "another".to_owned(), monitor: now, main: Some(main), ..record };
    folder.write_record(&elsewhen).unwrap();
    assert_eq!(supervisor.discover().await.unwrap().remove(0).found, Found::Lost);
    assert!(now.is_alive());
    stranger.kill().unwrap();
    stranger.wait().unwrap();
}

#[tokio::test]
async fn torn_records_are_swept_away() {
    let stage = Stage::new("");
    let supervisor = stage.supervisor();
    fs::write(stage.path(&format!("run/{}.json", ExecutionId::generate())), "").unwrap();
    fs::write(stage.path(&format!("run/{}.exit.json", ExecutionId::generate())), "{\"ver").unwrap();
    assert_eq!(supervisor.discover().await.unwrap(), []);
    stage.wait_for_empty_run_folder().await;
}

#[tokio::test]
async fn what_cannot_be_looked_at_hides_nothing_else() {
    let stage = Stage::new(FOREVER);
    let first = stage.supervisor();
    first.start_service(stage.instance, Trigger::Manual).await.unwrap();
    let (execution, _) = stage.book.started().await;
    first.shutdown().await;
    // Older than the other, so it is looked at first; a folder cannot be read like a file.
    let hidden = "00000000-0000-7000-8000-000000000000";
    let unreadable = stage.path(&format!("run/{hidden}.json"));
    fs::create_dir(&unreadable).unwrap();
    let second = stage.supervisor();
    let found = second.discover().await.unwrap();
    assert_eq!(found.iter().map(|it| it.execution).collect::<Vec<_>>(), [execution]);
    assert!(unreadable.exists());
    let error = second.look_at(hidden.parse().unwrap()).await.unwrap_err();
    assert!(error.detail().contains(hidden), "{error}");
    let found = second.look_at(execution).await.unwrap();
    assert_eq!(found.map(|it| it.execution), Some(execution));
}

#[tokio::test]
async fn the_next_daemon_tells_a_monitor_what_this_one_did_not_get_to() {
    let stage = Stage::new(FOREVER);
    let first = stage.supervisor();
    first.start_service(stage.instance, Trigger::Manual).await.unwrap();
    let (execution, _) = stage.book.started().await;
    first.shutdown().await;
    let second = stage.supervisor();
    let found = second.discover().await.unwrap().remove(0);
    let mut care = stage.book.current_care();
    care.stop_grace = std::time::Duration::from_secs(7);
    second.adopt(found, service(), care).await.unwrap();
    wait_for("the terms on disk", || stage.record(execution).plan.stop.grace_seconds > 6.0).await;
    second.stop(stage.instance, by_somebody()).await.unwrap();
}

#[tokio::test]
async fn a_report_that_nobody_kept_is_there_for_the_next_daemon() {
    let stage = Stage::new(FOREVER);
    let first = stage.supervisor();
    first.start_service(stage.instance, Trigger::Manual).await.unwrap();
    let (execution, pid) = stage.book.started().await;
    *stage.book.failing.lock().unwrap() = u32::MAX;
    kill(pid);
    wait_for("a report that fails", || *stage.book.failing.lock().unwrap() < u32::MAX).await;
    first.shutdown().await;
    *stage.book.failing.lock().unwrap() = 0;
    let found = stage.supervisor().discover().await.unwrap().remove(0);
    assert_eq!(found.execution, execution);
    assert!(matches!(found.found, Found::Ended(how) if how.exit == Some(Exit::Signal(9))));
    assert!(stage.book.has_no_report());
}
