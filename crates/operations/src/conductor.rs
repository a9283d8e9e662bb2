//! What becomes of processes, written down. The supervisor awaits each report before it goes on.

use mantyx_core::{
    Actor, AppEvent, AppType, Code, Error, EventKind, ExecutionId, ExecutionStatus, Exit, InstanceId, Result,
    ScheduleId, Timestamp, Trigger,
};
use mantyx_platform::{environment, folders, ports};
use mantyx_registry::tables::executions::{Claim, Execution, Finish};
use mantyx_registry::tables::{
    apps, config_revisions, executions, instances, port_leases, releases, schedules,
};
use mantyx_registry::{Change, Json, Read, Registry, Word};
use mantyx_settings::{Layout, Settings};
use mantyx_supervisor::{BoxFuture, Command, Ended, Observer, Outcome, Report, Start, cause};
use serde_json::json;
use tokio::sync::mpsc;

use crate::launch::{self, Launching};

/// Stands before why a process never began.
const NOT_STARTED: &str = "It could not be started: ";
/// How many of the last lines of a log are looked at for a cause.
const LAST_LINES: usize = 40;

/// Persists what the supervisor does.
pub(crate) struct Conductor {
    registry: Registry,
    layout: Layout,
    url: String,
    /// Instances whose restart an earlier daemon had begun. Starting one is not for a report to wait for.
    resume: mpsc::UnboundedSender<InstanceId>,
}

impl Conductor {
    pub(crate) fn new(
        registry: Registry,
        settings: &Settings,
        resume: mpsc::UnboundedSender<InstanceId>,
    ) -> Self {
        let url = settings.public_url.clone().unwrap_or_else(|| format!("http://{}", settings.bind));
        Self { registry, layout: settings.layout(), url, resume }
    }

    async fn change<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Change<'_, '_>) -> Result<T> + Send + 'static,
    {
        self.registry.change(&Actor::Mantyx, work).await
    }

    async fn prepare_start(&self, instance: InstanceId, start: Start) -> Result<Command> {
        let (app, port) = self
            .registry
            .read(move |db| Ok((app_of(db, instance)?, port_leases::web_port(db, instance)?)))
            .await?;
        refuse_held_port(&app, port)?;
        self.make_folders(&app)?;
        let (layout, url) = (self.layout.clone(), self.url.clone());
        self.change(move |change| claim(change, instance, start, &layout, &url)).await
    }

    /// Before the claim: what fails here must not leave an execution that never ends.
    fn make_folders(&self, app: &apps::App) -> Result<()> {
        let home = launch::home(&self.layout, &app.name.0);
        folders::create(&home, 0o700).map_err(|error| {
            let detail = format!(
                "`{}` could not be started: its home `{}` cannot be made",
                app.name.0,
                home.display()
            );
            Error::new(Code::StartFailed, detail).hint("Is there a file in its place?").because(error)
        })?;
        folders::create(&self.layout.logs(app.id.0), 0o700)
    }

    async fn take(&self, report: Report) -> Result<()> {
        match report {
            Report::Started { instance, execution, pid, at } => {
                self.change(move |change| started(change, instance, execution, pid, at)).await
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
            Report::Rested { instance, ended } if ended.outcome == Outcome::StoppedOnRequest => {
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
            Report::GaveUp { instance, reason, .. } => {
                self.change(move |change| {
                    let reason = with_cause(change, instance, reason)?;
                    settle(change, instance, AppEvent::GaveUp, Some(reason))
                })
                .await
            }
        }
    }

    async fn exited(&self, instance: InstanceId, execution: ExecutionId, ended: Ended) -> Result<()> {
        let layout = self.layout.clone();
        self.change(move |change| {
            let Some(row) = executions::find(change, execution)? else { return Ok(()) };
            let lines = last_lines(&layout, &row);
            let finish = finish(&ended, &lines);
            executions::finish(change, execution, &finish)?;
            change.touch_execution(execution);
            record_failure(change, &row, &finish)?;
            if is_scheduled(change, &row)? {
                settle(change, instance, AppEvent::Finished, None)?;
            }
            touch(change, instance)
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
fn claim(
    change: &mut Change<'_, '_>,
    instance: InstanceId,
    start: Start,
    layout: &Layout,
    url: &str,
) -> Result<Command> {
    let app = app_of(change, instance)?;
    let instance = instances::of_app(change, app.id.0)?;
    let release = releases::get(change, instance.release_id.0)?;
    let revision = config_revisions::get(change, instance.revision_id.0)?;
    let environment = release.environment_id.ok_or_else(|| {
        Error::new(Code::IllegalState, format!("`{}` has no environment", app.name.0))
            .hint("Install it first")
    })?;
    let row = Execution {
        id: Word(ExecutionId::generate()),
        app_id: app.id,
        app_name: app.name.clone(),
        instance_id: instance.id,
        release: release.number,
        revision: revision.number,
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
    Ok(launch::command(&Launching {
        layout,
        app: app.id.0,
        name: &app.name.0,
        release: u32::try_from(release.number).unwrap_or_default(),
        environment: environment.0,
        execution: row.id.0,
        configuration: &revision.configuration.0,
        web_port: port_leases::web_port(change, instance.id.0)?,
        url,
        passed_on: passed_on(),
    }))
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

fn passed_on() -> std::collections::BTreeMap<String, String> {
    let text = |value: std::ffi::OsString| value.to_string_lossy().into_owned();
    environment::passed_on().into_iter().map(|(name, value)| (text(name), text(value))).collect()
}

fn started(
    change: &mut Change<'_, '_>,
    instance: InstanceId,
    execution: ExecutionId,
    pid: u32,
    at: Timestamp,
) -> Result<()> {
    executions::set_running(change, execution, pid, at)?;
    let row = executions::find(change, execution)?;
    let again = row.is_some_and(|row| row.trigger.0 == Trigger::Restart);
    let restarts = instances::find(change, instance)?.map(|row| row.restarts + 1).filter(|_| again);
    let changes = instances::Changes { restarts, restarts_at: Some(None), ..Default::default() };
    instances::update(change, instance, &changes)?;
    change.touch_execution(execution);
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
    let news = cause.filter(|cause| !reason.contains(cause.trim_start_matches(NOT_STARTED)));
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

fn record_failure(change: &mut Change<'_, '_>, row: &Execution, finish: &Finish) -> Result<()> {
    if matches!(finish.status.0, ExecutionStatus::Success | ExecutionStatus::Cancelled) {
        return Ok(());
    }
    let Some(app) = apps::find(change, row.app_id.0)? else { return Ok(()) };
    let exit = finish.exit.as_ref().map(|exit| exit.0);
    let payload =
        json!({ "execution": row.id.0, "status": finish.status.0, "exit": exit, "cause": finish.cause });
    change.record_app(EventKind::ExecutionFinished, &app, payload)
}

/// How an execution stands once its process has ended.
fn finish(ended: &Ended, last_lines: &[String]) -> Finish {
    let status = match (&ended.outcome, ended.exit) {
        (Outcome::StoppedOnRequest, _) => ExecutionStatus::Cancelled,
        (Outcome::StartFailed(_), _) => ExecutionStatus::Failed,
        (Outcome::Lost, _) | (_, None) => ExecutionStatus::Lost,
        (Outcome::Exited, Some(exit)) if exit.is_success() => ExecutionStatus::Success,
        (Outcome::Exited, Some(_)) => ExecutionStatus::Failed,
    };
    let cause = match (&ended.outcome, status) {
        (Outcome::StartFailed(why), _) => Some(format!("{NOT_STARTED}{why}")),
        (_, ExecutionStatus::Failed) => ended.exit.and_then(|exit| cause::recognise(last_lines, exit)),
        (_, ExecutionStatus::Lost) => Some("Nobody could see how it ended".to_owned()),
        _ => None,
    };
    Finish {
        status: Word(status),
        exit: ended.exit.map(Json),
        cause,
        finished_at: Some(ended.finished),
        cpu_seconds: Some(ended.cpu_seconds),
        peak_memory: i64::try_from(ended.peak_memory).ok(),
    }
}

fn last_lines(layout: &Layout, row: &Execution) -> Vec<String> {
    let path = launch::log_path(layout, row.app_id.0, row.id.0);
    let text = |record: mantyx_logs::Record| String::from_utf8_lossy(&record.text).into_owned();
    match mantyx_logs::tail(path, LAST_LINES) {
        Ok((records, _)) => records.into_iter().map(text).collect(),
        Err(_) => Vec::new(),
    }
}
