//! What of a backup is beside release and configuration: schedules, and the app's own files.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use mantyx_bundle::backup::{self, Id};
use mantyx_core::{Actor, AppId, AppName, Code, Error, EventKind, Result, ScheduleId};
use mantyx_platform::folders;
use mantyx_registry::tables::backups::{self, Backup};
use mantyx_registry::tables::{instances, schedules};
use mantyx_registry::{Change, Json, Read, views};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::backup::KeptSchedule;
use crate::mantyx::Mantyx;
use crate::moves::Moves;
use crate::saga::Task;
use crate::schedules::{On, insert, record};
use crate::work::{blocking, blocking_until};

/// Where files are, beside those in use, that have been replaced.
const GOING: &str = ".data-going";

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
    /// Makes a copy of the kept files beside those in use. What is in the way of the swap is told before anything is
    /// stopped for it.
    pub(super) async fn prepare_data(&self, task: &Task, name: &AppName) -> Result<()> {
        settle_replaced(task, name).await?;
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
    task.layout().app(name).join(GOING)
}

/// Files that an earlier restore replaced, and could not move into the backup that it had made, go there now.
async fn settle_replaced(mantyx: &Mantyx, name: &AppName) -> Result<()> {
    let replaced = mantyx.layout().app(name).join(GOING);
    if std::fs::symlink_metadata(&replaced).is_err() {
        return Ok(());
    }
    let (place, of) = (mantyx.layout().backups_of(name), name.clone());
    let rows = move |db: &mut Read<'_>| {
        let app = views::find_app_by_name(db, &of)?.id.0;
        backups::of_app(db, app)
    };
    let take_in = move |rows: Vec<Backup>| {
        let (row, folder) = owner(rows, &place).ok_or_else(|| nobodys(&replaced))?;
        let manifest = backup::take_in::<Value>(&place, folder, &replaced)?;
        Ok((row.id.0, manifest.source.bytes + manifest.data.map_or(0, |data| data.bytes)))
    };
    let (id, bytes) = mantyx.registry().read_then(rows, take_in).await?;
    let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
    mantyx.registry().change(&Actor::Mantyx, move |change| backups::set_data(change, id, bytes)).await
}

/// The backup that says of itself that it has data, while its row does not: it was to get them, and did not.
fn owner(rows: Vec<Backup>, place: &Path) -> Option<(Backup, Id)> {
    let lacking = |row: Backup| {
        let folder = row.folder.parse().ok()?;
        let manifest = backup::read::<Value>(place, folder).ok()?;
        (!row.data && manifest.data.is_some()).then_some((row, folder))
    };
    rows.into_iter().find_map(lacking)
}

fn nobodys(replaced: &Path) -> Error {
    let place = replaced.display();
    let detail =
        format!("`{place}` has files that an earlier restore replaced, and no backup to which they belong");
    Error::new(Code::NameTaken, detail).hint("Move the folder away if you need them, or else remove it")
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
    use mantyx_api_types::BackupRequest;
    use mantyx_core::OperationStatus;

    use crate::scene::{self, Scene};

    fn kept(scene: &Scene, id: Option<ScheduleId>, name: &str) -> KeptSchedule {
        KeptSchedule { id, name: name.into(), enabled: true, spec: scene.mantyx.daily_spec("0 3 * * *") }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn replaced_files_that_could_not_be_kept_are_kept_before_the_next_restore() {
        let scene = Scene::open(&[]).await;
        let (wiki, name) = (scene.app("wiki").await, scene::name("wiki"));
        let request = BackupRequest { data: false };
        let made = scene.mantyx.back_up(&Actor::Mantyx, &name, request).await.unwrap();
        assert_eq!(scene.ended(made.id).await.status, OperationStatus::Succeeded);
        let row = async || scene.read(move |db| backups::of_app(db, wiki)).await.remove(0);
        settle_replaced(&scene.mantyx, &name).await.unwrap();

        let layout = scene.mantyx.layout().clone();
        let (replaced, place) = (layout.app(&name).join(GOING), layout.backups_of(&name));
        std::fs::rename(layout.app_data(&name), &replaced).unwrap();
        let refused = settle_replaced(&scene.mantyx, &name).await.unwrap_err();
        assert!(refused.code() == Code::NameTaken && refused.detail().contains(GOING), "{refused}");
        assert!(replaced.join("kept").is_file());

        // The backup says already that it has them.
        let folder: Id = row().await.folder.parse().unwrap();
        backup::take_in::<Value>(&place, folder, &replaced).unwrap();
        std::fs::rename(backup::place(&place, folder).join("data"), &replaced).unwrap();
        settle_replaced(&scene.mantyx, &name).await.unwrap();
        assert!(!replaced.exists() && row().await.data);
        backup::verify(&place, folder, &std::sync::atomic::AtomicBool::new(false)).unwrap();
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
