//! The gate that a new release has to pass: one that does not become well, or cannot be built, leaves the app as it was.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use mantyx_api_types::{AppView, BackupView, ConfigurationView, OperationView, Page};
use mantyx_core::{AppId, AppName, AppState, BackupReason, Code, OperationId, OperationStatus, StepStatus};
use mantyx_test_support::{Answer, PATIENCE, TestMantyx, apps, http_client, wait_until};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

use super::stage::{SERVICE, Stage};
use crate::brake::Brake;

/// Ends as soon as it is started.
const SHORT_LIVED: &str = "import sys\n\nsys.exit('no such table: clocks')\n";

/// Writes something when it is told to end.
const LAST_WORDS: &str = r#"
import os, signal, sys

def end(*_):
    with open(os.environ["APP_DATA_DIR"] + "/last", "w") as last:
        last.write("written at the end")
    sys.exit(0)

signal.signal(signal.SIGTERM, end)
"#;

#[tokio::test(flavor = "multi_thread")]
async fn an_update_that_ends_at_once_goes_back_by_itself() {
    let mut tale = Tale::begin().await;
    let ended = tale.update(apps::zip(&[("main.py", SHORT_LIVED)]), &[]).await;
    assert_failed(&ended, "watch", Code::Unhealthy, "did not stay alive");
    tale.assert_as_it_was().await;
    // What it said before it ended is still there to be read.
    tale.stage.scene.line(&tale.name, "no such table: clocks").await;
    tale.assert_can_be_updated().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_that_never_becomes_healthy_goes_back_by_itself() {
    let mut tale = Tale::begin().await;
    let silent = apps::zip(&[("main.py", apps::sleeper_script())]);
    let patch = json!({ "health": { "start_period": 1 }, "env": { "COLOUR": "red" } }).to_string();
    let ended = tale.update(silent, &[("configuration", &patch)]).await;
    assert_failed(&ended, "watch", Code::Unhealthy, "Nobody listens on port");
    tale.assert_as_it_was().await;
    tale.assert_can_be_updated().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_that_cannot_be_built_leaves_the_app_running_throughout() {
    let mut tale = Tale::begin().await;
    let asking = tale.ask_all_the_time().await;
    let archive = apps::zip(&[("main.py", SHORT_LIVED), ("requirements.txt", "six>=999\n")]);
    let ended = tale.update(archive, &[]).await;
    assert_failed(&ended, "build", Code::InstallFailed, "six>=999");
    asking.assert_always_answered().await;
    tale.assert_untouched().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_that_is_called_off_while_it_is_built_leaves_the_app_running_throughout() {
    let tale = Tale::begin().await;
    let asking = tale.ask_all_the_time().await;
    let brake = Brake::on(&tale.stage.scene.mantyx);
    let begun = tale.stage.client().update_archive(&tale.name, brake.archive(), &[]).await.unwrap();
    brake.wait_until_felt().await;
    let cancelled = tale.cancel(begun.id).await;
    assert_eq!(cancelled.status, OperationStatus::Cancelled, "{cancelled:?}");
    assert_failed(&cancelled, "build", Code::Cancelled, "cancelled");
    brake.release();
    asking.assert_always_answered().await;
    tale.assert_untouched().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_that_is_called_off_while_it_is_watched_goes_back() {
    let tale = Tale::begin().await;
    let begun = tale.update_that_is_watched().await;
    let cancelled = tale.cancel(begun).await;
    assert_eq!(cancelled.status, OperationStatus::Cancelled, "{cancelled:?}");
    assert_failed(&cancelled, "watch", Code::Cancelled, "cancelled");
    tale.assert_as_it_was().await;
    // Who stops it does not have to wait for an hour either.
    let begun = tale.update_that_is_watched().await;
    tale.stage.client().event(&tale.name, "stop").await.unwrap();
    let stopped = tale.stage.client().app(&tale.name).await.unwrap();
    assert_eq!((stopped.state, stopped.release), (AppState::Stopped, Some(1)));
    let called_off = tale.stage.client().ended(begun).await;
    assert_eq!(called_off.status, OperationStatus::Cancelled, "{called_off:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_that_is_not_well_is_taken_back_with_all_that_was_changed_together() {
    let tale = Tale::begin().await;
    let retyped = tale.configure(json!({ "type": "scheduled" })).await.unwrap_err();
    assert_eq!((retyped.status, retyped.code()), (422, Some(Code::Invalid)), "{retyped:?}");
    // Nobody listens where it is asked how it is.
    let health = json!({ "probe": { "kind": "tcp", "port": 1 }, "start_period": 1 });
    let patch =
        json!({ "display_name": "Big clock", "tags": ["loud"], "configuration": { "health": health } });
    let begun = tale.configure(patch).await.unwrap();
    let ended = tale.stage.client().ended(begun.id).await;
    assert_failed(&ended, "watch", Code::Unhealthy, "Nobody listens on port 1");
    tale.assert_as_it_was().await;
    let app = tale.stage.client().app(&tale.name).await.unwrap();
    assert_eq!((app.display_name, app.tags), (tale.app.display_name, tale.app.tags));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_restore_replaces_is_kept_as_it_was_when_the_app_had_stopped() {
    let mut tale = Tale::begin().await;
    let archive = apps::zip(&[("main.py", &format!("{LAST_WORDS}{SERVICE}")), ("version.txt", "tidy")]);
    let ended = tale.update(archive, &[]).await;
    assert_eq!(ended.status, OperationStatus::Succeeded, "{ended:?}");
    let backups = format!("/api/apps/{}/backups", tale.name);
    tale.stage.done(tale.stage.client().post(&backups, json!({ "data": true })).await).await;
    let kept: Page<BackupView> = tale.stage.client().get(&backups).await.unwrap();
    let restore = format!("{backups}/{}/restore", kept.items[0].id);
    tale.stage.done(tale.stage.client().post(&restore, json!({ "data": true })).await).await;

    let picture = tale.stage.look();
    tale.stage.assert_in_order(&picture, tale.id).await;
    assert_eq!(picture.app(tale.id)["data"], tale.before["data"], "it is as it was kept");
    let kept: Page<BackupView> = tale.stage.client().get(&backups).await.unwrap();
    let BackupView { id, reason, data, .. } = &kept.items[0];
    assert_eq!((*reason, *data), (BackupReason::RestoreBackup, true));
    let restore = format!("{backups}/{id}/restore");
    tale.stage.done(tale.stage.client().post(&restore, json!({ "data": true })).await).await;
    assert_eq!(tale.stage.look().app(tale.id)["data"]["last"], "written at the end");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_that_is_undone_says_nothing_about_why_the_app_had_failed() {
    let mut stage = Stage::begin(TestMantyx::builder()).await;
    let app = json!({ "type": "perpetual", "configuration": { "restart_limit": 0, "retry": false } });
    let fields = [("app", &*app.to_string())];
    let app = stage.client().upload_script("main.py", SHORT_LIVED, &fields).await.unwrap().app;
    stage.client().install_and_enable(&app.name).await;
    let before = stage.client().wait_for_state(&app.name, AppState::Failed).await;
    assert!(before.reason.is_some(), "{before:?}");
    stage.restart(Some("fail@update/start/before")).await;
    let archive = stage.next_version();
    let begun = stage.client().update_archive(&app.name, archive, &[]).await.unwrap();
    assert_failed(&stage.client().ended(begun.id).await, "start", Code::Internal, "A test made");
    let after = stage.client().app(&app.name).await.unwrap();
    assert_eq!((after.state, after.reason, after.release), (AppState::Failed, before.reason, Some(1)));
}

/// A service that runs, as it was at first.
struct Tale {
    stage: Stage,
    id: AppId,
    name: AppName,
    app: AppView,
    before: Value,
}

impl Tale {
    async fn begin() -> Self {
        let mut stage = Stage::begin(TestMantyx::builder()).await;
        let id = stage.service("clock").await;
        let name = stage.name(id);
        let (app, before) = (stage.healthy(&name).await, stage.look().app(id));
        Self { stage, id, name, app, before }
    }

    async fn update(&mut self, archive: Vec<u8>, fields: &[(&str, &str)]) -> OperationView {
        let begun = self.stage.client().update_archive(&self.name, archive, fields).await.unwrap();
        self.stage.client().ended(begun.id).await
    }

    /// Begins an update that takes an hour to be found not well, and waits until that is looked at.
    async fn update_that_is_watched(&self) -> OperationId {
        let silent = apps::zip(&[("main.py", apps::sleeper_script())]);
        let patch = json!({ "health": { "start_period": 3600 } }).to_string();
        let client = self.stage.client();
        let begun = client.update_archive(&self.name, silent, &[("configuration", &patch)]).await.unwrap();
        let is_watched = async || {
            let now: OperationView = client.get(&format!("/api/operations/{}", begun.id)).await.unwrap();
            assert_eq!(now.status, OperationStatus::Running, "{now:?}");
            let watch = now.steps.iter().find(|step| step.name == "watch").unwrap();
            (watch.status == StepStatus::Running).then_some(())
        };
        wait_until("it to be watched", PATIENCE, is_watched).await;
        begun.id
    }

    async fn configure(&self, change: Value) -> Answer<OperationView> {
        let (client, path) = (self.stage.client(), format!("/api/apps/{}", self.name));
        let seen: ConfigurationView = client.get(&format!("{path}/configuration")).await.unwrap();
        client.patch(&format!("{path}?restart=true"), &format!("\"{}\"", seen.revision), change).await
    }

    async fn cancel(&self, operation: OperationId) -> OperationView {
        self.stage.client().post(&format!("/api/operations/{operation}/cancel"), json!({})).await.unwrap()
    }

    /// The first release serves, and nothing is left of the other.
    async fn assert_as_it_was(&self) {
        let picture = self.stage.look();
        self.stage.assert_in_order(&picture, self.id).await;
        assert_eq!(picture.app(self.id), self.before);
    }

    /// Nor was it ever stopped.
    async fn assert_untouched(&self) {
        self.assert_as_it_was().await;
        let now = self.stage.client().app(&self.name).await.unwrap();
        assert_eq!((now.pid, now.restarts), (self.app.pid, 0));
    }

    async fn assert_can_be_updated(&mut self) {
        let archive = self.stage.next_version();
        let ended = self.update(archive, &[]).await;
        assert_eq!(ended.status, OperationStatus::Succeeded, "{ended:?}");
        self.stage.assert_in_order(&self.stage.look(), self.id).await;
    }

    /// Somebody asks the service a hundred times a second.
    async fn ask_all_the_time(&self) -> Asking {
        let url = format!("http://127.0.0.1:{}/", self.app.web_port.unwrap());
        let client = http_client();
        let expected = client.get(&url).send().await.unwrap().text().await.unwrap();
        let mut ticks = interval(Duration::from_millis(10));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let answers = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&answers);
        let task = tokio::spawn(async move {
            loop {
                ticks.tick().await;
                let answer = match client.get(&url).send().await {
                    Ok(answer) => answer.text().await,
                    Err(error) => Err(error),
                };
                if !answer.as_ref().is_ok_and(|answer| *answer == expected) {
                    return format!("after {count:?} good answers: {answer:?}");
                }
                count.fetch_add(1, Ordering::Relaxed);
            }
        });
        Asking { task, answers }
    }
}

/// Ends when an answer is not as it should be.
struct Asking {
    task: JoinHandle<String>,
    answers: Arc<AtomicU32>,
}

impl Asking {
    async fn assert_always_answered(self) {
        self.task.abort();
        if let Ok(failure) = self.task.await {
            panic!("{failure}");
        }
        let answers = self.answers.load(Ordering::Relaxed);
        // A build may be over in a moment; what counts is that none of them went wrong.
        assert!(answers >= 2, "only {answers} answers came while it was built");
    }
}

/// It says which step failed and why, and nothing that was done stays done.
fn assert_failed(operation: &OperationView, step: &str, code: Code, why: &str) {
    assert_ne!(operation.status, OperationStatus::Succeeded, "{operation:#?}");
    let problem = operation.problem.as_ref().unwrap();
    assert!(problem.code == code && problem.detail.contains(why), "{problem:#?}");
    let failed: Vec<_> = operation.steps.iter().filter(|s| s.status == StepStatus::Failed).collect();
    assert_eq!((failed.len(), failed[0].name.as_str()), (1, step), "{operation:#?}");
    assert_eq!(failed[0].detail.as_ref(), Some(&problem.detail));
    assert!(operation.steps.iter().all(|step| step.status != StepStatus::Done), "{operation:#?}");
}
