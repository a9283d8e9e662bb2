//! The gate that a new release has to pass: one that does not become well, or cannot be built, leaves the app as it was.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use mantyx_api_types::{AppView, OperationView};
use mantyx_core::{AppId, AppName, Code, OperationId, OperationStatus, StepStatus};
use mantyx_test_support::{TestMantyx, apps, http_client};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

use super::stage::Stage;
use crate::brake::Brake;

/// Ends as soon as it is started.
const SHORT_LIVED: &str = "import sys\n\nsys.exit('no such table: clocks')\n";

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
