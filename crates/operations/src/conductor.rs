//! What becomes of processes, written down. The supervisor awaits each report before it goes on.

use std::sync::Arc;

use mantyx_core::{
    Actor, AppEvent, AppType, Code, Error, EventKind, ExecutionId, ExecutionStatus, Exit, Health, InstanceId,
    Result, ScheduleId, Timestamp, Trigger,
};
use mantyx_platform::{folders, ports};
use mantyx_registry::tables::executions::{Claim, Execution, Finish};
use mantyx_registry::tables::{
    apps, config_revisions, executions, instances, port_leases, releases, schedules,
};
use mantyx_registry::{Change, Json, Read, Registry, Word};
use mantyx_supervisor::{BoxFuture, Care, Command, Condition, Ended, Observer, Report, Start};
use serde_json::json;
use tokio::sync::mpsc;

use crate::house::House;
use crate::identity::{RunsAs, identity_of, make_data, refuse_unreachable};
use crate::launch::{self, Launching};
use crate::obituary;

/// Persists what the supervisor does.
pub(crate) struct Conductor {
    registry: Registry,
    house: Arc<House>,
    /// Instances whose restart an earlier daemon had begun. Starting one is not for a report to wait for.
    resume: mpsc::UnboundedSender<InstanceId>,
}

impl Conductor {
    pub(crate) fn new(
        registry: Registry,
        house: Arc<House>,
        resume: mpsc::UnboundedSender<InstanceId>,
    ) -> Self {
        Self { registry, house, resume }
    }

    async fn change<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Change<'_, '_>) -> Result<T> + Send + 'static,
    {
        self.registry.note(work).await
    }

    async fn prepare_start(&self, instance: InstanceId, start: Start) -> Result<Command> {
        let active = self.registry.read(move |db| active(db, instance)).await?;
        refuse_held_port(&active.app, active.web_port)?;
        self.make_folders(&active)?;
        let house = Arc::clone(&self.house);
        let work = move |change: &mut Change<'_, '_>| claim(change, instance, start, &house);
        match start.schedule {
            // No loss of power may let a due instant be claimed twice.
            Some(_) => self.registry.change(&Actor::Mantyx, work).await,
            None => self.change(work).await,
        }
    }

    /// Before the claim: what fails here must not leave an execution that never ends.
    fn make_folders(&self, active: &Active) -> Result<()> {
        let House { layout, settings, .. } = &*self.house;
        let user = identity_of(&active.revision.configuration.0, settings)?.identity;
        refuse_unreachable(layout, user.as_ref())?;
        make_data(layout, &active.app.name.0, user.as_ref())?;
        folders::create(&layout.logs(active.app.id.0), 0o700)
    }

    async fn take(&self, report: Report) -> Result<()> {
        match report {
            Report::Started { instance, execution, pid, at, condition } => {
                let process = Process { execution, pid, at };
                self.change(move |change| started(change, instance, process, condition)).await
            }
            Report::Observed { instance, condition, .. } => {
                self.change(move |change| observed(change, instance, condition)).await
            }
            Report::Exited { instance, execution, ended } => self.exited(instance, execution, ended).await,
            Report::Waiting { instance, until, .. } => {
                let changes = instances::Changes { restarts_at: Some(Some(until)), ..Default::default() };
                self.change(move |change| {
                    instances::update(change, instance, &changes)?;
                    touch(change, instance)
                })
                .await
            }
            // Somebody asked for it, and a daemon that has died since. A stop is done by this; a restart goes on when
            // the app is brought up.
            Report::Rested { instance, ended } if ended.was_asked_for() => {
                if self.change(move |change| settle_stop(change, instance)).await? == Standing::ToBeStarted {
                    // Nobody listens while the daemon goes down; the next start looks for itself.
                    let _ = self.resume.send(instance);
                }
                Ok(())
            }
            Report::Rested { instance, ended } => {
                let well = ended.exit.is_some_and(Exit::is_success);
                let event = if well { AppEvent::Exited } else { AppEvent::Crashed };
                let reason = (!well).then(|| format!("The process {ended}, and its policy starts no other"));
                self.change(move |change| settle(change, instance, event, reason)).await
            }
            Report::GaveUp { instance, reason, retry_at, give_ups, .. } => {
                self.change(move |change| give_up(change, instance, reason, retry_at, give_ups)).await
            }
        }
    }

    async fn exited(&self, instance: InstanceId, execution: ExecutionId, ended: Ended) -> Result<()> {
        let house = Arc::clone(&self.house);
        self.change(move |change| {
            let Some(row) = executions::find(change, execution)? else { return Ok(()) };
            let finish = obituary::finish(&ended, &launch::log_path(&house.layout, row.app_id.0, row.id.0));
            executions::finish(change, execution, &finish)?;
            change.touch_execution(execution);
            record_end(change, &row, &finish)?;
            if is_scheduled(change, &row)? {
                settle(change, instance, AppEvent::Finished, None)?;
            }
            observed(change, instance, Condition::default())
        })
        .await
    }
}

impl Observer for Conductor {
    fn prepare(&self, instance: InstanceId, start: Start) -> BoxFuture<'_, Result<Command>> {
        Box::pin(self.prepare_start(instance, start))
    }

    fn report(&self, report: Report) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.take(report))
    }
}

/// Persists an execution before it is a process, and says what to run. A due instant is claimed here, once.
fn claim(change: &mut Change<'_, '_>, instance: InstanceId, start: Start, house: &House) -> Result<Command> {
    let active = active(change, instance)?;
    let (app, instance) = (active.app.clone(), active.instance.clone());
    let row = Execution {
        id: Word(ExecutionId::generate()),
        app_id: app.id,
        app_name: app.name.clone(),
        instance_id: instance.id,
        release: active.release.number,
        revision: active.revision.number,
        trigger: Word(start.trigger),
        schedule_id: start.schedule.map(|(id, _)| Word(id)),
        due_at: start.schedule.map(|(_, due)| due),
        status: Word(ExecutionStatus::Pending),
        pid: None,
        exit: None,
        cause: None,
        started_at: change.now(),
        finished_at: None,
        cpu_seconds: None,
        peak_memory: None,
        ending: None,
        last_lines: Json(Vec::new()),
        dropped_lines: 0,
    };
    if executions::insert(change, &row)? == Claim::Lost {
        return Err(Error::new(Code::AlreadyClaimed, "This due instant has its execution already"));
    }
    if let Some((schedule, due)) = start.schedule {
        decided(change, schedule, due)?;
    }
    if app.app_type.0 == AppType::Scheduled {
        change.apply(app.id.0, AppEvent::Run, None)?;
    }
    change.touch_execution(row.id.0);
    Ok(launch::command(&active.launching(house, row.id.0)?))
}

/// What of an app is active: all that decides how a process of it is started.
struct Active {
    app: apps::App,
    instance: instances::Instance,
    release: releases::Release,
    revision: config_revisions::Revision,
    web_port: Option<u16>,
}

fn active(db: &mut Read<'_>, instance: InstanceId) -> Result<Active> {
    let app = app_of(db, instance)?;
    let instance = instances::of_app(db, app.id.0)?;
    Ok(Active {
        release: releases::get(db, instance.release_id.0)?,
        revision: config_revisions::get(db, instance.revision_id.0)?,
        web_port: port_leases::web_port(db, instance.id.0)?,
        app,
        instance,
    })
}

impl Active {
    fn launching<'a>(&'a self, house: &'a House, execution: ExecutionId) -> Result<Launching<'a>> {
        let environment = self.release.environment_id.ok_or_else(|| {
            Error::new(Code::IllegalState, format!("`{}` has no environment", self.app.name.0))
                .hint("Install it first")
        })?;
        Ok(Launching {
            house,
            app: self.app.id.0,
            name: &self.app.name.0,
            release: u32::try_from(self.release.number).unwrap_or_default(),
            environment: environment.0,
            execution,
            configuration: &self.revision.configuration.0,
            web_port: self.web_port,
            runs_as: RunsAs::whatever_happens(&self.revision.configuration.0, &house.settings),
        })
    }
}

/// How a process of an instance is cared for now, whatever it was started with.
pub(crate) fn care_of(
    db: &mut Read<'_>,
    instance: InstanceId,
    execution: ExecutionId,
    house: &House,
) -> Result<Care> {
    Ok(launch::care(&active(db, instance)?.launching(house, execution)?))
}

/// A port that somebody else holds is named before the app stumbles over it.
fn refuse_held_port(app: &apps::App, port: Option<u16>) -> Result<()> {
    let Some(port) = port.filter(|port| ports::in_use(*port)) else { return Ok(()) };
    let holder = match ports::holder(port) {
        Some((program, pid)) => format!("`{program}` (process {pid})"),
        None => "another program".to_owned(),
    };
    let detail = format!("`{}` could not be started: its web port {port} is held by {holder}", app.name.0);
    Err(Error::new(Code::StartFailed, detail).hint("End that program, or give the app another port"))
}

/// The instant of a schedule is decided about together with what was decided.
pub(crate) fn decided(change: &mut Change<'_, '_>, id: ScheduleId, due: Timestamp) -> Result<()> {
    let Some(row) = schedules::find(change, id)? else { return Ok(()) };
    let changes = schedules::Changes { decided_to: Some(due.max(row.decided_to)), ..Default::default() };
    schedules::update(change, id, &changes)
}

fn app_of(db: &mut Read<'_>, instance: InstanceId) -> Result<apps::App> {
    let row = instances::find(db, instance)?.ok_or_else(|| Error::not_found("instance", instance))?;
    mantyx_registry::views::find_app(db, row.app_id.0)
}

/// A process that is alive.
#[derive(Clone, Copy)]
struct Process {
    execution: ExecutionId,
    pid: u32,
    at: Timestamp,
}

fn started(
    change: &mut Change<'_, '_>,
    instance: InstanceId,
    process: Process,
    condition: Condition,
) -> Result<()> {
    executions::set_running(change, process.execution, process.pid, process.at)?;
    change.touch_execution(process.execution);
    let trigger = executions::find(change, process.execution)?.map(|row| row.trigger.0);
    if trigger == Some(Trigger::Retry) {
        settle(change, instance, AppEvent::Start, None)?;
    }
    let Some(row) = instances::find(change, instance)? else { return Ok(()) };
    let restarts = (trigger == Some(Trigger::Restart)).then_some(row.restarts + 1);
    let changes = instances::Changes { restarts, restarts_at: Some(None), ..of_condition(condition) };
    instances::update(change, instance, &changes)?;
    change.touch_app(row.app_id.0);
    Ok(())
}

/// How an instance is has changed. What is as it was is not announced.
fn observed(change: &mut Change<'_, '_>, instance: InstanceId, condition: Condition) -> Result<()> {
    let Some(row) = instances::find(change, instance)? else { return Ok(()) };
    record_health(change, &row, &condition)?;
    instances::update(change, instance, &of_condition(condition))?;
    change.touch_app(row.app_id.0);
    Ok(())
}

fn of_condition(condition: Condition) -> instances::Changes {
    instances::Changes {
        health: Some(Word(condition.health)),
        health_detail: Some(condition.detail),
        status_text: Some(condition.status_text),
        warnings: Some(Json(condition.warnings)),
        ..Default::default()
    }
}

/// The record says when an app fell ill and when it was well again.
fn record_health(
    change: &mut Change<'_, '_>,
    row: &instances::Instance,
    condition: &Condition,
) -> Result<()> {
    let turned = matches!(
        (row.health.0, condition.health),
        (Health::Healthy | Health::Starting, Health::Unhealthy) | (Health::Unhealthy, Health::Healthy)
    );
    let Some(app) = apps::find(change, row.app_id.0)?.filter(|_| turned) else { return Ok(()) };
    let payload = json!({ "from": row.health.0, "to": condition.health, "detail": condition.detail });
    change.record_app(EventKind::AppHealthChanged, &app, payload)
}

/// A service was restarted too often. It may be tried again later all the same.
fn give_up(
    change: &mut Change<'_, '_>,
    instance: InstanceId,
    reason: String,
    retry_at: Option<Timestamp>,
    give_ups: u32,
) -> Result<()> {
    let reason = with_cause(change, instance, reason)?;
    settle(change, instance, AppEvent::GaveUp, Some(reason))?;
    let changes = instances::Changes {
        restarts_at: Some(retry_at),
        give_ups: i32::try_from(give_ups).ok(),
        ..Default::default()
    };
    instances::update(change, instance, &changes)?;
    touch(change, instance)
}

/// What follows a stop that an earlier daemon had begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Stopped,
    ToBeStarted,
}

fn settle_stop(change: &mut Change<'_, '_>, instance: InstanceId) -> Result<Standing> {
    if instances::find(change, instance)?.is_some_and(|row| row.restarts_at.is_some()) {
        return Ok(Standing::ToBeStarted);
    }
    settle(change, instance, AppEvent::Exited, None)?;
    Ok(Standing::Stopped)
}

/// A reason with what is known of why the last process ended.
fn with_cause(db: &mut Read<'_>, instance: InstanceId, reason: String) -> Result<String> {
    let Some(row) = instances::find(db, instance)? else { return Ok(reason) };
    let cause = executions::last_finished(db, row.app_id.0)?.and_then(|last| last.cause);
    // What could not be started says so in both.
    let news = cause.filter(|cause| !reason.contains(cause.trim_start_matches(obituary::NOT_STARTED)));
    Ok(news.map_or(reason.clone(), |cause| format!("{reason}. {cause}")))
}

/// Applies an event that processes caused. A person may have been quicker: then their state stands.
fn settle(
    change: &mut Change<'_, '_>,
    instance: InstanceId,
    event: AppEvent,
    reason: Option<String>,
) -> Result<()> {
    let Some(row) = instances::find(change, instance)? else { return Ok(()) };
    match change.apply(row.app_id.0, event, reason) {
        Err(error) if error.code() == Code::IllegalState => {
            tracing::debug!(%event, state = %row.state.0, "an event of a process came too late");
            Ok(())
        }
        other => other.map(drop),
    }
}

fn touch(change: &mut Change<'_, '_>, instance: InstanceId) -> Result<()> {
    if let Some(row) = instances::find(change, instance)? {
        change.touch_app(row.app_id.0);
    }
    Ok(())
}

fn is_scheduled(db: &mut Read<'_>, row: &Execution) -> Result<bool> {
    Ok(apps::find(db, row.app_id.0)?.is_some_and(|app| app.app_type.0 == AppType::Scheduled))
}

/// What ended badly, and what somebody ended, is on the record; what went well says so by itself.
fn record_end(change: &mut Change<'_, '_>, row: &Execution, finish: &Finish) -> Result<()> {
    if finish.status.0 == ExecutionStatus::Success {
        return Ok(());
    }
    let Some(app) = apps::find(change, row.app_id.0)? else { return Ok(()) };
    let (exit, ending) = (finish.exit.as_ref().map(|exit| exit.0), finish.ending.as_ref().map(|e| &e.0));
    let payload = json!({
        "execution": row.id.0,
        "status": finish.status.0,
        "exit": exit,
        "ending": ending,
        "cause": finish.cause,
        "last_lines": finish.last_lines.0,
    });
    change.record_app(EventKind::ExecutionFinished, &app, payload)
}
