//! Environments that are missing are built again, from the locks of their releases: a few at a time, and what fails or
//! was called off not over and over.

use chrono::{TimeDelta, Utc};
use mantyx_api_types::{Outcome, Problem};
use mantyx_core::{
    Actor, AppEvent, AppId, BackupReason, Code, EnvironmentId, OperationKind, OperationStatus, Result,
    Timestamp,
};
use mantyx_registry::Read;
use mantyx_registry::tables::operations::{self, Operation};
use mantyx_registry::tables::{apps, instances, releases};

use super::rounds::{Report, present};
use super::{idle_apps, readable};
use crate::mantyx::Mantyx;
use crate::switch::{REPAIR, Switch};

/// An environment that could not be built again is tried again after this.
const AGAIN: TimeDelta = TimeDelta::hours(1);
/// So many are built at once.
const AT_ONCE: usize = 2;
/// So far back it is looked for the last repair of an app.
const LOOKED_BACK: i64 = 20;

/// Whether a repair waits until others have ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waiting {
    No,
    ForOthers,
}

/// Who wants everything looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Somebody, who may know that what was in vain is not any more.
    ByAPerson,
    ByTheClock,
}

/// What becomes of a missing environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repair {
    Begun,
    /// Others are being built.
    Waits,
    /// The last one was in vain a short while ago, or something else is done to the app.
    NotNow,
    /// It is there by now, or nobody needs it any more.
    NotNeeded,
}

impl Mantyx {
    /// An environment can be made again from the lock of its release.
    pub(crate) async fn rebuild_missing_environments(&self, asked: Asked, report: &mut Report) -> Waiting {
        let mut waiting = Waiting::No;
        let installed = match self.registry().read(installed).await {
            Ok(installed) => installed,
            Err(error) => {
                tracing::warn!(?error, "the environments could not be listed");
                return waiting;
            }
        };
        for (app, environment) in installed {
            if self.layout().environment(&app.name.0, environment).is_dir() {
                continue;
            }
            let repair = self.rebuild(app.id.0, asked).await.unwrap_or_else(|error| {
                tracing::warn!(?error, app = %app.name.0, "a missing environment could not be built again");
                Repair::NotNow
            });
            let (what, outcome) = match repair {
                Repair::NotNeeded => continue,
                Repair::Begun => ("it is being built again", Outcome::Repaired),
                Repair::Waits => ("it is built again when others have been", Outcome::Reported),
                Repair::NotNow => ("it could not be built again lately", Outcome::Reported),
            };
            let what = format!("The environment `{environment}` is missing: {what}");
            report.add(Some(&app.name.0), what, outcome);
            if repair == Repair::Waits {
                waiting = Waiting::ForOthers;
            }
        }
        waiting
    }

    /// Waits until another environment may be built.
    pub(super) async fn room_for_repairs(&self) {
        let mut operations = self.registry().watch_operations();
        loop {
            // What cannot be counted is counted at the next change.
            if self.registry().read(repairs).await.is_ok_and(|count| count < AT_ONCE) {
                return;
            }
            // It fails only when the registry is gone, and this has one.
            let _ = operations.changed().await;
        }
    }

    /// What was seen before the lock was held may be otherwise by now: the name, the environment, and whether there is
    /// an app at all.
    pub(super) async fn rebuild(&self, app: AppId, asked: Asked) -> Result<Repair> {
        let _lock = self.inner().locks.app(app).await;
        if self.refuse_during_operation(app).await.is_err() {
            return Ok(Repair::NotNow);
        }
        let layout = self.layout().clone();
        let missing = move |now: Option<(apps::App, EnvironmentId)>| {
            Ok(now.filter(|(row, id)| !layout.environment(&row.name.0, *id).is_dir()))
        };
        let missing = self.registry().read_then(move |db| needed(db, app), missing).await?;
        let Some((row, _)) = missing else { return Ok(Repair::NotNeeded) };
        let name = row.name.0.clone();
        match self.registry().read(move |db| decide(db, &row, asked)).await? {
            Err(not_begun) => Ok(not_begun),
            Ok(switch) => {
                self.begin(&Actor::Mantyx, &REPAIR, Some((app, name)), switch).await?;
                Ok(Repair::Begun)
            }
        }
    }
}

/// The app and the environment that it needs.
fn needed(db: &mut Read<'_>, app: AppId) -> Result<Option<(apps::App, EnvironmentId)>> {
    let Some(row) = present(db, app)? else { return Ok(None) };
    Ok(environment_of(db, app)?.map(|environment| (row, environment)))
}

/// What builds it again, unless that has to wait.
fn decide(db: &mut Read<'_>, row: &apps::App, asked: Asked) -> Result<std::result::Result<Switch, Repair>> {
    if asked == Asked::ByTheClock && was_in_vain_lately(db, row.id.0)? {
        return Ok(Err(Repair::NotNow));
    }
    if repairs(db)? >= AT_ONCE {
        return Ok(Err(Repair::Waits));
    }
    Switch::of(db, row, AppEvent::Configure, BackupReason::Configure).map(Ok)
}

/// How many environments are being built again.
fn repairs(db: &mut Read<'_>) -> Result<usize> {
    let under_way = operations::all_under_way(db)?;
    Ok(under_way.iter().filter(|row| row.kind.0 == OperationKind::Repair).count())
}

/// The apps that have an environment and nothing under way.
fn installed(db: &mut Read<'_>) -> Result<Vec<(apps::App, EnvironmentId)>> {
    let mut found = Vec::new();
    for app in idle_apps(db)? {
        if let Some(environment) = readable(&app, environment_of(db, app.id.0)).flatten() {
            found.push((app, environment));
        }
    }
    Ok(found)
}

fn environment_of(db: &mut Read<'_>, app: AppId) -> Result<Option<EnvironmentId>> {
    let release = instances::of_app(db, app)?.release_id.0;
    Ok(releases::get(db, release)?.environment_id.map(|id| id.0))
}

fn was_in_vain_lately(db: &mut Read<'_>, app: AppId) -> Result<bool> {
    let rows = operations::page(db, Some(app), None, LOOKED_BACK)?;
    let last = rows.into_iter().find(|row| row.kind.0 == OperationKind::Repair);
    Ok(last.is_some_and(|row| was_in_vain(&row, Utc::now())))
}

/// What failed is tried again later, and so is what somebody called off. That the daemon ended in the middle of it says
/// nothing about the environment.
fn was_in_vain(row: &Operation, now: Timestamp) -> bool {
    let code =
        row.problem.as_ref().and_then(|problem| serde_json::from_value::<Problem>(problem.0.clone()).ok());
    let was_interrupted = code.is_some_and(|problem| problem.code == Code::Interrupted);
    matches!(row.status.0, OperationStatus::Failed | OperationStatus::Cancelled)
        && !was_interrupted
        && row.finished_at.is_some_and(|at| now - at < AGAIN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use mantyx_core::{Error, OperationId};
    use mantyx_registry::{Json, Word};

    fn repair(status: OperationStatus, code: Code, age: TimeDelta) -> Operation {
        let problem = Problem::from(&Error::new(code, "No"));
        Operation {
            id: Word(OperationId::generate()),
            app_id: None,
            app_name: None,
            kind: Word(OperationKind::Repair),
            status: Word(status),
            memory: Json(serde_json::Value::Null),
            cancellable: false,
            problem: Some(Json(serde_json::to_value(problem).unwrap())),
            actor: Json(Actor::Mantyx),
            started_at: Utc::now() - age,
            finished_at: Some(Utc::now() - age),
        }
    }

    #[test]
    fn what_was_in_vain_is_tried_again_after_a_while_and_what_was_interrupted_at_once() {
        use OperationStatus::{Cancelled, Failed, Succeeded};
        let (now, then) = (TimeDelta::minutes(5), TimeDelta::minutes(61));
        let was = |status, code, age| was_in_vain(&repair(status, code, age), Utc::now());
        assert!(was(Failed, Code::TimedOut, now) && was(Cancelled, Code::Cancelled, now));
        assert!(!was(Failed, Code::TimedOut, then) && !was(Cancelled, Code::Cancelled, then));
        assert!(!was(Failed, Code::Interrupted, now) && !was(Succeeded, Code::TimedOut, now));
    }
}
