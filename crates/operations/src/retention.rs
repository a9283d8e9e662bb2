//! What is kept of the past, and for how long: releases, backups, operations, the trash. Logs have their own rules.
//!
//! What is too much goes after each change, once a day, and as soon as a setting says that less is kept.
//!
//! What is removed loses its name first, then its row, then its files. A daemon that dies in between leaves a folder that
//! is nobody's, and the next look puts it right: see [`leftovers`].

use std::collections::HashSet;
use std::time::{Duration, SystemTime};

use mantyx_bundle::backup;
use mantyx_core::{Actor, AppId, AppName, BackupReason, Result};
use mantyx_registry::tables::backups::{self, Backup};
use mantyx_registry::tables::{apps, executions, instances, operations, releases};
use mantyx_registry::{Change, Read};
use tokio::time::timeout;

use crate::alone::of_all;
use crate::clock::{Clock, Reading};
use crate::environment::number;
use crate::mantyx::Mantyx;
use crate::work::blocking;

mod leftovers;

/// So many operations are removed in one change.
const AT_ONCE: i64 = 500;

/// How often it is seen what is too old.
const DAY: Duration = Duration::from_secs(24 * 3600);

impl Mantyx {
    /// Keeps the past within its limits, from now on.
    pub(crate) fn spawn_retention(&self) {
        let (mantyx, mut changed) = (self.clone(), self.inner().settings_changed.subscribe());
        tokio::spawn(async move {
            let mut clock = Clock::new(Reading::take());
            loop {
                mantyx.retire(clock.believe(Reading::take())).await;
                // Whether a setting has changed, or it is time.
                let _ = timeout(DAY, changed.changed()).await;
            }
        });
    }

    /// Removes what is kept no longer. What cannot be removed now is tried again with the next look.
    async fn retire(&self, now: SystemTime) {
        let apps = self.registry().read(idle_apps).await;
        for app in apps.unwrap_or_else(|error| nothing(&error)) {
            if let Err(error) = self.retire_past_of(app).await {
                tracing::warn!(?error, %app, "what is kept no longer could not be removed yet");
            }
        }
        self.empty_trash(now).await;
        self.retire_exports(now).await;
        if let Err(error) = self.retire_operations(now).await {
            tracing::warn!(?error, "the operations of long ago could not be removed yet");
        }
    }

    /// A change that begins meanwhile waits, an export as well; and one that goes on does this itself when it has ended.
    async fn retire_past_of(&self, app: AppId) -> Result<()> {
        let _lock = self.inner().locks.app(app).await;
        let Some(name) = self.registry().read(move |db| idle_name(db, app)).await? else { return Ok(()) };
        self.retire_releases(app, &name).await.and(self.retire_backups(app, &name).await)
    }

    /// Operations are kept as long as their logs. That they were stays in the record of events.
    async fn retire_operations(&self, now: SystemTime) -> Result<()> {
        let kept = self.inner().live.now().log_retention;
        let Some(before) = now.checked_sub(kept) else { return Ok(()) };
        let remove =
            move |change: &mut Change<'_, '_>| operations::delete_ended(change, before.into(), AT_ONCE);
        while self.registry().note(remove).await? > 0 {}
        Ok(())
    }

    /// What has been in the trash for too long is removed for good.
    async fn empty_trash(&self, now: SystemTime) {
        let kept = self.inner().live.now().trash_retention;
        let trashed = self.registry().read(apps::list_deleted).await.unwrap_or_else(|error| nothing(&error));
        let is_old = |app: &apps::App| {
            let age = app.deleted_at.and_then(|at| now.duration_since(at.into()).ok());
            age.is_some_and(|age| age > kept)
        };
        for app in trashed.into_iter().filter(is_old) {
            if let Err(error) = self.purge(&Actor::Mantyx, app.id.0, app.name.0.as_str()).await {
                tracing::warn!(?error, app = %app.name.0, "what is kept no longer could not be removed yet");
            }
        }
    }

    /// Removes the releases of an app beyond those that are kept, and the environments that nothing refers to then. The
    /// active release stays, and so does one that a live process was started from.
    pub(crate) async fn retire_releases(&self, app: AppId, name: &AppName) -> Result<()> {
        let kept = usize::try_from(self.inner().live.now().releases_kept).unwrap_or(usize::MAX);
        let folder = self.layout().releases(name);
        let gone = self.registry().read(move |db| superfluous(db, app, kept)).await?;
        let (numbers, aside) = (gone.iter().map(number).collect::<Vec<_>>(), folder.clone());
        let set_aside = move || numbers.iter().try_for_each(|number| leftovers::set_aside(&aside, *number));
        let forget = move |change: &mut Change<'_, '_>| {
            gone.iter().try_for_each(|row| releases::delete(change, row.id.0))
        };
        let forgotten = match blocking(set_aside).await {
            Ok(()) => self.registry().change(&Actor::Mantyx, forget).await,
            Err(error) => Err(error),
        };
        // Those that could not be forgotten get their names back.
        let known = move |db: &mut Read<'_>| Ok(releases::of_app(db, app)?.iter().map(number).collect());
        let settled = self.registry().read_then(known, move |known| leftovers::settle(&folder, &known)).await;
        forgotten.and(settled)?;
        self.remove_unused_environments(app, name).await
    }

    /// Removes the backups of an app beyond those that are kept, the oldest first.
    pub(crate) async fn retire_backups(&self, app: AppId, name: &AppName) -> Result<()> {
        let kept = usize::try_from(self.inner().live.now().backups_kept).unwrap_or(usize::MAX);
        let rows = self.registry().read(move |db| backups::of_app(db, app)).await?;
        let (known, place) = (folders_of(&rows), self.layout().backups_of(name));
        blocking(move || backup::settle_unfinished(&place, |id| known.contains(&id))).await?;
        for backup in beyond(rows, kept) {
            self.discard_backup(&Actor::Mantyx, name, backup).await?;
        }
        Ok(())
    }
}

fn nothing<T>(error: &mantyx_core::Error) -> Vec<T> {
    tracing::warn!(?error, "what is kept no longer could not be listed yet");
    Vec::new()
}

fn folders_of(rows: &[Backup]) -> HashSet<backup::Id> {
    rows.iter().filter_map(|row| row.folder.parse().ok()).collect()
}

/// The backups that are not among the newest `kept` of their kind: what somebody asked for does not give way to what is
/// made before each change, and neither of them to what is made by the clock.
fn beyond(rows: Vec<Backup>, kept: usize) -> Vec<Backup> {
    let (mut asked, mut due, mut before) = (0, 0, 0);
    let is_beyond = |row: &Backup| {
        let count = match row.reason.0 {
            BackupReason::Manual => &mut asked,
            BackupReason::Schedule => &mut due,
            BackupReason::Update
            | BackupReason::Rollback
            | BackupReason::Configure
            | BackupReason::RestoreBackup => &mut before,
        };
        *count += 1;
        *count > kept
    };
    rows.into_iter().filter(is_beyond).collect()
}

/// The name of an app of which nothing is counted on by an operation, its own or one of all of Mantyx.
fn idle_name(db: &mut Read<'_>, app: AppId) -> Result<Option<AppName>> {
    if of_all(db)?.is_some() || operations::under_way(db, app)?.is_some() {
        return Ok(None);
    }
    let row = apps::find(db, app)?.filter(|row| row.deleted_at.is_none());
    Ok(row.map(|row| row.name.0))
}

/// The apps that no operation has in its hands.
fn idle_apps(db: &mut Read<'_>) -> Result<Vec<AppId>> {
    if of_all(db)?.is_some() {
        // An export counts on what is there.
        return Ok(Vec::new());
    }
    let busy: Vec<_> = operations::all_under_way(db)?.into_iter().filter_map(|row| row.app_id).collect();
    let idle = apps::list(db)?.into_iter().filter(|app| !busy.contains(&app.id));
    Ok(idle.map(|app| app.id.0).collect())
}

/// The releases that are not among the newest `kept`, and that nothing runs from.
fn superfluous(db: &mut Read<'_>, app: AppId, kept: usize) -> Result<Vec<releases::Release>> {
    let instance = instances::of_app(db, app)?;
    let live: Vec<i32> =
        executions::live_of(db, instance.id.0)?.into_iter().map(|execution| execution.release).collect();
    // The active one counts among those that are kept, wherever it stands.
    let others = releases::of_app(db, app)?.into_iter().filter(|row| row.id != instance.release_id);
    Ok(others.skip(kept.saturating_sub(1)).filter(|row| !live.contains(&row.number)).collect())
}

#[cfg(test)]
mod tests;
