//! What happens beside what runs: the release, its environment and the backup are made, and nothing notices.

use mantyx_core::{
    Actor, AppEvent, AppId, AppState, Configuration, Launch, Origin, ReleaseId, Result, RevisionId,
};
use mantyx_ingest::Staged;
use mantyx_platform::folders;
use mantyx_registry::tables::config_revisions;
use mantyx_registry::tables::releases::{self, Release};
use mantyx_registry::{Change, Json, Read, Word, views};

use super::{Restored, Switch};
use crate::create::fit_to_source;
use crate::environment::{KeptLock, Subject, subject_of};
use crate::saga::{Said, Task};
use crate::work::{blocking, write_out};

impl Switch {
    pub(super) async fn stage(&mut self, task: &Task) -> Result<Said> {
        let Some(made) = &mut self.made else { return Ok(Said::nothing()) };
        let staged = made.source.stage(task, &made.staging).await?;
        made.staged = Some(staged.clone());
        let said = format!("{}{}", in_words(&staged), self.replaced_edits(task, &staged.origin).await?);
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

    /// What somebody has edited here is not in what comes from git. It stays in the release that it was made in.
    async fn replaced_edits(&self, task: &Task, origin: &Origin) -> Result<String> {
        let before = self.before.release;
        let before = task.registry().read(move |db| releases::get(db, before)).await?;
        let (Origin::Git { edited, .. }, Origin::Git { edited: still, .. }) = (&before.origin.0, origin)
        else {
            return Ok(String::new());
        };
        let gone: Vec<String> =
            edited.iter().filter(|path| !still.contains(path)).map(|path| format!("`{path}`")).collect();
        Ok(match gone.as_slice() {
            [] => String::new(),
            gone => format!("; it replaces what was edited here: {}", gone.join(", ")),
        })
    }

    pub(super) async fn active_configuration(&self, task: &Task) -> Result<Configuration> {
        let revision = self.before.revision;
        task.registry().read(move |db| Ok(config_revisions::get(db, revision)?.configuration.0)).await
    }

    pub(super) async fn unstage(&mut self) -> Result<()> {
        let Some(made) = &self.made else { return Ok(()) };
        let staging = made.staging.clone();
        blocking(move || folders::remove(&staging)).await
    }

    pub(super) async fn place(&mut self, task: &Task) -> Result<Said> {
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
    pub(super) async fn remove_release(&mut self, task: &Task) -> Result<()> {
        let Some(made) = &self.made else { return Ok(()) };
        let place = task.layout().release(&self.standing.name, made.number);
        let id = self.after.release;
        task.registry().change(&Actor::Mantyx, move |change| releases::delete(change, id)).await?;
        blocking(move || folders::remove(&place)).await
    }

    /// What is to be built for: the release after, with the configuration after.
    pub(super) async fn subject(&self, task: &Task) -> Result<Subject> {
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

    /// What the release has is kept, as long as it is there and may be run by the user after.
    pub(super) async fn build(&mut self, task: &Task) -> Result<Said> {
        let subject = self.subject(task).await?;
        self.had = subject.release.environment_id.map(|id| id.0);
        let never = self.had.is_none() && self.standing.event() == AppEvent::Configure;
        if never || self.standing.state == AppState::Uploaded {
            return Ok(Said::detail("It is built when it is installed"));
        }
        if let Some(kept) = self.had
            && task.is_fit(&subject, kept).await?
        {
            self.building.choose(kept);
            return Ok(Said::detail("It is there"));
        }
        task.provide_environment(task, &subject, self.resolve, &mut self.building).await
    }

    /// What is active keeps what it was given: a repair has no other environment to go back to.
    pub(super) async fn remove_environment(&mut self, task: &Task) -> Result<()> {
        let (active, chosen) = (self.before.release, self.building.chosen());
        let given = move |db: &mut Read<'_>| Ok(releases::get(db, active)?.environment_id.map(|id| id.0));
        if chosen.is_some() && task.registry().read(given).await? == chosen {
            return Ok(());
        }
        task.remove_building(&self.standing.name, &self.building).await
    }

    pub(super) async fn back_up(&mut self, task: &Task) -> Result<Said> {
        self.keeping.make(task, self.standing.app).await
    }

    /// What was made beside is on the disk before anything is given up for it, while the app still runs. Whoever built an
    /// environment has seen to that already, and what was only linked or chosen needs no wait.
    pub(super) async fn write_out(&self, task: &Task) -> Result<()> {
        let is_placed = self.made.is_some() && !self.building.is_new();
        if is_placed || self.data().is_some() {
            write_out([task.layout().app(&self.standing.name)]).await?;
        }
        Ok(())
    }

    pub(super) async fn remove_backup(&mut self, task: &Task) -> Result<()> {
        self.keeping.take_back(task, &self.standing.name).await
    }

    pub(super) fn data(&self) -> Option<&Restored> {
        self.restored.as_ref().filter(|restored| restored.data)
    }

    pub(super) async fn copy_data(&mut self, task: &Task) -> Result<Said> {
        let Some(restored) = self.data() else { return Ok(Said::detail("They stay as they are")) };
        let name = self.standing.name.clone();
        restored.prepare_data(task, &name).await?;
        self.moves = Restored::moves(task, &name);
        Ok(Said::nothing())
    }

    pub(super) async fn remove_data(&mut self, task: &Task) -> Result<()> {
        Restored::remove_data(task, &self.standing.name).await
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

fn release(change: &Change<'_, '_>, id: ReleaseId, app: AppId, number: u32, staged: Staged) -> Release {
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
