//! Every few minutes: the same look as after a start, while everything goes on.
//!
//! What is known to be wrong is put right; what nobody knows is told to whoever looks, and never deleted.

use std::path::{Path, PathBuf};
use std::sync::PoisonError;

use chrono::{TimeDelta, Utc};
use mantyx_api_types::{Finding, Outcome, ReconcileView};
use mantyx_core::{AppId, AppName, AppState, EnvironmentId, ExecutionId, OperationKind, Result};
use mantyx_registry::Read;
use mantyx_registry::tables::{apps, executions, instances, releases};
use mantyx_settings::Layout;

use super::known::Known;
use super::repairs::{Asked, Waiting};
use super::{idle_apps, readable, to_bring_up};
use crate::alone::of_all;
use crate::environment::number;
use crate::files;
use crate::mantyx::Mantyx;

/// What a look finds.
#[derive(Default)]
pub(crate) struct Report(Vec<Finding>);

impl Report {
    pub(super) fn add(&mut self, app: Option<&AppName>, detail: String, outcome: Outcome) {
        self.0.push(Finding { app: app.cloned(), detail, outcome });
    }
}

impl Mantyx {
    /// Looks at everything, now and every few minutes.
    pub(crate) fn spawn_reconcile(&self) {
        let mantyx = self.clone();
        tokio::spawn(async move {
            loop {
                let waiting = mantyx.look_at_everything(Asked::ByTheClock).await.1;
                tokio::select! {
                    () = tokio::time::sleep(mantyx.settings().reconcile_interval) => {}
                    () = mantyx.room_for_repairs(), if waiting == Waiting::ForOthers => {}
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
        Ok(self.look_at_everything(Asked::ByAPerson).await.0)
    }

    /// What cannot be looked at hinders nothing else.
    pub(super) async fn look_at_everything(&self, asked: Asked) -> (ReconcileView, Waiting) {
        let mut report = Report::default();
        let waiting = self.rebuild_missing_environments(asked, &mut report).await;
        let looked = [
            self.end_stray_processes(&mut report).await,
            self.start_forgotten(&mut report).await,
            self.mend_links(&mut report).await,
            self.report_unknown_folders(&mut report).await,
        ];
        for error in looked.into_iter().filter_map(Result::err) {
            tracing::warn!(?error, "what is could not be held against what should be");
        }
        let view = ReconcileView { at: Utc::now(), findings: report.0 };
        *self.inner().reconciled.lock().unwrap_or_else(PoisonError::into_inner) = Some(view.clone());
        (view, waiting)
    }

    /// Processes that no record speaks of, or whose end is recorded already.
    async fn end_stray_processes(&self, report: &mut Report) -> Result<()> {
        let known: Vec<ExecutionId> = self.left().await?.into_iter().collect();
        let before = Utc::now() - TimeDelta::minutes(1);
        for id in known {
            let row = move |db: &mut Read<'_>| executions::find(db, id);
            let row = match self.registry().read(row).await {
                Ok(row) => row,
                Err(error) => {
                    tracing::warn!(?error, execution = %id, "what is left of an execution could not be looked at");
                    continue;
                }
            };
            if row.is_some_and(|row| row.finished_at.is_none_or(|at| at >= before)) {
                continue;
            }
            match self.end_stray_process(id).await {
                Ok(false) => {}
                Ok(true) => {
                    let what = format!("The execution `{id}` was over, and something of it was still there");
                    report.add(None, what, Outcome::Repaired);
                }
                Err(error) => tracing::warn!(?error, execution = %id, "a stray process could not be ended"),
            }
        }
        Ok(())
    }

    /// Whether there was one.
    async fn end_stray_process(&self, id: ExecutionId) -> Result<bool> {
        let Some(process) = self.inner().supervisor.look_at(id).await? else { return Ok(false) };
        self.settle_process(process).await.map(|()| true)
    }

    /// Services that should run, and that nothing starts.
    async fn start_forgotten(&self, report: &mut Report) -> Result<()> {
        for (app, instance) in self.registry().read(to_bring_up).await? {
            if !self.is_forgotten(&instance) {
                continue;
            }
            let name = app.name.0.clone();
            match self.start_one_forgotten(app.id.0).await {
                Ok(false) => {}
                Ok(true) => {
                    let what = "It should run, and nothing had started it".to_owned();
                    self.tell_repaired(&name, what.clone()).await;
                    report.add(Some(&name), what, Outcome::Repaired);
                }
                Err(error) => tracing::warn!(?error, app = %name, "what should run could not be started"),
            }
        }
        Ok(())
    }

    fn is_forgotten(&self, instance: &instances::Instance) -> bool {
        let (supervisor, id) = (&self.inner().supervisor, instance.id.0);
        instance.state.0 == AppState::Running
            && supervisor.status(id).is_none()
            && supervisor.live_runs(id) == 0
            && self.inner().unclear.reason(id).is_none()
    }

    /// Whether it is so still, now that nothing else is asked of the app.
    pub(super) async fn start_one_forgotten(&self, id: AppId) -> Result<bool> {
        let _lock = self.inner().locks.app(id).await;
        if self.refuse_during_operation(id).await.is_err() {
            return Ok(false);
        }
        let now = move |db: &mut Read<'_>| match present(db, id)? {
            Some(app) => instances::of_app(db, id).map(|instance| Some((app, instance))),
            None => Ok(None),
        };
        match self.registry().read(now).await? {
            Some((app, instance)) if self.is_forgotten(&instance) => {
                self.bring_up(&app, &instance).await.map(|()| true)
            }
            _ => Ok(false),
        }
    }

    /// The links for people, which follow what is active.
    async fn mend_links(&self, report: &mut Report) -> Result<()> {
        let layout = self.layout().clone();
        let amiss = move |active: Vec<(AppId, ActiveRelease)>| {
            let amiss = active.into_iter().filter(|(_, active)| !active.links_amiss(&layout).is_empty());
            Ok(amiss.map(|(app, _)| app).collect::<Vec<_>>())
        };
        for app in self.registry().read_then(active_releases, amiss).await? {
            match self.mend_links_of(app).await {
                Ok(None) => {}
                Ok(Some(name)) => {
                    let what = "A link did not point to what is active".to_owned();
                    self.tell_repaired(&name, what.clone()).await;
                    report.add(Some(&name), what, Outcome::Repaired);
                }
                Err(error) => tracing::warn!(?error, %app, "the links of an app could not be mended"),
            }
        }
        Ok(())
    }

    /// Says whose links they are, if they are amiss still: what is active may be another release by now.
    async fn mend_links_of(&self, app: AppId) -> Result<Option<AppName>> {
        let _lock = self.inner().locks.app(app).await;
        if self.refuse_during_operation(app).await.is_err() {
            return Ok(None);
        }
        let layout = self.layout().clone();
        let now = move |db: &mut Read<'_>| match present(db, app)? {
            Some(row) => active_release(db, &row).map(Some),
            None => Ok(None),
        };
        let mend = move |now: Option<ActiveRelease>| {
            let Some(active) = now else { return Ok(None) };
            let amiss = active.links_amiss(&layout);
            amiss.iter().try_for_each(|link| active.mend(&layout, *link))?;
            Ok((!amiss.is_empty()).then_some(active.name))
        };
        self.registry().read_then(now, mend).await
    }

    /// That it cannot be recorded is no reason to stop here.
    async fn tell_repaired(&self, app: &AppName, what: String) {
        if let Err(error) = self.repaired(app, what).await {
            tracing::warn!(?error, %app, "a repair could not be recorded");
        }
    }

    async fn report_unknown_folders(&self, report: &mut Report) -> Result<()> {
        let suspects = self.strangers().await?;
        for folder in self.still_strangers(suspects).await? {
            let what = format!("The folder `{}` belongs to no app", folder.display());
            report.add(None, what, Outcome::Reported);
        }
        Ok(())
    }

    /// Whose row came between the rows and the folders is known by now: only who is a stranger twice is one.
    pub(super) async fn still_strangers(&self, suspects: Vec<PathBuf>) -> Result<Vec<PathBuf>> {
        if suspects.is_empty() {
            return Ok(suspects);
        }
        let now = self.strangers().await?;
        Ok(suspects.into_iter().filter(|folder| now.contains(folder)).collect())
    }

    /// The folders that nobody knows. None during an import, whose folders come before their rows.
    pub(super) async fn strangers(&self) -> Result<Vec<PathBuf>> {
        let layout = self.layout().clone();
        let known = |db: &mut Read<'_>| {
            let is_importing = of_all(db)?.is_some_and(|row| row.kind.0 == OperationKind::Import);
            if is_importing { Ok(None) } else { Known::read(db).map(Some) }
        };
        let look = move |known: Option<Known>| known.map_or(Ok(Vec::new()), |known| known.strangers(&layout));
        self.registry().read_then(known, look).await
    }
}

/// What is active of an app, as its links show it.
struct ActiveRelease {
    name: AppName,
    release: u32,
    environment: Option<EnvironmentId>,
}

/// A link for people.
#[derive(Clone, Copy)]
enum Link {
    Release,
    Environment(EnvironmentId),
}

/// An app, unless it has been deleted.
pub(super) fn present(db: &mut Read<'_>, app: AppId) -> Result<Option<apps::App>> {
    Ok(apps::find(db, app)?.filter(|row| row.deleted_at.is_none()))
}

/// Those of the apps that have nothing under way. A row that cannot be read says nothing about the others.
fn active_releases(db: &mut Read<'_>) -> Result<Vec<(AppId, ActiveRelease)>> {
    let mut active = Vec::new();
    for app in idle_apps(db)? {
        active.extend(readable(&app, active_release(db, &app)).map(|release| (app.id.0, release)));
    }
    Ok(active)
}

fn active_release(db: &mut Read<'_>, app: &apps::App) -> Result<ActiveRelease> {
    let active = instances::of_app(db, app.id.0)?.release_id.0;
    let release = releases::get(db, active)?;
    let environment = release.environment_id.as_ref().map(|id| id.0);
    Ok(ActiveRelease { name: app.name.0.clone(), release: number(&release), environment })
}

impl ActiveRelease {
    /// The links that do not point to what is active, though it is there.
    fn links_amiss(&self, layout: &Layout) -> Vec<Link> {
        let points_to = |link: &Path, target: &Path| std::fs::read_link(link).is_ok_and(|to| to == target);
        let (name, mut amiss) = (&self.name, Vec::new());
        let target = Path::new("releases").join(self.release.to_string());
        if layout.release(name, self.release).is_dir() && !points_to(&layout.active_release(name), &target) {
            amiss.push(Link::Release);
        }
        if let Some(id) = self.environment.filter(|id| layout.environment(name, *id).is_dir())
            && !points_to(&layout.active_environment(name), Path::new(&id.to_string()))
        {
            amiss.push(Link::Environment(id));
        }
        amiss
    }

    fn mend(&self, layout: &Layout, link: Link) -> Result<()> {
        match link {
            Link::Release => files::link_release(layout, &self.name, self.release),
            Link::Environment(id) => files::link_environment(layout, &self.name, id),
        }
    }
}
