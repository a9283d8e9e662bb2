//! After a start: what the database says should be, against what is there.
//!
//! The order matters. Processes come first, because everything else may want to stop one; then half-made files, as long
//! as nothing makes new ones; then what the death of the daemon interrupted, which goes on beside the rest; then what
//! should run and does not, and what fell due meanwhile.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use mantyx_core::{
    Actor, AppEvent, AppId, AppName, AppState, AppType, Code, Ending, EnvironmentId, Error, EventKind,
    ExecutionId, ExecutionStatus, OperationKind, Result, Subject, Timestamp, Trigger,
};
use mantyx_platform::folders;
use mantyx_registry::tables::executions::{Execution, Finish};
use mantyx_registry::tables::operations::{self, Operation};
use mantyx_registry::tables::{apps, environments, executions, instances, schedules};
use mantyx_registry::{Change, Json, Word, views};
use mantyx_settings::Layout;
use mantyx_supervisor::{Discovered, Found, Role};
use serde_json::json;

use crate::actions::history_of;
use crate::files;
use crate::mantyx::Mantyx;
use crate::starting::care_of;
use crate::work::{Work, blocking};

impl Mantyx {
    pub(crate) async fn reconcile_at_boot(&self) -> Result<()> {
        self.settle_processes().await?;
        self.remove_debris().await?;
        self.settle_operations().await?;
        for app in self.registry().read(apps::list).await? {
            if self.registry().read(move |db| operations::under_way(db, app.id.0)).await?.is_some() {
                continue;
            }
            if let Err(error) = self.bring_up(&app).await {
                tracing::error!(?error, app = %app.name.0, "an app could not be brought up");
            }
        }
        Ok(())
    }

    /// Adopts what is alive, writes down what ended, and gives up what nobody can find.
    async fn settle_processes(&self) -> Result<()> {
        let discovered = self.inner().supervisor.discover().await?;
        let known: HashSet<ExecutionId> = discovered.iter().map(|d| d.execution).collect();
        for process in discovered {
            let execution = process.execution;
            if let Err(error) = self.settle_process(process).await {
                tracing::error!(?error, %execution, "a process could not be adopted");
            }
        }
        let lost = self.registry().read(executions::live).await?;
        let lost: Vec<Execution> = lost.into_iter().filter(|row| !known.contains(&row.id.0)).collect();
        if lost.is_empty() {
            return Ok(());
        }
        self.registry()
            .change(&Actor::Mantyx, move |change| lost.iter().try_for_each(|row| lose(change, row)))
            .await
    }

    async fn settle_process(&self, process: Discovered) -> Result<()> {
        let (id, instance) = (process.execution, process.instance);
        let alive = match &process.found {
            Found::Live { pid, started_at } => Some((*pid, *started_at)),
            _ => None,
        };
        let work = move |change: &mut Change<'_, '_>| recognise(change, id, instance, alive);
        match self.registry().change(&Actor::Mantyx, work).await? {
            Standing::Ours(role) => {
                let care = care_of(self.registry(), &self.inner().house, instance, id).await?;
                self.inner().supervisor.adopt(process, role, care).await
            }
            Standing::Recorded => self.inner().supervisor.forget(id).await,
            Standing::Stray => {
                tracing::warn!(execution = %id, "a process that no record speaks of is stopped");
                self.inner().supervisor.end_stray(&process).await
            }
        }
    }

    /// Moves are carried on; an install is undone.
    async fn settle_operations(&self) -> Result<()> {
        for row in self.registry().read(operations::all_under_way).await? {
            let (id, kind) = (row.id.0, row.kind.0);
            tracing::info!(operation = %id, kind = kind.as_str(), "an interrupted operation is settled");
            if let Err(error) = self.settle_operation(row).await {
                tracing::error!(?error, operation = %id, "an interrupted operation could not be settled");
            }
        }
        Ok(())
    }

    /// What takes long goes on beside everything else: a delete may wait for its app's whole grace.
    async fn settle_operation(&self, row: Operation) -> Result<()> {
        let work = self.work(row.id.0, row.actor.0.clone());
        let app = self.registry().read(move |db| apps::find(db, row.app_id.0)).await?;
        let (mantyx, kind, request) = (self.clone(), row.kind.0, row.request.0);
        let task = work.clone();
        self.carry_out(work, async move { mantyx.carry_on(&task, kind, &request, app).await });
        self.repaired(&row.app_name.0, format!("The operation {} was taken up again", kind.as_str())).await
    }

    async fn carry_on(
        &self,
        work: &Work,
        kind: OperationKind,
        request: &serde_json::Value,
        app: Option<apps::App>,
    ) -> Result<()> {
        match (kind, app) {
            (OperationKind::Delete, Some(app)) if app.deleted_at.is_none() => {
                self.delete_steps(work, &app).await
            }
            (OperationKind::Purge, Some(app)) => self.purge_steps(work, &app).await,
            (OperationKind::Restore, Some(app)) if app.deleted_at.is_some() => {
                self.restore_steps(work, &app, restored_name(request, &app)).await
            }
            (OperationKind::Restore, Some(app)) if request["renamed"] == false => {
                self.describe_restored(&app).await;
                Ok(())
            }
            (OperationKind::Install | OperationKind::Restore, Some(app)) => {
                Err(self.undo_interrupted(&app, kind, interrupted(kind)).await)
            }
            // The rows were committed: only its end was not.
            (OperationKind::Delete, _) | (_, None) => Ok(()),
        }
    }

    async fn undo_interrupted(&self, app: &apps::App, kind: OperationKind, error: Error) -> Error {
        let reason = error.detail().to_owned();
        let undone = match kind {
            OperationKind::Restore => self.forget_environment(app.id.0, reason).await,
            _ => self.undo_build(app, reason).await,
        };
        undone.err().unwrap_or(error)
    }

    /// Starts what should run, goes on waiting for what is tried again, and decides about what fell due.
    pub(crate) async fn bring_up(&self, app: &apps::App) -> Result<()> {
        let id = app.id.0;
        let instance = self.registry().read(move |db| instances::of_app(db, id)).await?;
        match instance.state.0 {
            AppState::Enabled | AppState::Running => {}
            AppState::Failed => return self.rearm_retry(&instance).await,
            _ => return Ok(()),
        }
        let supervisor = &self.inner().supervisor;
        let watched = supervisor.status(instance.id.0).is_some() || supervisor.live_runs(instance.id.0) > 0;
        if !watched {
            self.boot(app, instance.id.0).await?;
        }
        if app.app_type.0 == AppType::Perpetual {
            return Ok(());
        }
        let rows = self.registry().read(move |db| schedules::of_instance(db, instance.id.0)).await?;
        for row in rows.into_iter().filter(|row| row.enabled) {
            self.catch_up(row).await?;
        }
        Ok(())
    }

    /// What was given up for now is still tried again when its time comes.
    async fn rearm_retry(&self, instance: &instances::Instance) -> Result<()> {
        let Some(at) = instance.restarts_at else { return Ok(()) };
        self.inner().supervisor.retry_at(instance.id.0, at, history_of(instance, [])).await
    }

    /// A process was stopped to be started again, or went down with the machine.
    pub(crate) async fn resume(&self, instance: mantyx_core::InstanceId) -> Result<()> {
        let row = self.registry().read(move |db| instances::find(db, instance)).await?;
        let Some(row) = row else { return Ok(()) };
        let _lock = self.inner().locks.app(row.app_id.0).await;
        let running =
            self.registry().read(move |db| Ok(instances::of_app(db, row.app_id.0)?.state.0)).await?;
        if running == AppState::Running {
            self.spawn_service(row.app_id.0, instance, Trigger::Manual).await?;
        }
        Ok(())
    }

    async fn boot(&self, app: &apps::App, instance: mantyx_core::InstanceId) -> Result<()> {
        let id = app.id.0;
        let work = move |change: &mut Change<'_, '_>| change.apply(id, AppEvent::Boot, None);
        match self.registry().change(&Actor::Mantyx, work).await {
            Ok(_) if app.app_type.0 == AppType::Scheduled => Ok(()),
            Ok(_) => self.spawn_service(id, instance, Trigger::Boot).await,
            // It is not to start with the machine.
            Err(error) if error.code() == Code::IllegalState => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Half-received uploads and environments that no row speaks of.
    async fn remove_debris(&self) -> Result<()> {
        let rows = self.registry().read(apps::list).await?;
        for app in &rows {
            self.remove_stray_environments(app.id.0, &app.name.0).await?;
        }
        let layout = self.layout().clone();
        blocking(move || remove_leftovers(&layout, &rows)).await
    }

    pub(crate) async fn remove_stray_environments(&self, app: AppId, name: &AppName) -> Result<()> {
        let known = self.registry().read(move |db| environments::of_app(db, app)).await?;
        let known: HashSet<EnvironmentId> = known.into_iter().map(|row| row.id.0).collect();
        let place = self.layout().environments(name);
        blocking(move || {
            for folder in entries(&place)? {
                let id = folder.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse().ok());
                if id.is_some_and(|id| !known.contains(&id)) {
                    folders::remove(&folder)?;
                }
            }
            Ok(())
        })
        .await
    }

    async fn repaired(&self, app: &AppName, what: String) -> Result<()> {
        let subject = Subject { kind: "app".into(), id: app.to_string(), name: app.to_string() };
        let payload = json!({ "what": what });
        let work =
            move |change: &mut Change<'_, '_>| change.record(EventKind::DaemonRepaired, &subject, payload);
        self.registry().change(&Actor::Mantyx, work).await
    }
}

fn remove_leftovers(layout: &Layout, rows: &[apps::App]) -> Result<()> {
    for place in [layout.uploads(), layout.cache().join("staging")] {
        entries(&place)?.iter().try_for_each(|entry| folders::remove(entry))?;
    }
    let known: HashSet<PathBuf> = rows.iter().map(|app| layout.app(&app.name.0)).collect();
    for folder in entries(&layout.apps())? {
        if known.contains(&folder) {
            folders::remove(&files::unfinished_mark(&folder))?;
        } else {
            settle_unknown_folder(layout, &folder, rows)?;
        }
    }
    Ok(())
}

/// A folder that no app is named after: half of a creation is thrown away, half of a rename goes back, and a
/// stranger's is left alone.
fn settle_unknown_folder(layout: &Layout, folder: &Path, rows: &[apps::App]) -> Result<()> {
    if files::is_unfinished(folder) {
        return folders::remove(folder);
    }
    let owner = files::owner_of(folder).and_then(|id| rows.iter().find(|app| app.id.0 == id));
    let home = owner.map(|app| layout.app(&app.name.0)).filter(|home| !home.exists());
    if let Some(home) = home {
        return folders::rename(folder, &home);
    }
    tracing::warn!(folder = %folder.display(), "a folder belongs to no app; it is left alone");
    Ok(())
}

/// What a process that was found is to us.
enum Standing {
    /// Its execution is not over as far as we know.
    Ours(Role),
    /// Its end is written down already.
    Recorded,
    /// No row speaks of it.
    Stray,
}

fn recognise(
    change: &mut Change<'_, '_>,
    id: ExecutionId,
    instance: mantyx_core::InstanceId,
    alive: Option<(u32, Timestamp)>,
) -> Result<Standing> {
    let (row, instance) = (executions::find(change, id)?, instances::find(change, instance)?);
    let (Some(row), Some(instance)) = (row, instance) else {
        return Ok(if alive.is_some() { Standing::Stray } else { Standing::Recorded });
    };
    if row.status.0.is_final() {
        return Ok(if alive.is_some() { Standing::Stray } else { Standing::Recorded });
    }
    if let Some((pid, at)) = alive {
        executions::set_running(change, id, pid, at)?;
        change.touch_execution(id);
    }
    let app = views::find_app(change, instance.app_id.0)?;
    if app.app_type.0 == AppType::Scheduled {
        return Ok(Standing::Ours(Role::Run));
    }
    let restarts = executions::restarts_of(change, app.id.0, RESTARTS_REMEMBERED)?;
    Ok(Standing::Ours(Role::Service { history: history_of(&instance, restarts), health: instance.health.0 }))
}

/// More restarts than this within one window are more than any limit that makes sense.
const RESTARTS_REMEMBERED: i64 = 100;

/// An execution whose process and records are gone, as after a loss of power.
fn lose(change: &mut Change<'_, '_>, row: &Execution) -> Result<()> {
    let finish = Finish {
        status: Word(ExecutionStatus::Lost),
        exit: None,
        cause: Some("Mantyx and the process ended together, so nobody could see how".to_owned()),
        finished_at: Some(change.now()),
        cpu_seconds: None,
        peak_memory: None,
        ending: Some(Json(Ending::Lost)),
        last_lines: Json(Vec::new()),
        dropped_lines: 0,
    };
    executions::finish(change, row.id.0, &finish)?;
    change.touch_execution(row.id.0);
    Ok(())
}

fn restored_name(request: &serde_json::Value, app: &apps::App) -> AppName {
    let name = request.get("name").and_then(|name| name.as_str()).and_then(|name| name.parse().ok());
    name.unwrap_or_else(|| app.name.0.clone())
}

fn interrupted(kind: OperationKind) -> Error {
    Error::new(Code::Interrupted, format!("Mantyx ended in the middle of the {}", kind.as_str()))
        .hint("Try it again")
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    match std::fs::read_dir(folder) {
        Ok(entries) => Ok(entries.filter_map(|entry| Some(entry.ok()?.path())).collect()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(Error::io(format!("list the folder `{}`", folder.display()), error)),
    }
}
