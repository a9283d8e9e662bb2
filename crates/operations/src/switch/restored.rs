//! What of a backup is beside release and configuration: schedules, and the app's own files.

use std::path::PathBuf;

use mantyx_bundle::backup::{self, Id};
use mantyx_core::{AppId, AppName, EventKind, Result};
use mantyx_platform::folders;
use mantyx_registry::tables::{instances, schedules};
use mantyx_registry::{Change, Json, Read, views};
use serde::{Deserialize, Serialize};

use crate::backup::KeptSchedule;
use crate::moves::Moves;
use crate::saga::Task;
use crate::schedules::{On, insert, record};
use crate::work::{blocking, blocking_until};

/// What is taken from a backup beside release and configuration.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Restored {
    pub(crate) folder: Id,
    /// Whether the app's own files are replaced.
    pub(crate) data: bool,
    /// The schedules as they are.
    pub(crate) before: Vec<KeptSchedule>,
    /// The schedules as they were kept.
    pub(crate) after: Vec<KeptSchedule>,
}

impl Restored {
    /// Makes a copy of the kept files beside those in use.
    pub(super) async fn prepare_data(&self, task: &Task, name: &AppName) -> Result<()> {
        let (place, folder, to) = (task.layout().backups_of(name), self.folder, coming(task, name));
        blocking_until(&task.cancel, move |cancel| {
            folders::remove(&to)?;
            backup::copy_data(&place, folder, &to, cancel).map(drop)
        })
        .await
    }

    pub(super) async fn remove_data(task: &Task, name: &AppName) -> Result<()> {
        let to = coming(task, name);
        blocking(move || folders::remove(&to)).await
    }

    /// What goes where when the kept files are taken into use.
    pub(super) fn moves(task: &Task, name: &AppName) -> Moves {
        let data = task.layout().app_data(name);
        Moves::of([(data.clone(), going(task, name)), (coming(task, name), data)])
    }

    /// Where the files that were replaced are.
    pub(super) fn replaced(task: &Task, name: &AppName) -> PathBuf {
        going(task, name)
    }
}

fn coming(task: &Task, name: &AppName) -> PathBuf {
    task.layout().app(name).join(".data-coming")
}

fn going(task: &Task, name: &AppName) -> PathBuf {
    task.layout().app(name).join(".data-going")
}

/// Makes the schedules of an app those that were kept: a schedule of the same name stays the same schedule.
pub(super) fn set_schedules(change: &mut Change<'_, '_>, app: AppId, wanted: &[KeptSchedule]) -> Result<()> {
    let app = views::find_app(change, app)?;
    let instance = instances::of_app(change, app.id.0)?.id.0;
    let rows = schedules::of_instance(change, instance)?;
    for row in rows.iter().filter(|row| wanted.iter().all(|kept| kept.name != row.name)) {
        schedules::delete(change, row.id.0)?;
        record(change, EventKind::ScheduleDeleted, row, &app)?;
    }
    for kept in wanted {
        match rows.iter().find(|row| row.name == kept.name) {
            None => {
                let on = if kept.enabled { On::Yes } else { On::No };
                insert(change, &app, kept.name.clone(), kept.spec.clone(), on)?;
            }
            Some(row) if row.enabled == kept.enabled && row.spec.0 == kept.spec => {}
            Some(row) => {
                let changes = schedules::Changes {
                    enabled: Some(kept.enabled),
                    spec: Some(Json(kept.spec.clone())),
                    // What fell due by the other plan is none of this one's.
                    decided_to: Some(change.now()),
                    ..Default::default()
                };
                schedules::update(change, row.id.0, &changes)?;
                record(change, EventKind::ScheduleChanged, row, &app)?;
            }
        }
    }
    Ok(())
}

/// Lets the schedules of an app fire as they are now.
pub(super) async fn rearm(task: &Task, app: AppId) -> Result<()> {
    let ids = move |db: &mut Read<'_>| {
        let instance = instances::of_app(db, app)?.id.0;
        let rows = schedules::of_instance(db, instance)?;
        Ok(rows.into_iter().map(|row| row.id.0).collect::<Vec<_>>())
    };
    for id in task.registry().read(ids).await? {
        task.rearm(id).await?;
    }
    Ok(())
}
