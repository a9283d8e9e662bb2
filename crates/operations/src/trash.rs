//! Into the trash, out of it, and gone for good.
//!
//! A delete or a purge that the daemon's death interrupts is carried on; a restore is undone until it is committed.

use std::path::PathBuf;

use mantyx_api_types::{OperationView, Page, RestoreRequest, TrashedAppView};
use mantyx_core::{
    Actor, AppEvent, AppId, AppName, Code, Configuration, Effect, Error, EventKind, OperationKind, Result,
};
use mantyx_platform::folders;
use mantyx_registry::tables::{apps, config_revisions, executions, instances, port_leases, releases};
use mantyx_registry::{Change, PortPool, Read, Word, check, views};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::OwnedMutexGuard;

use crate::actions::stopped_by;
use crate::environment::{Building, Resolve, Subject, subject_of};
use crate::mantyx::{Caller, Mantyx};
use crate::moves::Moves;
use crate::ports::lease;
use crate::saga::{Saga, Said, Step, Task, step, tidied};
use crate::work::{blocking, whole};

/// What a removal remembers.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Removal {
    app: AppId,
    name: AppName,
    /// None of an app that is in the trash already.
    moves: Moves,
}

/// What a restore remembers.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Restoring {
    app: AppId,
    /// The name that it had.
    was: AppName,
    /// The name that it gets.
    name: AppName,
    /// Environments hold absolute paths: under another name it needs another one.
    building: Building,
    moves: Moves,
}

const STOP: Step<Removal> = step::<Removal>("stop", "Stop its processes", |task, it| Box::pin(it.stop(task)))
    .undo(|task, it| Box::pin(it.run_again(task)))
    .resume();
const MOVE: Step<Removal> =
    step::<Removal>("move", "Move it to the trash", |task, it| Box::pin(it.put_into_trash(task)))
        .undo(|task, it| Box::pin(it.put_back(task)))
        .resume();
const REMOVE: Step<Removal> =
    step::<Removal>("remove", "Remove its files", |task, it| Box::pin(it.remove(task))).insist();

/// To the trash.
pub(crate) static DELETE: Saga<Removal> =
    Saga { kind: OperationKind::Delete, steps: &[STOP, MOVE], failed: None };

/// Gone: through the trash, so that nobody meets an app of which half is removed.
pub(crate) static PURGE: Saga<Removal> =
    Saga { kind: OperationKind::Purge, steps: &[STOP, MOVE, REMOVE], failed: None };

/// Out of the trash.
pub(crate) static RESTORE: Saga<Restoring> = Saga {
    kind: OperationKind::Restore,
    steps: &[
        step::<Restoring>("build", "Make its environment fit", |task, it| Box::pin(it.build(task)))
            .undo(|task, it| Box::pin(it.remove_environment(task)))
            .cancellable(),
        step::<Restoring>("move", "Move it out of the trash", |task, it| Box::pin(it.take_out(task)))
            .undo(|_, it| Box::pin(it.return_to_trash())),
        step::<Restoring>("tidy", "Tidy up", |task, it| Box::pin(it.tidy(task))).insist(),
    ],
    failed: None,
};

impl Mantyx {
    /// To the trash. `confirm` is the app's name.
    pub async fn delete(&self, actor: &Actor, name: &AppName, confirm: &str) -> Result<OperationView> {
        self.remove(actor, name, confirm, OperationKind::Delete).await
    }

    /// Gone at once, without the trash. `confirm` is the app's name.
    pub async fn delete_for_good(
        &self,
        actor: &Actor,
        name: &AppName,
        confirm: &str,
    ) -> Result<OperationView> {
        self.remove(actor, name, confirm, OperationKind::Purge).await
    }

    async fn remove(
        &self,
        actor: &Actor,
        name: &AppName,
        confirm: &str,
        kind: OperationKind,
    ) -> Result<OperationView> {
        refuse_unconfirmed(name, confirm)?;
        let (mantyx, actor, name) = (self.clone(), actor.clone(), name.clone());
        whole(async move {
            let (_lock, app) = mantyx.locked_called_off(&name).await?;
            mantyx.begin_removal(&actor, &app, kind).await
        })
        .await
    }

    async fn begin_removal(
        &self,
        actor: &Actor,
        app: &apps::App,
        kind: OperationKind,
    ) -> Result<OperationView> {
        let (event, saga) = match kind {
            OperationKind::Delete => (AppEvent::Delete, &DELETE),
            _ => (AppEvent::Purge, &PURGE),
        };
        let row = app.clone();
        self.registry().read(move |db| check(db, &row, event)).await?;
        let (id, name) = (app.id.0, app.name.0.clone());
        let moves = match app.deleted_at {
            None => Moves::of(self.places(id, &name)),
            Some(_) => Moves::default(),
        };
        let memory = Removal { app: id, name, moves };
        self.begin(actor, saga, Some((app.id.0, app.name.0.clone())), memory).await
    }

    /// What is in the trash, the latest first.
    pub async fn trash(&self) -> Result<Page<TrashedAppView>> {
        let items = self
            .registry()
            .read(|db| apps::list_deleted(db)?.iter().map(|app| views::trashed(db, app)).collect())
            .await?;
        Ok(Page { items, next_cursor: None })
    }

    /// Out of the trash, under another name if the old one is taken.
    pub async fn restore(
        &self,
        caller: &Caller,
        id: AppId,
        request: RestoreRequest,
    ) -> Result<OperationView> {
        let (mantyx, caller) = (self.clone(), caller.clone());
        whole(async move {
            let (_lock, app) = mantyx.locked_trashed(id).await?;
            caller.require_for(&mantyx.last_configuration(id).await?, None)?;
            let name = request.name.unwrap_or_else(|| app.name.0.clone());
            mantyx.refuse_taken(name.clone()).await?;
            let (was, about) = (app.name.0.clone(), Some((id, name.clone())));
            let mut places = mantyx.places(id, &name);
            if was != name {
                // Environments hold absolute paths: the old ones are of no use.
                places.retain(|(home, _)| *home != mantyx.layout().environments(&name));
            }
            let moves = Moves::of(places.into_iter().map(|(home, away)| (away, home)));
            let memory = Restoring { app: id, was, name, building: Building::new(), moves };
            mantyx.begin(&caller.actor(), &RESTORE, about, memory).await
        })
        .await
    }

    /// Out of the trash and gone. `confirm` is the name that the app had.
    pub async fn purge(&self, actor: &Actor, id: AppId, confirm: &str) -> Result<OperationView> {
        let (mantyx, actor, confirm) = (self.clone(), actor.clone(), confirm.to_owned());
        whole(async move {
            let (_lock, app) = mantyx.locked_trashed(id).await?;
            refuse_unconfirmed(&app.name.0, &confirm)?;
            mantyx.begin_removal(&actor, &app, OperationKind::Purge).await
        })
        .await
    }

    async fn last_configuration(&self, app: AppId) -> Result<Configuration> {
        self.registry()
            .read(move |db| {
                let instance = instances::of_app(db, app)?;
                Ok(config_revisions::get(db, instance.revision_id.0)?.configuration.0)
            })
            .await
    }

    /// An app in the trash that no operation has in its hands, with its lock.
    async fn locked_trashed(&self, id: AppId) -> Result<(OwnedMutexGuard<()>, apps::App)> {
        let lock = self.inner().locks.app(id).await;
        self.refuse_during_operation(id).await?;
        let app = self.registry().read(move |db| apps::find(db, id)).await?;
        let app = app.filter(|app| app.deleted_at.is_some());
        let app =
            app.ok_or_else(|| Error::not_found("deleted app", id).hint("`GET /api/trash` lists them"))?;
        Ok((lock, app))
    }

    /// Where each folder of an app lies at home, and where in the trash.
    fn places(&self, app: AppId, name: &AppName) -> Vec<(PathBuf, PathBuf)> {
        let (layout, trash) = (self.layout(), self.layout().trashed(app));
        vec![
            (layout.app(name), trash.join("app")),
            (layout.environments(name), trash.join("venvs")),
            (layout.backups_of(name), trash.join("backups")),
        ]
    }

    /// Takes away what is left of an app in the trash. It may be a whole tree.
    async fn empty_trash_of(&self, app: AppId) -> Result<()> {
        let trash = self.layout().trashed(app);
        blocking(move || folders::remove(&trash)).await
    }
}

impl Removal {
    async fn stop(&mut self, task: &Task) -> Result<Said> {
        let id = self.app;
        let instance = task.registry().read(move |db| instances::of_app(db, id)).await?;
        task.disarm(instance.id.0).await?;
        task.stop_processes(instance.id.0, stopped_by(&task.actor, AppEvent::Delete)).await?;
        Ok(Said::nothing())
    }

    /// What was stopped runs again, unless the app is in the trash by now.
    async fn run_again(&mut self, task: &Task) -> Result<()> {
        let id = self.app;
        let now = move |db: &mut Read<'_>| Ok((views::find_app(db, id)?, instances::of_app(db, id)?));
        let (app, instance) = task.registry().read(now).await?;
        if app.deleted_at.is_some() {
            return Ok(());
        }
        if let Err(error) = task.bring_up(&app, &instance).await {
            tracing::error!(?error, app = %self.name, "what ran before could not be started again");
        }
        Ok(())
    }

    /// The move, then the commit.
    async fn put_into_trash(&mut self, task: &Task) -> Result<Said> {
        if self.find(task).await?.deleted_at.is_some() {
            return Ok(Said::detail("It is there"));
        }
        folders::create(&task.layout().trashed(self.app), 0o700)?;
        self.moves.go().await?;
        let id = self.app;
        Ok(Said::nothing().commit(move |change| commit_delete(change, id)))
    }

    /// As long as nothing was committed the folders go back.
    async fn put_back(&mut self, task: &Task) -> Result<()> {
        if self.find(task).await?.deleted_at.is_some() {
            return Ok(());
        }
        self.moves.back().await?;
        task.empty_trash_of(self.app).await
    }

    async fn remove(&mut self, task: &Task) -> Result<Said> {
        task.empty_trash_of(self.app).await?;
        let id = self.app;
        let instance = task.registry().read(move |db| instances::of_app(db, id)).await?.id.0;
        task.inner().supervisor.forget_instance(instance);
        Ok(Said::nothing().commit(move |change| commit_purge(change, id)))
    }

    async fn find(&self, task: &Task) -> Result<apps::App> {
        let id = self.app;
        task.registry().read(move |db| views::find_app(db, id)).await
    }
}

impl Restoring {
    fn is_renamed(&self) -> bool {
        self.was != self.name
    }

    /// Before anything moves.
    async fn build(&mut self, task: &Task) -> Result<Said> {
        let (app, name) = (self.app, self.name.clone());
        let releases = task.layout().trashed(app).join("app/releases");
        let subject = move |db: &mut Read<'_>| {
            let row = views::find_app(db, app)?;
            let instance = instances::of_app(db, app)?;
            let configuration = config_revisions::get(db, instance.revision_id.0)?.configuration.0;
            let of = |number: u32| releases.join(number.to_string());
            let subject = subject_of(db, &row, instance.release_id.0, configuration, of)?;
            Ok(Subject { name, ..subject })
        };
        let subject = task.registry().read(subject).await?;
        let has_environment = subject.release.environment_id.is_some();
        if has_environment && !self.is_renamed() {
            return Ok(Said::detail("It is as it was"));
        }
        // One that came into the trash with an import has its lock alone.
        if !has_environment && subject.release.lock.is_none() {
            return Ok(Said::detail("It was never installed"));
        }
        // Nobody else may walk through the trash: who builds is given the source where it can be read.
        let (source, place) = (subject.source, self.place(task));
        let to = place.clone();
        blocking(move || {
            folders::create(to.parent().unwrap_or(&to), 0o755)?;
            folders::remove(&to)?;
            folders::link_tree(&source, &to).map(drop)
        })
        .await?;
        let subject = Subject { source: place, ..subject };
        let said = task.provide_environment(task, &subject, Resolve::Locked, &mut self.building).await?;
        self.remove_source(task).await?;
        Ok(said)
    }

    /// Where a source out of the trash lies while its environment is built.
    fn place(&self, task: &Task) -> PathBuf {
        task.layout().cache().join("staging").join(format!("restore-{}", self.app))
    }

    async fn remove_source(&self, task: &Task) -> Result<()> {
        let place = self.place(task);
        blocking(move || folders::remove(&place)).await
    }

    async fn remove_environment(&mut self, task: &Task) -> Result<()> {
        self.remove_source(task).await?;
        task.remove_building(&self.name, &self.building).await
    }

    async fn take_out(&mut self, task: &Task) -> Result<Said> {
        // Held until it is committed whose name it is.
        let names = task.inner().locks.names().await;
        task.refuse_taken(self.name.clone()).await?;
        self.moves.go().await?;
        let (it, pool) = (self.clone(), task.port_pool());
        Ok(Said::nothing().commit(move |change| {
            let _names = names;
            it.commit(change, &pool)
        }))
    }

    fn commit(&self, change: &mut Change<'_, '_>, pool: &PortPool) -> Result<()> {
        let (now, app) = (change.now(), self.app);
        let name = Some(Word(self.name.clone()));
        let changes = apps::Changes { name, deleted_at: Some(None), ..Default::default() };
        apps::update(change, app, &changes, now)?;
        executions::rename(change, app, &self.name)?;
        let instance = instances::of_app(change, app)?;
        if self.is_renamed() {
            releases::forget_environments(change, app, None)?;
        }
        self.building.give_to(change, instance.release_id.0)?;
        change.apply(app, AppEvent::Restore, None)?;
        lease(change, app, None, pool)?;
        let app = views::find_app(change, app)?;
        change.record_app(EventKind::AppRestored, &app, json!({}))
    }

    async fn return_to_trash(&mut self) -> Result<()> {
        self.moves.back().await
    }

    /// The files for people of an app that has come back, perhaps under another name.
    async fn tidy(&mut self, task: &Task) -> Result<Said> {
        let id = self.app;
        let app = task.registry().read(move |db| views::find_app(db, id)).await?;
        let linked =
            self.building.chosen().map(|id| crate::files::link_environment(task.layout(), &self.name, id));
        let done = [
            task.describe(&app).await,
            task.empty_trash_of(id).await,
            linked.unwrap_or(Ok(())),
            task.remove_unused_environments(id, &self.name).await,
        ];
        tidied(&self.name, done)
    }
}

fn refuse_unconfirmed(name: &AppName, confirm: &str) -> Result<()> {
    if confirm == name.as_str() {
        return Ok(());
    }
    Err(Error::new(Code::ConfirmationRequired, format!("`{confirm}` is not the name of the app"))
        .hint(format!("Give `confirm={name}` to confirm")))
}

fn commit_delete(change: &mut Change<'_, '_>, id: AppId) -> Result<()> {
    let next = change.apply(id, AppEvent::Delete, None)?;
    debug_assert!(next.effects.contains(&Effect::MoveToTrash));
    let instance = instances::of_app(change, id)?;
    port_leases::take_web_port(change, instance.id.0)?;
    let now = change.now();
    let changes = apps::Changes { deleted_at: Some(Some(now)), ..Default::default() };
    apps::update(change, id, &changes, now)?;
    let app = views::find_app(change, id)?;
    change.record_app(EventKind::AppDeleted, &app, json!({}))
}

fn commit_purge(change: &mut Change<'_, '_>, id: AppId) -> Result<()> {
    let app = views::find_app(change, id)?;
    change.record_app(EventKind::AppPurged, &app, json!({}))?;
    apps::delete(change, id)
}

#[cfg(test)]
mod tests;
