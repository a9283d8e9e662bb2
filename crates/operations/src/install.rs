//! Install: a release gets its environment.
//!
//! Plan, build beside whatever is there, take into use. Until the last step nothing of the app has changed, so an
//! install that fails, is cancelled or is interrupted leaves a folder at most, and that is removed.

use std::path::PathBuf;

use mantyx_api_types::OperationView;
use mantyx_core::{
    Actor, AppEvent, AppId, AppName, Configuration, EnvironmentId, Error, Identity, OperationId,
    OperationKind, Result,
};
use mantyx_logs::LogWriter;
use mantyx_platform::folders;
use mantyx_registry::tables::environments::{self, Environment};
use mantyx_registry::tables::releases::Release;
use mantyx_registry::tables::{apps, config_revisions, instances, releases};
use mantyx_registry::{Change, Json, Read, Word, check, views};
use mantyx_venv::{BuildLimits, Built, Plan, Source, Tools};
use serde_json::json;

use crate::files;
use crate::identity::{identity_of, refuse_unreachable};
use crate::logs::operation_log_path;
use crate::mantyx::Mantyx;
use crate::work::{Order, Work, blocking, whole};

const INSTALL: &[&str] = &["Plan the environment", "Build the environment", "Take it into use"];

/// The active release of an app and what decides about its environment.
struct Subject {
    app: apps::App,
    release: Release,
    configuration: Configuration,
}

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
            let order = Order {
                kind: OperationKind::Install,
                app: app.id.0,
                name,
                request: json!({}),
                titles: INSTALL,
            };
            let work = mantyx.begin(&actor, order).await?;
            let view = mantyx.operation(work.id).await?;
            let (handle, task) = (mantyx.clone(), work.clone());
            mantyx.carry_out(work, async move { handle.install_steps(&task, app).await });
            Ok(view)
        })
        .await
    }

    async fn install_steps(&self, work: &Work, app: apps::App) -> Result<()> {
        let outcome = self.try_install(work, app.id.0).await;
        if let Err(error) = &outcome {
            self.undo_build(&app, error.detail().to_owned()).await?;
        }
        outcome
    }

    async fn try_install(&self, work: &Work, app: AppId) -> Result<()> {
        let (subject, plan) = work.step(0, self.plan_environment(app)).await?;
        let (id, built) = work.step(1, self.build_environment(work, &subject, &plan)).await?;
        work.step(2, async {
            let packages = built.packages.len();
            self.take_into_use(work, &subject, id, built, Some(AppEvent::Install)).await?;
            Ok(((), Some(format!("{packages} {}", if packages == 1 { "package" } else { "packages" }))))
        })
        .await
    }

    /// After a restore under another name: environments hold absolute paths, so the old one is of no use.
    pub(crate) async fn rebuild_environment(&self, work: &Work, app: AppId) -> Result<((), Option<String>)> {
        let installed =
            self.registry().read(move |db| Ok(subject(db, app)?.release.environment_id.is_some())).await?;
        if !installed {
            return Ok(((), Some("It was never installed".to_owned())));
        }
        let ((subject, plan), _) = self.plan_environment(app).await?;
        let ((id, built), detail) = self.build_environment(work, &subject, &plan).await?;
        self.take_into_use(work, &subject, id, built, None).await?;
        Ok(((), detail))
    }

    async fn plan_environment(&self, app: AppId) -> Result<((Subject, Plan), Option<String>)> {
        let subject = self.registry().read(move |db| subject(db, app)).await?;
        let (settings, layout) = (self.settings().clone(), self.layout().clone());
        let folder = self.source_of(&subject);
        let (subject, user, source) = blocking(move || {
            let user = identity_of(&subject.configuration, &settings)?.identity;
            refuse_unreachable(&layout, user.as_ref())?;
            let entrypoint = &subject.configuration.entrypoint;
            let source = Source::read(&folder, entrypoint, &subject.release.found.0.digest)?;
            Ok((subject, user, source))
        })
        .await?;
        let source = source.pretend_version(subject.release.scm_version.clone());
        let tools = self.tools(user.as_ref()).await;
        let python = &subject.configuration.python;
        let requires: Vec<String> = python.iter().cloned().collect();
        let plan = mantyx_venv::plan(&source, &requires, &tools)?;
        let from =
            plan.dependencies.file().map_or_else(|| "no dependencies".to_owned(), |file| format!("`{file}`"));
        let by = match &plan.builder {
            mantyx_venv::Builder::Uv(uv) => format!("uv {}", uv.version),
            mantyx_venv::Builder::Pip => "pip".to_owned(),
        };
        let whose = user.map(|user| format!(", as `{}`", user.name)).unwrap_or_default();
        let detail = format!("Python {}, {from}, by {by}{whose}", plan.python.version);
        Ok(((subject, plan), Some(detail)))
    }

    async fn build_environment(
        &self,
        work: &Work,
        subject: &Subject,
        plan: &Plan,
    ) -> Result<((EnvironmentId, Built), Option<String>)> {
        let (layout, id) = (self.layout(), EnvironmentId::generate());
        let mut log = self.open_log(subject.app.id.0, work.id)?;
        folders::create(&layout.environments(&subject.app.name.0), 0o755)?;
        let place = layout.environment(&subject.app.name.0, id);
        let limits = BuildLimits { time: self.settings().install_timeout };
        let built = mantyx_venv::build(plan, &place, &layout.cache(), &mut log, limits, &work.cancel).await;
        // A log that cannot be ended does not undo a build.
        if let Err(error) = log.close() {
            tracing::warn!(%error, operation = %work.id, "the log of an install could not be ended");
        }
        let built = built?;
        let detail = format!("Built by {}", built.builder);
        Ok(((id, built), Some(detail)))
    }

    /// One commit switches; the links for people and the removal of what was there before follow.
    async fn take_into_use(
        &self,
        work: &Work,
        subject: &Subject,
        id: EnvironmentId,
        built: Built,
        event: Option<AppEvent>,
    ) -> Result<()> {
        let (app, release, operation) = (subject.app.id, subject.release.clone(), work.id);
        let (mantyx, configuration) = (self.clone(), subject.configuration.clone());
        let place = self.layout().environment(&subject.app.name.0, id);
        let foreseen = blocking(move || Ok(mantyx.foresee(&configuration, Some(&place)))).await?;
        let commit = move |change: &mut Change<'_, '_>| {
            let row = environment(id, app, built, operation, change.now());
            environments::insert(change, &row)?;
            releases::set_environment(change, release.id.0, id)?;
            if let Some(old) = release.environment_id {
                environments::delete(change, old.0)?;
            }
            if let Some(event) = event {
                change.apply(app.0, event, None)?;
            }
            let instance = instances::of_app(change, app.0)?.id.0;
            let changes = instances::Changes { warnings: Some(Json(foreseen)), ..Default::default() };
            instances::update(change, instance, &changes)?;
            change.touch_app(app.0);
            Ok(())
        };
        self.registry().change(&work.actor, commit).await?;
        // It is in use: what follows is for people, and the next start makes up for it.
        let name = &subject.app.name.0;
        let linked = files::link_environment(self.layout(), name, id);
        let tidied = self.remove_stray_environments(app.0, name).await;
        for error in [linked.err(), tidied.err()].into_iter().flatten() {
            tracing::warn!(?error, app = %name, "what is left of an install could not be tidied");
        }
        Ok(())
    }

    /// An environment that cannot be used any more: its release has none.
    pub(crate) async fn forget_environment(&self, app: AppId, reason: String) -> Result<()> {
        let forget = move |change: &mut Change<'_, '_>| {
            let subject = subject(change, app)?;
            if let Some(environment) = subject.release.environment_id {
                environments::delete(change, environment.0)?;
            }
            let instance = instances::of_app(change, app)?;
            let changes = instances::Changes { reason: Some(Some(reason)), ..Default::default() };
            instances::update(change, instance.id.0, &changes)?;
            change.touch_app(app);
            Ok(subject.app.name.0)
        };
        let name = self.registry().change(&Actor::Mantyx, forget).await?;
        self.remove_stray_environments(app, &name).await
    }

    /// Whatever a failed, cancelled or interrupted build left, and what the table says of its app.
    pub(crate) async fn undo_build(&self, app: &apps::App, reason: String) -> Result<()> {
        let id = app.id.0;
        self.remove_stray_environments(id, &app.name.0).await?;
        let work = move |change: &mut Change<'_, '_>| {
            let app = views::find_app(change, id)?;
            match check(change, &app, AppEvent::InstallFailed) {
                Ok(_) => change.apply(id, AppEvent::InstallFailed, Some(reason)).map(drop),
                // A restore was interrupted: its app is where it was.
                Err(_) => Ok(()),
            }
        };
        self.registry().change(&Actor::Mantyx, work).await
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

    fn source_of(&self, subject: &Subject) -> PathBuf {
        self.layout().release(&subject.app.name.0, number(&subject.release))
    }

    fn open_log(&self, app: AppId, operation: OperationId) -> Result<LogWriter> {
        folders::create(&self.layout().logs(app), 0o700)?;
        let path = operation_log_path(self.layout(), app, operation);
        LogWriter::open(&path).map_err(|e| Error::io(format!("open the log `{}`", path.display()), e))
    }
}

/// The number of a release, as people count.
pub(crate) fn number(release: &Release) -> u32 {
    u32::try_from(release.number).unwrap_or_default()
}

fn subject(db: &mut Read<'_>, app: AppId) -> Result<Subject> {
    let app = views::find_app(db, app)?;
    let instance = instances::of_app(db, app.id.0)?;
    let release = releases::get(db, instance.release_id.0)?;
    let revision = config_revisions::get(db, instance.revision_id.0)?;
    Ok(Subject { app, release, configuration: revision.configuration.0 })
}

fn environment(
    id: EnvironmentId,
    app: Word<AppId>,
    built: Built,
    operation: OperationId,
    now: mantyx_core::Timestamp,
) -> Environment {
    Environment {
        id: Word(id),
        app_id: app,
        python_version: built.python_version,
        builder: built.builder,
        lock: built.lock,
        lock_digest: built.lock_digest,
        packages: Json(built.packages),
        operation_id: Word(operation),
        created_at: now,
    }
}
