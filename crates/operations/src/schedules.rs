//! Schedules: make, change, remove, preview.

use chrono::Utc;
use mantyx_api_types::{NewSchedule, Page, SchedulePatch, SchedulePreview, ScheduleView};
use mantyx_core::{
    Actor, AppId, AppName, AppType, Error, EventKind, OperationKind, Result, ScheduleId, ScheduleSpec,
    Subject, Timestamp, Timing,
};
use mantyx_registry::tables::schedules::{self, Changes, Schedule};
use mantyx_registry::tables::{apps, instances, operations};
use mantyx_registry::{Change, Json, Read, Word, views};
use serde_json::json;
use tokio::sync::OwnedMutexGuard;

use crate::alone::refuse_during_import;
use crate::mantyx::Mantyx;
use crate::work::whole;

/// How many instants a preview shows.
const SHOWN: usize = 10;

/// Whether a schedule is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum On {
    Yes,
    No,
}

impl Mantyx {
    /// All schedules, or those of one app.
    pub async fn schedules(&self, app: Option<&AppName>) -> Result<Page<ScheduleView>> {
        let app = app.cloned();
        let items = self
            .registry()
            .read(move |db| match app {
                Some(name) => {
                    let app = views::find_app_by_name(db, &name)?;
                    views::schedules_of(db, &app)
                }
                None => all(db),
            })
            .await?;
        Ok(Page { items, next_cursor: None })
    }

    /// One schedule.
    pub async fn schedule(&self, id: ScheduleId) -> Result<ScheduleView> {
        self.registry().read(move |db| one(db, id)).await
    }

    /// Makes a schedule.
    pub async fn create_schedule(&self, actor: &Actor, mut new: NewSchedule) -> Result<ScheduleView> {
        zoned(&mut new.spec, || self.timezone());
        mantyx_scheduler::parse(&new.spec)?;
        refuse_nameless(&new.name)?;
        let (mantyx, actor) = (self.clone(), actor.clone());
        whole(async move {
            let (_lock, app) = mantyx.locked(&new.app).await?;
            refuse_perpetual(&app)?;
            let on = if new.enabled { On::Yes } else { On::No };
            let add = move |change: &mut Change<'_, '_>| {
                refuse_during_restore(change, app.id.0)?;
                insert(change, &app, ScheduleId::generate(), new.name, new.spec, on)
            };
            let id = mantyx.registry().change(&actor, add).await?;
            mantyx.rearm(id).await?;
            mantyx.schedule(id).await
        })
        .await
    }

    /// Changes a schedule.
    pub async fn patch_schedule(
        &self,
        actor: &Actor,
        id: ScheduleId,
        mut patch: SchedulePatch,
    ) -> Result<ScheduleView> {
        if let Some(spec) = &mut patch.spec {
            let before = self.schedule(id).await?.spec.timezone;
            zoned(spec, || before);
            mantyx_scheduler::parse(spec)?;
        }
        if let Some(name) = &patch.name {
            refuse_nameless(name)?;
        }
        let (mantyx, actor) = (self.clone(), actor.clone());
        whole(async move {
            let _lock = mantyx.locked_for(id).await?;
            mantyx.registry().change(&actor, move |change| update(change, id, patch)).await?;
            mantyx.rearm(id).await?;
            mantyx.schedule(id).await
        })
        .await
    }

    /// Removes a schedule.
    pub async fn delete_schedule(&self, actor: &Actor, id: ScheduleId) -> Result<()> {
        let (mantyx, actor) = (self.clone(), actor.clone());
        whole(async move {
            let _lock = mantyx.locked_for(id).await?;
            mantyx.registry().change(&actor, move |change| remove(change, id)).await?;
            mantyx.inner().scheduler.remove(id);
            Ok(())
        })
        .await
    }

    /// The lock of the app of a schedule.
    async fn locked_for(&self, id: ScheduleId) -> Result<OwnedMutexGuard<()>> {
        let app = self.registry().read(move |db| Ok(find(db, id)?.1.id.0)).await?;
        Ok(self.inner().locks.app(app).await)
    }

    /// What a schedule would do.
    pub fn preview_schedule(&self, mut spec: ScheduleSpec) -> Result<SchedulePreview> {
        zoned(&mut spec, || self.timezone());
        let schedule = mantyx_scheduler::parse(&spec)?;
        Ok(SchedulePreview { words: schedule.words(), next: schedule.next(Utc::now(), SHOWN) })
    }

    /// The time zone that new schedules are read in.
    pub(crate) fn timezone(&self) -> String {
        self.settings().timezone.clone().unwrap_or_else(mantyx_scheduler::local_timezone)
    }
}

/// Who names no zone means the one that is there.
fn zoned(spec: &mut ScheduleSpec, there: impl FnOnce() -> String) {
    if spec.timezone.is_empty() {
        spec.timezone = there();
    }
}

/// A perpetual app runs always: there is nothing to be due.
fn refuse_perpetual(app: &apps::App) -> Result<()> {
    if app.app_type.0 == AppType::Scheduled {
        return Ok(());
    }
    let detail =
        format!("`{}` is perpetual: it runs always, and a schedule would never start it", app.name.0);
    Err(Error::field("app", detail).hint("Change its type to `scheduled` first"))
}

fn refuse_nameless(name: &str) -> Result<()> {
    if name.trim().is_empty() {
        return Err(Error::field("name", "A schedule needs a name, so that it can be told from others"));
    }
    Ok(())
}

/// A backup that is taken into use brings schedules along. What is changed beside it would be lost, or taken back with it.
fn refuse_during_restore(db: &mut Read<'_>, app: AppId) -> Result<()> {
    match operations::under_way(db, app)? {
        Some(row) if row.kind.0 == OperationKind::RestoreBackup => Err(operations::in_progress(db, app)?),
        _ => refuse_during_import(db),
    }
}

/// Adds a schedule to an app. It counts from now.
pub(crate) fn insert(
    change: &mut Change<'_, '_>,
    app: &apps::App,
    id: ScheduleId,
    name: String,
    spec: ScheduleSpec,
    on: On,
) -> Result<ScheduleId> {
    let instance = instances::of_app(change, app.id.0)?;
    let now = change.now();
    let row = Schedule {
        id: Word(id),
        instance_id: instance.id,
        name: name.trim().to_owned(),
        enabled: on == On::Yes,
        spec: Json(anchored(spec, now)),
        decided_to: now,
        created_at: now,
    };
    schedules::insert(change, &row)?;
    record(change, EventKind::ScheduleCreated, &row, app)?;
    Ok(row.id.0)
}

fn update(change: &mut Change<'_, '_>, id: ScheduleId, patch: SchedulePatch) -> Result<()> {
    let (row, app) = find(change, id)?;
    refuse_during_restore(change, app.id.0)?;
    let now = change.now();
    let changes = Changes {
        name: Some(patch.name.unwrap_or(row.name)),
        enabled: patch.enabled,
        spec: patch.spec.map(|spec| Json(anchored(spec, now))),
        decided_to: Some(now),
    };
    schedules::update(change, id, &changes)?;
    let (row, _) = find(change, id)?;
    record(change, EventKind::ScheduleChanged, &row, &app)
}

fn remove(change: &mut Change<'_, '_>, id: ScheduleId) -> Result<()> {
    let (row, app) = find(change, id)?;
    refuse_during_restore(change, app.id.0)?;
    schedules::delete(change, id)?;
    record(change, EventKind::ScheduleDeleted, &row, &app)
}

pub(crate) fn record(
    change: &mut Change<'_, '_>,
    kind: EventKind,
    row: &Schedule,
    app: &apps::App,
) -> Result<()> {
    let subject = Subject { kind: "schedule".into(), id: row.id.0.to_string(), name: row.name.clone() };
    let payload = json!({ "app": app.name.0, "enabled": row.enabled, "spec": row.spec.0 });
    change.touch_app(app.id.0);
    change.record(kind, &subject, payload)
}

fn find(db: &mut Read<'_>, id: ScheduleId) -> Result<(Schedule, apps::App)> {
    let row = schedules::find(db, id)?.ok_or_else(|| Error::not_found("schedule", id))?;
    let instance = instances::find(db, row.instance_id.0)?.ok_or_else(|| Error::not_found("schedule", id))?;
    Ok((row, views::find_app(db, instance.app_id.0)?))
}

fn one(db: &mut Read<'_>, id: ScheduleId) -> Result<ScheduleView> {
    let (row, app) = find(db, id)?;
    views::schedule(row, &app.name.0)
}

fn all(db: &mut Read<'_>) -> Result<Vec<ScheduleView>> {
    let mut items = Vec::new();
    for app in apps::list(db)? {
        items.extend(views::schedules_of(db, &app)?);
    }
    Ok(items)
}

/// An interval without an anchor counts from now, and must go on doing so.
fn anchored(mut spec: ScheduleSpec, now: Timestamp) -> ScheduleSpec {
    if let Timing::Interval { anchor, .. } = &mut spec.timing {
        anchor.get_or_insert(now);
    }
    spec
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::{Scene, name};
    use mantyx_core::{Code, OperationStatus};

    fn new(scene: &Scene, called: &str) -> NewSchedule {
        let spec = scene.mantyx.daily_spec("0 3 * * *");
        NewSchedule { app: name("wiki"), name: called.into(), spec, enabled: true }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn schedules_stay_as_they_are_while_a_backup_brings_its_own() {
        let scene = Scene::open(&[]).await;
        let (wiki, mantyx) = (scene.app("wiki").await, &scene.mantyx);
        let nightly = mantyx.create_schedule(&Actor::Mantyx, new(&scene, "nightly")).await.unwrap().id;
        let off = || SchedulePatch { enabled: Some(false), ..Default::default() };
        let restoring = scene.operation(Some(wiki), OperationKind::RestoreBackup).await;
        let refused = [
            mantyx.create_schedule(&Actor::Mantyx, new(&scene, "weekly")).await.map(drop),
            mantyx.patch_schedule(&Actor::Mantyx, nightly, off()).await.map(drop),
            mantyx.delete_schedule(&Actor::Mantyx, nightly).await,
        ];
        for refused in refused {
            assert_eq!(refused.unwrap_err().code(), Code::OperationInProgress);
        }
        scene.end(restoring, OperationStatus::Succeeded, None).await;
        scene.operation(Some(wiki), OperationKind::Update).await;
        assert!(!mantyx.patch_schedule(&Actor::Mantyx, nightly, off()).await.unwrap().enabled);
    }
}
