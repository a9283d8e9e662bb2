//! What comes back, and what goes by which name.

use super::*;
use mantyx_core::{OperationStatus, WebPort};
use mantyx_registry::Json;
use mantyx_registry::tables::operations;

use std::time::Duration;
use tokio::time::timeout;

use crate::scene::{Scene, admin, name};

async fn lease_of(scene: &Scene, app: AppId) -> Option<u16> {
    let pool = scene.mantyx.port_pool();
    scene
        .change(move |change| {
            lease(change, app, None, &pool)?;
            let instance = instances::of_app(change, app)?.id.0;
            port_leases::web_port(change, instance)
        })
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_whose_port_is_anothers_by_now_comes_back_without_one() {
    let scene = Scene::open(&[]).await;
    let wants = |configuration: &mut Configuration| configuration.web_port = Some(WebPort::Fixed(47_111));
    let wiki = scene.app_with("wiki", wants).await;
    assert_eq!(lease_of(&scene, wiki).await, Some(47_111));
    let deleted = scene.mantyx.delete(&Actor::Mantyx, &name("wiki"), "wiki").await.unwrap();
    assert_eq!(scene.ended(deleted.id).await.status, OperationStatus::Succeeded);
    let shop = scene.app_with("shop", wants).await;
    assert_eq!(lease_of(&scene, shop).await, Some(47_111));

    let restored = scene.mantyx.restore(&admin(), wiki, RestoreRequest { name: None }).await.unwrap();
    assert_eq!(scene.ended(restored.id).await.status, OperationStatus::Succeeded);
    let back = scene.read(move |db| instances::of_app(db, wiki)).await;
    let Json(warnings) = back.warnings;
    assert!(warnings.len() == 1 && warnings[0].contains("Port 47111 belongs to `shop`"), "{warnings:?}");
    assert!(scene.release("wiki", 1).is_dir());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waited_for_a_rename_does_not_remove_by_the_old_name() {
    let scene = Scene::open(&[]).await;
    let wiki = scene.app("wiki").await;
    let renaming = scene.mantyx.inner().locks.app(wiki).await;
    let mantyx = scene.mantyx.clone();
    let removal = async move { mantyx.delete_for_good(&Actor::Mantyx, &name("wiki"), "wiki").await };
    let mut removal = tokio::spawn(removal);
    // It cannot get any further than the lock, however long it is given.
    assert!(timeout(Duration::from_millis(100), &mut removal).await.is_err());
    let to = Some(Word(name("library")));
    scene
        .change(move |change| {
            let (now, changes) = (change.now(), apps::Changes { name: to, ..Default::default() });
            apps::update(change, wiki, &changes, now)
        })
        .await;
    drop(renaming);
    assert_eq!(removal.await.unwrap().unwrap_err().code(), Code::NotFound);
    assert!(scene.read(operations::all_under_way).await.is_empty());
}
