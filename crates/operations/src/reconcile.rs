//! After a start: what the database says should be, against what is there.
//!
//! The order matters. Processes come first, because everything else may want to stop one; then half-made files, as long
//! as nothing makes new ones; then what the death of the daemon interrupted, which goes on beside the rest; then what
//! should run and does not, and what fell due meanwhile.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use chrono::{TimeDelta, Utc};
use mantyx_core::{
    Actor, AppEvent, AppId, AppName, AppState, AppType, Code, EnvironmentId, Error, EventKind, OperationKind,
    RestartHistory, Result, Subject, Trigger,
};
use mantyx_platform::folders;
use mantyx_registry::tables::{apps, environments, executions, instances, operations, schedules};
use mantyx_registry::{Change, Read};
use mantyx_settings::Layout;
use serde_json::json;

use crate::actions::history_of;
use crate::files;
use crate::mantyx::Mantyx;
use crate::saga::leaves_alone;

mod known;
mod processes;
mod repairs;
mod rounds;

use repairs::Asked;
use rounds::Report;

/// More restarts than this within one window are more than any limit that makes sense.
const RESTARTS_REMEMBERED: i64 = 100;

/// No back-off is longer, whatever the clock says meanwhile.
const LONGEST_BACK_OFF: TimeDelta = TimeDelta::minutes(5);

impl Mantyx {
    pub(crate) async fn reconcile_at_boot(&self) -> Result<()> {
        self.end_orphaned_builds().await;
        self.settle_processes().await?;
        self.remove_debris().await?;
        self.remove_unused_imports().await?;
        self.settle_operations().await?;
        self.rebuild_missing_environments(Asked::ByTheClock, &mut Report::default()).await;
        for (app, instance) in self.registry().read(to_bring_up).await? {
            if let Err(error) = self.bring_up(&app, &instance).await {
                tracing::error!(?error, app = %app.name.0, "an app could not be brought up");
            }
        }
        Ok(())
    }

    /// Starts what should run, goes on waiting for what is tried again, and decides about what fell due.
    pub(crate) async fn bring_up(&self, app: &apps::App, instance: &instances::Instance) -> Result<()> {
        match instance.state.0 {
            AppState::Enabled | AppState::Running => {}
            AppState::Failed => return self.rearm_retry(instance).await,
            _ => return Ok(()),
        }
        let (supervisor, id) = (&self.inner().supervisor, instance.id.0);
        let watched = supervisor.status(id).is_some() || supervisor.live_runs(id) > 0;
        if !watched && self.inner().unclear.reason(id).is_none() {
            self.boot(app, instance).await?;
        }
        if app.app_type.0 == AppType::Perpetual {
            return Ok(());
        }
        let rows = self.registry().read(move |db| schedules::of_instance(db, id)).await?;
        for row in rows.into_iter().filter(|row| row.enabled) {
            self.catch_up(row).await?;
        }
        Ok(())
    }

    /// What was given up for now is still tried again when its time comes.
    async fn rearm_retry(&self, instance: &instances::Instance) -> Result<()> {
        let Some(at) = instance.restarts_at else { return Ok(()) };
        let (history, now) = (history_of(instance, []), Utc::now());
        let at = now + TimeDelta::from_std(history.waits_for(at, now)).unwrap_or_default();
        self.inner().supervisor.retry_at(instance.id.0, at, history).await
    }

    /// A process was stopped to be started again, or went down with the machine.
    pub(crate) async fn resume(&self, instance: mantyx_core::InstanceId) -> Result<()> {
        let row = self.registry().read(move |db| instances::find(db, instance)).await?;
        let Some(row) = row else { return Ok(()) };
        let _lock = self.inner().locks.app(row.app_id.0).await;
        let app = row.app_id.0;
        let now = move |db: &mut Read<'_>| {
            let operation = operations::under_way(db, app)?;
            let is_held = operation.is_some_and(|row| row.kind.0 != OperationKind::Backup);
            Ok((instances::of_app(db, app)?.state.0, is_held))
        };
        // What an operation has in its hands is started by it, or when it has ended.
        if self.registry().read(now).await? == (AppState::Running, false) {
            self.spawn_service(row.app_id.0, instance, Trigger::Manual, RestartHistory::default()).await?;
        }
        Ok(())
    }

    async fn boot(&self, app: &apps::App, instance: &instances::Instance) -> Result<()> {
        let id = app.id.0;
        let work = move |change: &mut Change<'_, '_>| change.apply(id, AppEvent::Boot, None);
        match self.registry().change(&Actor::Mantyx, work).await {
            Ok(_) if app.app_type.0 == AppType::Scheduled => Ok(()),
            Ok(_) => self.start_again(id, instance).await,
            // It is not to start with the machine.
            Err(error) if error.code() == Code::IllegalState => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Starts a service with what it has behind it, and not before its time: that the daemon is another one is no way
    /// around a back-off.
    async fn start_again(&self, app: AppId, row: &instances::Instance) -> Result<()> {
        let (id, now) = (row.id.0, Utc::now());
        let restarts = move |db: &mut Read<'_>| executions::restarts_of(db, app, RESTARTS_REMEMBERED);
        let history = history_of(row, self.registry().read(restarts).await?);
        match row.restarts_at.filter(|at| *at > now) {
            Some(at) => self.inner().supervisor.restart_at(id, at.min(now + LONGEST_BACK_OFF), history).await,
            None => self.spawn_service(app, id, Trigger::Boot, history).await,
        }
    }

    /// Builds outlive a daemon that is killed: nobody waits for them any more, and they write to what is to go.
    async fn end_orphaned_builds(&self) {
        match mantyx_venv::end_orphans(&self.builds()).await {
            Ok(0) => {}
            Ok(count) => tracing::info!(count, "builds that an earlier daemon had begun were ended"),
            Err(error) => tracing::error!(?error, "a build that an earlier daemon had begun goes on"),
        }
    }

    /// Where the builds that are under way are recorded.
    pub(crate) fn builds(&self) -> PathBuf {
        self.layout().run().join("builds")
    }

    /// Half-received uploads and environments that no row speaks of.
    async fn remove_debris(&self) -> Result<()> {
        let layout = self.layout().clone();
        let known = |db: &mut Read<'_>| Ok((apps::list(db)?, environments::ids(db)?.into_iter().collect()));
        let remove = move |(rows, known): (Vec<apps::App>, HashSet<EnvironmentId>)| {
            for app in &rows {
                remove_strays(&layout.environments(&app.name.0), &known).unwrap_or_else(left_for_later);
            }
            remove_leftovers(&layout, &rows)
        };
        self.registry().read_then(known, remove).await
    }

    pub(crate) async fn remove_stray_environments(&self, app: AppId, name: &AppName) -> Result<()> {
        let place = self.layout().environments(name);
        let known = move |db: &mut Read<'_>| Ok(environments::ids_of_app(db, app)?.into_iter().collect());
        self.registry().read_then(known, move |known| remove_strays(&place, &known)).await
    }

    pub(crate) async fn repaired(&self, app: &AppName, what: String) -> Result<()> {
        let app = app.clone();
        self.registry().change(&Actor::Mantyx, move |change| record_repair(change, &app, what)).await
    }
}

/// What was repaired of an app is in the record of events.
pub(crate) fn record_repair(change: &mut Change<'_, '_>, app: &AppName, what: String) -> Result<()> {
    let subject = Subject { kind: "app".into(), id: app.to_string(), name: app.to_string() };
    change.record(EventKind::DaemonRepaired, &subject, json!({ "what": what }))
}

/// The apps that no operation has in its hands.
fn idle_apps(db: &mut Read<'_>) -> Result<Vec<apps::App>> {
    let busy: HashSet<AppId> =
        operations::all_under_way(db)?.into_iter().filter_map(|row| Some(row.app_id?.0)).collect();
    Ok(apps::list(db)?.into_iter().filter(|app| !busy.contains(&app.id.0)).collect())
}

/// What can be read of an app. What cannot says nothing about the others.
fn readable<T>(app: &apps::App, read: Result<T>) -> Option<T> {
    read.inspect_err(
        |error| tracing::warn!(?error, app = %app.name.0, "what is known of an app could not be read"),
    )
    .ok()
}

/// What is decided about at a start: all that no operation has taken down.
fn to_bring_up(db: &mut Read<'_>) -> Result<Vec<(apps::App, instances::Instance)>> {
    let under_way = operations::all_under_way(db)?;
    if under_way.iter().any(|row| row.kind.0 == OperationKind::Import) {
        // It brings them up itself, once they have environments.
        return Ok(Vec::new());
    }
    let mut busy: HashMap<AppId, OperationKind> = HashMap::new();
    for row in under_way {
        // What it lacks is what a repair makes, beside what runs or not.
        let is_down = row.kind.0 == OperationKind::Repair || !leaves_alone(db, &row)?;
        busy.extend(row.app_id.filter(|_| is_down).map(|app| (app.0, row.kind.0)));
    }
    // What falls due while an environment is built again waits for that, so it has to be known when that is.
    let is_free = |app: &apps::App| match busy.get(&app.id.0) {
        None => true,
        Some(kind) => *kind == OperationKind::Repair && app.app_type.0 == AppType::Scheduled,
    };
    let free = apps::list(db)?.into_iter().filter(is_free);
    // A row that cannot be read keeps its own app down, and nobody else's.
    let with_instance = free.filter_map(|app| match instances::of_app(db, app.id.0) {
        Ok(instance) => Some((app, instance)),
        Err(error) => {
            tracing::error!(?error, app = %app.name.0, "an app could not be brought up");
            None
        }
    });
    Ok(with_instance.collect())
}

/// Removes the environments that no row speaks of: all that can be removed, whatever one of them says.
fn remove_strays(place: &Path, known: &HashSet<EnvironmentId>) -> Result<()> {
    let is_stray = |folder: &PathBuf| {
        let id = folder.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse().ok());
        id.is_some_and(|id| !known.contains(&id))
    };
    let strays = entries(place)?.into_iter().filter(is_stray);
    strays.map(|folder| folders::remove(&folder)).fold(Ok(()), Result::and)
}

fn remove_leftovers(layout: &Layout, rows: &[apps::App]) -> Result<()> {
    for place in [layout.uploads(), layout.cache().join("staging")] {
        for entry in entries(&place)? {
            folders::remove(&entry).unwrap_or_else(left_for_later);
        }
    }
    let known: HashSet<PathBuf> = rows.iter().map(|app| layout.app(&app.name.0)).collect();
    for folder in entries(&layout.apps())? {
        let settled = if known.contains(&folder) {
            folders::remove(&files::unfinished_mark(&folder)).and_then(|()| remove_half_written(&folder))
        } else {
            settle_unknown_folder(layout, &folder, rows)
        };
        settled.unwrap_or_else(left_for_later);
    }
    Ok(())
}

/// What an earlier daemon was just writing about an app, as `platform::atomic` names it until it is whole.
fn remove_half_written(folder: &Path) -> Result<()> {
    let is_half = |path: &PathBuf| {
        path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(".mantyx-"))
    };
    entries(folder)?.into_iter().filter(is_half).try_for_each(|path| folders::remove(&path))
}

/// Debris is no reason to stay down: what an earlier daemon began may still be writing to it.
fn left_for_later(error: Error) {
    tracing::warn!(?error, "what was left behind stays until the next start");
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

pub(crate) fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    match std::fs::read_dir(folder) {
        Ok(entries) => Ok(entries.filter_map(|entry| Some(entry.ok()?.path())).collect()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(Error::io(format!("list the folder `{}`", folder.display()), error)),
    }
}

#[cfg(test)]
mod tests;
