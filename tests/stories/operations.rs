//! The record of everything that changed, and the daemon about itself.

use mantyx_api_types::{EventView, HealthView, Page, SystemView};
use mantyx_core::{Actor, EventKind};
use mantyx_test_support::{TestMantyx, apps};

#[tokio::test(flavor = "multi_thread")]
async fn every_change_is_an_event_with_who_and_what() {
    let mantyx = TestMantyx::start().await;
    let client = mantyx.client();
    let name = client.upload_script("s.py", apps::hello_script(), &[]).await.unwrap().app.name;
    client.install(&name).await.unwrap();
    let events: Page<EventView> = client.get("/api/events?limit=500").await.unwrap();
    let kinds: Vec<EventKind> = events.items.iter().map(|event| event.kind).collect();
    for kind in [
        EventKind::DaemonStarted,
        EventKind::AppCreated,
        EventKind::OperationStarted,
        EventKind::OperationFinished,
    ] {
        assert!(kinds.contains(&kind), "{kind:?} is missing in {kinds:?}");
    }
    let created = events.items.iter().find(|event| event.kind == EventKind::AppCreated).unwrap();
    assert!(matches!(&created.actor, Actor::Token { name, .. } if name == "owner"), "{:?}", created.actor);
    assert_eq!(created.subject.name, name.as_str());
    let gapless: Vec<i64> = (1..).take(events.items.len()).collect();
    assert_eq!(events.items.iter().map(|event| event.sequence).collect::<Vec<_>>(), gapless);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_daemon_says_what_it_is_and_how_it_is() {
    let mantyx = TestMantyx::start().await;
    let client = mantyx.client();
    let system: SystemView = client.get("/api/system").await.unwrap();
    assert!(!system.pythons.is_empty());
    assert!(system.host.memory_total > 0 && system.host.disk_total > 0, "{:?}", system.host);
    let health: HealthView = client.without_token().get("/health").await.unwrap();
    assert!(["ok", "degraded"].contains(&health.status.as_str()));
    let metrics = client.get_text("/metrics").await.unwrap();
    assert!(metrics.contains("mantyx_apps{state=\"running\"} 0"), "{metrics}");
}
