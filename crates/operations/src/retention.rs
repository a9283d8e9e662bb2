//! What is kept of the past, and for how long: releases, backups, the trash. Logs have their own rules.
//!
//! What is too much goes after each change, once a day, and as soon as a setting says that less is kept.

use std::time::{Duration, SystemTime};

use mantyx_core::{Actor, AppId, AppName, BackupReason, Result};
use mantyx_platform::folders;
use mantyx_registry::tables::{apps, backups, executions, instances, operations, releases};
use mantyx_registry::{Change, Read};
use tokio::time::timeout;

use crate::alone::of_all;
use crate::clock::{Clock, Reading};
use crate::environment::number;
use crate::mantyx::Mantyx;
use crate::work::blocking;

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
        for (app, name) in apps.unwrap_or_else(|error| nothing(&error)) {
            // A change that begins meanwhile waits, and one that goes on does this itself when it has ended.
            let _lock = self.inner().locks.app(app).await;
            if self.refuse_during_operation(app).await.is_err() {
                continue;
            }
            let retired = [self.retire_releases(app, &name).await, self.retire_backups(app, &name).await];
            for error in retired.into_iter().filter_map(Result::err) {
                tracing::warn!(?error, app = %name, "what is kept no longer could not be removed yet");
            }
        }
        self.empty_trash(now).await;
        self.retire_exports(now).await;
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
        let retire = move |change: &mut Change<'_, '_>| {
            let gone = superfluous(change, app, kept)?;
            gone.iter().try_for_each(|row| releases::delete(change, row.id.0))?;
            Ok(gone.iter().map(number).collect::<Vec<_>>())
        };
        let gone = self.registry().change(&Actor::Mantyx, retire).await?;
        let places: Vec<_> = gone.into_iter().map(|number| self.layout().release(name, number)).collect();
        blocking(move || places.iter().try_for_each(|place| folders::remove(place))).await?;
        self.remove_unused_environments(app, name).await
    }

    /// Removes the backups of an app beyond those that are kept, the oldest first.
    pub(crate) async fn retire_backups(&self, app: AppId, name: &AppName) -> Result<()> {
        let kept = usize::try_from(self.inner().live.now().backups_kept).unwrap_or(usize::MAX);
        let oldest = move |db: &mut Read<'_>| {
            // What somebody asked for does not give way to what is made before each change.
            let by_hand = |row: &backups::Backup| row.reason.0 == BackupReason::Manual;
            let (asked, made): (Vec<_>, Vec<_>) = backups::of_app(db, app)?.into_iter().partition(by_hand);
            Ok(asked.into_iter().skip(kept).chain(made.into_iter().skip(kept)).collect::<Vec<_>>())
        };
        for backup in self.registry().read(oldest).await? {
            self.discard_backup(&Actor::Mantyx, name, backup).await?;
        }
        Ok(())
    }
}

fn nothing<T>(error: &mantyx_core::Error) -> Vec<T> {
    tracing::warn!(?error, "what is kept no longer could not be listed yet");
    Vec::new()
}

/// The apps that no operation has in its hands.
fn idle_apps(db: &mut Read<'_>) -> Result<Vec<(AppId, AppName)>> {
    if of_all(db)?.is_some() {
        // An export counts on what is there.
        return Ok(Vec::new());
    }
    let busy: Vec<_> = operations::all_under_way(db)?.into_iter().filter_map(|row| row.app_id).collect();
    let idle = apps::list(db)?.into_iter().filter(|app| !busy.contains(&app.id));
    Ok(idle.map(|app| (app.id.0, app.name.0)).collect())
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
