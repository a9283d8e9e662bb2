//! Every few minutes: the same look as after a start, while everything goes on.
//!
//! What is known to be wrong is put right; what nobody knows is told to whoever looks, and never deleted.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::PoisonError;

use chrono::{TimeDelta, Utc};
use mantyx_api_types::{Finding, Outcome, ReconcileView};
use mantyx_core::{
    Actor, AppEvent, AppId, AppName, AppState, BackupReason, EnvironmentId, ExecutionId, OperationKind,
    OperationStatus, Result,
};
use mantyx_registry::Read;
use mantyx_registry::tables::{apps, backups, executions, instances, operations, releases};
use mantyx_settings::Layout;

use super::{entries, to_bring_up};
use crate::environment::number;
use crate::files;
use crate::mantyx::Mantyx;
use crate::switch::{REPAIR, Switch};
use crate::work::blocking;

/// An environment that could not be built again is tried again after this.
const AGAIN: TimeDelta = TimeDelta::hours(1);

/// What a look finds.
#[derive(Default)]
pub(crate) struct Report(Vec<Finding>);

impl Report {
    fn add(&mut self, app: Option<&AppName>, detail: String, outcome: Outcome) {
        self.0.push(Finding { app: app.cloned(), detail, outcome });
    }
}

impl Mantyx {
    /// Looks at everything, now and every few minutes.
    pub(crate) fn spawn_reconcile(&self) {
        let mantyx = self.clone();
        tokio::spawn(async move {
            loop {
                if let Err(error) = mantyx.reconcile().await {
                    tracing::warn!(?error, "what is could not be held against what should be");
                }
                tokio::select! {
                    () = tokio::time::sleep(mantyx.settings().reconcile_interval) => {}
                    () = mantyx.inner().cancellations.down() => return,
                }
            }
        });
    }

    /// What the last look found; nothing before the first one.
    #[must_use]
    pub fn reconciled(&self) -> Option<ReconcileView> {
        self.inner().reconciled.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Holds what is against what should be, puts right what can be put right, and says what was found.
    pub async fn reconcile(&self) -> Result<ReconcileView> {
        let mut report = Report::default();
        self.rebuild_missing_environments(&mut report).await;
        self.end_stray_processes(&mut report).await?;
        self.start_forgotten(&mut report).await?;
        self.mend_links(&mut report).await?;
        self.report_unknown_folders(&mut report).await?;
        let view = ReconcileView { at: Utc::now(), findings: report.0 };
        *self.inner().reconciled.lock().unwrap_or_else(PoisonError::into_inner) = Some(view.clone());
        Ok(view)
    }

    /// An environment can be made again from the lock of its release.
    pub(crate) async fn rebuild_missing_environments(&self, report: &mut Report) {
        let installed = match self.registry().read(installed).await {
            Ok(installed) => installed,
            Err(error) => return tracing::warn!(?error, "the environments could not be listed"),
        };
        for (app, environment) in installed {
            let name = &app.name.0;
            if self.layout().environment(name, environment).is_dir() {
                continue;
            }
            let what = format!("The environment `{environment}` is missing");
            let outcome = match self.rebuild(&app).await {
                Ok(outcome) => outcome,
                Err(error) => {
                    tracing::warn!(?error, app = %name, "a missing environment could not be built again");
                    Outcome::Reported
                }
            };
            report.add(Some(name), what.clone(), outcome);
            if outcome == Outcome::Repaired {
                let told = self.repaired(name, format!("{what}: it is built again")).await;
                told.unwrap_or_else(|error| tracing::warn!(?error, "a repair could not be recorded"));
            }
        }
    }

    async fn rebuild(&self, app: &apps::App) -> Result<Outcome> {
        let (id, row) = (app.id.0, app.clone());
        let _lock = self.inner().locks.app(id).await;
        let switch = move |db: &mut Read<'_>| {
            if operations::under_way(db, id)?.is_some() || failed_lately(db, id)? {
                return Ok(None);
            }
            Switch::of(db, &row, AppEvent::Configure, BackupReason::Configure).map(Some)
        };
        let Some(switch) = self.registry().read(switch).await? else { return Ok(Outcome::Reported) };
        self.begin(&Actor::Mantyx, &REPAIR, Some((id, app.name.0.clone())), switch).await?;
        Ok(Outcome::Repaired)
    }

    /// Processes that no record speaks of, or whose end is recorded already.
    async fn end_stray_processes(&self, report: &mut Report) -> Result<()> {
        let known: Vec<ExecutionId> = self.left().await?.into_iter().collect();
        let before = Utc::now() - TimeDelta::minutes(1);
        let strays = move |db: &mut Read<'_>| {
            let mut strays = Vec::new();
            for id in known {
                let row = executions::find(db, id)?;
                let over = row.is_none_or(|row| row.finished_at.is_some_and(|at| at < before));
                if over {
                    strays.push(id);
                }
            }
            Ok(strays)
        };
        for id in self.registry().read(strays).await? {
            let Some(process) = self.inner().supervisor.look_at(id).await? else { continue };
            self.settle_process(process).await?;
            let what = format!("The execution `{id}` was over, and something of it was still there");
            report.add(None, what, Outcome::Repaired);
        }
        Ok(())
    }

    /// Services that should run, and that nothing starts.
    async fn start_forgotten(&self, report: &mut Report) -> Result<()> {
        for (app, instance) in self.registry().read(to_bring_up).await? {
            let (id, name) = (instance.id.0, app.name.0.clone());
            let is_kept = self.inner().supervisor.status(id).is_some()
                || self.inner().supervisor.live_runs(id) > 0
                || self.inner().unclear.reason(id).is_some();
            if is_kept || instance.state.0 != AppState::Running {
                continue;
            }
            let _lock = self.inner().locks.app(app.id.0).await;
            let now = self.registry().read(move |db| instances::find(db, id)).await?;
            let Some(now) = now.filter(|row| row.state.0 == AppState::Running) else { continue };
            if self.refuse_during_operation(app.id.0).await.is_err()
                || self.inner().supervisor.status(id).is_some()
            {
                continue;
            }
            self.bring_up(&app, &now).await?;
            let what = "It should run, and nothing had started it".to_owned();
            self.repaired(&name, what.clone()).await?;
            report.add(Some(&name), what, Outcome::Repaired);
        }
        Ok(())
    }

    /// The links for people, which follow what is active.
    async fn mend_links(&self, report: &mut Report) -> Result<()> {
        let layout = self.layout().clone();
        let mended = self
            .registry()
            .read_then(active_releases, move |active| {
                let mut mended = Vec::new();
                for (name, release, environment) in active {
                    if mend(&layout, &name, release, environment)? {
                        mended.push(name);
                    }
                }
                Ok(mended)
            })
            .await?;
        for name in mended {
            let what = "A link did not point to what is active".to_owned();
            self.repaired(&name, what.clone()).await?;
            report.add(Some(&name), what, Outcome::Repaired);
        }
        Ok(())
    }

    async fn report_unknown_folders(&self, report: &mut Report) -> Result<()> {
        let known = self.registry().read(Known::read).await?;
        let layout = self.layout().clone();
        for folder in blocking(move || known.strangers(&layout)).await? {
            let what = format!("The folder `{}` belongs to no app", folder.display());
            report.add(None, what, Outcome::Reported);
        }
        Ok(())
    }
}

/// The apps that have an environment and nothing under way.
fn installed(db: &mut Read<'_>) -> Result<Vec<(apps::App, EnvironmentId)>> {
    let busy: Vec<_> = operations::all_under_way(db)?.into_iter().filter_map(|row| row.app_id).collect();
    let mut found = Vec::new();
    for app in apps::list(db)?.into_iter().filter(|app| !busy.contains(&app.id)) {
        let release = instances::of_app(db, app.id.0)?.release_id.0;
        if let Some(environment) = releases::get(db, release)?.environment_id {
            found.push((app, environment.0));
        }
    }
    Ok(found)
}

/// Whether the last thing that was done to an app was a repair in vain, a short while ago.
fn failed_lately(db: &mut Read<'_>, app: AppId) -> Result<bool> {
    let last = operations::page(db, Some(app), None, 1)?.pop();
    Ok(last.is_some_and(|row| {
        row.kind.0 == OperationKind::Repair
            && row.status.0 == OperationStatus::Failed
            && row.finished_at.is_some_and(|at| Utc::now() - at < AGAIN)
    }))
}

type ActiveRelease = (AppName, u32, Option<EnvironmentId>);

fn active_releases(db: &mut Read<'_>) -> Result<Vec<ActiveRelease>> {
    let busy: Vec<_> = operations::all_under_way(db)?.into_iter().filter_map(|row| row.app_id).collect();
    let idle = apps::list(db)?.into_iter().filter(|app| !busy.contains(&app.id));
    idle.map(|app| {
        let active = instances::of_app(db, app.id.0)?.release_id.0;
        let release = releases::get(db, active)?;
        Ok((app.name.0, number(&release), release.environment_id.map(|id| id.0)))
    })
    .collect()
}

/// Points the links of an app to what is active, and says whether one did not.
fn mend(layout: &Layout, name: &AppName, release: u32, environment: Option<EnvironmentId>) -> Result<bool> {
    let points_to = |link: &Path, target: &Path| std::fs::read_link(link).is_ok_and(|to| to == target);
    let mut mended = false;
    let target = Path::new("releases").join(release.to_string());
    if layout.release(name, release).is_dir() && !points_to(&layout.active_release(name), &target) {
        files::link_release(layout, name, release)?;
        mended = true;
    }
    let Some(id) = environment.filter(|id| layout.environment(name, *id).is_dir()) else { return Ok(mended) };
    if !points_to(&layout.active_environment(name), Path::new(&id.to_string())) {
        files::link_environment(layout, name, id)?;
        mended = true;
    }
    Ok(mended)
}

/// What the database knows of.
struct Known {
    names: HashSet<String>,
    trashed: HashSet<String>,
    releases: HashSet<(String, u32)>,
    backups: HashSet<(String, String)>,
}

impl Known {
    fn read(db: &mut Read<'_>) -> Result<Self> {
        let (mut names, mut releases, mut kept) = (HashSet::new(), HashSet::new(), HashSet::new());
        for app in apps::list(db)? {
            let name = app.name.0.to_string();
            let numbers = releases::of_app(db, app.id.0)?;
            releases.extend(numbers.iter().map(|row| (name.clone(), number(row))));
            let rows = backups::of_app(db, app.id.0)?;
            kept.extend(rows.into_iter().map(|row| (name.clone(), row.folder)));
            names.insert(name);
        }
        // What an operation has in its hands may lie anywhere.
        for row in operations::all_under_way(db)? {
            names.extend(row.app_name.map(|name| name.0.to_string()));
        }
        let trashed = apps::list_deleted(db)?.into_iter().map(|app| app.id.0.to_string()).collect();
        Ok(Self { names, trashed, releases, backups: kept })
    }

    /// The folders that nobody knows.
    fn strangers(&self, layout: &Layout) -> Result<Vec<PathBuf>> {
        let mut strangers = Vec::new();
        for place in [layout.apps(), layout.all_environments(), layout.backups()] {
            strangers.extend(entries(&place)?.into_iter().filter(|path| !self.names.contains(&last(path))));
        }
        let trash = entries(&layout.trash())?;
        strangers.extend(trash.into_iter().filter(|path| !self.trashed.contains(&last(path))));
        for name in &self.names {
            let Ok(app) = AppName::parse(name) else { continue };
            let is_release = |path: &PathBuf| {
                last(path).parse().is_ok_and(|number| self.releases.contains(&(name.clone(), number)))
            };
            strangers.extend(entries(&layout.releases(&app))?.into_iter().filter(|path| !is_release(path)));
            let is_backup = |path: &PathBuf| self.backups.contains(&(name.clone(), last(path)));
            strangers.extend(entries(&layout.backups_of(&app))?.into_iter().filter(|path| !is_backup(path)));
        }
        Ok(strangers)
    }
}

fn last(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
