//! What of a backup is beside release and configuration: schedules, and the app's own files.

use std::collections::HashSet;
use std::path::PathBuf;

use mantyx_bundle::backup::{self, Id};
use mantyx_core::{AppId, AppName, EventKind, Result, ScheduleId};
use mantyx_platform::folders;
use mantyx_registry::tables::{instances, schedules};
use mantyx_registry::{Change, Json, views};
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
                let id = kept.id.unwrap_or_else(ScheduleId::generate);
                insert(change, &app, id, kept.name.clone(), kept.spec.clone(), on)?;
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

impl Restored {
    /// Lets the schedules fire as they are now, and those no more that are gone.
    pub(super) async fn rearm(&self, task: &Task) -> Result<()> {
        let ids: HashSet<ScheduleId> =
            self.before.iter().chain(&self.after).filter_map(|kept| kept.id).collect();
        for id in ids {
            task.rearm(id).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mantyx_registry::Read;

    use crate::scene::Scene;

    fn kept(scene: &Scene, id: Option<ScheduleId>, name: &str) -> KeptSchedule {
        KeptSchedule { id, name: name.into(), enabled: true, spec: scene.mantyx.daily_spec("0 3 * * *") }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_schedule_that_comes_back_is_the_one_that_it_was() {
        let scene = Scene::open(&[]).await;
        let wiki = scene.app("wiki").await;
        let (nightly, weekly) = (ScheduleId::generate(), ScheduleId::generate());
        let before = vec![kept(&scene, Some(nightly), "nightly"), kept(&scene, Some(weekly), "weekly")];
        let after = vec![kept(&scene, Some(weekly), "weekly")];
        let now = async || {
            let ids = move |db: &mut Read<'_>| {
                let instance = instances::of_app(db, wiki)?.id.0;
                let rows = schedules::of_instance(db, instance)?;
                Ok(rows.into_iter().map(|row| (row.name, row.id.0)).collect::<Vec<_>>())
            };
            let mut ids = scene.read(ids).await;
            ids.sort();
            ids
        };
        for (wanted, expected) in [
            (before.clone(), vec![("nightly".to_owned(), nightly), ("weekly".to_owned(), weekly)]),
            (after, vec![("weekly".to_owned(), weekly)]),
            (before.clone(), vec![("nightly".to_owned(), nightly), ("weekly".to_owned(), weekly)]),
        ] {
            scene.change(move |change| set_schedules(change, wiki, &wanted)).await;
            assert_eq!(now().await, expected);
        }
        // What a backup kept stays the schedule of its name, and takes the identity of no other.
        let (other, new) = (ScheduleId::generate(), ScheduleId::generate());
        assert_eq!(kept(&scene, Some(other), "nightly").beside(&before).id, Some(nightly));
        assert_eq!(kept(&scene, Some(new), "monthly").beside(&before).id, Some(new));
        let renamed = kept(&scene, Some(nightly), "monthly").beside(&before).id;
        assert!(renamed.is_some() && renamed != Some(nightly));
    }
}
