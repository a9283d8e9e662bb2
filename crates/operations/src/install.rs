//! Install: the active release gets an environment.
//!
//! Until it is taken into use nothing of the app has changed, so an install that fails, is cancelled or is interrupted
//! leaves a folder at most, and that is removed.

use mantyx_api_types::{OperationView, Problem};
use mantyx_core::{Actor, AppEvent, AppId, AppName, OperationKind, Result};
use mantyx_registry::tables::{config_revisions, instances};
use mantyx_registry::{Change, Json, Read, check, views};
use serde::{Deserialize, Serialize};

use crate::environment::{Building, Resolve, Subject, subject_of};
use crate::files;
use crate::mantyx::Mantyx;
use crate::saga::{Saga, Said, Task, step, tidied};
use crate::work::{blocking, whole};

/// What an install remembers.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Install {
    app: AppId,
    name: AppName,
    building: Building,
}

pub(crate) static INSTALL: Saga<Install> = Saga {
    kind: OperationKind::Install,
    steps: &[
        step::<Install>("plan", "Plan the environment", |task, it| Box::pin(it.plan(task))).cancellable(),
        step::<Install>("build", "Build the environment", |task, it| Box::pin(it.build(task)))
            .undo(|task, it| Box::pin(it.remove(task)))
            .cancellable(),
        step::<Install>("use", "Take it into use", |task, it| Box::pin(it.take_into_use(task))),
        step::<Install>("tidy", "Tidy up", |task, it| Box::pin(it.tidy(task))).resume(),
    ],
    failed: Some(install_failed),
};

impl Mantyx {
    /// Builds the environment of the active release.
    pub async fn install(&self, actor: &Actor, name: &AppName) -> Result<OperationView> {
        let (mantyx, actor, name) = (self.clone(), actor.clone(), name.clone());
        whole(async move {
            let app = mantyx.find(&name).await?;
            let _lock = mantyx.inner().locks.app(app.id.0).await;
            mantyx.refuse_during_operation(app.id.0).await?;
            let row = app.clone();
            mantyx.registry().read(move |db| check(db, &row, AppEvent::Install)).await?;
            mantyx.call_off_retry(&actor, app.id.0).await?;
            let memory = Install { app: app.id.0, name: name.clone(), building: Building::new() };
            mantyx.begin(&actor, &INSTALL, Some((app.id.0, name)), memory).await
        })
        .await
    }
}

impl Install {
    async fn subject(&self, task: &Task) -> Result<Subject> {
        let (app, name, layout) = (self.app, self.name.clone(), task.layout().clone());
        task.registry().read(move |db| active_subject(db, app, |n| layout.release(&name, n))).await
    }

    async fn plan(&mut self, task: &Task) -> Result<Said> {
        let subject = self.subject(task).await?;
        Ok(Said::detail(task.plan_environment(&subject, Resolve::Anew, &mut self.building).await?))
    }

    async fn build(&mut self, task: &Task) -> Result<Said> {
        let subject = self.subject(task).await?;
        task.provide_environment(task, &subject, Resolve::Anew, &mut self.building).await
    }

    async fn remove(&mut self, task: &Task) -> Result<()> {
        task.remove_building(&self.name, &self.building).await
    }

    async fn take_into_use(&mut self, task: &Task) -> Result<Said> {
        let subject = self.subject(task).await?;
        let place = self.building.chosen().map(|id| task.layout().environment(&self.name, id));
        let mantyx = Mantyx::clone(task);
        let foreseen = blocking(move || Ok(mantyx.foresee(&subject.configuration, place.as_deref()))).await?;
        let (app, building) = (self.app, self.building.clone());
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
        let linked = self.building.chosen().map(|id| files::link_environment(task.layout(), &self.name, id));
        let removed = task.remove_unused_environments(self.app, &self.name).await;
        tidied(&self.name, linked.into_iter().chain([removed]))
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

fn install_failed(change: &mut Change<'_, '_>, it: &Install, problem: &Problem) -> Result<()> {
    change.apply(it.app, AppEvent::InstallFailed, Some(problem.detail.clone())).map(drop)
}
