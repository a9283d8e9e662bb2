//! What the database promises, against a real file.
#![allow(clippy::unwrap_used, reason = "a promise that is not kept fails its test")]

use chrono::{TimeDelta, Utc};
use mantyx_core::{
    Actor, AppId, AppName, AppType, Code, EventKind, ExecutionId, ExecutionStatus, InstanceId, OperationId,
    OperationKind, OperationStatus, ScheduleId, Subject, Timestamp, Trigger,
};
use mantyx_store::tables::executions::{Claim, Execution};
use mantyx_store::tables::operations::Operation;
use mantyx_store::tables::{apps, events, executions, operations};
use mantyx_store::{Json, Store, Word};
use serde_json::json;

fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("mantyx.db")).unwrap();
    (folder, store)
}

fn app(name: &str) -> apps::App {
    let now = Utc::now();
    apps::App {
        id: Word(AppId::generate()),
        name: Word(AppName::parse(name).unwrap()),
        display_name: String::new(),
        description: String::new(),
        tags: Json(vec!["a".into()]),
        app_type: Word(AppType::Perpetual),
        created_at: now,
        updated_at: now,
        deleted_at: None,
    }
}

fn execution(schedule: Option<ScheduleId>, due_at: Option<Timestamp>) -> Execution {
    Execution {
        id: Word(ExecutionId::generate()),
        app_id: Word(AppId::generate()),
        app_name: Word(AppName::parse("x").unwrap()),
        instance_id: Word(InstanceId::generate()),
        release: 1,
        revision: 1,
        trigger: Word(Trigger::Schedule),
        schedule_id: schedule.map(Word),
        due_at,
        status: Word(ExecutionStatus::Pending),
        pid: None,
        exit: None,
        cause: None,
        started_at: Utc::now(),
        finished_at: None,
        cpu_seconds: None,
        peak_memory: None,
        ending: None,
        last_lines: Json(Vec::new()),
        dropped_lines: 0,
    }
}

#[test]
fn a_name_is_free_again_once_its_app_is_in_the_trash() {
    let (_folder, store) = store();
    let (first, second) = (app("wiki"), app("wiki"));
    store.write(|tx| apps::insert(tx, &first)).unwrap();
    let refused = store.write(|tx| apps::insert(tx, &second)).unwrap_err();
    assert_eq!(refused.code(), Code::NameTaken);

    let trashed = apps::Changes { deleted_at: Some(Some(Utc::now())), ..Default::default() };
    store.write(|tx| apps::update(tx, first.id.0, &trashed, Utc::now())).unwrap();
    store.write(|tx| apps::insert(tx, &second)).unwrap();
    let found = store.read(|db| apps::find_by_name(db, &second.name.0)).unwrap().unwrap();
    assert_eq!(found.id, second.id);
    assert_eq!(found.tags.0, ["a"]);
}

#[test]
fn a_failed_write_leaves_nothing() {
    let (_folder, store) = store();
    let outcome = store.write(|tx| {
        apps::insert(tx, &app("one"))?;
        apps::insert(tx, &app("one"))
    });
    assert!(outcome.is_err());
    assert!(store.read(apps::list).unwrap().is_empty());
}

#[test]
fn a_panic_in_a_write_leaves_nothing_and_the_next_write_works() {
    let (_folder, store) = store();
    let panicking = std::panic::AssertUnwindSafe(|| {
        store.write(|tx| -> mantyx_core::Result<()> {
            apps::insert(tx, &app("half"))?;
            panic!("in the middle");
        })
    });
    assert!(std::panic::catch_unwind(panicking).is_err());
    store.write(|tx| apps::insert(tx, &app("whole"))).unwrap();
    let names: Vec<_> = store.read(apps::list).unwrap().into_iter().map(|a| a.name.0.to_string()).collect();
    assert_eq!(names, ["whole"]);
}

#[test]
fn a_due_instant_is_claimed_once() {
    let (_folder, store) = store();
    let (schedule, due) = (ScheduleId::generate(), Utc::now());
    let claim =
        |due| store.write(|tx| executions::insert(tx, &execution(Some(schedule), Some(due)))).unwrap();
    assert_eq!(claim(due), Claim::Won);
    assert_eq!(claim(due), Claim::Lost);
    assert_eq!(claim(due + TimeDelta::seconds(1)), Claim::Won);
    let manual = |()| store.write(|tx| executions::insert(tx, &execution(None, None))).unwrap();
    assert_eq!([manual(()), manual(())], [Claim::Won, Claim::Won]);
}

#[test]
fn an_app_has_one_operation_at_a_time_and_the_refusal_names_it() {
    let (_folder, store) = store();
    let app_id = AppId::generate();
    let operation = || Operation {
        id: Word(OperationId::generate()),
        app_id: Some(Word(app_id)),
        app_name: Some(Word(AppName::parse("wiki").unwrap())),
        kind: Word(OperationKind::Install),
        status: Word(OperationStatus::Running),
        memory: Json(json!({})),
        cancellable: true,
        problem: None,
        actor: Json(Actor::Mantyx),
        started_at: Utc::now(),
        finished_at: None,
    };
    let (first, second) = (operation(), operation());
    store.write(|tx| operations::insert(tx, &first, [("one", "One"), ("two", "Two")])).unwrap();
    let refused = store.write(|tx| operations::insert(tx, &second, [("one", "One")])).unwrap_err();
    assert_eq!(refused.code(), Code::OperationInProgress);
    assert!(refused.detail().contains(&first.id.0.to_string()));

    let done = OperationStatus::Succeeded;
    store.write(|tx| operations::finish(tx, first.id.0, done, None, Utc::now())).unwrap();
    store.write(|tx| operations::insert(tx, &second, [("one", "One")])).unwrap();
    assert_eq!(store.read(|db| operations::steps(db, first.id.0)).unwrap().len(), 2);
}

#[test]
fn a_change_to_the_record_breaks_its_chain() {
    let (folder, store) = store();
    let subject = Subject { kind: "app".into(), id: "1".into(), name: "wiki".into() };
    for number in 0..3 {
        let payload = json!({ "number": number });
        store
            .write(|tx| {
                events::append(tx, Utc::now(), &Actor::Mantyx, &subject, EventKind::AppChanged, payload)
            })
            .unwrap();
    }
    assert_eq!(store.read(events::first_break).unwrap(), None);

    let tampering = diesel::Connection::establish(folder.path().join("mantyx.db").to_str().unwrap());
    let mut tampering: diesel::SqliteConnection = tampering.unwrap();
    let forged = "UPDATE events SET payload = '{\"number\":7}' WHERE sequence = 2";
    diesel::connection::SimpleConnection::batch_execute(&mut tampering, forged).unwrap();
    assert_eq!(store.read(events::first_break).unwrap(), Some(2));
}

#[test]
fn the_file_is_opened_again_as_it_was() {
    let (folder, store) = store();
    store.write(|tx| apps::insert(tx, &app("kept"))).unwrap();
    drop(store);
    let store = Store::open(&folder.path().join("mantyx.db")).unwrap();
    assert_eq!(store.read(apps::list).unwrap().len(), 1);
}
