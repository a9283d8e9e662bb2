//! What version 1 wrote is read, what it asks is done, and what is to come is refused.
//!
//! The fixtures are what a daemon and a monitor of version 1 wrote.

use std::fs;
use std::path::Path;

use mantyx_core::{Ending, Exit};
use mantyx_monitor::{
    Deadlines, ExitRecord, Launch, Message, Notified, Outcome, Record, Request, VERSION, Wish,
};

use crate::fixture::{Link, Stage};

fn written(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/version-1").join(name);
    fs::read_to_string(path).unwrap()
}

#[test]
fn the_records_of_version_1_are_read() {
    let record: Record = serde_json::from_str(&written("record.json")).unwrap();
    assert_eq!((record.version, record.main.unwrap().id.pid), (1, 18928));
    let plan = record.plan;
    assert_eq!((plan.identity, plan.confinement, plan.deadlines), (None, None, Deadlines::default()));

    let exit: ExitRecord = serde_json::from_str(&written("exit.json")).unwrap();
    assert_eq!((exit.outcome, exit.wish), (Outcome::Exited(Exit::Signal(15)), Wish::Stop));
    assert_eq!(exit.ending, None);
}

#[test]
fn the_messages_of_version_1_are_read() {
    let messages: Vec<Message> =
        written("messages.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let [
        Message::Started { warnings, .. },
        Message::Hello { version: 1, main: Some(main), .. },
        Message::Status { wish: Wish::None, stopping: None, notified, .. },
        Message::Done,
        Message::Refused { .. },
        Message::Done,
        Message::Exited { record },
    ] = &messages[..]
    else {
        panic!("{messages:?}")
    };
    assert!(warnings.is_empty());
    assert_eq!((main.id.pid, notified), (18928, &Notified::default()));
    assert_eq!(record.ending, None);
}

#[test]
fn the_requests_of_version_1_are_read() {
    let requests: Vec<Request> =
        written("requests.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(matches!(
        requests[..],
        [
            Request::Hello { version: 1 },
            Request::Status,
            Request::Signal { number: 18 },
            Request::Signal { number: 0 },
            Request::Stop { why: None, .. }
        ]
    ));
}

#[test]
fn a_daemon_of_version_1_is_served() {
    let mut stage = Stage::script("");
    let mut launch: Launch = serde_json::from_str(&written("launch.json")).unwrap();
    launch.run_folder.clone_from(&stage.launch.run_folder);
    launch.plan.directory.clone_from(&stage.launch.plan.directory);
    launch.plan.log.clone_from(&stage.launch.plan.log);
    stage.launch = launch;
    let mut run = stage.start();
    assert!(matches!(run.answer, Message::Started { .. }), "{:?}", run.answer);
    run.stage.wait_for_log(1);
    let mut link = run.stage.connect();
    let said: Vec<Message> = written("requests.jsonl").lines().map(|line| answer(&mut link, line)).collect();
    let as_then: Vec<Message> =
        written("messages.jsonl").lines().skip(1).map(|line| serde_json::from_str(line).unwrap()).collect();
    let kinds = |messages: &[Message]| messages.iter().map(std::mem::discriminant).collect::<Vec<_>>();
    assert_eq!(kinds(&said), kinds(&as_then[..said.len()]));
    let record = run.link().exited();
    assert_eq!((record.outcome, record.wish), (Outcome::Exited(Exit::Signal(15)), Wish::Stop));
    assert_eq!(record.ending, Some(Ending::Stopped { by: "the daemon".to_owned() }));
}

fn answer(link: &mut Link, request: &str) -> Message {
    link.say(request);
    link.next()
}

#[test]
fn a_launch_of_a_version_to_come_is_refused_with_its_reason() {
    let mut stage = Stage::script("exit 0");
    stage.launch.version = VERSION + 1;
    let mut run = stage.start();
    let Message::Refused { reason } = &run.answer else { panic!("{:?}", run.answer) };
    assert!(reason.contains("same installation"), "{reason}");
    assert!(!run.monitor.wait().unwrap().success());
}
