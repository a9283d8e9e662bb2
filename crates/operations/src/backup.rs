//! Backups of an app: made before each change, when somebody asks and by the clock, and taken into use again.

use std::path::PathBuf;

use mantyx_api_types::{BackupRequest, BackupRestoreRequest, BackupView, OperationView, Page};
use mantyx_bundle::backup::{self, Contents, Id, Manifest};
use mantyx_core::{
    Actor, AppEvent, AppId, AppName, AppType, BackupId, BackupReason, Code, Configuration, Error, EventKind,
    Found, OperationKind, Origin, ReleaseId, Result, ScheduleId, ScheduleSpec,
};
use mantyx_registry::tables::backups::{self, Backup};
use mantyx_registry::tables::{apps, config_revisions, executions, instances, releases, schedules};
use mantyx_registry::{Change, Read, Word, views};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::alone::refuse_beside;
use crate::environment::{KeptLock, number};
use crate::mantyx::{Caller, Mantyx};
use crate::saga::{Saga, Said, Task, step, tidied};
use crate::switch::{NewSource, RESTORE_BACKUP, Restored};
use crate::work::{blocking, blocking_until, whole};

mod scheduled;

/// What a backup says of its app.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Facts {
    pub(crate) app: AppId,
    pub(crate) name: AppName,
    pub(crate) r#type: AppType,
    pub(crate) reason: BackupReason,
    pub(crate) release: u32,
    pub(crate) origin: Origin,
    pub(crate) found: Found,
    pub(crate) scm_version: Option<String>,
    pub(crate) lock: Option<KeptLock>,
    pub(crate) revision: u32,
    pub(crate) configuration: Configuration,
    pub(crate) schedules: Vec<KeptSchedule>,
}

/// A schedule as a backup keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeptSchedule {
    /// Which one it was: executions go on speaking of it.
    #[serde(default)]
    pub(crate) id: Option<ScheduleId>,
    pub(crate) name: String,
    pub(crate) enabled: bool,
    pub(crate) spec: ScheduleSpec,
}

/// A backup on its way, as a saga remembers it.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Keeping {
    id: BackupId,
    folder: Id,
    reason: BackupReason,
    /// Whether the app's own files are kept too.
    pub(crate) data: bool,
}

/// What a backup that somebody asks for remembers.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct BackingUp {
    app: AppId,
    name: AppName,
    keeping: Keeping,
}

/// An app is kept as it is.
pub(crate) static BACKUP: Saga<BackingUp> = Saga {
    kind: OperationKind::Backup,
    steps: &[
        step::<BackingUp>("keep", "Keep what is there", |task, it| Box::pin(it.keeping.make(task, it.app)))
            .undo(|task, it| Box::pin(it.keeping.take_back(task, &it.name)))
            .cancellable(),
        step::<BackingUp>("tidy", "Tidy up", |task, it| Box::pin(it.tidy(task))).insist(),
    ],
    failed: None,
};

impl Mantyx {
    /// The backups of an app, the newest first.
    pub async fn backups(&self, name: &AppName) -> Result<Page<BackupView>> {
        let name = name.clone();
        let items = self
            .registry()
            .read(move |db| {
                let app = views::find_app_by_name(db, &name)?;
                Ok(backups::of_app(db, app.id.0)?.into_iter().map(views::backup).collect())
            })
            .await?;
        Ok(Page { items, next_cursor: None })
    }

    /// Keeps an app as it is now.
    pub async fn back_up(
        &self,
        actor: &Actor,
        name: &AppName,
        request: BackupRequest,
    ) -> Result<OperationView> {
        let (mantyx, actor, name) = (self.clone(), actor.clone(), name.clone());
        whole(async move {
            let (_lock, app) = mantyx.locked_idle(&name).await?;
            let keeping = Keeping { data: request.data, ..Keeping::new(BackupReason::Manual) };
            mantyx.keep(&actor, &app, keeping).await
        })
        .await
    }

    /// The caller holds the app's lock.
    async fn keep(&self, actor: &Actor, app: &apps::App, keeping: Keeping) -> Result<OperationView> {
        let (id, name) = (app.id.0, app.name.0.clone());
        let memory = BackingUp { app: id, name: name.clone(), keeping };
        self.begin(actor, &BACKUP, Some((id, name)), memory).await
    }

    /// Takes what a backup kept into use again: source, packages, configuration and schedules, and the app's own files
    /// where that is asked for.
    pub async fn restore_backup(
        &self,
        caller: &Caller,
        name: &AppName,
        id: BackupId,
        request: BackupRestoreRequest,
    ) -> Result<OperationView> {
        let (mantyx, caller, name) = (self.clone(), caller.clone(), name.clone());
        whole(async move {
            let (_lock, app) = mantyx.locked_idle(&name).await?;
            let (row, folder) = mantyx.backup_of(&app, id).await?;
            let place = mantyx.layout().backups_of(&name);
            let facts = blocking(move || backup::read::<Facts>(&place, folder)).await?.facts;
            // It may have had another name then. What was kept of it lies where its name is now.
            let facts = Facts { name: name.clone(), ..facts };
            refuse_other_type(&app, &facts)?;
            if request.data && !row.data {
                return Err(Error::field("data", "This backup was made without the app's own files"));
            }
            let (mut switch, active) =
                mantyx.prepare(&app, AppEvent::Update, BackupReason::RestoreBackup).await?;
            // Neither over what the app was given, nor with what it would be given.
            caller.require_for(&active, None)?;
            caller.require_for(&facts.configuration, None)?;
            mantyx.refuse_own_port(&facts.configuration)?;
            mantyx.refuse_unknown(&facts.configuration).await?;
            if request.data {
                mantyx.refuse_data_in_use(app.id.0).await?;
            }
            let actor = caller.actor();
            switch.after.release = ReleaseId::generate();
            switch.restored = Some(mantyx.restored(&app, folder, &facts, request).await?);
            let mut switch = switch.configured(facts.configuration.clone());
            let source = NewSource::Backup(folder, Box::new(facts));
            switch.made = Some(mantyx.new_release(&actor, &app, source).await?);
            mantyx.begin(&actor, &RESTORE_BACKUP, Some((app.id.0, name)), switch).await
        })
        .await
    }

    /// Removes a backup.
    pub async fn remove_backup(&self, actor: &Actor, name: &AppName, id: BackupId) -> Result<()> {
        let (mantyx, actor, name) = (self.clone(), actor.clone(), name.clone());
        whole(async move {
            let (_lock, app) = mantyx.locked_idle(&name).await?;
            mantyx.registry().read(|db| refuse_beside(db, OperationKind::Backup)).await?;
            let (row, _) = mantyx.backup_of(&app, id).await?;
            mantyx.discard_backup(&actor, &name, row).await
        })
        .await
    }

    async fn backup_of(&self, app: &apps::App, id: BackupId) -> Result<(Backup, Id)> {
        let app = app.id;
        let row = self.registry().read(move |db| backups::find(db, id)).await?;
        let row = row.filter(|row| row.app_id == app).ok_or_else(|| Error::not_found("backup", id))?;
        let folder = row.folder.parse()?;
        Ok((row, folder))
    }

    /// Its folder loses its name first. A daemon that dies before the row is gone leaves it to the next one to give the
    /// name back; one that dies after it, to remove what is left.
    pub(crate) async fn discard_backup(&self, actor: &Actor, name: &AppName, row: Backup) -> Result<()> {
        let (place, folder): (_, Id) = (self.layout().backups_of(name), row.folder.parse()?);
        let remove = move |change: &mut Change<'_, '_>| {
            backups::delete(change, row.id.0)?;
            let app = views::find_app(change, row.app_id.0)?;
            let payload = json!({ "backup": row.id.0, "made_at": row.made_at });
            change.record_app(EventKind::BackupRemoved, &app, payload)
        };
        let aside = place.clone();
        blocking(move || backup::set_aside(&aside, folder)).await?;
        if let Err(error) = self.registry().change(actor, remove).await {
            blocking(move || backup::bring_back(&place, folder)).await?;
            return Err(error);
        }
        blocking(move || backup::remove(&place, folder)).await
    }

    /// Runs of a scheduled app may write to the files that are to be replaced.
    pub(crate) async fn refuse_data_in_use(&self, id: AppId) -> Result<()> {
        let name = move |db: &mut Read<'_>| {
            let app = views::find_app(db, id)?;
            let instance = instances::of_app(db, id)?.id.0;
            let is_busy =
                app.app_type.0 == AppType::Scheduled && !executions::live_of(db, instance)?.is_empty();
            Ok(is_busy.then_some(app.name.0))
        };
        let Some(name) = self.registry().read(name).await? else { return Ok(()) };
        let detail = format!("A run of `{name}` is going, and uses its files");
        Err(Error::new(Code::IllegalState, detail).hint("Wait for its end or stop it"))
    }

    async fn restored(
        &self,
        app: &apps::App,
        folder: Id,
        facts: &Facts,
        request: BackupRestoreRequest,
    ) -> Result<Restored> {
        let id = app.id.0;
        let before = self.registry().read(move |db| schedules_of(db, id)).await?;
        let after = facts.schedules.iter().map(|kept| kept.beside(&before)).collect();
        Ok(Restored { folder, data: request.data, before, after })
    }
}

impl KeptSchedule {
    /// As it comes back beside others: one of the same name stays that one, and none takes the identity of another.
    pub(crate) fn beside(&self, others: &[Self]) -> Self {
        let same = others.iter().find(|other| other.name == self.name).and_then(|other| other.id);
        let own = self.id.filter(|_| others.iter().all(|other| other.id != self.id));
        Self { id: same.or(own).or_else(|| Some(ScheduleId::generate())), ..self.clone() }
    }
}

impl Keeping {
    pub(crate) fn new(reason: BackupReason) -> Self {
        let (id, folder) = (BackupId::generate(), Id::at(chrono::Utc::now()));
        Self { id, folder, reason, data: false }
    }

    /// Makes the backup; its row is committed with the step.
    pub(crate) async fn make(&mut self, task: &Task, app: AppId) -> Result<Said> {
        let reason = self.reason;
        let facts = task.registry().read(move |db| facts(db, app, reason)).await?;
        let layout = task.layout().clone();
        let (name, folder) = (facts.name.clone(), self.folder);
        let data = self.data.then(|| layout.app_data(&name));
        let written = facts.clone();
        let manifest = blocking_until(&task.cancel, move |cancel| {
            let source = layout.release(&name, written.release);
            let contents = Contents { source: &source, data: data.as_deref() };
            backup::write(&layout.backups_of(&name), folder, contents, written, cancel)
        })
        .await?;
        let bytes = bytes(&manifest);
        let said = format!("Release {}{}", facts.release, if self.data { " and its files" } else { "" });
        let row = self.row(app, &facts, bytes);
        Ok(Said::detail(said).commit(move |change| {
            let row = Backup { made_by: change.actor().to_string(), ..row };
            backups::insert(change, &row)?;
            let app = views::find_app(change, row.app_id.0)?;
            let payload = json!({ "backup": row.id.0, "reason": row.reason.0, "release": row.release });
            change.record_app(EventKind::BackupMade, &app, payload)
        }))
    }

    fn row(&self, app: AppId, facts: &Facts, bytes: u64) -> Backup {
        Backup {
            id: Word(self.id),
            app_id: Word(app),
            reason: Word(self.reason),
            release: i32::try_from(facts.release).unwrap_or(i32::MAX),
            revision: i32::try_from(facts.revision).unwrap_or(i32::MAX),
            data: self.data,
            bytes: i64::try_from(bytes).unwrap_or(i64::MAX),
            folder: self.folder.to_string(),
            made_at: self.folder.made_at(),
            made_by: String::new(),
        }
    }

    /// Moves the files that a change has replaced into the backup that was made before it, which they belong to. Says how
    /// many bytes that has then; none where there were no files.
    pub(crate) async fn take_in(&self, task: &Task, name: &AppName, data: PathBuf) -> Result<Option<u64>> {
        let (place, folder) = (task.layout().backups_of(name), self.folder);
        let manifest = blocking(move || backup::take_in::<Facts>(&place, folder, &data)).await?;
        Ok(manifest.data.is_some().then(|| bytes(&manifest)))
    }

    /// What is said of that in the database.
    pub(crate) fn has_data(&self, change: &mut Change<'_, '_>, bytes: u64) -> Result<()> {
        backups::set_data(change, self.id, i64::try_from(bytes).unwrap_or(i64::MAX))
    }

    /// Takes back what was kept for a change that did not come about.
    pub(crate) async fn take_back(&mut self, task: &Task, name: &AppName) -> Result<()> {
        let (id, place, folder) = (self.id, task.layout().backups_of(name), self.folder);
        task.registry().change(&Actor::Mantyx, move |change| backups::delete(change, id)).await?;
        blocking(move || backup::remove(&place, folder)).await
    }
}

impl BackingUp {
    async fn tidy(&mut self, task: &Task) -> Result<Said> {
        tidied(&self.name, [task.retire_backups(self.app, &self.name).await])
    }
}

fn bytes(manifest: &Manifest<Facts>) -> u64 {
    manifest.source.bytes + manifest.data.as_ref().map_or(0, |data| data.bytes)
}

fn facts(db: &mut Read<'_>, app: AppId, reason: BackupReason) -> Result<Facts> {
    let row = views::find_app(db, app)?;
    let instance = instances::of_app(db, app)?;
    let release = releases::get(db, instance.release_id.0)?;
    let revision = config_revisions::get(db, instance.revision_id.0)?;
    Ok(Facts {
        app,
        name: row.name.0,
        r#type: row.app_type.0,
        reason,
        release: number(&release),
        lock: KeptLock::of(&release),
        origin: release.origin.0,
        found: release.found.0,
        scm_version: release.scm_version,
        revision: u32::try_from(revision.number).unwrap_or_default(),
        configuration: revision.configuration.0,
        schedules: schedules_of(db, app)?,
    })
}

fn schedules_of(db: &mut Read<'_>, app: AppId) -> Result<Vec<KeptSchedule>> {
    let instance = instances::of_app(db, app)?.id.0;
    let rows = schedules::of_instance(db, instance)?;
    let kept = |row: schedules::Schedule| KeptSchedule {
        id: Some(row.id.0),
        name: row.name,
        enabled: row.enabled,
        spec: row.spec.0,
    };
    Ok(rows.into_iter().map(kept).collect())
}

/// A type decides what a state means: an app that is on keeps its type.
fn refuse_other_type(app: &apps::App, facts: &Facts) -> Result<()> {
    let (now, then) = (app.app_type.0, facts.r#type);
    if now == then {
        return Ok(());
    }
    let detail =
        format!("`{}` is {} now and was {} when it was kept", app.name.0, now.as_str(), then.as_str());
    Err(Error::new(Code::IllegalState, detail).hint("Change its type back first"))
}
