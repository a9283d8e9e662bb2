//! Rounds, with the clock in the past.

use super::*;
use crate::scene::Scene;
use mantyx_api_types::BackupRequest;
use mantyx_core::{EventKind, OperationKind};
use mantyx_registry::tables::{events, operations};
use serde_json::json;

const LINE: &str = "0 3 1 1 *";

/// A Mantyx that saw an instant of its line last when that was so many years ago.
async fn behind() -> Scene {
    let scene = Scene::open(&[("backup_schedule", LINE)]).await;
    heard(&scene).await;
    since(&scene, Utc::now() - TimeDelta::days(800)).await;
    scene
}

/// The daemon itself has seen that there is a line, and waits for its next instant.
async fn heard(scene: &Scene) {
    let heard = async {
        while scene.read(|db| settings::get(db, KEY)).await.is_none() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), heard).await.unwrap();
}

async fn since(scene: &Scene, to: Timestamp) {
    scene.mantyx.decide(Decided { line: LINE.into(), to }).await.unwrap();
}

async fn kept(scene: &Scene, app: AppId) -> Vec<(BackupReason, bool)> {
    let rows = scene.read(move |db| backups::of_app(db, app)).await;
    rows.into_iter().map(|row| (row.reason.0, row.data)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_missed_is_made_up_for_once() {
    let scene = behind().await;
    let (wiki, shop) = (scene.app("wiki").await, scene.app("shop").await);
    let mut round = Round::default();
    let wait = scene.mantyx.keep_what_is_due(&mut round).await.unwrap();
    assert!(wait.until > Utc::now() && !wait.for_another);
    for app in [wiki, shop] {
        assert_eq!(kept(&scene, app).await, [(BackupReason::Schedule, true)]);
    }
    scene.mantyx.keep_what_is_due(&mut round).await.unwrap();
    assert_eq!(kept(&scene, wiki).await.len(), 1);
    let recorded = scene.read(|db| events::after(db, 0, 100)).await;
    assert_eq!(recorded.iter().filter(|event| event.kind.0 == EventKind::BackupMade).count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_round_that_was_cut_short_goes_on_where_it_was() {
    let scene = behind().await;
    let wiki = scene.app("wiki").await;
    scene.mantyx.keep_what_is_due(&mut Round::default()).await.unwrap();
    let shop = scene.app("shop").await;
    // As a daemon finds it whose predecessor died before the end of the round.
    since(&scene, Utc::now() - TimeDelta::days(800)).await;
    scene.mantyx.keep_what_is_due(&mut Round::default()).await.unwrap();
    assert_eq!((kept(&scene, wiki).await.len(), kept(&scene, shop).await.len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_is_being_changed_has_its_turn_afterwards() {
    let scene = behind().await;
    let (wiki, shop) = (scene.app("wiki").await, scene.app("shop").await);
    let changing = scene.operation(Some(wiki), OperationKind::Update).await;
    let mut round = Round::default();
    assert!(scene.mantyx.keep_what_is_due(&mut round).await.unwrap().for_another);
    assert_eq!((kept(&scene, wiki).await.len(), kept(&scene, shop).await.len()), (0, 1));
    scene.end(changing, OperationStatus::Succeeded, None).await;
    assert!(!scene.mantyx.keep_what_is_due(&mut round).await.unwrap().for_another);
    assert_eq!((kept(&scene, wiki).await.len(), kept(&scene, shop).await.len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_is_said_and_not_tried_over_and_over() {
    let scene = behind().await;
    let (wiki, shop) = (scene.app("wiki").await, scene.app("shop").await);
    std::fs::remove_dir_all(scene.release("wiki", 1)).unwrap();
    let mut round = Round::default();
    scene.mantyx.keep_what_is_due(&mut round).await.unwrap();
    scene.mantyx.keep_what_is_due(&mut round).await.unwrap();
    assert_eq!((kept(&scene, wiki).await.len(), kept(&scene, shop).await.len()), (0, 1));
    let tried = scene.read(move |db| operations::page(db, Some(wiki), None, 10)).await;
    assert_eq!(tried.iter().map(|row| row.status.0).collect::<Vec<_>>(), [OperationStatus::Failed]);
    let recorded = scene.read(|db| events::after(db, 0, 100)).await;
    let failed = recorded.iter().find(|event| event.payload.0["status"] == json!("failed")).unwrap();
    assert_eq!((failed.kind.0, failed.subject_name.as_str()), (EventKind::OperationFinished, "wiki"));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_line_and_a_clock_that_was_set_back_count_from_now() {
    let scene = behind().await;
    let wiki = scene.app("wiki").await;
    let ahead = Decided { line: LINE.into(), to: Utc::now() + TimeDelta::days(400) };
    let other = Decided { line: "@yearly".into(), to: Utc::now() - TimeDelta::days(800) };
    for decided in [ahead, other] {
        scene.mantyx.decide(decided).await.unwrap();
        scene.mantyx.keep_what_is_due(&mut Round::default()).await.unwrap();
        assert!(kept(&scene, wiki).await.is_empty());
        let text = scene.read(|db| settings::get(db, KEY)).await.unwrap();
        let now: Decided = serde_json::from_str(&text).unwrap();
        assert!(now.line == LINE && now.to <= Utc::now() && now.to > Utc::now() - TimeDelta::days(1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_is_set_again_counts_from_now() {
    let scene = Scene::open(&[]).await;
    let wiki = scene.app("wiki").await;
    since(&scene, Utc::now() - TimeDelta::days(800)).await;
    let wait = scene.mantyx.keep_what_is_due(&mut Round::default()).await.unwrap();
    assert!(wait.until > Utc::now() + TimeDelta::days(3000) && !wait.for_another);
    assert_eq!(scene.mantyx.remembered().await.unwrap(), None);
    let patch = serde_json::Map::from_iter([(KEY.to_owned(), json!(LINE))]);
    scene.mantyx.change_settings(&Actor::Mantyx, patch).await.unwrap();
    scene.mantyx.keep_what_is_due(&mut Round::default()).await.unwrap();
    assert!(kept(&scene, wiki).await.is_empty());
    assert_eq!(scene.mantyx.remembered().await.unwrap().unwrap().line, LINE);
}

#[test]
fn what_is_called_off_has_one_more_turn_a_while_later() {
    let (wiki, now) = (AppId::generate(), Utc::now());
    let mut round = Round::since(now);
    let wait = round.note(wiki, Turn::CalledOff, now).unwrap();
    assert_eq!(wait, Wait { until: now + RESPITE, for_another: false });
    assert_eq!(round.respite(wiki, now), Some(wait));
    assert_eq!(round.respite(wiki, now + RESPITE), None);
    assert!(round.done.is_empty());
    // Whoever has it by then does not use the turn up.
    assert!(round.note(wiki, Turn::Later, now + RESPITE).unwrap().for_another);
    assert_eq!(round.note(wiki, Turn::CalledOff, now + RESPITE), None);
    assert!(round.done.contains(&wiki));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_was_called_off_is_made_up_for() {
    use OperationStatus::{Cancelled, Failed, Succeeded};
    let scene = Scene::open(&[]).await;
    let wiki = scene.app("wiki").await;
    for (status, turn) in [(Succeeded, Turn::Over), (Failed, Turn::Over), (Cancelled, Turn::CalledOff)] {
        let backup = scene.operation(Some(wiki), OperationKind::Backup).await;
        scene.end(backup, status, None).await;
        assert_eq!(scene.mantyx.turn_of(wiki, backup).await.unwrap(), turn);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_round_ends_when_the_last_one_had_its_turn_again() {
    let scene = behind().await;
    let (wiki, shop) = (scene.app("wiki").await, scene.app("shop").await);
    let mut round = Round::default();
    let changing = scene.operation(Some(wiki), OperationKind::Update).await;
    scene.mantyx.keep_what_is_due(&mut round).await.unwrap();
    scene.end(changing, OperationStatus::Succeeded, None).await;
    // As if it had been called off.
    let again = Utc::now() + TimeDelta::hours(1);
    round.called_off.insert(wiki, again);
    let wait = scene.mantyx.keep_what_is_due(&mut round).await.unwrap();
    assert_eq!((wait.until, wait.for_another), (again, false));
    assert_eq!((kept(&scene, wiki).await.len(), kept(&scene, shop).await.len()), (0, 1));
    round.called_off.insert(wiki, Utc::now());
    assert!(scene.mantyx.keep_what_is_due(&mut round).await.unwrap().until > again);
    assert_eq!((kept(&scene, wiki).await.len(), kept(&scene, shop).await.len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_line_can_be_set_and_it_holds_at_once() {
    let scene = Scene::open(&[]).await;
    let set = async |line: &str| {
        let patch = serde_json::Map::from_iter([(KEY.to_owned(), json!(line))]);
        scene.mantyx.change_settings(&Actor::Mantyx, patch).await
    };
    let refused = set("0 25 * * *").await.unwrap_err();
    assert_eq!((refused.code(), refused.field_errors()[0].field.as_str()), (Code::Invalid, KEY));
    set("* * * * *").await.unwrap();
    heard(&scene).await;
    let wiki = scene.app("wiki").await;
    let request = BackupRequest { data: false };
    let made = scene.mantyx.back_up(&Actor::Mantyx, &crate::scene::name("wiki"), request).await.unwrap();
    scene.ended(made.id).await;
    assert_eq!(kept(&scene, wiki).await, [(BackupReason::Manual, false)]);
}

#[tokio::test]
async fn a_daemon_does_not_come_up_with_a_line_that_is_none() {
    let root = tempfile::TempDir::new().unwrap();
    let flags = [("backup_schedule".to_owned(), "at night".to_owned())].into();
    let settings = Settings::load(Some(root.path().into()), flags, std::iter::empty()).unwrap();
    let refused = Mantyx::open(settings).await.err().unwrap();
    assert!(refused.detail().contains("`backup_schedule` is `at night`"), "{refused}");
}
