//! What happens to what runs: it is stopped, another pair becomes the active one in one commit, and that is started.

use mantyx_core::{AppEvent, AppState, Configuration, EventKind, Result};
use mantyx_platform::ports;
use mantyx_registry::tables::apps::App;
use mantyx_registry::tables::{config_revisions, environments, instances, releases};
use mantyx_registry::{Change, Json, PortPool, Read, Word, settle_web_port, views};
use serde_json::json;

use super::restored::set_schedules;
use super::{Pair, Restored, Switch};
use crate::environment::number;
use crate::files;
use crate::mantyx::Mantyx;
use crate::reconcile::record_repair;
use crate::saga::{Said, Task, tidied};
use crate::work::blocking;

impl Switch {
    pub(super) async fn stop(&mut self, task: &Task) -> Result<Said> {
        self.write_out(task).await?;
        task.call_off_retry(&task.actor, self.standing.app).await?;
        self.standing.stop(task).await?;
        Ok(Said::nothing())
    }

    pub(super) async fn run_again(&mut self, task: &Task) -> Result<()> {
        self.standing.go_back(task).await
    }

    /// The commit is the switch.
    pub(super) async fn activate(&mut self, task: &Task) -> Result<Said> {
        let environment = self.building.chosen().map(|id| task.layout().environment(&self.standing.name, id));
        let subject = self.subject(task).await?;
        let mantyx = Mantyx::clone(task);
        let warnings =
            blocking(move || Ok(mantyx.foresee(&subject.configuration, environment.as_deref()))).await?;
        let (it, pool) = (self.clone(), task.port_pool());
        Ok(Said::nothing().commit(move |change| {
            let app = views::find_app(change, it.standing.app)?;
            // By what was active: an app that was never installed is installed by this.
            change.apply(app.id.0, it.standing.event(), None)?;
            it.building.give_to(change, it.after.release)?;
            if let Some(configuration) = &it.configuration {
                settle_web_port(change, it.standing.instance, configuration.web_port, &pool, ports::in_use)?;
                it.add_revision(change, configuration.clone())?;
            }
            if let Some((after, _)) = &it.texts {
                after.clone().set(change, &app)?;
            }
            if let Some(restored) = &it.restored {
                set_schedules(change, it.standing.app, &restored.after)?;
            }
            releases::set_revision(change, it.before.release, it.before.revision)?;
            releases::set_revision(change, it.after.release, it.after.revision)?;
            it.point_to(change, it.after, Some(warnings))?;
            if it.after == it.before {
                return Ok(());
            }
            let payload = it.in_record(change)?;
            change.record_app(EventKind::AppUpdated, &app, payload)
        }))
    }

    fn add_revision(&self, change: &mut Change<'_, '_>, configuration: Configuration) -> Result<()> {
        let instance = self.standing.instance;
        let revision = config_revisions::Revision {
            id: Word(self.after.revision),
            instance_id: Word(instance),
            number: config_revisions::last_number(change, instance)? + 1,
            configuration: Json(configuration),
            created_at: change.now(),
            created_by: change.actor().to_string(),
        };
        config_revisions::insert(change, &revision)
    }

    /// What an instance remembers of one pair says nothing about another.
    fn point_to(&self, change: &mut Change<'_, '_>, pair: Pair, warnings: Option<Vec<String>>) -> Result<()> {
        let changes = instances::Changes {
            release_id: Some(Word(pair.release)),
            revision_id: Some(Word(pair.revision)),
            warnings: warnings.map(Json),
            restarts: Some(0),
            restarts_at: Some(None),
            give_ups: Some(0),
            ..Default::default()
        };
        change.touch_app(self.standing.app);
        instances::update(change, self.standing.instance, &changes)
    }

    /// The numbers of what was and what is active.
    fn in_record(&self, db: &mut Read<'_>) -> Result<serde_json::Value> {
        let (from, to) = (releases::get(db, self.before.release)?, releases::get(db, self.after.release)?);
        Ok(json!({
            "release": to.number,
            "from": from.number,
            "digest": to.found.0.digest,
            "configured": self.before.revision != self.after.revision,
        }))
    }

    pub(super) async fn reactivate(&mut self, task: &Task) -> Result<()> {
        let (it, pool) = (self.clone(), task.port_pool());
        task.registry().change(&task.actor, move |change| it.point_back(change, &pool)).await?;
        match &self.restored {
            Some(restored) => restored.rearm(task).await,
            None => Ok(()),
        }
    }

    /// The rest of what is active is only what was there before, where the pair is.
    fn point_back(&self, change: &mut Change<'_, '_>, pool: &PortPool) -> Result<()> {
        let app = views::find_app(change, self.standing.app)?;
        if let Some((after, before)) = &self.texts
            && after.are_of(&app)
        {
            before.clone().set(change, &app)?;
        }
        let active = instances::of_app(change, self.standing.app)?;
        let now = Pair { release: active.release_id.0, revision: active.revision_id.0 };
        if now == self.after && self.after != self.before {
            self.point_to_before(change, &app, pool)?;
        }
        self.standing.excuse(change)
    }

    fn point_to_before(&self, change: &mut Change<'_, '_>, app: &App, pool: &PortPool) -> Result<()> {
        let wanted = config_revisions::get(change, self.before.revision)?.configuration.0.web_port;
        // Somebody else may have it by now. Then the start says so, and this goes on.
        if let Err(error) = settle_web_port(change, self.standing.instance, wanted, pool, ports::in_use) {
            tracing::warn!(?error, app = %self.standing.name, "the port that the app had is gone");
        }
        let payload = self.in_record(change)?;
        if let Some(restored) = &self.restored {
            set_schedules(change, self.standing.app, &restored.before)?;
        }
        self.point_to(change, self.before, None)?;
        self.give_back(change)?;
        let state = instances::of_app(change, self.standing.app)?.state.0;
        if self.standing.state == AppState::Failed && state == AppState::Installed {
            change.apply(self.standing.app, AppEvent::InstallFailed, self.standing.reason())?;
        }
        change.record_app(EventKind::AppReverted, app, payload)
    }

    /// The release after has the environment again that it had.
    fn give_back(&self, change: &mut Change<'_, '_>) -> Result<()> {
        let Some(had) = self.had.filter(|had| self.building.chosen() != Some(*had)) else { return Ok(()) };
        match environments::find(change, had)? {
            Some(row) => releases::set_environment(change, self.after.release, &row),
            None => Ok(()),
        }
    }

    pub(super) async fn swap_data(&mut self, task: &Task) -> Result<Said> {
        if self.data().is_some() {
            task.refuse_data_in_use(self.standing.app).await?;
        }
        self.moves.go().await?;
        Ok(Said::nothing())
    }

    pub(super) async fn swap_back(&mut self) -> Result<()> {
        self.moves.back().await
    }

    pub(super) async fn start(&mut self, task: &Task) -> Result<Said> {
        if let Some(restored) = &self.restored {
            restored.rearm(task).await?;
        }
        self.standing.start(task).await?;
        Ok(Said::nothing())
    }

    pub(super) async fn stop_again(&mut self, task: &Task) -> Result<()> {
        self.standing.stop(task).await
    }

    pub(super) async fn watch(&mut self, task: &Task) -> Result<Said> {
        Ok(Said::detail(self.standing.watch(task).await?))
    }

    /// It is in use: what follows is for people, and the next one makes up for what cannot be done.
    pub(super) async fn tidy(&mut self, task: &Task) -> Result<Said> {
        let kept = self.keep_data(task).await;
        let (kept, replaced) = (kept.as_ref().ok().copied().flatten(), kept.map(drop));
        let done = [
            replaced,
            self.show(task).await,
            task.retire_releases(self.standing.app, &self.standing.name).await,
            task.retire_backups(self.standing.app, &self.standing.name).await,
        ];
        let said = tidied(&self.standing.name, done)?;
        let Some(bytes) = kept else { return Ok(said) };
        let keeping = self.keeping.clone();
        Ok(said.commit(move |change| keeping.has_data(change, bytes)))
    }

    /// The files that were replaced go into the backup that was made before, as they were when the app was stopped.
    async fn keep_data(&mut self, task: &Task) -> Result<Option<u64>> {
        if self.data().is_none() {
            return Ok(None);
        }
        let replaced = Restored::replaced(task, &self.standing.name);
        self.keeping.take_in(task, &self.standing.name, replaced).await
    }

    /// What was repaired is recorded once it is.
    pub(super) async fn tidy_repair(&mut self, task: &Task) -> Result<Said> {
        let (said, name) = (self.tidy(task).await?, self.standing.name.clone());
        Ok(said.commit(move |change| {
            record_repair(change, &name, "Its environment was missing, and was built again".to_owned())
        }))
    }

    /// The links and the files for people.
    pub(super) async fn show(&self, task: &Task) -> Result<()> {
        let (app, release) = (self.standing.app, self.after.release);
        let read = move |db: &mut Read<'_>| Ok((views::find_app(db, app)?, releases::get(db, release)?));
        let (app, release) = task.registry().read(read).await?;
        let (layout, name) = (task.layout().clone(), app.name.0.clone());
        blocking(move || {
            files::link_release(&layout, &name, number(&release))?;
            let environment = release.environment_id.map(|id| files::link_environment(&layout, &name, id.0));
            environment.unwrap_or(Ok(()))
        })
        .await?;
        task.describe(&app).await
    }
}
