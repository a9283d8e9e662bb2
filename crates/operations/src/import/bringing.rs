//! From rows and folders to apps that run: environments, links, processes.
//!
//! Nothing here fails as a whole: what cannot be done for one app is said, and hinders no other.

use mantyx_core::{Actor, AppEvent, AppId, AppName, Code, Error, Result};
use mantyx_platform::folders;
use mantyx_registry::tables::{apps, instances, releases};
use mantyx_registry::{Change, Read};
use mantyx_settings::Layout;

use super::{Importing, Incoming};
use crate::actions::stopped_by;
use crate::environment::{Resolve, number};
use crate::files;
use crate::install::active_subject;
use crate::progress::tell;
use crate::saga::{Said, Task};
use crate::work::{FIRST_PAUSE, LAST_PAUSE, blocking};

impl Importing {
    pub(super) async fn rebuild(&mut self, task: &Task) -> Result<Said> {
        let mut apps = self.plan()?.apps.clone();
        let (total, mut built, mut failed) = (apps.len(), 0_usize, Vec::new());
        for (index, app) in apps.iter_mut().enumerate() {
            tell(task, format!("{} of {total}: `{}`", index + 1, app.name)).await;
            match app.rebuild_when_there_is_room(task).await {
                Ok(Built::Anew) => built += 1,
                Ok(Built::NotNeeded) => {}
                // It fails for that, and the next daemon tries again.
                Err(error) if task.inner().cancellations.are_down() => return Err(error),
                Err(error) => {
                    failed.push(format!("`{}`: {}", app.name, error.detail()));
                    app.give_up(task, &error).await;
                }
            }
        }
        Ok(Said::detail(in_words(built, &failed)))
    }

    pub(super) async fn start(&mut self, task: &Task) -> Result<Said> {
        let mut failed = Vec::new();
        for app in &self.plan()?.apps {
            match app.bring_up(task).await {
                Ok(()) => {}
                Err(error) if task.inner().cancellations.are_down() => return Err(error),
                Err(error) => {
                    tracing::error!(?error, app = %app.name, "an app that was imported could not be brought up");
                    failed.push(format!("`{}`: {}", app.name, error.detail()));
                }
            }
        }
        Ok(if failed.is_empty() { Said::nothing() } else { Said::detail(failed.join("; ")) })
    }

    /// A daemon that finds an import at this step has brought nothing up, as none does while there is one.
    pub(super) async fn tidy(&mut self, task: &Task) -> Result<Said> {
        self.start(task).await?;
        // Whoever follows the origins of apps has more of them from now on.
        task.inner().following.ring();
        self.link_trash(task).await;
        // A file of a database that is attached is let go of first.
        if let Err(error) = task.registry().detach().await {
            tracing::warn!(?error, "the database of an archive stays attached");
        }
        if let Err(error) = self.remove_folder().await {
            tracing::warn!(?error, "what is left of an import could not be removed");
        }
        Ok(Said::nothing())
    }

    /// The environments that were built go again, row and folder.
    pub(super) async fn remove_environments(&mut self, task: &Task) -> Result<()> {
        for app in &self.plan()?.apps {
            task.remove_building(&app.name, &app.building).await?;
            let (place, link) =
                (task.layout().environments(&app.name), task.layout().active_environment(&app.name));
            blocking(move || {
                folders::remove(&link)?;
                // What somebody else has put there stays.
                let _ = std::fs::remove_dir(&place);
                Ok(())
            })
            .await?;
        }
        Ok(())
    }

    /// What was brought up ends again.
    pub(super) async fn stop(&mut self, task: &Task) -> Result<()> {
        for app in &self.plan()?.apps {
            task.disarm(app.instance).await?;
            task.stop_processes(app.instance, stopped_by(&task.actor, AppEvent::Delete)).await?;
            task.inner().supervisor.forget_instance(app.instance);
        }
        Ok(())
    }

    /// The links for people of apps in the trash.
    async fn link_trash(&self, task: &Task) {
        let layout = task.layout().clone();
        let active = |db: &mut Read<'_>| {
            let trashed = apps::list_deleted(db)?.into_iter();
            trashed
                .map(|app| Ok((app.id.0, number(&active_release(db, app.id.0)?))))
                .collect::<Result<Vec<_>>>()
        };
        let link = move |active: Vec<(AppId, u32)>| {
            active.into_iter().try_for_each(|(app, number)| {
                let target = std::path::Path::new("releases").join(number.to_string());
                folders::link_current(&layout.trashed(app).join("app/app"), &target)
            })
        };
        if let Err(error) = task.registry().read_then(active, link).await {
            tracing::warn!(?error, "an app in the trash could not be linked to its release");
        }
    }
}

/// Whether there was something to build.
enum Built {
    Anew,
    NotNeeded,
}

impl Incoming {
    /// A full disk says nothing about an app: as long as it is full, its turn does not end.
    async fn rebuild_when_there_is_room(&mut self, task: &Task) -> Result<Built> {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.rebuild(task).await {
                Err(error) if error.code() == Code::DiskFull => {
                    tell(task, format!("Waits for room on the disk: {}", error.detail())).await;
                    tokio::select! {
                        () = tokio::time::sleep(pause) => pause = (pause * 2).min(LAST_PAUSE),
                        () = task.inner().cancellations.down() => return Err(error),
                    }
                }
                rebuilt => return rebuilt,
            }
        }
    }

    /// Builds the environment of the active release from its lock, unless it is there or never was.
    async fn rebuild(&mut self, task: &Task) -> Result<Built> {
        let (id, name, layout) = (self.id, self.name.clone(), task.layout().clone());
        let subject = move |db: &mut Read<'_>| active_subject(db, id, |number| layout.release(&name, number));
        let subject = task.registry().read(subject).await?;
        if subject.release.lock.is_none() || subject.release.environment_id.is_some() {
            return Ok(Built::NotNeeded);
        }
        let said = task.provide_environment(task, &subject, Resolve::Locked, &mut self.building).await?;
        let (building, release) = (self.building.clone(), subject.release.id.0);
        let take = move |change: &mut Change<'_, '_>| {
            said.carry_out(change)?;
            building.give_to(change, release)
        };
        task.registry().change(&task.actor, take).await?;
        Ok(Built::Anew)
    }

    /// It is there with everything, and cannot run.
    async fn give_up(&self, task: &Task, error: &Error) {
        tracing::error!(?error, app = %self.name, "an environment could not be rebuilt");
        let (id, reason) = (self.id, format!("Its environment could not be rebuilt: {}", error.detail()));
        let fail = move |change: &mut Change<'_, '_>| {
            change.apply(id, AppEvent::InstallFailed, Some(reason)).map(drop)
        };
        if let Err(error) = task.registry().change(&Actor::Mantyx, fail).await {
            tracing::error!(?error, app = %self.name, "nobody can be told that it cannot run");
        }
    }

    /// What lies on disk for people, and then what a boot would do.
    async fn bring_up(&self, task: &Task) -> Result<()> {
        let _lock = task.inner().locks.app(self.id).await;
        let id = self.id;
        let now = move |db: &mut Read<'_>| {
            Ok((
                mantyx_registry::views::find_app(db, id)?,
                instances::of_app(db, id)?,
                active_release(db, id)?,
            ))
        };
        let (app, instance, release) = task.registry().read(now).await?;
        let (layout, name) = (task.layout().clone(), self.name.clone());
        let linked = blocking(move || link(&layout, &name, &release)).await;
        for error in [linked, task.describe(&app).await].into_iter().filter_map(Result::err) {
            tracing::warn!(?error, app = %self.name, "the files for people could not be written");
        }
        task.bring_up(&app, &instance).await
    }
}

fn active_release(db: &mut Read<'_>, app: AppId) -> Result<releases::Release> {
    let instance = instances::of_app(db, app)?;
    releases::get(db, instance.release_id.0)
}

fn link(layout: &Layout, name: &AppName, release: &releases::Release) -> Result<()> {
    files::link_release(layout, name, number(release))?;
    match &release.environment_id {
        Some(environment) => files::link_environment(layout, name, environment.0),
        None => Ok(()),
    }
}

fn in_words(built: usize, failed: &[String]) -> String {
    let built = format!("{built} {}", if built == 1 { "environment" } else { "environments" });
    match failed {
        [] => built,
        _ => format!("{built}. Not rebuilt: {}", failed.join("; ")),
    }
}
