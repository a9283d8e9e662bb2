//! Rounds over rows and folders that do not agree.

use std::fs;

use mantyx_api_types::{Finding, Outcome, Problem};
use mantyx_core::{EventKind, OperationStatus};
use mantyx_registry::Word;
use mantyx_registry::tables::{events, instances, releases};

use super::repairs::Repair;
use super::*;
use crate::scene::{Scene, name};

fn of<'a>(findings: &'a [Finding], app: &str) -> Vec<(&'a str, Outcome)> {
    let of_app = findings.iter().filter(|finding| finding.app.as_ref().is_some_and(|it| it.as_str() == app));
    of_app.map(|finding| (finding.detail.as_str(), finding.outcome)).collect()
}

async fn repairs_in_record(scene: &Scene) -> Vec<String> {
    let events = scene.read(|db| events::after(db, 0, 200)).await;
    let repairs = events.into_iter().filter(|event| event.kind.0 == EventKind::DaemonRepaired);
    repairs.map(|event| event.subject_name).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_app_that_cannot_be_read_hinders_no_other() {
    let scene = Scene::open(&[]).await;
    let broken = scene.app("broken").await;
    scene.app("wiki").await;
    scene
        .change(move |change| {
            let release = instances::of_app(change, broken)?.release_id.0;
            releases::delete(change, release)
        })
        .await;
    let view = scene.mantyx.reconcile().await.unwrap();
    assert_eq!(of(&view.findings, "wiki"), [("A link did not point to what is active", Outcome::Repaired)]);
    let link = fs::read_link(scene.mantyx.layout().active_release(&name("wiki"))).unwrap();
    assert_eq!(link, Path::new("releases/1"));
    let view = scene.mantyx.reconcile().await.unwrap();
    assert!(of(&view.findings, "wiki").is_empty());
    assert_eq!(repairs_in_record(&scene).await, ["wiki"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn few_are_built_again_at_once_and_none_over_and_over() {
    let scene = Scene::open(&[]).await;
    for other in ["one", "two"] {
        let other = scene.app(other).await;
        scene.operation(Some(other), OperationKind::Repair).await;
    }
    let (wiki, shop) = (scene.app("wiki").await, scene.app("shop").await);
    for app in [wiki, shop] {
        scene.install(app).await;
    }
    let called_off = scene.operation(Some(shop), OperationKind::Repair).await;
    let problem = Problem::from(&Error::new(Code::Cancelled, "The operation was cancelled"));
    scene.end(called_off, OperationStatus::Cancelled, serde_json::to_value(problem).ok()).await;
    // What is done to the app afterwards does not make it forgotten.
    let backup = scene.operation(Some(shop), OperationKind::Backup).await;
    scene.end(backup, OperationStatus::Succeeded, None).await;
    let view = scene.mantyx.look_at_everything(Asked::ByTheClock).await.0;
    let said = |app: &str| of(&view.findings, app)[0].0.split_once(": ").unwrap().1.to_owned();
    assert_eq!(said("wiki"), "it is built again when others have been");
    assert_eq!(said("shop"), "it could not be built again lately");
    let view = scene.mantyx.reconcile().await.unwrap();
    let asked = of(&view.findings, "shop")[0].0.to_owned();
    assert!(asked.ends_with("when others have been"), "who asks has it tried anew: {asked}");
    assert!(scene.read(move |db| operations::page(db, Some(wiki), None, 10)).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_on_its_way_is_no_stranger() {
    let scene = Scene::open(&[]).await;
    let wiki = scene.app("wiki").await;
    let layout = scene.mantyx.layout().clone();
    let renamed = scene.operation(Some(wiki), OperationKind::Rename).await;
    scene
        .change(move |change| {
            let memory = mantyx_registry::Json(json!({ "to": "library" }));
            let changes = operations::Changes { memory: Some(memory), ..Default::default() };
            operations::update(change, renamed, &changes)
        })
        .await;
    for folder in [layout.environments(&name("library")), scene.release("wiki", 2).with_extension("part")] {
        fs::create_dir_all(folder).unwrap();
    }
    fs::create_dir_all(layout.environments(&name("nobody"))).unwrap();
    let view = scene.mantyx.reconcile().await.unwrap();
    let strangers: Vec<_> = view.findings.iter().filter(|finding| finding.app.is_none()).collect();
    assert!(strangers.len() == 1 && strangers[0].detail.contains("nobody"), "{strangers:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_came_between_two_looks_is_no_stranger_and_nobody_is_during_an_import() {
    let scene = Scene::open(&[]).await;
    scene.app("wiki").await;
    let layout = scene.mantyx.layout().clone();
    let nobody = layout.environments(&name("nobody"));
    fs::create_dir_all(&nobody).unwrap();
    // As the first look has it, when the row of an app came after the rows were read.
    let suspects = vec![nobody.clone(), layout.app(&name("wiki"))];
    assert_eq!(scene.mantyx.still_strangers(suspects).await.unwrap(), [nobody]);
    let import = scene.operation(None, OperationKind::Import).await;
    assert!(scene.mantyx.strangers().await.unwrap().is_empty());
    scene.end(import, OperationStatus::Succeeded, None).await;
    assert_eq!(scene.mantyx.strangers().await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_lost_its_name_is_a_stranger_only_where_it_has_a_row() {
    let scene = Scene::open(&[]).await;
    scene.app("wiki").await;
    let part = |number| scene.release("wiki", number).with_extension("part");
    for number in [1, 7] {
        fs::create_dir_all(part(number)).unwrap();
    }
    assert_eq!(scene.mantyx.strangers().await.unwrap(), [part(1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_seen_before_the_lock_is_looked_at_again_under_it() {
    let scene = Scene::open(&[]).await;
    let (wiki, shop) = (scene.app("wiki").await, scene.app("shop").await);
    let (built, _) = (scene.install(wiki).await, scene.install(shop).await);
    fs::create_dir_all(scene.mantyx.layout().environment(&name("wiki"), built)).unwrap();
    let deleted = apps::Changes { deleted_at: Some(Some(Utc::now())), ..Default::default() };
    scene
        .change(move |change| {
            let instance = instances::of_app(change, shop)?.id.0;
            let running = Some(Word(AppState::Running));
            let changes = instances::Changes { state: running, ..Default::default() };
            instances::update(change, instance, &changes)?;
            apps::update(change, shop, &deleted, Utc::now())
        })
        .await;
    assert!(!scene.mantyx.start_one_forgotten(shop).await.unwrap());
    for app in [wiki, shop] {
        assert_eq!(scene.mantyx.rebuild(app, Asked::ByAPerson).await.unwrap(), Repair::NotNeeded);
        assert!(scene.read(move |db| operations::page(db, Some(app), None, 10)).await.is_empty());
    }
}
