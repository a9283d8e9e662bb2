//! Install: the active release gets an environment.
//!
//! Until it is taken into use nothing of the app has changed, but that one that had failed is not tried again meanwhile.
//! So an install that fails, is cancelled or is interrupted leaves a folder at most, and that is removed.

use mantyx_api_types::{OperationView, Problem};
use mantyx_core::{Actor, AppEvent, AppId, AppName, AppState, Code, OperationKind, Result};
use mantyx_registry::tables::{config_revisions, instances, releases};
use mantyx_registry::{Change, Json, Read, check, views};
use serde::{Deserialize, Serialize};

use crate::environment::{Building, Resolve, Subject, subject_of};
use crate::files;
use crate::mantyx::Mantyx;
use crate::saga::{Saga, Said, Task, step, tidied};
use crate::standing::Standing;
use crate::work::{blocking, whole};

/// What an install remembers.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Install {
    /// How the app stood.
    standing: Standing,
    building: Building,
}

pub(crate) static INSTALL: Saga<Install> = Saga {
    kind: OperationKind::Install,
    steps: &[
        step::<Install>("plan", "Plan the environment", |task, it| Box::pin(it.plan(task)))
            .undo(|task, it| Box::pin(it.retry_again(task)))
            .cancellable(),
        step::<Install>("build", "Build the environment", |task, it| Box::pin(it.build(task)))
            .undo(|task, it| Box::pin(it.remove(task)))
            .cancellable(),
        step::<Install>("use", "Take it into use", |task, it| Box::pin(it.take_into_use(task))),
        step::<Install>("tidy", "Tidy up", |task, it| Box::pin(it.tidy(task))).insist(),
    ],
    failed: Some(install_failed),
};

impl Mantyx {
    /// Builds the environment of the active release.
    pub async fn install(&self, actor: &Actor, name: &AppName) -> Result<OperationView> {
        let (mantyx, actor, name) = (self.clone(), actor.clone(), name.clone());
        whole(async move {
            let (_lock, app) = mantyx.locked_idle(&name).await?;
            let row = app.clone();
            let standing = move |db: &mut Read<'_>| {
                check(db, &row, AppEvent::Install)?;
                Standing::of(db, &row, AppEvent::Install)
            };
            let standing = mantyx.registry().read(standing).await?;
            let memory = Install { standing, building: Building::new() };
            mantyx.begin(&actor, &INSTALL, Some((app.id.0, name)), memory).await
        })
        .await
    }
}

impl Install {
    async fn subject(&self, task: &Task) -> Result<Subject> {
        let (app, name, layout) = (self.standing.app, self.standing.name.clone(), task.layout().clone());
        task.registry().read(move |db| active_subject(db, app, |n| layout.release(&name, n))).await
    }

    async fn plan(&mut self, task: &Task) -> Result<Said> {
        task.call_off_retry(&task.actor, self.standing.app).await?;
        let subject = self.subject(task).await?;
        Ok(Said::detail(task.plan_environment(task, &subject, Resolve::Anew, &mut self.building).await?))
    }

    async fn retry_again(&mut self, task: &Task) -> Result<()> {
        self.standing.go_back(task).await
    }

    async fn build(&mut self, task: &Task) -> Result<Said> {
        let subject = self.subject(task).await?;
        task.provide_environment(task, &subject, Resolve::Anew, &mut self.building).await
    }

    async fn remove(&mut self, task: &Task) -> Result<()> {
        task.remove_building(&self.standing.name, &self.building).await
    }

    async fn take_into_use(&mut self, task: &Task) -> Result<Said> {
        let subject = self.subject(task).await?;
        let place = self.building.chosen().map(|id| task.layout().environment(&self.standing.name, id));
        let mantyx = Mantyx::clone(task);
        let foreseen = blocking(move || Ok(mantyx.foresee(&subject.configuration, place.as_deref()))).await?;
        let (app, building) = (self.standing.app, self.building.clone());
        Ok(Said::nothing().commit(move |change| {
            let active = instances::of_app(change, app)?;
            building.give_to(change, active.release_id.0)?;
            change.apply(app, AppEvent::Install, None)?;
            let instance = active.id.0;
            let changes = instances::Changes { warnings: Some(Json(foreseen)), ..Default::default() };
            instances::update(change, instance, &changes)
        }))
    }

    /// It is in use: what follows is for people, and the next start makes up for it.
    async fn tidy(&mut self, task: &Task) -> Result<Said> {
        let linked =
            self.building.chosen().map(|id| files::link_environment(task.layout(), &self.standing.name, id));
        let removed = task.remove_unused_environments(self.standing.app, &self.standing.name).await;
        tidied(&self.standing.name, linked.into_iter().chain([removed]))
    }
}

/// The active release of an app and what decides about its environment.
pub(crate) fn active_subject(
    db: &mut Read<'_>,
    app: AppId,
    releases_folder: impl Fn(u32) -> std::path::PathBuf,
) -> Result<Subject> {
    let app = views::find_app(db, app)?;
    let instance = instances::of_app(db, app.id.0)?;
    let revision = config_revisions::get(db, instance.revision_id.0)?;
    subject_of(db, &app, instance.release_id.0, revision.configuration.0, releases_folder)
}

/// One that had failed for another reason than this did so before, and is tried again when it was to be.
fn install_failed(change: &mut Change<'_, '_>, it: &Install, problem: &Problem) -> Result<()> {
    let app = it.standing.app;
    let before = instances::of_app(change, app)?;
    match change.apply(app, AppEvent::InstallFailed, Some(problem.detail.clone())) {
        // Its next try was due meanwhile, and it runs: then nothing has failed for good.
        Err(error) if error.code() == Code::IllegalState => return Ok(()),
        applied => drop(applied?),
    }
    let is_installed = releases::get(change, before.release_id.0)?.environment_id.is_some();
    if !is_installed || before.state.0 != AppState::Failed {
        return Ok(());
    }
    let (reason, restarts_at) = (Some(before.reason), Some(before.restarts_at));
    instances::update(change, before.id.0, &instances::Changes { reason, restarts_at, ..Default::default() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use mantyx_core::OperationId;

    use crate::scene::Scene;

    #[tokio::test(flavor = "multi_thread")]
    async fn what_is_called_off_plans_no_further() {
        let scene = Scene::open(&[]).await;
        let app = scene.app("wiki").await;
        let standing = move |db: &mut Read<'_>| {
            let app = views::find_app(db, app)?;
            Standing::of(db, &app, AppEvent::Install)
        };
        let mut install = Install { standing: scene.read(standing).await, building: Building::new() };
        let task = Task::new(scene.mantyx.clone(), OperationId::generate(), Actor::Mantyx);
        task.cancel.cancel();
        assert_eq!(install.plan(&task).await.err().map(|error| error.code()), Some(Code::Cancelled));
    }
}
