//! What comes along, and what is no database of Mantyx.

use super::*;
use crate::tables::executions::Claim;
use crate::tables::{apps, config_revisions, events, executions, instances, operations, releases, settings};
use crate::{Json, Word};
use chrono::{TimeDelta, Utc};
use mantyx_core::{
    Actor, AppId, AppName, AppState, AppType, Code, Configuration, EventKind, ExecutionId, ExecutionStatus,
    Health, InstanceId, Launch, OperationId, OperationKind, OperationStatus, Origin, ReleaseId, RevisionId,
    Subject, Trigger,
};
use serde_json::json;

/// What is each Mantyx's own: who may ask, what was recorded, and what is made anew.
const OWN: [&str; 6] = ["principals", "replays", "settings", "events", "environments", "port_leases"];

fn store(folder: &Path, name: &str) -> Store {
    Store::open(&folder.join(name)).unwrap()
}

/// An app with all that hangs on it, and with a run and an operation that are under way.
fn add_app(store: &Store, name: &str) -> AppId {
    let (app, release, revision) = (app(name), ReleaseId::generate(), RevisionId::generate());
    let (id, instance) = (app.id.0, InstanceId::generate());
    let add = |tx: &mut Write<'_>| {
        apps::insert(tx, &app)?;
        releases::insert(tx, &first_release(id, release))?;
        instances::insert(tx, &running(id, instance, release, revision))?;
        config_revisions::insert(
            tx,
            &config_revisions::Revision {
                id: Word(revision),
                instance_id: Word(instance),
                number: 1,
                configuration: Json(Configuration::new(Launch::Module("app".into()))),
                created_at: app.created_at,
                created_by: "t".into(),
            },
        )?;
        assert_eq!(executions::insert(tx, &execution(id, instance))?, Claim::Won);
        operations::insert(tx, &operation(id, name), [("plan", "Plan")])?;
        settings::set(tx, settings::PASSWORD, "secret-hash")?;
        let subject = Subject { kind: "app".into(), id: id.to_string(), name: name.into() };
        let (at, kind) = (app.created_at, EventKind::AppCreated);
        events::append(tx, at, &Actor::Mantyx, &subject, kind, json!({})).map(drop)
    };
    store.write(add).unwrap();
    id
}

fn app(name: &str) -> apps::App {
    let now = Utc::now();
    apps::App {
        id: Word(AppId::generate()),
        name: Word(AppName::parse(name).unwrap()),
        display_name: String::new(),
        description: String::new(),
        tags: Json(Vec::new()),
        app_type: Word(AppType::Perpetual),
        created_at: now,
        updated_at: now,
        deleted_at: None,
    }
}

fn first_release(app: AppId, id: ReleaseId) -> releases::Release {
    let found = json!({
        "candidates": [], "dependency_files": [], "digest": "d", "files": 1, "bytes": 1, "warnings": [],
        "suggested_name": "a"
    });
    releases::Release {
        id: Word(id),
        app_id: Word(app),
        number: 1,
        origin: Json(Origin::Script { file: "a.py".into() }),
        found: Json(serde_json::from_value(found).unwrap()),
        scm_version: None,
        environment_id: None,
        created_at: Utc::now(),
        created_by: "t".into(),
        lock: None,
        revision_id: None,
        lock_digest: None,
        python_version: None,
    }
}

fn running(app: AppId, id: InstanceId, release: ReleaseId, revision: RevisionId) -> instances::Instance {
    instances::Instance {
        id: Word(id),
        app_id: Word(app),
        state: Word(AppState::Running),
        reason: None,
        ever_enabled: true,
        restarts: 0,
        restarts_at: None,
        release_id: Word(release),
        revision_id: Word(revision),
        health: Word(Health::Healthy),
        health_detail: None,
        status_text: None,
        warnings: Json(Vec::new()),
        give_ups: 0,
    }
}

fn execution(app: AppId, instance: InstanceId) -> executions::Execution {
    executions::Execution {
        id: Word(ExecutionId::generate()),
        app_id: Word(app),
        app_name: Word(AppName::parse("x").unwrap()),
        instance_id: Word(instance),
        release: 1,
        revision: 1,
        trigger: Word(Trigger::Boot),
        schedule_id: None,
        due_at: None,
        status: Word(ExecutionStatus::Running),
        pid: Some(1),
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

fn operation(app: AppId, name: &str) -> operations::Operation {
    operations::Operation {
        id: Word(OperationId::generate()),
        app_id: Some(Word(app)),
        app_name: Some(Word(AppName::parse(name).unwrap())),
        kind: Word(OperationKind::Install),
        status: Word(OperationStatus::Running),
        memory: Json(json!({})),
        cancellable: true,
        problem: None,
        actor: Json(Actor::Mantyx),
        started_at: Utc::now(),
        finished_at: None,
    }
}

#[test]
fn every_table_is_decided_about() {
    let folder = tempfile::tempdir().unwrap();
    let tables = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' \
                  AND name NOT LIKE '\\_\\_%' ESCAPE '\\' ORDER BY name";
    let found: Vec<Column> = store(folder.path(), "a.db")
        .read(|db| diesel::sql_query(tables).load(db.connection()).doing("list"))
        .unwrap();
    let found: Vec<String> = found.into_iter().map(|table| table.name).collect();
    let mut decided: Vec<&str> = TAKEN.into_iter().chain(HISTORY).chain(OWN).collect();
    decided.sort_unstable();
    assert_eq!(found, decided, "decide whether the rows of a new table come along with an import");
}

#[test]
fn a_copy_has_everything_but_who_may_ask() {
    let folder = tempfile::tempdir().unwrap();
    let (store, copy) = (store(folder.path(), "a.db"), folder.path().join("copy.db"));
    let app = add_app(&store, "wiki");
    store.copy_to(&copy).unwrap();
    assert!(store.copy_to(&copy).is_err(), "what is there is not replaced");
    assert!(!String::from_utf8_lossy(&std::fs::read(&copy).unwrap()).contains("secret-hash"));
    let foreign = Foreign::open(&copy).unwrap();
    let (found, newest) = foreign.read(|db| Ok((apps::find(db, app)?, events::newest(db)?))).unwrap();
    assert!(found.is_some() && newest.is_some());
}

#[test]
fn rows_are_taken_over_and_what_was_under_way_is_over() {
    let folder = tempfile::tempdir().unwrap();
    let (theirs, ours) = (store(folder.path(), "theirs.db"), store(folder.path(), "ours.db"));
    let app = add_app(&theirs, "wiki");
    let copy = folder.path().join("copy.db");
    theirs.copy_to(&copy).unwrap();
    let at = Utc::now() + TimeDelta::hours(1);
    let foreign = Foreign::open(&copy).unwrap();
    foreign.settle(&json!({ "detail": "No" }), at).unwrap();
    foreign.close().unwrap();
    let take = || {
        ours.attach(&copy)?;
        ours.write(|tx| {
            assert!(holdings(tx)?.is_empty());
            take_over(tx)
        })?;
        ours.detach()
    };
    take().unwrap();
    ours.detach().unwrap();
    ours.read(|db| {
        assert_eq!(holdings(db)?, Holdings { apps: 1, trashed: 0, secrets: 0 });
        let instance = instances::of_app(db, app)?;
        assert_eq!((instance.state.0, instance.health.0), (AppState::Running, Health::Unknown));
        assert!(executions::live(db)?.is_empty() && operations::all_under_way(db)?.is_empty());
        let lost = executions::last_finished(db, app)?.unwrap();
        assert_eq!((lost.status.0, lost.finished_at.is_some()), (ExecutionStatus::Lost, true));
        let ended = operations::page(db, Some(app), None, 10)?;
        assert_eq!(ended[0].problem, Some(Json(json!({ "detail": "No" }))));
        assert!(events::newest(db)?.is_none() && settings::get(db, settings::PASSWORD)?.is_none());
        Ok(())
    })
    .unwrap();
    // Whoever removes everything and imports it again still has the history of before.
    ours.write(|tx| forget(tx, &[AppId::generate()], &[])).unwrap();
    assert_eq!(ours.read(holdings).unwrap().apps, 1, "what was not among it is there still");
    let names =
        |db: &mut Read<'_>| Ok(secrets::list(db)?.into_iter().map(|row| row.name.0).collect::<Vec<_>>());
    let secrets = ours.read(names).unwrap();
    ours.write(|tx| forget(tx, &[app], &secrets)).unwrap();
    take().unwrap();
    ours.read(|db| {
        assert_eq!(operations::page(db, Some(app), None, 10)?.len(), 1);
        Ok(())
    })
    .unwrap();
}

#[test]
fn nothing_else_is_taken_for_a_database_of_mantyx() {
    let folder = tempfile::tempdir().unwrap();
    let ours = store(folder.path(), "ours.db");
    add_app(&ours, "wiki");
    let number = std::cell::Cell::new(0);
    let refused = |change: &str| {
        number.set(number.get() + 1);
        let copy = folder.path().join(format!("copy-{}.db", number.get()));
        ours.copy_to(&copy).unwrap();
        let mut connection = raw_copy(&copy);
        connection.batch_execute(change).unwrap();
        drop(connection);
        Foreign::open(&copy).map(drop).unwrap_err().code()
    };
    for change in [
        "CREATE TRIGGER evil AFTER UPDATE ON apps BEGIN DELETE FROM apps; END",
        "CREATE VIEW evil AS SELECT 1",
        "CREATE TABLE evil (id)",
        "DROP TABLE apps",
        "ALTER TABLE apps ADD COLUMN evil GENERATED ALWAYS AS (zeroblob(1000000000))",
        "DROP TABLE __diesel_schema_migrations",
        "UPDATE apps SET name = '../../etc'",
        "UPDATE apps SET tags = 'no json'",
        "UPDATE backups SET folder = 1; UPDATE config_revisions SET configuration = '{}'",
        "UPDATE config_revisions SET configuration = json_set(configuration, '$.restart_limit', 1e9)",
        "UPDATE instances SET release_id = 'gone'",
        "UPDATE executions SET exit = 'no exit'",
        "DELETE FROM instances",
    ] {
        assert_eq!(refused(change), Code::NotAnExport, "{change}");
    }
    let newer = "INSERT INTO __diesel_schema_migrations (version) VALUES ('99991231000000')";
    assert_eq!(refused(newer), Code::UnknownFormat);
    for (name, text) in [("text.db", "no database"), ("empty.db", "")] {
        let path = folder.path().join(name);
        std::fs::write(&path, text.repeat(500)).unwrap();
        assert_eq!(Foreign::open(&path).map(drop).unwrap_err().code(), Code::NotAnExport, "{name}");
    }
}

#[test]
fn the_database_of_an_older_mantyx_is_brought_up_to_date() {
    use diesel_migrations::MigrationHarness;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("older.db");
    drop(Store::open(&path).unwrap());
    raw_copy(&path).revert_last_migration(crate::connection::MIGRATIONS).unwrap();
    let foreign = Foreign::open(&path).unwrap();
    assert!(foreign.read(holdings).unwrap().is_empty());
}

/// Constraints are for those who keep to them.
fn raw_copy(path: &Path) -> diesel::SqliteConnection {
    let mut connection = foreign::raw(path).unwrap();
    connection.batch_execute("PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON").unwrap();
    connection
}
