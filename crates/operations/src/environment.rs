//! The environment of a release: planned, taken from an earlier release that asked for the same, or built.
//!
//! A saga that builds one remembers a [`Building`]: the id that names the folder is chosen before anything is there, so
//! whatever a build leaves is found again.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use mantyx_core::{
    AppId, AppName, AppType, Code, Configuration, EnvironmentId, Error, Identity, OperationId, ReleaseId,
    Result,
};
use mantyx_logs::LogWriter;
use mantyx_platform::{folders, identity};
use mantyx_registry::tables::environments::{self, Environment};
use mantyx_registry::tables::releases::{self, Release};
use mantyx_registry::tables::{executions, instances};
use mantyx_registry::{Change, Json, Read, Word, views};
use mantyx_venv::{BuildLimits, Built, Lock, Plan, PythonDownloads, Resolved, Source, Tools};
use serde::{Deserialize, Serialize};

use crate::identity::{identity_of, refuse_foreign, refuse_unreachable};
use crate::logs::operation_log_path;
use crate::mantyx::Mantyx;
use crate::saga::{Said, Task};
use crate::work::{blocking, write_out};

/// What a saga remembers of the environment that it builds.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Building {
    /// The environment that is built if none will do, and the name of its folder.
    made: EnvironmentId,
    /// The environment to be taken into use, once there is one.
    chosen: Option<EnvironmentId>,
    /// What is to be built, once that is planned. A daemon that finds a saga before its end plans anew.
    #[serde(skip)]
    plan: Option<Plan>,
}

/// Which packages an environment gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Resolve {
    /// Those of an environment of the app that was asked to be the same, where there is one.
    Reuse,
    /// Those that the index has today.
    Anew,
    /// Those of the release's own lock: of an environment of the app that has them, where there is one.
    Locked,
}

/// By what an environment is known to be the one that is wanted.
enum Sought {
    /// It was asked to be the same.
    Fingerprint(String),
    /// It has what is in the lock, with the Python that the lock is for.
    Lock(String),
}

/// What the packages of a release were resolved to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeptLock {
    lock: String,
    lock_digest: String,
    python_version: String,
}

impl KeptLock {
    pub(crate) fn of(release: &Release) -> Option<Self> {
        Some(Self {
            lock: release.lock.clone()?,
            lock_digest: release.lock_digest.clone()?,
            python_version: release.python_version.clone()?,
        })
    }

    /// The release, with this lock if there is one.
    pub(crate) fn give(lock: Option<Self>, release: Release) -> Release {
        let Some(Self { lock, lock_digest, python_version }) = lock else { return release };
        Release {
            lock: Some(lock),
            lock_digest: Some(lock_digest),
            python_version: Some(python_version),
            ..release
        }
    }
}

/// A release, and what beside it decides about its environment.
#[derive(Clone)]
pub(crate) struct Subject {
    pub(crate) app: AppId,
    pub(crate) name: AppName,
    pub(crate) release: Release,
    pub(crate) configuration: Configuration,
    /// Where its source lies now.
    pub(crate) source: PathBuf,
}

impl Building {
    pub(crate) fn new() -> Self {
        Self { made: EnvironmentId::generate(), chosen: None, plan: None }
    }

    /// What is to be taken into use.
    pub(crate) fn chosen(&self) -> Option<EnvironmentId> {
        self.chosen
    }

    /// Takes what is there.
    pub(crate) fn choose(&mut self, environment: EnvironmentId) {
        self.chosen = Some(environment);
    }

    /// Whether it was built for this.
    pub(crate) fn is_new(&self) -> bool {
        self.chosen == Some(self.made)
    }

    /// Gives a release what was chosen. Part of the commit that takes it into use.
    pub(crate) fn give_to(&self, change: &mut Change<'_, '_>, release: ReleaseId) -> Result<()> {
        let Some(chosen) = self.chosen else { return Ok(()) };
        let row = environments::get(change, chosen)?;
        releases::set_environment(change, release, &row)
    }
}

impl Mantyx {
    /// Decides what is to be built, and says it in a few words. That may take the fetching of uv and of a Python, which end
    /// when the task is called off.
    pub(crate) async fn plan_environment(
        &self,
        task: &Task,
        subject: &Subject,
        resolve: Resolve,
        building: &mut Building,
    ) -> Result<String> {
        tokio::select! {
            planned = self.plan(subject, resolve, building) => planned,
            () = task.cancel.cancelled() => Err(Error::new(Code::Cancelled, "The operation was cancelled")),
        }
    }

    async fn plan(&self, subject: &Subject, resolve: Resolve, building: &mut Building) -> Result<String> {
        let (settings, layout) = (self.settings().clone(), self.layout().clone());
        let (folder, configuration) = (subject.source.clone(), subject.configuration.clone());
        let digest = subject.release.found.0.digest.clone();
        let (user, source) = blocking(move || {
            let user = identity_of(&configuration, &settings)?.identity;
            refuse_unreachable(&layout, user.as_ref())?;
            Ok((user, Source::read(&folder, &configuration.entrypoint, &digest)?))
        })
        .await?;
        let source = source.pretend_version(subject.release.scm_version.clone());
        let requires: Vec<String> = subject.configuration.python.iter().cloned().collect();
        let (tools, cache) = (self.tools(user.as_ref()).await, self.layout().cache());
        let tools =
            mantyx_venv::with_python(&source, &requires, tools, &cache, PythonDownloads::Allowed).await?;
        let plan = match resolved(&subject.release, resolve)? {
            Some(resolved) => mantyx_venv::plan_locked(&source, &resolved, &requires, &tools)?,
            None => mantyx_venv::plan(&source, &requires, &tools)?,
        };
        let said = in_words(&plan, user.as_ref());
        building.plan = Some(plan.recorded_in(self.builds()));
        Ok(said)
    }

    /// Builds what was planned, or takes what is there already. Its row is committed with the step.
    pub(crate) async fn provide_environment(
        &self,
        task: &Task,
        subject: &Subject,
        resolve: Resolve,
        building: &mut Building,
    ) -> Result<Said> {
        if building.plan.is_none() {
            self.plan_environment(task, subject, resolve, building).await?;
        }
        let plan = building.plan.take();
        let plan = plan.ok_or_else(|| Error::internal("plan the environment", "there is no plan"))?;
        let planned = plan.clone();
        let fingerprint = blocking(move || Ok(planned.fingerprint())).await?;
        let sought = match resolve {
            Resolve::Reuse => fingerprint.clone().map(Sought::Fingerprint),
            Resolve::Locked => subject.release.lock_digest.clone().map(Sought::Lock),
            Resolve::Anew => None,
        };
        if let Some(environment) = self.same_environment(subject, sought, plan.user.as_ref()).await? {
            building.choose(environment.id.0);
            return Ok(Said::detail(format!(
                "The same as before, {}",
                packages(environment.packages.0.len())
            )));
        }
        let (id, app, operation) = (building.made, subject.app, task.id);
        let built = self.build_environment(task, subject, &plan, id).await?;
        // The rows that will speak of it survive a loss of power, so it has to, and its source with it. One wait for all
        // that was written is a few milliseconds; one for each of its files would take longer than the build.
        write_out([self.layout().environments(&subject.name), subject.source.clone()]).await?;
        building.choose(id);
        let said = format!("Built by {}, {}", built.builder, packages(built.packages.len()));
        Ok(Said::detail(said).commit(move |change| {
            let row = row(id, app, built, operation, fingerprint, change.now());
            environments::insert(change, &row)
        }))
    }

    /// The newest environment of the app that is what is sought, and is there and of the right user.
    async fn same_environment(
        &self,
        subject: &Subject,
        sought: Option<Sought>,
        user: Option<&Identity>,
    ) -> Result<Option<Environment>> {
        let Some(sought) = sought else { return Ok(None) };
        let (app, name, layout) = (subject.app, subject.name.clone(), self.layout().clone());
        let uid = user.map_or_else(|| identity::own().uid, |user| user.uid);
        let same = move |db: &mut Read<'_>| match sought {
            Sought::Fingerprint(fingerprint) => environments::of_fingerprint(db, app, &fingerprint),
            Sought::Lock(digest) => environments::of_lock(db, app, &digest),
        };
        let right = move |found: Vec<Environment>| {
            let place = |row: &Environment| layout.environment(&name, row.id.0);
            let is_right = |row: &Environment| identity::owner(&place(row)).is_ok_and(|it| it.uid == uid);
            Ok(found.into_iter().find(is_right))
        };
        self.registry().read_then(same, right).await
    }

    /// Whether an environment is there, and a release may run in it as the user that it has now.
    pub(crate) async fn is_fit(&self, subject: &Subject, environment: EnvironmentId) -> Result<bool> {
        let (settings, configuration) = (self.settings().clone(), subject.configuration.clone());
        let place = self.layout().environment(&subject.name, environment);
        blocking(move || {
            let runs_as = identity_of(&configuration, &settings)?;
            Ok(place.is_dir() && refuse_foreign(&configuration, &runs_as, &place).is_ok())
        })
        .await
    }

    async fn build_environment(
        &self,
        task: &Task,
        subject: &Subject,
        plan: &Plan,
        id: EnvironmentId,
    ) -> Result<Built> {
        let layout = self.layout();
        let mut log = self.open_log(subject.app, task.id)?;
        folders::create(&layout.environments(&subject.name), 0o755)?;
        let place = layout.environment(&subject.name, id);
        let limits = BuildLimits { time: self.settings().install_timeout };
        let built = mantyx_venv::build(plan, &place, &layout.cache(), &mut log, limits, &task.cancel).await;
        // A log that cannot be ended does not undo a build.
        if let Err(error) = log.close() {
            tracing::warn!(%error, operation = %task.id, "the log of an install could not be ended");
        }
        built
    }

    /// Takes back what was built: row, then folder, and the folder around it when it was the first of that name.
    pub(crate) async fn remove_building(&self, name: &AppName, building: &Building) -> Result<()> {
        let (id, place) = (building.made, self.layout().environment(name, building.made));
        let home = self.layout().environments(name);
        self.registry()
            .change(&mantyx_core::Actor::Mantyx, move |change| environments::delete(change, id))
            .await?;
        blocking(move || {
            folders::remove(&place)?;
            remove_if_empty(&home)
        })
        .await
    }

    /// Removes the environments of an app that no release refers to. A run that is going may be in one of them: then
    /// they stay until the next change.
    pub(crate) async fn remove_unused_environments(&self, app: AppId, name: &AppName) -> Result<()> {
        self.registry()
            .change(&mantyx_core::Actor::Mantyx, move |change: &mut Change<'_, '_>| {
                let is_scheduled = views::find_app(change, app)?.app_type.0 == AppType::Scheduled;
                let instance = instances::of_app(change, app)?.id.0;
                if is_scheduled && !executions::live_of(change, instance)?.is_empty() {
                    return Ok(());
                }
                environments::delete_unused(change, app).map(drop)
            })
            .await?;
        self.remove_stray_environments(app, name).await
    }

    /// The Pythons and the uv that a user can use. uv is fetched once when it is not there.
    pub(crate) async fn tools(&self, user: Option<&Identity>) -> Tools {
        let cache = self.layout().cache();
        let mut tools = mantyx_venv::discover(&cache, user).await;
        if tools.uv.is_none() && !tools.pythons.is_empty() {
            match mantyx_venv::fetch_uv(&cache, &tools).await {
                Ok(uv) => tools.uv = Some(uv),
                Err(error) => {
                    tracing::warn!(?error, "uv could not be fetched; pip builds environments instead");
                }
            }
        }
        tools
    }

    fn open_log(&self, app: AppId, operation: OperationId) -> Result<LogWriter> {
        folders::create(&self.layout().logs(app), 0o700)?;
        let path = operation_log_path(self.layout(), app, operation);
        LogWriter::open(&path).map_err(|e| Error::io(format!("open the log `{}`", path.display()), e))
    }
}

fn remove_if_empty(folder: &Path) -> Result<()> {
    match std::fs::remove_dir(folder) {
        Err(error) if !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::DirectoryNotEmpty) => {
            Err(Error::io(format!("remove the folder `{}`", folder.display()), error))
        }
        _ => Ok(()),
    }
}

/// The number of a release, as people count.
pub(crate) fn number(release: &Release) -> u32 {
    u32::try_from(release.number).unwrap_or_default()
}

/// The release with this id of an app, as something to build for.
pub(crate) fn subject_of(
    db: &mut Read<'_>,
    app: &mantyx_registry::tables::apps::App,
    release: ReleaseId,
    configuration: Configuration,
    releases_folder: impl Fn(u32) -> PathBuf,
) -> Result<Subject> {
    let release = releases::get(db, release)?;
    let source = releases_folder(number(&release));
    Ok(Subject { app: app.id.0, name: app.name.0.clone(), release, configuration, source })
}

/// What a release was resolved to, where that is wanted and known.
fn resolved(release: &Release, resolve: Resolve) -> Result<Option<Resolved>> {
    match (resolve, &release.lock, &release.python_version) {
        (Resolve::Locked, Some(lock), Some(python)) => {
            Ok(Some(Resolved { lock: Lock::parse(lock)?, python_version: python.clone() }))
        }
        _ => Ok(None),
    }
}

fn in_words(plan: &Plan, user: Option<&Identity>) -> String {
    let from =
        plan.dependencies.file().map_or_else(|| "no dependencies".to_owned(), |file| format!("`{file}`"));
    let by = match &plan.builder {
        mantyx_venv::Builder::Uv(uv) => format!("uv {}", uv.version),
        mantyx_venv::Builder::Pip => "pip".to_owned(),
    };
    let whose = user.map(|user| format!(", as `{}`", user.name)).unwrap_or_default();
    format!("Python {}, {from}, by {by}{whose}", plan.python.version)
}

/// `31 packages`.
pub(crate) fn packages(count: usize) -> String {
    format!("{count} {}", if count == 1 { "package" } else { "packages" })
}

fn row(
    id: EnvironmentId,
    app: AppId,
    built: Built,
    operation: OperationId,
    fingerprint: Option<String>,
    now: mantyx_core::Timestamp,
) -> Environment {
    Environment {
        id: Word(id),
        app_id: Word(app),
        python_version: built.python_version,
        builder: built.builder,
        lock: built.lock,
        lock_digest: built.lock_digest,
        packages: Json(built.packages),
        operation_id: Word(operation),
        created_at: now,
        fingerprint,
    }
}
