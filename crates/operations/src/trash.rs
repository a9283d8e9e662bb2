//! Into the trash, out of it, and gone for good.
//!
//! Moves are done so that doing them twice is doing them once: what the daemon's death interrupts is carried on.

use mantyx_api_types::{OperationView, Page, RestoreRequest, TrashedAppView};
use mantyx_core::{
    Actor, AppEvent, AppId, AppName, Code, Configuration, Effect, Error, EventKind, InstanceId,
    OperationKind, Result,
};
use mantyx_platform::{folders, ports};
use mantyx_registry::tables::{apps, config_revisions, executions, instances, port_leases};
use mantyx_registry::{Change, PortPool, Read, Word, check, settle_web_port, views};
use serde_json::json;

use crate::actions::stopped_by;
use crate::mantyx::{Caller, Mantyx};
use crate::work::{Order, Work, blocking, whole};

const DELETE: &[&str] = &["Stop its processes", "Move it to the trash"];
const RESTORE: &[&str] = &["Move it out of the trash", "Make its environment fit"];
const PURGE: &[&str] = &["Stop its processes and take it away", "Remove its files"];

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
            let app = mantyx.find(&name).await?;
            mantyx.cancel_install_of(app.id.0).await?;
            let _lock = mantyx.inner().locks.app(app.id.0).await;
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
        let (event, titles) = match kind {
            OperationKind::Delete => (AppEvent::Delete, DELETE),
            _ => (AppEvent::Purge, PURGE),
        };
        let row = app.clone();
        self.registry().read(move |db| check(db, &row, event)).await?;
        let order = Order { kind, app: app.id.0, name: app.name.0.clone(), request: json!({}), titles };
        let work = self.begin(actor, order).await?;
        let view = self.operation(work.id).await?;
        let (mantyx, task, app) = (self.clone(), work.clone(), app.clone());
        self.carry_out(work, async move {
            match kind {
                OperationKind::Delete => mantyx.delete_steps(&task, &app).await,
                _ => mantyx.purge_steps(&task, &app).await,
            }
        });
        Ok(view)
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
            let app = mantyx.find_trashed(id).await?;
            caller.require_for(&mantyx.last_configuration(id).await?, None)?;
            let _lock = mantyx.inner().locks.app(id).await;
            let name = request.name.unwrap_or_else(|| app.name.0.clone());
            mantyx.refuse_taken(name.clone()).await?;
            let request = json!({ "name": name, "renamed": name != app.name.0 });
            let order =
                Order { kind: OperationKind::Restore, app: id, name: name.clone(), request, titles: RESTORE };
            let work = mantyx.begin(&caller.actor(), order).await?;
            let view = mantyx.operation(work.id).await?;
            let (handle, task) = (mantyx.clone(), work.clone());
            mantyx.carry_out(work, async move { handle.restore_steps(&task, &app, name).await });
            Ok(view)
        })
        .await
    }

    /// Out of the trash and gone. `confirm` is the name that the app had.
    pub async fn purge(&self, actor: &Actor, id: AppId, confirm: &str) -> Result<OperationView> {
        let app = self.find_trashed(id).await?;
        refuse_unconfirmed(&app.name.0, confirm)?;
        let (mantyx, actor) = (self.clone(), actor.clone());
        whole(async move {
            let _lock = mantyx.inner().locks.app(id).await;
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

    async fn find_trashed(&self, id: AppId) -> Result<apps::App> {
        let app = self.registry().read(move |db| apps::find(db, id)).await?;
        app.filter(|app| app.deleted_at.is_some())
            .ok_or_else(|| Error::not_found("deleted app", id).hint("`GET /api/trash` lists them"))
    }

    pub(crate) async fn delete_steps(&self, work: &Work, app: &apps::App) -> Result<()> {
        let outcome = self.try_delete(work, app).await;
        if outcome.is_err() {
            self.undo_delete(app).await;
        }
        outcome
    }

    async fn try_delete(&self, work: &Work, app: &apps::App) -> Result<()> {
        work.step(0, self.stop_everything(work, app)).await?;
        work.step(1, async {
            self.put_into_trash(work, app).await?;
            Ok(((), None))
        })
        .await
    }

    /// As long as nothing was committed the folders go back, and what was stopped runs again.
    async fn undo_delete(&self, app: &apps::App) {
        let id = app.id.0;
        let now = move |db: &mut Read<'_>| Ok((apps::find(db, id)?, instances::of_app(db, id)?));
        let Ok((Some(row), instance)) = self.registry().read(now).await else { return };
        if row.deleted_at.is_some() {
            return;
        }
        let moved = self.take_out_of_trash(app, &app.name.0).await;
        let up = self.bring_up(app, &instance).await;
        for error in [moved.err(), up.err()].into_iter().flatten() {
            tracing::error!(?error, app = %app.name.0, "a failed delete could not be undone; the next start tries again");
        }
    }

    async fn stop_everything(&self, work: &Work, app: &apps::App) -> Result<((), Option<String>)> {
        let id = app.id.0;
        let instance = self.registry().read(move |db| instances::of_app(db, id)).await?;
        self.disarm(instance.id.0).await?;
        let why = stopped_by(&work.actor, AppEvent::Delete);
        self.stop_processes(instance.id.0, why).await?;
        Ok(((), None))
    }

    /// The move, then the commit.
    async fn put_into_trash(&self, work: &Work, app: &apps::App) -> Result<()> {
        let (layout, name, id) = (self.layout().clone(), app.name.0.clone(), app.id.0);
        blocking(move || {
            let trash = layout.trashed(id);
            folders::create(&trash, 0o700)?;
            move_if_there(&layout.app(&name), &trash.join("app"))?;
            move_if_there(&layout.environments(&name), &trash.join("venvs"))
        })
        .await?;
        let row = app.clone();
        self.registry().change(&work.actor, move |change| commit_delete(change, &row)).await
    }

    pub(crate) async fn restore_steps(&self, work: &Work, app: &apps::App, name: AppName) -> Result<()> {
        let renamed = name != app.name.0;
        work.step(0, self.put_back(work, app, &name)).await?;
        let rebuilt = work
            .step(1, async {
                if !renamed {
                    return Ok(((), Some("It is where it was".to_owned())));
                }
                self.rebuild_environment(work, app.id.0).await
            })
            .await;
        if let Err(error) = &rebuilt
            && renamed
        {
            // It is restored, but what was built for another name is of no use.
            self.forget_environment(app.id.0, error.detail().to_owned()).await?;
        }
        rebuilt
    }

    async fn put_back(&self, work: &Work, app: &apps::App, name: &AppName) -> Result<((), Option<String>)> {
        let _names = self.inner().locks.names().await;
        let (row, to, pool) = (app.clone(), name.clone(), self.port_pool());
        let committed = match self.take_out_of_trash(app, name).await {
            Ok(()) => {
                self.registry()
                    .change(&work.actor, move |change| commit_restore(change, &row, to, &pool))
                    .await
            }
            Err(error) => Err(error),
        };
        match committed {
            Ok(restored) => {
                self.describe_restored(&restored).await;
                Ok(((), None))
            }
            Err(error) => {
                self.return_to_trash(app, name).await?;
                Err(error)
            }
        }
    }

    async fn take_out_of_trash(&self, app: &apps::App, name: &AppName) -> Result<()> {
        let (layout, trash, name) = (self.layout().clone(), self.layout().trashed(app.id.0), name.clone());
        blocking(move || {
            move_if_there(&trash.join("app"), &layout.app(&name))?;
            move_if_there(&trash.join("venvs"), &layout.environments(&name))
        })
        .await
    }

    async fn return_to_trash(&self, app: &apps::App, name: &AppName) -> Result<()> {
        let (layout, trash, name) = (self.layout().clone(), self.layout().trashed(app.id.0), name.clone());
        blocking(move || {
            if !trash.join("app").exists() {
                move_if_there(&layout.app(&name), &trash.join("app"))?;
            }
            move_if_there(&layout.environments(&name), &trash.join("venvs"))
        })
        .await
    }

    /// Takes away what is left of an app in the trash. It may be a whole tree.
    async fn empty_trash_of(&self, app: AppId) -> Result<()> {
        let trash = self.layout().trashed(app);
        blocking(move || folders::remove(&trash)).await
    }

    /// The files for people of an app that has come back, perhaps under another name.
    pub(crate) async fn describe_restored(&self, app: &apps::App) {
        if let Err(error) = self.describe(app).await {
            tracing::warn!(?error, app = %app.name.0, "the files for people could not be written");
        }
        if let Err(error) = self.empty_trash_of(app.id.0).await {
            tracing::warn!(?error, app = %app.name.0, "an empty folder stays in the trash");
        }
    }

    /// Through the trash, so that a removal that fails half way leaves an app that can be purged again.
    pub(crate) async fn purge_steps(&self, work: &Work, app: &apps::App) -> Result<()> {
        if app.deleted_at.is_none() {
            self.delete_first(work, app).await?;
        } else {
            work.step(0, self.stop_everything(work, app)).await?;
        }
        work.step(1, async {
            self.empty_trash_of(app.id.0).await?;
            let row = app.clone();
            let instance =
                self.registry().change(&work.actor, move |change| commit_purge(change, &row)).await?;
            self.inner().supervisor.forget_instance(instance);
            Ok(((), None))
        })
        .await
    }

    async fn delete_first(&self, work: &Work, app: &apps::App) -> Result<()> {
        let deleted = work
            .step(0, async {
                self.stop_everything(work, app).await?;
                self.put_into_trash(work, app).await?;
                Ok(((), None))
            })
            .await;
        if deleted.is_err() {
            self.undo_delete(app).await;
        }
        deleted
    }
}

fn refuse_unconfirmed(name: &AppName, confirm: &str) -> Result<()> {
    if confirm == name.as_str() {
        return Ok(());
    }
    Err(Error::new(Code::ConfirmationRequired, format!("`{confirm}` is not the name of the app"))
        .hint(format!("Give `confirm={name}` to confirm")))
}

/// A move that was done before the daemon died is not done again.
fn move_if_there(from: &std::path::Path, to: &std::path::Path) -> Result<()> {
    if from.exists() { folders::rename(from, to) } else { Ok(()) }
}

fn commit_delete(change: &mut Change<'_, '_>, app: &apps::App) -> Result<()> {
    let next = change.apply(app.id.0, AppEvent::Delete, None)?;
    debug_assert!(next.effects.contains(&Effect::MoveToTrash));
    let instance = instances::of_app(change, app.id.0)?;
    port_leases::take_web_port(change, instance.id.0)?;
    let now = change.now();
    let changes = apps::Changes { deleted_at: Some(Some(now)), ..Default::default() };
    apps::update(change, app.id.0, &changes, now)?;
    change.record_app(EventKind::AppDeleted, app, json!({}))
}

fn commit_restore(
    change: &mut Change<'_, '_>,
    app: &apps::App,
    name: AppName,
    pool: &PortPool,
) -> Result<apps::App> {
    let now = change.now();
    let changes =
        apps::Changes { name: Some(Word(name.clone())), deleted_at: Some(None), ..Default::default() };
    apps::update(change, app.id.0, &changes, now)?;
    executions::rename(change, app.id.0, &name)?;
    change.apply(app.id.0, AppEvent::Restore, None)?;
    let instance = instances::of_app(change, app.id.0)?;
    let wanted = config_revisions::get(change, instance.revision_id.0)?.configuration.0.web_port;
    settle_web_port(change, instance.id.0, wanted, pool, ports::in_use)?;
    let app = views::find_app(change, app.id.0)?;
    change.record_app(EventKind::AppRestored, &app, json!({}))?;
    Ok(app)
}

fn commit_purge(change: &mut Change<'_, '_>, app: &apps::App) -> Result<InstanceId> {
    let instance = instances::of_app(change, app.id.0)?.id.0;
    change.record_app(EventKind::AppPurged, app, json!({}))?;
    apps::delete(change, app.id.0)?;
    Ok(instance)
}
