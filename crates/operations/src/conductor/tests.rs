//! What becomes of an app when its processes do something, with a database of its own and no processes.

use super::*;
use std::collections::BTreeMap;

use chrono::{TimeDelta, Utc};
use mantyx_core::{Actor, AppId, AppName, Exit};
use mantyx_registry::tables::{environments, events, releases};
use mantyx_registry::{Store, create_app};
use mantyx_settings::Settings;
use mantyx_supervisor::{Ended, Start};
use tempfile::TempDir;
use tokio::sync::mpsc::UnboundedReceiver;

use crate::actions::{Again, fail_start};
use crate::scene::{draft, environment};

mod ends;

/// A conductor and one app that was installed and enabled.
struct World {
    root: TempDir,
    conductor: Conductor,
    resumed: UnboundedReceiver<InstanceId>,
    app: AppId,
    instance: InstanceId,
}

impl World {
    async fn with(app_type: AppType) -> Self {
        let root = TempDir::new().unwrap();
        let flags = BTreeMap::from([("app_user".to_owned(), "root".to_owned())]);
        let settings = Settings::load(Some(root.path().into()), flags, std::iter::empty()).unwrap();
        let registry = Registry::new(Store::open(&root.path().join("mantyx.db")).unwrap());
        let (resume, resumed) = mpsc::unbounded_channel();
        let conductor = Conductor::new(
            registry,
            Arc::new(House::new(&settings)),
            resume,
            Unclear::default(),
            Stops::default(),
        );
        let (app, instance) = conductor.change(move |change| install(change, app_type)).await.unwrap();
        let folder = settings.layout().app(&name());
        mantyx_platform::folders::create(&folder, 0o755).unwrap();
        Self { root, conductor, resumed, app, instance }
    }

    async fn apply(&self, event: AppEvent) {
        let app = self.app;
        self.conductor.change(move |change| change.apply(app, event, None)).await.unwrap();
    }

    async fn set(&self, changes: instances::Changes) {
        let instance = self.instance;
        self.conductor.change(move |change| instances::update(change, instance, &changes)).await.unwrap();
    }

    async fn row(&self) -> instances::Instance {
        let instance = self.instance;
        self.conductor.registry.read(move |db| instances::find(db, instance)).await.unwrap().unwrap()
    }

    async fn begin(&self, trigger: Trigger) -> Result<ExecutionId> {
        self.conductor.prepare(self.instance, Start::by(trigger)).await.map(|command| command.execution)
    }

    async fn report(&self, report: Report) {
        self.conductor.report(report).await.unwrap();
    }

    async fn started(&self, execution: ExecutionId, health: Health) {
        let condition = Condition { health, warnings: vec!["It has no limit".into()], ..Default::default() };
        let (instance, at) = (self.instance, Utc::now());
        self.report(Report::Started { instance, execution, pid: 1, at, condition }).await;
    }

    async fn run(&self, trigger: Trigger) -> ExecutionId {
        let execution = self.begin(trigger).await.unwrap();
        self.started(execution, Health::Starting).await;
        execution
    }

    async fn exited(&self, execution: ExecutionId, ended: Ended) {
        self.report(Report::Exited { instance: self.instance, execution, ended }).await;
    }

    async fn observed(&self, execution: ExecutionId, health: Health) {
        let condition = Condition { health, ..Default::default() };
        self.report(Report::Observed { instance: self.instance, execution, condition }).await;
    }

    async fn gave_up(&self, ended: Ended, reason: &str) {
        let (instance, reason) = (self.instance, reason.to_owned());
        let report = Report::GaveUp { instance, restarts: 3, ended, reason, retry_at: None, give_ups: 1 };
        self.report(report).await;
    }

    async fn execution(&self, id: ExecutionId) -> Execution {
        self.conductor.registry.read(move |db| executions::find(db, id)).await.unwrap().unwrap()
    }

    /// The execution has said this.
    fn says(&self, execution: ExecutionId, text: &str) {
        let layout = mantyx_settings::Layout::new(self.root.path());
        let log = crate::launch::log_path(&layout, self.app, execution);
        let mut writer = mantyx_logs::LogWriter::open(&log).unwrap();
        writer.write(mantyx_logs::Stream::Stderr, std::time::UNIX_EPOCH, text.as_bytes()).unwrap();
        writer.close().unwrap();
    }

    /// Changes the database behind its back.
    fn sql(&self, statement: &str) {
        let code = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).executescript(sys.argv[2])";
        let mut python = std::process::Command::new("python3");
        let database = self.root.path().join("mantyx.db");
        let done = python.args(["-c", code]).arg(database).arg(statement).status().unwrap();
        assert!(done.success());
    }

    /// What was recorded of one kind.
    async fn events(&self, kind: EventKind) -> Vec<serde_json::Value> {
        let events = self.conductor.registry.read(|db| events::after(db, 0, 1000)).await.unwrap();
        events.into_iter().filter(|event| event.kind.0 == kind).map(|event| event.payload.0).collect()
    }
}

fn name() -> AppName {
    AppName::parse("wiki").unwrap()
}

fn install(change: &mut Change<'_, '_>, app_type: AppType) -> Result<(AppId, InstanceId)> {
    let app = create_app(change, draft(name(), app_type))?;
    let row = instances::of_app(change, app.id.0)?;
    let environment = environment(app.id.0, change);
    environments::insert(change, &environment)?;
    releases::set_environment(change, row.release_id.0, &environment)?;
    change.apply(app.id.0, AppEvent::Install, None)?;
    change.apply(app.id.0, AppEvent::Enable, None)?;
    Ok((app.id.0, row.id.0))
}

fn ended(ending: Ending, exit: i32, ran: TimeDelta) -> Ended {
    let finished = Utc::now();
    Ended {
        exit: Some(Exit::Code(exit)),
        ending,
        started: Some(finished - ran),
        finished,
        cpu_seconds: 0.0,
        peak_memory: 0,
        dropped_lines: 0,
    }
}

fn crash(ran: TimeDelta) -> Ended {
    ended(Ending::Exited, 1, ran)
}

fn stopped(by: &str) -> Ended {
    ended(Ending::Stopped { by: by.into() }, 0, TimeDelta::seconds(1))
}

#[tokio::test]
async fn nothing_starts_in_an_app_that_is_not_on() {
    use AppEvent::{Crashed, Disable, Start, Stop};
    let world = World::with(AppType::Perpetual).await;
    let refused = async |trigger| {
        let error = world.begin(trigger).await.unwrap_err();
        assert_eq!(error.code(), Code::IllegalState, "{trigger:?}");
        assert!(error.detail().contains("`wiki`") && error.hint_text().is_some(), "{error}");
    };
    world.apply(Start).await;
    world.begin(Trigger::Restart).await.unwrap();
    world.apply(Crashed).await;
    world.begin(Trigger::Retry).await.unwrap();
    refused(Trigger::Boot).await;
    world.apply(Start).await;
    world.apply(Stop).await;
    refused(Trigger::Retry).await;
    world.apply(Disable).await;
    for trigger in [Trigger::Manual, Trigger::Boot, Trigger::Restart, Trigger::Retry] {
        refused(trigger).await;
    }
    let live = world.conductor.registry.read(executions::live).await.unwrap();
    assert_eq!(live.len(), 2, "a refused start leaves no execution");
}

#[tokio::test]
async fn nothing_starts_beside_what_may_be_alive() {
    let world = World::with(AppType::Perpetual).await;
    world.apply(AppEvent::Start).await;
    let unseen = world.begin(Trigger::Manual).await.unwrap();
    let unclear = world.conductor.unclear.clone();
    unclear.add(unseen, world.instance, "Its record cannot be read".into());
    let refused = world.begin(Trigger::Restart).await.unwrap_err();
    assert_eq!((refused.code(), refused.detail()), (Code::Unavailable, "Its record cannot be read"));
    let live = world.conductor.registry.read(executions::live).await.unwrap();
    assert_eq!(live.len(), 1, "a refused start leaves no execution");
    unclear.settle(unseen);
    world.begin(Trigger::Restart).await.unwrap();
}

#[tokio::test]
async fn a_scheduled_app_is_never_started_again_by_itself() {
    let world = World::with(AppType::Scheduled).await;
    for trigger in [Trigger::Restart, Trigger::Retry] {
        assert_eq!(world.begin(trigger).await.unwrap_err().code(), Code::IllegalState);
    }
    world.begin(Trigger::Manual).await.unwrap();
}

#[tokio::test]
async fn what_is_tried_again_runs_and_keeps_its_past_until_a_person_starts_it() {
    let world = World::with(AppType::Perpetual).await;
    world.apply(AppEvent::Start).await;
    let execution = world.run(Trigger::Manual).await;
    world.exited(execution, crash(TimeDelta::seconds(1))).await;
    let (reason, retry_at) = ("Restarted 3 times".to_owned(), Some(Utc::now()));
    let ended = crash(TimeDelta::seconds(1));
    world
        .report(Report::GaveUp {
            instance: world.instance,
            restarts: 3,
            ended,
            reason,
            retry_at,
            give_ups: 2,
        })
        .await;
    let row = world.row().await;
    assert_eq!((row.state.0, row.give_ups, row.restarts_at.is_some()), (AppState::Failed, 2, true));
    for trigger in [Trigger::Retry, Trigger::Boot] {
        world.run(trigger).await;
        let row = world.row().await;
        assert_eq!((row.state.0, row.give_ups, row.restarts_at), (AppState::Running, 2, None), "{trigger:?}");
    }
    world.apply(AppEvent::Restart).await;
    world.run(Trigger::Manual).await;
    assert_eq!(world.row().await.give_ups, 0);
}

#[tokio::test]
async fn what_cannot_be_started_has_failed_and_is_tried_again_unless_waiting_mends_nothing() {
    let world = World::with(AppType::Perpetual).await;
    let app = world.app;
    let fail = async |again| {
        world.apply(AppEvent::Start).await;
        let fail = move |change: &mut Change<'_, '_>| fail_start(change, app, "The port is held", again);
        let retry = world.conductor.change(fail).await.unwrap();
        let row = world.row().await;
        assert_eq!((row.state.0, row.reason.as_deref()), (AppState::Failed, Some("The port is held")));
        assert_eq!(retry.as_ref().map(|(at, _)| *at), row.restarts_at);
        (row.restarts_at.map(|at| (at - Utc::now()).num_minutes()), row.give_ups)
    };
    assert_eq!(fail(Again::ByItself).await, (Some(14), 1));
    assert_eq!(fail(Again::ByItself).await, (Some(29), 2));
    assert_eq!(fail(Again::ByAPerson).await, (None, 2));
    world.apply(AppEvent::Disable).await;
    let late = world.conductor.change(move |change| fail_start(change, app, "Too late", Again::ByItself));
    assert!(late.await.unwrap().is_none());
    assert_eq!(world.row().await.state.0, AppState::Disabled);
}

#[tokio::test]
async fn what_comes_late_arms_nothing_in_an_app_that_was_switched_off() {
    let world = World::with(AppType::Perpetual).await;
    world.apply(AppEvent::Disable).await;
    let (instance, until) = (world.instance, Utc::now());
    world.report(Report::Waiting { instance, until, restarts: 1 }).await;
    let (reason, retry_at) = (String::new(), Some(until));
    let ended = crash(TimeDelta::seconds(1));
    world.report(Report::GaveUp { instance, restarts: 3, ended, reason, retry_at, give_ups: 1 }).await;
    let row = world.row().await;
    assert_eq!((row.state.0, row.restarts_at, row.give_ups), (AppState::Disabled, None, 0));
}

#[tokio::test]
async fn a_run_has_no_health_and_leaves_the_one_beside_it_alone() {
    let world = World::with(AppType::Scheduled).await;
    let one = world.run(Trigger::Manual).await;
    let other = world.run(Trigger::Manual).await;
    assert_eq!(world.row().await.health.0, Health::Unknown);
    world.exited(one, crash(TimeDelta::seconds(1))).await;
    let row = world.row().await;
    assert_eq!((row.state.0, row.warnings.0.len()), (AppState::Running, 1));
    world.exited(other, crash(TimeDelta::seconds(1))).await;
    let row = world.row().await;
    assert_eq!((row.state.0, row.warnings.0.len()), (AppState::Enabled, 1));
}

#[tokio::test]
async fn an_app_that_flaps_is_recorded_once_for_each_way() {
    let world = World::with(AppType::Perpetual).await;
    world.apply(AppEvent::Start).await;
    let execution = world.run(Trigger::Manual).await;
    for _ in 0..20 {
        world.observed(execution, Health::Unhealthy).await;
        world.observed(execution, Health::Healthy).await;
    }
    assert_eq!(world.row().await.health.0, Health::Healthy);
    let recorded = world.events(EventKind::AppHealthChanged).await;
    let ways: Vec<_> = recorded.iter().map(|payload| payload["to"].as_str().unwrap()).collect();
    assert_eq!(ways, ["unhealthy", "healthy"]);
}

#[tokio::test]
async fn a_start_that_a_new_configuration_overtakes_is_prepared_anew() {
    let world = World::with(AppType::Perpetual).await;
    world.apply(AppEvent::Start).await;
    let registry = world.conductor.registry.clone();
    let instance = world.instance;
    let revise = move |change: &mut Change<'_, '_>| {
        let row = instances::find(change, instance)?.unwrap();
        let mut revision = config_revisions::get(change, row.revision_id.0)?;
        revision.id = Word(mantyx_core::RevisionId::generate());
        revision.number += 1;
        config_revisions::insert(change, &revision)?;
        let changes = instances::Changes { revision_id: Some(revision.id), ..Default::default() };
        instances::update(change, instance, &changes)
    };
    let (started, revised) =
        tokio::join!(world.begin(Trigger::Manual), registry.change(&Actor::Mantyx, revise));
    revised.unwrap();
    started.unwrap();
}
