//! A source becomes an app: ingest, name, place on disk, rows. On any refusal nothing is left behind.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use mantyx_api_types::{AppCreated, GitSource, NewApp};
use mantyx_core::{
    Actor, AppId, AppName, AppType, Code, Configuration, Error, FieldError, Launch, OperationKind, Result,
    ScheduleSpec, Timing, check_description, check_display_name, tidy_tags,
};
use mantyx_ingest::{GitRequest, Limits, Staged};
use mantyx_platform::atomic::sync_file_system;
use mantyx_platform::scratch::Scratch;
use mantyx_platform::{folders, ports};
use mantyx_registry::tables::operations::{self, Operation};
use mantyx_registry::tables::{apps, instances};
use mantyx_registry::{AppDraft, Json, Read, create_app, settle_web_port, views};

use crate::alone::refuse_during_import;
use crate::files;
use crate::mantyx::{Caller, Mantyx};
use crate::secrets::fetched_with;
use crate::work::{blocking, whole};

/// A source has at most so many times the bytes of its archive; real code stays far below.
const COMPRESSION_RATIO: u64 = 200;

impl Mantyx {
    /// Where uploads are written while they arrive. On the same disk as the apps.
    #[must_use]
    pub fn uploads(&self) -> PathBuf {
        self.layout().uploads()
    }

    /// A new app from a zip or tar archive.
    pub async fn create_from_archive(
        &self,
        caller: &Caller,
        upload: &Path,
        file_name: &str,
        app: NewApp,
    ) -> Result<AppCreated> {
        self.create_from_file(caller, upload, file_name, app, mantyx_ingest::archive).await
    }

    /// A new app from a single Python file.
    pub async fn create_from_script(
        &self,
        caller: &Caller,
        upload: &Path,
        file_name: &str,
        app: NewApp,
    ) -> Result<AppCreated> {
        self.create_from_file(caller, upload, file_name, app, mantyx_ingest::script).await
    }

    async fn create_from_file(
        &self,
        caller: &Caller,
        upload: &Path,
        file_name: &str,
        app: NewApp,
        ingest: fn(&Path, &str, &Path, &Limits) -> Result<Staged>,
    ) -> Result<AppCreated> {
        let (upload, file_name) = (upload.to_owned(), file_name.to_owned());
        self.create(caller, app, move |staging, limits| ingest(&upload, &file_name, staging, limits)).await
    }

    /// A new app from a git repository.
    pub async fn create_from_git(&self, caller: &Caller, source: GitSource) -> Result<AppCreated> {
        let name = source.credential;
        let credential = self.credential(&source.url, name.as_ref()).await?;
        let GitSource { url, reference, subdir, submodules, .. } = source;
        let submodules = submodules.into();
        let request = GitRequest { reference, subdir, credential, submodules, ..GitRequest::new(url) };
        let cancel = CancelOnDrop::default();
        let flag = cancel.flag();
        let reach = caller.reach();
        let fetch = move |staging: &Path, limits: &Limits| {
            mantyx_ingest::git(&request, reach, staging, limits, &flag)
                .map(|staged| fetched_with(staged, name))
        };
        self.create(caller, source.app, fetch).await
    }

    async fn create<F>(&self, caller: &Caller, new: NewApp, ingest: F) -> Result<AppCreated>
    where
        F: FnOnce(&Path, &Limits) -> Result<Staged> + Send + 'static,
    {
        self.refuse_early(caller, &new).await?;
        let staging = Scratch::make(&self.uploads(), "source-")?;
        let limits = self.ingest_limits();
        let folder = staging.path().to_owned();
        let staged = tokio::task::spawn_blocking(move || ingest(&folder, &limits)).await;
        let staged = staged.map_err(|error| Error::internal("unpack the source", error))??;
        let (mantyx, caller) = (self.clone(), caller.clone());
        whole(async move {
            let created = mantyx.adopt_source(&caller, new, &staged).await;
            drop(staging);
            created
        })
        .await
    }

    /// From a validated source to an app. Not to be dropped half way: rows and folders must agree.
    async fn adopt_source(&self, caller: &Caller, new: NewApp, staged: &Staged) -> Result<AppCreated> {
        let (mantyx, setter, found, asked) = (self.clone(), caller.clone(), staged.clone(), new.clone());
        let checked = blocking(move || {
            let configuration = configuration(&found, &asked)?;
            setter.require_for(&configuration, None)?;
            mantyx.refuse_own_port(&configuration)?;
            mantyx.refuse_unknown_account(&configuration)?;
            let warnings = mantyx.foresee(&configuration, None);
            Ok((configuration, warnings))
        })
        .await?;
        let _names = self.inner().locks.names().await;
        let name = self.free_name(&new, staged).await?;
        let (mantyx, wanted, source) = (self.clone(), name.clone(), staged.clone());
        let placed = blocking(move || mantyx.place(&wanted, &source)).await?;
        let created = self.persist(&caller.actor(), name, new, staged, checked).await?;
        placed.keep();
        Ok(created)
    }

    /// What can be refused before the slow work.
    async fn refuse_early(&self, caller: &Caller, new: &NewApp) -> Result<()> {
        // Whatever the source holds, it gives the app no more than what is asked for here.
        let some_launch = Launch::Module("app".to_owned());
        caller.require_for(&Configuration::new(some_launch).patched(&new.configuration)?, None)?;
        let texts = new.display_name.as_deref().and_then(check_display_name);
        let texts = texts.into_iter().chain(new.description.as_deref().and_then(check_description));
        refuse_fields(texts.chain(tidy_tags(&new.tags).err()).collect())?;
        if let Some(line) = &new.schedule {
            mantyx_scheduler::parse(&self.daily_spec(line))?;
            if new.r#type == Some(AppType::Perpetual) {
                let detail = "A perpetual app runs always: a schedule would never start it";
                return Err(Error::field("schedule", detail).hint("Leave the type or the schedule out"));
            }
        }
        if let Some(name) = new.name.clone() {
            self.refuse_taken(name).await?;
        }
        Ok(())
    }

    /// Whether a name is free in the database and on disk.
    pub(crate) async fn refuse_taken(&self, name: AppName) -> Result<()> {
        let wanted = name.clone();
        let taken = self.registry().read(move |db| is_taken(db, &wanted)).await?;
        let folder = self.layout().app(&name);
        if taken {
            return Err(Error::new(Code::NameTaken, format!("There is an app `{name}` already"))
                .hint("Choose another name"));
        }
        if folder.exists() {
            let detail = format!("The folder `{}` is there, but belongs to no app", folder.display());
            return Err(
                Error::new(Code::NameTaken, detail).hint("Choose another name, or move the folder away")
            );
        }
        Ok(())
    }

    async fn free_name(&self, new: &NewApp, staged: &Staged) -> Result<AppName> {
        if let Some(name) = &new.name {
            self.refuse_taken(name.clone()).await?;
            return Ok(name.clone());
        }
        let wanted = &staged.found.suggested_name;
        let candidates =
            std::iter::once(wanted.clone()).chain((2..1000).map(|number| wanted.numbered(number)));
        for candidate in candidates {
            if self.refuse_taken(candidate.clone()).await.is_ok() {
                return Ok(candidate);
            }
        }
        Err(Error::new(Code::NameTaken, format!("`{wanted}` and a thousand names like it are taken"))
            .hint("Give the app a name of its own"))
    }

    /// Moves the staged source to where release 1 lies.
    fn place(&self, name: &AppName, staged: &Staged) -> Result<Placed> {
        let layout = self.layout();
        let placed = Placed { folder: Some(layout.app(name)) };
        folders::create(&layout.app(name), 0o755)?;
        files::mark_unfinished(layout, name)?;
        folders::create(&layout.releases(name), 0o755)?;
        folders::create(&layout.app_data(name), 0o700)?;
        let source = layout.release(name, 1);
        folders::rename(&staged.folder, &source)?;
        folders::make_read_only(&source)?;
        files::link_release(layout, name, 1)?;
        // The row that will speak of it survives a loss of power.
        sync_file_system(&source)?;
        Ok(placed)
    }

    async fn persist(
        &self,
        actor: &Actor,
        name: AppName,
        new: NewApp,
        staged: &Staged,
        (configuration, warnings): (Configuration, Vec<String>),
    ) -> Result<AppCreated> {
        let by_schedule = if new.schedule.is_some() { AppType::Scheduled } else { AppType::Perpetual };
        let draft = AppDraft {
            id: AppId::generate(),
            name,
            display_name: new.display_name.unwrap_or_default(),
            description: new.description.unwrap_or_default(),
            tags: tidy_tags(&new.tags).unwrap_or_default(),
            app_type: new.r#type.unwrap_or(by_schedule),
            origin: staged.origin.clone(),
            found: staged.found.clone(),
            scm_version: staged.scm_version.clone(),
            configuration,
        };
        let (pool, spec) = (self.port_pool(), new.schedule.map(|line| self.daily_spec(&line)));
        let work = move |change: &mut mantyx_registry::Change<'_, '_>| {
            refuse_during_import(change)?;
            let web_port = draft.configuration.web_port;
            let app = create_app(change, draft)?;
            let instance = instances::of_app(change, app.id.0)?.id.0;
            settle_web_port(change, instance, web_port, &pool, ports::in_use)?;
            let foreseen = instances::Changes { warnings: Some(Json(warnings)), ..Default::default() };
            instances::update(change, instance, &foreseen)?;
            if let Some(spec) = spec {
                let (id, on) = (mantyx_core::ScheduleId::generate(), crate::schedules::On::Yes);
                crate::schedules::insert(change, &app, id, "schedule".into(), spec, on)?;
            }
            let view = views::app(change, &app)?;
            let configuration = views::configuration(change, &app)?;
            Ok((app, view, configuration))
        };
        let (row, app, view) = self.registry().change(actor, work).await?;
        // The rows are committed: the files for people follow, and a failure is only worth a word in the log.
        let mark = files::unfinished_mark(&self.layout().app(&app.name));
        let written = self.describe(&row).await.and_then(|()| folders::remove(&mark));
        if let Err(error) = written {
            tracing::warn!(?error, app = %app.name, "the files for people could not be written");
        }
        Ok(AppCreated { app, found: staged.found.clone(), configuration: view.configuration })
    }

    pub(crate) fn ingest_limits(&self) -> Limits {
        let settings = self.settings();
        Limits {
            total_bytes: settings.extracted_limit,
            file_bytes: settings.extracted_limit,
            entries: settings.entry_limit,
            ratio: COMPRESSION_RATIO,
        }
    }

    /// A five-field line in the time zone of the machine.
    pub(crate) fn daily_spec(&self, line: &str) -> ScheduleSpec {
        ScheduleSpec {
            timing: Timing::Cron { expression: line.to_owned() },
            timezone: self.timezone(),
            catch_up: mantyx_core::CatchUp::default(),
            overlap: mantyx_core::Overlap::default(),
        }
    }
}

/// Whether a name is an app's, or was until a rename that has not ended: it may get it back.
fn is_taken(db: &mut Read<'_>, name: &AppName) -> Result<bool> {
    let is_left = |row: &Operation| {
        row.kind.0 == OperationKind::Rename && row.app_name.as_ref().is_some_and(|left| left.0 == *name)
    };
    Ok(apps::find_by_name(db, name)?.is_some() || operations::all_under_way(db)?.iter().any(is_left))
}

/// What was found, with what the person said on top.
fn configuration(staged: &Staged, new: &NewApp) -> Result<Configuration> {
    let first = staged.found.candidates.first().cloned();
    let chosen = match new.configuration.get("entrypoint") {
        Some(serde_json::Value::String(text)) => {
            Some(Launch::parse(text).map_err(|e| Error::field("entrypoint", e.to_string()))?)
        }
        _ => first,
    };
    let entrypoint = chosen.ok_or_else(|| {
        Error::new(Code::NoEntrypoint, "Nothing that can be started was found")
            .hint("Add a `main.py`, or say what to start as `entrypoint`")
    })?;
    fit_to_source(Configuration::new(entrypoint).patched(&new.configuration)?, &staged.folder)
}

/// The configuration as it fits the source: a script and a working directory have to be there. A line that is the
/// path of a script, spaces and all, means that script.
pub(crate) fn fit_to_source(mut configuration: Configuration, source: &Path) -> Result<Configuration> {
    if let Launch::Command(line) = &configuration.entrypoint
        && let Ok(script @ Launch::Script(_)) = Launch::parse(&format!("\"{line}\""))
        && source.join(line).is_file()
    {
        configuration.entrypoint = script;
    }
    let mut errors = Vec::new();
    if let Launch::Script(path) = &configuration.entrypoint
        && !source.join(path).is_file()
    {
        let detail = format!("There is no file `{path}` in the source");
        errors.push(FieldError { field: "entrypoint".to_owned(), detail });
    }
    if let Some(path) = &configuration.working_directory
        && !source.join(path).is_dir()
    {
        let detail = format!("There is no folder `{path}` in the source");
        errors.push(FieldError { field: "working_directory".to_owned(), detail });
    }
    if let Some(Err(error)) = configuration.python.as_deref().map(mantyx_venv::check_requires) {
        errors.push(FieldError { field: "python".to_owned(), detail: error.detail().to_owned() });
    }
    refuse_fields(errors)?;
    Ok(configuration)
}

/// Nothing wrong is nothing to refuse.
pub(crate) fn refuse_fields(errors: Vec<FieldError>) -> Result<()> {
    if errors.is_empty() { Ok(()) } else { Err(Error::fields(errors)) }
}

/// The folder of a new app, removed again unless its rows were committed.
struct Placed {
    folder: Option<PathBuf>,
}

impl Placed {
    fn keep(mut self) {
        self.folder = None;
    }
}

impl Drop for Placed {
    fn drop(&mut self) {
        if let Some(folder) = self.folder.take()
            && let Err(error) = folders::remove(&folder)
        {
            tracing::error!(?error, folder = %folder.display(), "a refused app could not be removed");
        }
    }
}

/// A client that goes away calls its clone off.
#[derive(Default)]
pub(crate) struct CancelOnDrop(Arc<AtomicBool>);

impl CancelOnDrop {
    pub(crate) fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.0)
    }
}

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
