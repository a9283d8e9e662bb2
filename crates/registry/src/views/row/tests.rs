//! All apps at once against one at a time, in a real database.

use mantyx_core::{
    Actor, AppName, AppType, CatchUp, Configuration, EnvironmentId, ExecutionId, Exit, Found, Launch,
    OperationKind, OperationStatus, Origin, Overlap, ScheduleId, ScheduleSpec, Timing, Trigger,
};
use mantyx_store::tables::environments::{self, Environment};
use mantyx_store::tables::operations::Operation;
use mantyx_store::tables::releases;
use mantyx_store::{Json, Store, Word};
use serde_json::json;

use super::*;
use crate::change::Change;
use crate::create::{AppDraft, create_app};

const APPS: u16 = 24;

fn draft(name: &str, app_type: AppType) -> AppDraft {
    let launch = Launch::parse("main.py").unwrap();
    let name = AppName::parse(name).unwrap();
    AppDraft {
        id: AppId::generate(),
        name: name.clone(),
        display_name: String::new(),
        description: String::new(),
        tags: Vec::new(),
        app_type,
        origin: Origin::Script { file: "main.py".into() },
        found: Found {
            suggested_name: name,
            candidates: vec![launch.clone()],
            dependency_files: Vec::new(),
            requires_python: None,
            files: 1,
            bytes: 1,
            digest: String::new(),
            warnings: Vec::new(),
        },
        scm_version: None,
        configuration: Configuration::new(launch),
    }
}

fn execution(active: &Active, app: &apps::App, status: ExecutionStatus) -> Execution {
    let over = status.is_final();
    Execution {
        id: Word(ExecutionId::generate()),
        app_id: app.id,
        app_name: app.name.clone(),
        instance_id: active.instance.id,
        release: 1,
        revision: 1,
        trigger: Word(Trigger::Manual),
        schedule_id: None,
        due_at: None,
        status: Word(status),
        pid: Some(7),
        exit: over.then_some(Json(Exit::Code(0))),
        cause: None,
        started_at: Utc::now(),
        finished_at: over.then(Utc::now),
        cpu_seconds: None,
        peak_memory: None,
        ending: None,
        last_lines: Json(Vec::new()),
        dropped_lines: 0,
    }
}

fn schedule(active: &Active) -> Schedule {
    let timing = Timing::Cron { expression: "@yearly".into() };
    let (catch_up, overlap) = (CatchUp::default(), Overlap::default());
    Schedule {
        id: Word(ScheduleId::generate()),
        instance_id: active.instance.id,
        name: "yearly".into(),
        enabled: true,
        spec: Json(ScheduleSpec { timing, timezone: "UTC".into(), catch_up, overlap }),
        decided_to: Utc::now(),
        created_at: Utc::now(),
    }
}

fn operation(app: &apps::App) -> Operation {
    Operation {
        id: Word(OperationId::generate()),
        app_id: Some(app.id),
        app_name: Some(app.name.clone()),
        kind: Word(OperationKind::Install),
        status: Word(OperationStatus::Running),
        memory: Json(json!({})),
        cancellable: false,
        problem: None,
        actor: Json(Actor::Mantyx),
        started_at: Utc::now(),
        finished_at: None,
    }
}

fn environment(app: &apps::App) -> Environment {
    Environment {
        id: Word(EnvironmentId::generate()),
        app_id: app.id,
        python_version: "3.13.1".into(),
        builder: "uv".into(),
        lock: String::new(),
        lock_digest: String::new(),
        packages: Json(Vec::new()),
        operation_id: Word(OperationId::generate()),
        created_at: Utc::now(),
        fingerprint: None,
    }
}

/// An app that differs from its neighbours in everything that a view is made from.
fn make(change: &mut Change<'_, '_>, number: u16) -> Result<()> {
    let app_type = if number.is_multiple_of(2) { AppType::Scheduled } else { AppType::Perpetual };
    let app = create_app(change, draft(&format!("app-{number:02}"), app_type))?;
    let active = instances::active_of(change, app.id.0)?;
    let runs = [ExecutionStatus::Success, ExecutionStatus::Failed, ExecutionStatus::Running];
    for status in &runs[..usize::from(number % 4).min(3)] {
        let _ = executions::insert(change, &execution(&active, &app, *status))?;
    }
    if number.is_multiple_of(3) {
        let state = Some(Word(AppState::Enabled));
        instances::update(change, active.instance.id.0, &instances::Changes { state, ..Default::default() })?;
        schedules::insert(change, &schedule(&active))?;
        port_leases::give_web_port(change, active.instance.id.0, 9000 + number)?;
    }
    if number.is_multiple_of(5) {
        operations::insert(change, &operation(&app), [("one", "One")])?;
        let environment = environment(&app);
        environments::insert(change, &environment)?;
        releases::set_environment(change, active.instance.release_id.0, &environment)?;
    }
    Ok(())
}

#[test]
fn all_at_once_look_as_each_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("mantyx.db")).unwrap();
    store
        .write(|tx| {
            let mut change = Change::new(tx, &Actor::Mantyx);
            (0..APPS).try_for_each(|number| make(&mut change, number))
        })
        .unwrap();
    let (together, each) = store
        .read(|db| {
            let rows = apps::list(db)?;
            let each = rows.iter().map(|row| app(db, row)).collect::<Result<Vec<_>>>()?;
            Ok((super::apps(db, &rows)?, each))
        })
        .unwrap();
    assert_eq!(together, each);
    assert_eq!(together.len(), usize::from(APPS));
    let count = |has: fn(&AppView) -> bool| together.iter().filter(|view| has(view)).count();
    let seen = [
        count(|view| view.pid.is_some()),
        count(|view| view.last_execution.is_some()),
        count(|view| view.next_run.is_some()),
        count(|view| view.web_port.is_some()),
        count(|view| view.operation.is_some()),
        count(|view| view.release.is_some()),
    ];
    assert_eq!(seen, [6, 18, 4, 8, 5, 5]);
}
