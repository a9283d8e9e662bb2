//! What was kept of an app comes back as it was.

use mantyx_api_types::{BackupView, ConfigurationView, Page};
use mantyx_core::{BackupReason, Code, OperationKind};
use reqwest::StatusCode;
use serde_json::json;

use crate::server::refusal;
use crate::story::{Story, saying};

async fn backups(story: &Story) -> Vec<BackupView> {
    let page: Page<BackupView> = story.read("/api/apps/diary/backups").await;
    page.items
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_brings_back_source_configuration_and_files() {
    let story = Story::running().await;
    let before = story.service("diary", &saying("one")).await;
    let note = story.api.root().join("apps/diary/data/note");
    std::fs::write(&note, "kept").unwrap();
    let keep = story.send("POST", "/api/apps/diary/backups?wait=60").json(&json!({ "data": true }));
    assert_eq!(story.done(keep).await.kind, OperationKind::Backup);
    assert_eq!(story.app("diary").await.pid, before.pid);
    let kept = backups(&story).await.remove(0);
    assert_eq!((kept.reason, kept.release, kept.data), (BackupReason::Manual, 1, true));
    assert!(kept.bytes > 4, "{kept:?}");

    std::fs::write(&note, "overwritten").unwrap();
    let patch = json!({ "restart_limit": 7, "health": { "probe": { "kind": "exec", "command": "true" } } });
    story.done(story.update("diary", &saying("two"), &patch)).await;
    let restore = story.send("POST", &format!("/api/apps/diary/backups/{}/restore?wait=120", kept.id));
    let restored = story.done(restore.json(&json!({ "data": true }))).await;
    assert_eq!(restored.kind, OperationKind::RestoreBackup);

    assert_eq!(story.app("diary").await.release, Some(3));
    assert_eq!(story.read_text("/api/apps/diary/releases/3/files/main.py").await, saying("one"));
    assert_eq!(std::fs::read_to_string(&note).unwrap(), "kept");
    let view: ConfigurationView = story.read("/api/apps/diary/configuration").await;
    assert_ne!(view.configuration.restart_limit, 7);
    let reasons: Vec<BackupReason> = backups(&story).await.iter().map(|backup| backup.reason).collect();
    assert_eq!(reasons, [BackupReason::RestoreBackup, BackupReason::Update, BackupReason::Manual]);
    story.api.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn backups_are_listed_page_by_page_and_removed() {
    let story = Story::begin().await;
    story.upload("diary", "print(1)\n").await;
    for _ in 0..3 {
        story.done(story.send("POST", "/api/apps/diary/backups?wait=60")).await;
    }
    let all = backups(&story).await;
    assert!(all.iter().all(|backup| !backup.data && backup.release == 1 && backup.revision == 1), "{all:?}");
    let first: Page<BackupView> = story.read("/api/apps/diary/backups?limit=2").await;
    let cursor = first.next_cursor.unwrap();
    let rest: Page<BackupView> =
        story.read(&format!("/api/apps/diary/backups?limit=2&cursor={cursor}")).await;
    assert_eq!([first.items, rest.items].concat(), all);
    let path = format!("/api/apps/diary/backups/{}", all[1].id);
    assert_eq!(story.send("DELETE", &path).send().await.unwrap().status(), StatusCode::NO_CONTENT);
    assert_eq!(refusal(story.send("DELETE", &path)).await, Code::NotFound);
    assert_eq!(backups(&story).await, [all[0].clone(), all[2].clone()]);
    story.api.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_kept_cannot_be_taken() {
    let story = Story::begin().await;
    story.upload("diary", "print(1)\n").await;
    story.upload("other", "print(1)\n").await;
    story.done(story.send("POST", "/api/apps/diary/backups?wait=60")).await;
    let id = backups(&story).await.remove(0).id;
    let post = |path: String, body: &'static str| story.send("POST", &path).body(body);
    let absent = "01890000-0000-7000-8000-000000000000";
    let table = [
        (post(format!("/api/apps/diary/backups/{id}/restore"), "{\"data\": true}"), Code::Invalid),
        (post(format!("/api/apps/diary/backups/{id}/restore"), "{\"date\": true}"), Code::Invalid),
        (post(format!("/api/apps/diary/backups/{absent}/restore"), ""), Code::NotFound),
        (post("/api/apps/diary/backups/7/restore".into(), ""), Code::NotFound),
        (post(format!("/api/apps/other/backups/{id}/restore"), ""), Code::NotFound),
        (story.send("DELETE", &format!("/api/apps/other/backups/{id}")), Code::NotFound),
        (post("/api/apps/diary/backups".into(), "{\"data\": 1}"), Code::Invalid),
        (post("/api/apps/absent/backups".into(), ""), Code::NotFound),
        (story.send("GET", "/api/apps/diary/backups?limit=0"), Code::Malformed),
    ];
    for (number, (request, code)) in table.into_iter().enumerate() {
        assert_eq!(refusal(request).await, code, "row {number}");
    }
    story.api.end().await;
}
