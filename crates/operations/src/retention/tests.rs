//! What stays and what goes.

use super::*;
use chrono::{TimeDelta, Utc};
use mantyx_api_types::{BackupRequest, ExportRequest};
use mantyx_core::{BackupId, OperationKind, OperationStatus};
use mantyx_registry::Word;
use mantyx_registry::tables::environments;

use crate::scene::{Scene, name};

fn row(reason: BackupReason, age: i64) -> Backup {
    let made_at = Utc::now() - TimeDelta::minutes(age);
    Backup {
        id: Word(BackupId::generate()),
        app_id: Word(AppId::generate()),
        reason: Word(reason),
        release: 1,
        revision: 1,
        data: false,
        bytes: 0,
        folder: backup::Id::at(made_at).to_string(),
        made_at,
        made_by: "owner".into(),
    }
}

#[test]
fn each_kind_of_backup_gives_way_to_its_own_kind() {
    use BackupReason::{Manual, Rollback, Schedule, Update};
    let reasons = [Update, Update, Schedule, Rollback, Manual, Schedule, Schedule, Update, Manual];
    let rows: Vec<_> = (0..).zip(reasons).map(|(age, reason)| row(reason, age)).collect();
    let expected: Vec<_> = [3, 6, 7].map(|at: usize| rows[at].id.0).into();
    assert_eq!(beyond(rows, 2).iter().map(|row| row.id.0).collect::<Vec<_>>(), expected);
}

async fn back_up(scene: &Scene) {
    let made =
        scene.mantyx.back_up(&Actor::Mantyx, &name("wiki"), BackupRequest { data: false }).await.unwrap();
    assert_eq!(scene.ended(made.id).await.status, OperationStatus::Succeeded);
}

/// The rows of the backups of an app, and the names of the folders.
async fn backups_of(scene: &Scene, app: AppId) -> (usize, Vec<String>) {
    let rows = scene.read(move |db| backups::of_app(db, app)).await;
    let place = scene.mantyx.layout().backups_of(&name("wiki"));
    let names = std::fs::read_dir(place).unwrap();
    (rows.len(), names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_goes_while_an_export_counts_on_it() {
    let scene = Scene::open(&[]).await;
    let wiki = scene.app("wiki").await;
    for _ in 0..2 {
        back_up(&scene).await;
    }
    let export = scene.operation(None, OperationKind::Export).await;
    let fewer = serde_json::Map::from_iter([("backups_kept".to_owned(), 1.into())]);
    scene.mantyx.change_settings(&Actor::Mantyx, fewer).await.unwrap();
    scene.mantyx.retire_past_of(wiki).await.unwrap();
    assert_eq!(backups_of(&scene, wiki).await.0, 2);
    scene.end(export, OperationStatus::Succeeded, None).await;
    scene.mantyx.retire_past_of(wiki).await.unwrap();
    let (rows, folders) = backups_of(&scene, wiki).await;
    assert_eq!((rows, folders.len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_waits_for_who_is_removing() {
    let scene = Scene::open(&[]).await;
    let wiki = scene.app("wiki").await;
    let removing = scene.mantyx.inner().locks.app(wiki).await;
    let export = scene.mantyx.export(&Actor::Mantyx, ExportRequest { logs: false });
    tokio::pin!(export);
    // It cannot get any further than the lock, however long it is given.
    assert!(timeout(Duration::from_millis(100), &mut export).await.is_err());
    assert!(scene.read(operations::all_under_way).await.is_empty());
    drop(removing);
    let begun = timeout(Duration::from_secs(30), export).await.unwrap().unwrap();
    assert_eq!(scene.ended(begun.id).await.status, OperationStatus::Succeeded);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removal_that_a_daemon_died_in_is_put_right() {
    let scene = Scene::open(&[]).await;
    let wiki = scene.app("wiki").await;
    for _ in 0..2 {
        back_up(&scene).await;
    }
    let place = scene.mantyx.layout().backups_of(&name("wiki"));
    let rows = scene.read(move |db| backups::of_app(db, wiki)).await;
    // Before the row of the first went, and after that of the second did.
    for row in &rows {
        backup::set_aside(&place, row.folder.parse().unwrap()).unwrap();
    }
    let gone = rows[1].id.0;
    scene.change(move |change| backups::delete(change, gone)).await;
    let releases = scene.mantyx.layout().releases(&name("wiki"));
    leftovers::set_aside(&releases, 1).unwrap();
    std::fs::create_dir(releases.join("7.part")).unwrap();
    scene.mantyx.retire_past_of(wiki).await.unwrap();
    assert_eq!(backups_of(&scene, wiki).await, (1, vec![rows[0].folder.clone()]));
    assert!(scene.release("wiki", 1).join("main.py").is_file() && !releases.join("7.part").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn operations_go_with_their_logs_but_what_built_what_is_there() {
    let scene = Scene::open(&[]).await;
    let wiki = scene.app("wiki").await;
    let (old, built) = (scene.operation(Some(wiki), OperationKind::Backup).await, scene.install(wiki).await);
    scene.end(old, OperationStatus::Succeeded, None).await;
    let by = scene.read(move |db| environments::get(db, built)).await.operation_id.0;
    let builds = scene.operation_called(by, Some(wiki), OperationKind::Install).await;
    scene.end(builds, OperationStatus::Succeeded, None).await;
    let running = scene.operation(Some(wiki), OperationKind::Update).await;
    let left = async || {
        let rows = scene.read(move |db| operations::page(db, Some(wiki), None, 10)).await;
        let mut ids: Vec<_> = rows.into_iter().map(|row| row.id.0).collect();
        ids.sort_unstable();
        ids
    };
    let day = |days: u32| SystemTime::now() + days * DAY;
    scene.mantyx.retire_operations(day(29)).await.unwrap();
    assert_eq!(left().await.len(), 3);
    scene.mantyx.retire_operations(day(31)).await.unwrap();
    let mut expected = vec![builds, running];
    expected.sort_unstable();
    assert_eq!(left().await, expected);
    assert!(scene.read(move |db| operations::steps(db, old)).await.is_empty());
}
