//! Another name for an app: in addresses, on disk, and in the paths that its environment holds.

use mantyx_api_types::OperationView;
use mantyx_core::{
    Actor, AppEvent, AppName, AppType, Code, EnvironmentId, Error, EventKind, OperationKind, ReleaseId,
    Result,
};
use mantyx_platform::folders;
use mantyx_registry::tables::{apps, environments, executions, instances, releases};
use mantyx_registry::{Change, Read, Word, check, views};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::environment::{Building, Resolve, Subject};
use crate::files;
use crate::install::active_subject;
use crate::mantyx::Mantyx;
use crate::moves::Moves;
use crate::saga::{Saga, Said, Task, step, tidied};
use crate::standing::Standing;
use crate::work::{blocking, whole};

/// What a rename remembers.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Renaming {
    /// How the app stood, under its old name.
    standing: Standing,
    to: AppName,
    building: Building,
    moves: Moves,
    /// The environments that releases had under the old name.
    before: Vec<(ReleaseId, EnvironmentId)>,
}

/// Environments hold absolute paths, so an installed app gets one that is built for the new name. Earlier releases keep
/// their locks, and are built again when one of them is taken into use.
pub(crate) static RENAME: Saga<Renaming> = Saga {
    kind: OperationKind::Rename,
    steps: &[
        step::<Renaming>("build", "Build its environment beside", |task, it| Box::pin(it.build(task)))
            .undo(|task, it| Box::pin(it.remove_environment(task)))
            .cancellable(),
        step::<Renaming>("stop", "Stop it", |task, it| Box::pin(it.stop(task)))
            .undo(|task, it| Box::pin(it.run_again(task))),
        step::<Renaming>("move", "Move its folders", |task, it| Box::pin(it.move_folders(task)))
            .undo(|task, it| Box::pin(it.move_back(task))),
        step::<Renaming>("start", "Start it", |task, it| Box::pin(it.start(task)))
            .undo(|task, it| Box::pin(it.stop_again(task)))
            .resume(),
        step::<Renaming>("watch", "See that it is well", |task, it| Box::pin(it.watch(task)))
            .look()
            .cancellable(),
        step::<Renaming>("tidy", "Tidy up", |task, it| Box::pin(it.tidy(task))).insist(),
    ],
    failed: None,
};

impl Mantyx {
    /// Gives an app another name.
    pub async fn rename(&self, actor: &Actor, name: &AppName, to: &AppName) -> Result<OperationView> {
        let (mantyx, actor, name, to) = (self.clone(), actor.clone(), name.clone(), to.clone());
        whole(async move {
            let (_lock, app) = mantyx.locked_idle(&name).await?;
            if to == name {
                return Err(Error::field("name", format!("The app is called `{name}` already")));
            }
            mantyx.refuse_taken(to.clone()).await?;
            let (row, moves) = (app.clone(), mantyx.moves_of(&name, &to));
            let memory = move |db: &mut Read<'_>| {
                check(db, &row, AppEvent::Rename)?;
                refuse_during_runs(db, &row)?;
                Ok(Renaming {
                    standing: Standing::of(db, &row, AppEvent::Rename)?,
                    to,
                    building: Building::new(),
                    moves,
                    before: environments_of(db, row.id.0)?,
                })
            };
            let memory = mantyx.registry().read(memory).await?;
            mantyx.begin(&actor, &RENAME, Some((app.id.0, name)), memory).await
        })
        .await
    }

    fn moves_of(&self, from: &AppName, to: &AppName) -> Moves {
        let layout = self.layout();
        Moves::of([(layout.app(from), layout.app(to)), (layout.backups_of(from), layout.backups_of(to))])
    }
}

impl Renaming {
    async fn build(&mut self, task: &Task) -> Result<Said> {
        let (app, name, layout) = (self.standing.app, self.standing.name.clone(), task.layout().clone());
        let subject = move |db: &mut Read<'_>| active_subject(db, app, |n| layout.release(&name, n));
        let subject = Subject { name: self.to.clone(), ..task.registry().read(subject).await? };
        if subject.release.environment_id.is_none() {
            return Ok(Said::detail("It is built when it is installed"));
        }
        task.provide_environment(task, &subject, Resolve::Locked, &mut self.building).await
    }

    async fn remove_environment(&mut self, task: &Task) -> Result<()> {
        task.remove_building(&self.to, &self.building).await
    }

    async fn stop(&mut self, task: &Task) -> Result<Said> {
        let app = self.standing.app;
        let calm = move |db: &mut Read<'_>| {
            let app = views::find_app(db, app)?;
            refuse_during_runs(db, &app)
        };
        task.registry().read(calm).await?;
        task.call_off_retry(&task.actor, app).await?;
        self.standing.stop(task).await?;
        Ok(Said::nothing())
    }

    async fn run_again(&mut self, task: &Task) -> Result<()> {
        self.standing.go_back(task).await
    }

    async fn move_folders(&mut self, task: &Task) -> Result<Said> {
        // Held until it is committed whose name it is.
        let names = task.inner().locks.names().await;
        task.refuse_taken(self.to.clone()).await?;
        self.moves.go().await?;
        let it = self.clone();
        Ok(Said::nothing().commit(move |change| {
            let _names = names;
            it.commit(change)
        }))
    }

    fn commit(&self, change: &mut Change<'_, '_>) -> Result<()> {
        let app = self.standing.app;
        releases::forget_environments(change, app, None)?;
        let active = instances::of_app(change, app)?.release_id.0;
        self.building.give_to(change, active)?;
        change.apply(app, AppEvent::Rename, None)?;
        give_name(change, app, &self.to)
    }

    /// Rows last: until then whoever looks finds the app where it was, or this undo once more.
    async fn move_back(&mut self, task: &Task) -> Result<()> {
        self.moves.back().await?;
        let it = self.clone();
        let back = move |change: &mut Change<'_, '_>| {
            let app = it.standing.app;
            if views::find_app(change, app)?.name.0 != it.to {
                return Ok(());
            }
            releases::forget_environments(change, app, None)?;
            for (release, environment) in it.before {
                if let Some(row) = environments::find(change, environment)? {
                    releases::set_environment(change, release, &row)?;
                }
            }
            give_name(change, app, &it.standing.name)
        };
        task.registry().change(&task.actor, back).await
    }

    async fn start(&mut self, task: &Task) -> Result<Said> {
        self.standing.start(task).await?;
        Ok(Said::nothing())
    }

    async fn stop_again(&mut self, task: &Task) -> Result<()> {
        self.standing.stop(task).await
    }

    async fn watch(&mut self, task: &Task) -> Result<Said> {
        Ok(Said::detail(self.standing.watch(task).await?))
    }

    async fn tidy(&mut self, task: &Task) -> Result<Said> {
        let (id, old) = (self.standing.app, task.layout().environments(&self.standing.name));
        let app = task.registry().read(move |db| views::find_app(db, id)).await?;
        let linked = self.building.chosen().map(|id| files::link_environment(task.layout(), &self.to, id));
        let done = [
            task.describe(&app).await,
            linked.unwrap_or(Ok(())),
            task.remove_unused_environments(id, &self.to).await,
            blocking(move || folders::remove(&old)).await,
        ];
        tidied(&self.to, done)
    }
}

fn give_name(change: &mut Change<'_, '_>, app: mantyx_core::AppId, name: &AppName) -> Result<()> {
    let (now, before) = (change.now(), views::find_app(change, app)?);
    let changes = apps::Changes { name: Some(Word(name.clone())), ..Default::default() };
    apps::update(change, app, &changes, now)?;
    executions::rename(change, app, name)?;
    change.record_app(EventKind::AppConfigured, &before, json!({ "name": name }))
}

/// Runs of a scheduled app live in its folders, and end by themselves.
fn refuse_during_runs(db: &mut Read<'_>, app: &apps::App) -> Result<()> {
    let instance = instances::of_app(db, app.id.0)?.id.0;
    if app.app_type.0 == AppType::Perpetual || executions::live_of(db, instance)?.is_empty() {
        return Ok(());
    }
    Err(Error::new(
        Code::IllegalState,
        format!("A run of `{}` is going, in the folders to be moved", app.name.0),
    )
    .hint("Wait for its end or stop it"))
}

fn environments_of(db: &mut Read<'_>, app: mantyx_core::AppId) -> Result<Vec<(ReleaseId, EnvironmentId)>> {
    let rows = releases::of_app(db, app)?;
    Ok(rows.into_iter().filter_map(|row| Some((row.id.0, row.environment_id?.0))).collect())
}
