//! What is active is switched to something else: a new release, an earlier one, another configuration, a backup.
//!
//! Everything slow happens beside what runs. The app is down from `stop` to `start`, and between the two is one commit.
//! When it does not become well afterwards, all of it is taken back and what ran before runs again.
//!
//! | saga | steps |
//! |---|---|
//! | update | stage · place · build · back up · stop · activate · start · watch · tidy |
//! | rollback | build · back up · stop · activate · start · watch · tidy |
//! | configure | back up · stop · activate · start · watch · tidy |
//! | repair | build · stop · activate · start · watch · tidy |
//! | restore a backup | stage · place · build · copy data · back up · stop · swap data · activate · start · watch · tidy |

use std::path::PathBuf;

use mantyx_core::{
    Actor, AppEvent, AppState, BackupReason, Configuration, Error, EventKind, Launch, OperationKind, Origin,
    ReleaseId, Result, RevisionId,
};
use mantyx_ingest::Staged;
use mantyx_platform::scratch::Scratch;
use mantyx_platform::{folders, ports};
use mantyx_registry::tables::releases::{self, Release};
use mantyx_registry::tables::{apps, config_revisions, instances};
use mantyx_registry::{Change, Json, Read, Word, settle_web_port, views};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::backup::Keeping;
use crate::create::fit_to_source;
use crate::environment::{Building, KeptLock, Resolve, Subject, number, subject_of};
use crate::files;
use crate::mantyx::Mantyx;
use crate::moves::Moves;
use crate::saga::{Saga, Said, Step, Task, step};
use crate::standing::Standing;
use crate::work::blocking;

mod restored;
mod source;

use restored::{rearm, set_schedules};

pub(crate) use restored::Restored;
pub(crate) use source::NewSource;

/// What a switch remembers.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Switch {
    pub(crate) standing: Standing,
    /// What is active before.
    pub(crate) before: Pair,
    /// What is active after.
    pub(crate) after: Pair,
    /// The release that is made for it.
    pub(crate) made: Option<NewRelease>,
    /// The configuration after, where it is another.
    pub(crate) configuration: Option<Configuration>,
    /// Which packages the release gets.
    pub(crate) resolve: Resolve,
    pub(crate) building: Building,
    pub(crate) keeping: Keeping,
    /// What is taken from a backup, where one is restored.
    pub(crate) restored: Option<Restored>,
    /// The app's own files, on their way.
    moves: Moves,
}

/// A release and a configuration that belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pair {
    pub(crate) release: ReleaseId,
    pub(crate) revision: RevisionId,
}

/// A release on its way.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct NewRelease {
    pub(crate) number: u32,
    pub(crate) source: NewSource,
    /// The folder in which its source is made.
    pub(crate) staging: PathBuf,
    /// What was found in it, once it is there.
    pub(crate) staged: Option<Staged>,
}

const STAGE: Step<Switch> =
    step::<Switch>("stage", "Get the source and check it", |task, it| Box::pin(it.stage(task)))
        .undo(|_, it| Box::pin(it.unstage()))
        .cancellable();
const PLACE: Step<Switch> =
    step::<Switch>("place", "Put the release in its place", |task, it| Box::pin(it.place(task)))
        .undo(|task, it| Box::pin(it.remove_release(task)))
        .cancellable();
const BUILD: Step<Switch> =
    step::<Switch>("build", "Build its environment beside", |task, it| Box::pin(it.build(task)))
        .undo(|task, it| Box::pin(it.remove_environment(task)))
        .cancellable();
const BACK_UP: Step<Switch> =
    step::<Switch>("back_up", "Keep what is there", |task, it| Box::pin(it.back_up(task)))
        .undo(|task, it| Box::pin(it.remove_backup(task)))
        .cancellable();
const STOP: Step<Switch> = step::<Switch>("stop", "Stop it", |task, it| Box::pin(it.stop(task)))
    .undo(|task, it| Box::pin(it.run_again(task)));
const COPY_DATA: Step<Switch> =
    step::<Switch>("copy_data", "Copy its kept files", |task, it| Box::pin(it.copy_data(task)))
        .undo(|task, it| Box::pin(it.remove_data(task)))
        .cancellable();
const SWAP_DATA: Step<Switch> =
    step::<Switch>("swap_data", "Take its kept files into use", |task, it| Box::pin(it.swap_data(task)))
        .undo(|_, it| Box::pin(it.swap_back()));
const ACTIVATE: Step<Switch> =
    step::<Switch>("activate", "Switch over", |task, it| Box::pin(it.activate(task)))
        .undo(|task, it| Box::pin(it.reactivate(task)));
const START: Step<Switch> = step::<Switch>("start", "Start it", |task, it| Box::pin(it.start(task)))
    .undo(|task, it| Box::pin(it.stop_again(task)))
    .resume();
const WATCH: Step<Switch> =
    step::<Switch>("watch", "See that it is well", |task, it| Box::pin(it.watch(task))).resume();
const TIDY: Step<Switch> = step::<Switch>("tidy", "Tidy up", |task, it| Box::pin(it.tidy(task))).resume();

/// Other code, or the same with other packages.
pub(crate) static UPDATE: Saga<Switch> = Saga {
    kind: OperationKind::Update,
    steps: &[STAGE, PLACE, BUILD, BACK_UP, STOP, ACTIVATE, START, WATCH, TIDY],
    failed: None,
};

/// An earlier release.
pub(crate) static ROLLBACK: Saga<Switch> = Saga {
    kind: OperationKind::Rollback,
    steps: &[BUILD, BACK_UP, STOP, ACTIVATE, START, WATCH, TIDY],
    failed: None,
};

/// Another configuration, with a restart.
pub(crate) static CONFIGURE: Saga<Switch> = Saga {
    kind: OperationKind::Configure,
    steps: &[BACK_UP, STOP, ACTIVATE, START, WATCH, TIDY],
    failed: None,
};

/// What is active already, with an environment that was missing.
pub(crate) static REPAIR: Saga<Switch> =
    Saga { kind: OperationKind::Repair, steps: &[BUILD, STOP, ACTIVATE, START, WATCH, TIDY], failed: None };

/// What a backup kept.
pub(crate) static RESTORE_BACKUP: Saga<Switch> = Saga {
    kind: OperationKind::RestoreBackup,
    steps: &[STAGE, PLACE, BUILD, COPY_DATA, BACK_UP, STOP, SWAP_DATA, ACTIVATE, START, WATCH, TIDY],
    failed: None,
};

impl Switch {
    /// A switch that changes nothing yet.
    pub(crate) fn of(
        db: &mut Read<'_>,
        app: &apps::App,
        event: AppEvent,
        reason: BackupReason,
    ) -> Result<Self> {
        let instance = instances::of_app(db, app.id.0)?;
        let pair = Pair { release: instance.release_id.0, revision: instance.revision_id.0 };
        Ok(Self {
            standing: Standing::of(db, app, event)?,
            before: pair,
            after: pair,
            made: None,
            configuration: None,
            resolve: Resolve::Locked,
            building: Building::new(),
            keeping: Keeping::new(reason),
            restored: None,
            moves: Moves::default(),
        })
    }

    /// Another configuration is taken into use with it.
    pub(crate) fn configured(mut self, configuration: Configuration) -> Self {
        self.after.revision = RevisionId::generate();
        self.configuration = Some(configuration);
        self
    }

    async fn stage(&mut self, task: &Task) -> Result<Said> {
        let Some(made) = &mut self.made else { return Ok(Said::nothing()) };
        let staged = made.source.stage(task, &made.staging).await?;
        made.staged = Some(staged.clone());
        let said = in_words(&staged);
        let active = self.active_configuration(task).await?;
        let wanted = self.configuration.clone().unwrap_or_else(|| active.clone());
        let fitted = blocking(move || fitted(wanted, &staged)).await?;
        if self.configuration.is_none() && fitted != active {
            self.after.revision = RevisionId::generate();
        }
        self.configuration = Some(fitted).filter(|fitted| *fitted != active);
        if self.configuration.is_none() {
            self.after.revision = self.before.revision;
        }
        Ok(Said::detail(said))
    }

    async fn active_configuration(&self, task: &Task) -> Result<Configuration> {
        let revision = self.before.revision;
        task.registry().read(move |db| Ok(config_revisions::get(db, revision)?.configuration.0)).await
    }

    async fn unstage(&mut self) -> Result<()> {
        let Some(made) = &self.made else { return Ok(()) };
        let staging = made.staging.clone();
        blocking(move || folders::remove(&staging)).await
    }

    async fn place(&mut self, task: &Task) -> Result<Said> {
        let Some((made, staged)) = self.made.as_ref().and_then(|made| Some((made, made.staged.clone()?)))
        else {
            return Ok(Said::nothing());
        };
        let (from, staging, number) = (staged.folder.clone(), made.staging.clone(), made.number);
        let place = task.layout().release(&self.standing.name, number);
        blocking(move || {
            folders::rename(&from, &place)?;
            folders::make_read_only(&place)?;
            folders::remove(&staging)
        })
        .await?;
        let (id, app, lock) = (self.after.release, self.standing.app, made.source.lock());
        Ok(Said::detail(format!("Release {number}")).commit(move |change| {
            let row = release(change, id, app, number, staged);
            releases::insert(change, &KeptLock::give(lock, row))
        }))
    }

    /// Row first: a folder that no row speaks of misleads nobody.
    async fn remove_release(&mut self, task: &Task) -> Result<()> {
        let Some(made) = &self.made else { return Ok(()) };
        let place = task.layout().release(&self.standing.name, made.number);
        let id = self.after.release;
        task.registry().change(&Actor::Mantyx, move |change| releases::delete(change, id)).await?;
        blocking(move || folders::remove(&place)).await
    }

    /// What is to be built for: the release after, with the configuration after.
    async fn subject(&self, task: &Task) -> Result<Subject> {
        let (app, pair, name) = (self.standing.app, self.after, self.standing.name.clone());
        let (layout, wanted, before) =
            (task.layout().clone(), self.configuration.clone(), self.before.revision);
        task.registry()
            .read(move |db| {
                let app = views::find_app(db, app)?;
                let configuration = match wanted {
                    Some(wanted) => wanted,
                    None => config_revisions::get(db, before)?.configuration.0,
                };
                subject_of(db, &app, pair.release, configuration, |number| layout.release(&name, number))
            })
            .await
    }

    async fn build(&mut self, task: &Task) -> Result<Said> {
        if self.standing.state == AppState::Uploaded {
            return Ok(Said::detail("It is built when it is installed"));
        }
        let subject = self.subject(task).await?;
        let kept = subject.release.environment_id.map(|id| id.0);
        if let Some(kept) = kept.filter(|id| task.layout().environment(&subject.name, *id).is_dir()) {
            self.building.choose(kept);
            return Ok(Said::detail("It is there"));
        }
        task.provide_environment(task, &subject, self.resolve, &mut self.building).await
    }

    async fn remove_environment(&mut self, task: &Task) -> Result<()> {
        task.remove_building(&self.standing.name, &self.building).await
    }

    async fn back_up(&mut self, task: &Task) -> Result<Said> {
        let made = self.keeping.make(task, self.standing.app).await?;
        Ok(made)
    }

    async fn remove_backup(&mut self, task: &Task) -> Result<()> {
        self.keeping.take_back(task, &self.standing.name).await
    }

    async fn stop(&mut self, task: &Task) -> Result<Said> {
        task.call_off_retry(&task.actor, self.standing.app).await?;
        self.standing.stop(task).await?;
        Ok(Said::nothing())
    }

    async fn run_again(&mut self, task: &Task) -> Result<()> {
        self.standing.go_back(task).await
    }

    /// The commit is the switch.
    async fn activate(&mut self, task: &Task) -> Result<Said> {
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

    async fn reactivate(&mut self, task: &Task) -> Result<()> {
        let (it, pool) = (self.clone(), task.port_pool());
        let back = move |change: &mut Change<'_, '_>| {
            let active = instances::of_app(change, it.standing.app)?;
            let now = Pair { release: active.release_id.0, revision: active.revision_id.0 };
            if now != it.after || it.after == it.before {
                return Ok(());
            }
            let wanted = config_revisions::get(change, it.before.revision)?.configuration.0.web_port;
            settle_web_port(change, it.standing.instance, wanted, &pool, ports::in_use)?;
            let payload = it.in_record(change)?;
            if let Some(restored) = &it.restored {
                set_schedules(change, it.standing.app, &restored.before)?;
            }
            it.point_to(change, it.before, None)?;
            if it.standing.state == AppState::Failed && active.state.0 == AppState::Installed {
                change.apply(it.standing.app, AppEvent::InstallFailed, active.reason)?;
            }
            let app = views::find_app(change, it.standing.app)?;
            change.record_app(EventKind::AppReverted, &app, payload)
        };
        task.registry().change(&task.actor, back).await?;
        if self.restored.is_some() { rearm(task, self.standing.app).await } else { Ok(()) }
    }

    fn data(&self) -> Option<&Restored> {
        self.restored.as_ref().filter(|restored| restored.data)
    }

    async fn copy_data(&mut self, task: &Task) -> Result<Said> {
        let Some(restored) = self.data() else { return Ok(Said::detail("They stay as they are")) };
        let name = self.standing.name.clone();
        restored.prepare_data(task, &name).await?;
        self.moves = Restored::moves(task, &name);
        Ok(Said::nothing())
    }

    async fn remove_data(&mut self, task: &Task) -> Result<()> {
        Restored::remove_data(task, &self.standing.name).await
    }

    async fn swap_data(&mut self, _: &Task) -> Result<Said> {
        self.moves.go().await?;
        Ok(Said::nothing())
    }

    async fn swap_back(&mut self) -> Result<()> {
        self.moves.back().await
    }

    async fn start(&mut self, task: &Task) -> Result<Said> {
        if self.restored.is_some() {
            rearm(task, self.standing.app).await?;
        }
        self.standing.start(task).await?;
        Ok(Said::nothing())
    }

    async fn stop_again(&mut self, task: &Task) -> Result<()> {
        self.standing.stop(task).await
    }

    async fn watch(&mut self, task: &Task) -> Result<Said> {
        Ok(Said::detail(self.standing.watch(task).await?))
    }

    /// It is in use: what follows is for people, and the next one makes up for what cannot be done.
    async fn tidy(&mut self, task: &Task) -> Result<Said> {
        let done = [
            self.show(task).await,
            task.retire_releases(self.standing.app, &self.standing.name).await,
            task.retire_backups(self.standing.app, &self.standing.name).await,
            Restored::forget_data(task, &self.standing.name).await,
        ];
        for error in done.into_iter().filter_map(Result::err) {
            tracing::warn!(?error, app = %self.standing.name, "what is left of a change could not be tidied");
        }
        Ok(Said::nothing())
    }

    /// The links and the files for people.
    async fn show(&self, task: &Task) -> Result<()> {
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

impl Mantyx {
    /// A new release for a switch: its number, and a folder in which its source is made.
    pub(crate) async fn new_release(
        &self,
        actor: &Actor,
        app: &apps::App,
        source: NewSource,
    ) -> Result<NewRelease> {
        let id = app.id.0;
        let number = self.registry().change(actor, move |change| apps::next_release(change, id)).await?;
        let number = u32::try_from(number).map_err(|error| Error::internal("number a release", error))?;
        let staging = match source.staging() {
            Some(staging) => staging,
            None => Scratch::make(&self.uploads(), "source-")?.keep(),
        };
        Ok(NewRelease { number, source, staging, staged: None })
    }
}

/// The configuration as it fits the new source. A script that was given another name is still the app.
fn fitted(wanted: Configuration, staged: &Staged) -> Result<Configuration> {
    let other_name =
        matches!((&wanted.entrypoint, &staged.origin), (Launch::Script(_), Origin::Script { .. }));
    match (fit_to_source(wanted.clone(), &staged.folder), staged.found.candidates.first()) {
        (Err(_), Some(script)) if other_name => {
            fit_to_source(Configuration { entrypoint: script.clone(), ..wanted }, &staged.folder)
        }
        (fitted, _) => fitted,
    }
}

fn release(
    change: &Change<'_, '_>,
    id: ReleaseId,
    app: mantyx_core::AppId,
    number: u32,
    staged: Staged,
) -> Release {
    Release {
        id: Word(id),
        app_id: Word(app),
        number: i32::try_from(number).unwrap_or(i32::MAX),
        origin: Json(staged.origin),
        found: Json(staged.found),
        scm_version: staged.scm_version,
        environment_id: None,
        created_at: change.now(),
        created_by: change.actor().to_string(),
        lock: None,
        lock_digest: None,
        python_version: None,
        revision_id: None,
    }
}

fn in_words(staged: &Staged) -> String {
    let files = staged.found.files;
    let count = format!("{files} {}", if files == 1 { "file" } else { "files" });
    match &staged.origin {
        Origin::Git { commit, .. } => format!("{count}, commit {commit:.12}"),
        Origin::Archive { file } | Origin::Script { file } => format!("{count} of `{file}`"),
    }
}
