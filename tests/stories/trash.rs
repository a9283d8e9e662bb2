//! Deleting is explicit and reversible, until it is not.

use mantyx_api_types::{EventView, OperationView, Page, TrashedAppView};
use mantyx_core::{AppName, AppState, Code, OperationStatus};
use mantyx_test_support::{TestMantyx, apps};
use serde_json::{Value, json};

async fn delete(mantyx: &TestMantyx, name: &AppName) {
    let path = format!("/api/apps/{name}?confirm={name}&wait=60");
    let operation: OperationView = mantyx.client().delete(&path).await.unwrap();
    assert_eq!(operation.status, OperationStatus::Succeeded, "{operation:?}");
}

async fn only_trashed(mantyx: &TestMantyx) -> TrashedAppView {
    let trash: Page<TrashedAppView> = mantyx.client().get("/api/trash").await.unwrap();
    assert_eq!(trash.items.len(), 1);
    trash.items.into_iter().next().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_app_comes_back_with_everything() {
    let mantyx = TestMantyx::start().await;
    let client = mantyx.client();
    let script = "import os, time\nopen(os.path.join(os.environ['APP_DATA_DIR'], 'kept'), 'w').write('x')\nprint('ready', flush=True)\ntime.sleep(3600)\n";
    let name = client.upload_script("s.py", script, &[("env", r#"{"A": "1"}"#)]).await.unwrap().app.name;
    let app = client.install_and_enable(&name).await;
    let data = mantyx.root().join(format!("apps/{name}/data/kept"));
    mantyx_test_support::wait_until("its own file", mantyx_test_support::PATIENCE, async || {
        data.exists().then_some(())
    })
    .await;

    let unconfirmed: Result<Value, _> = client.delete(&format!("/api/apps/{name}")).await;
    assert_eq!(unconfirmed.unwrap_err().code(), Some(Code::ConfirmationRequired));
    delete(&mantyx, &name).await;
    assert_eq!(client.app(&name).await.unwrap_err().status, 404);
    assert!(!mantyx.root().join(format!("apps/{name}")).exists());
    let pid = rustix::process::Pid::from_raw(i32::try_from(app.pid.unwrap()).unwrap()).unwrap();
    assert!(rustix::process::test_kill_process(pid).is_err(), "a deleted app is alive");

    let trashed = only_trashed(&mantyx).await;
    let restored: OperationView =
        client.post(&format!("/api/trash/{}/restore?wait=60", trashed.id), json!({})).await.unwrap();
    assert_eq!(restored.status, OperationStatus::Succeeded, "{restored:?}");
    let back = client.app(&name).await.unwrap();
    assert_eq!((back.id, back.state), (app.id, AppState::Disabled));
    assert!(data.exists());
    client.event(&name, "enable").await.unwrap();
    client.wait_for_app(&name, "run again", |app| app.pid.is_some()).await;
    assert_eq!(client.executions(&name).await.unwrap().len(), 2, "the history came back too");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_can_be_used_again_and_the_old_app_comes_back_under_another() {
    let mantyx = TestMantyx::start().await;
    let client = mantyx.client();
    let archive = || apps::zip(&[("main.py", "import six\nprint(six)\n"), ("requirements.txt", "six\n")]);
    let fields = [("name", "wiki"), ("type", "scheduled"), ("entrypoint", "main.py")];
    let name = client.upload_archive("w.zip", archive(), &fields).await.unwrap().app.name;
    client.install_and_enable(&name).await;
    delete(&mantyx, &name).await;
    client.upload_archive("w.zip", archive(), &fields).await.unwrap();
    let trashed = only_trashed(&mantyx).await;
    assert!(!trashed.name_free);
    let path = format!("/api/trash/{}/restore?wait=120", trashed.id);
    let taken: Result<Value, _> = client.post(&path, json!({})).await;
    assert_eq!(taken.unwrap_err().code(), Some(Code::NameTaken));
    let restored: OperationView = client.post(&path, json!({ "name": "old-wiki" })).await.unwrap();
    assert_eq!(restored.status, OperationStatus::Succeeded, "{restored:?}");
    let old: AppName = "old-wiki".parse().unwrap();
    client.event(&old, "enable").await.unwrap();
    client.event(&old, "run").await.unwrap();
    let app = client.wait_for_app(&old, "have run", |app| app.last_execution.is_some()).await;
    assert_eq!(app.last_execution.unwrap().status, mantyx_core::ExecutionStatus::Success);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_purged_is_gone_but_its_history_is_told() {
    let mantyx = TestMantyx::start().await;
    let client = mantyx.client();
    let name = client.upload_script("s.py", apps::sleeper_script(), &[]).await.unwrap().app.name;
    client.install_and_enable(&name).await;
    let path = format!("/api/apps/{name}?mode=permanent&confirm={name}&wait=60");
    let operation: OperationView = client.delete(&path).await.unwrap();
    assert_eq!(operation.status, OperationStatus::Succeeded, "{operation:?}");
    for place in [format!("apps/{name}"), format!("venvs/{name}")] {
        assert!(!mantyx.root().join(&place).exists(), "{place}");
    }
    let trash: Page<TrashedAppView> = client.get("/api/trash").await.unwrap();
    assert!(trash.items.is_empty());
    let events: Page<EventView> = client.get("/api/events?limit=500").await.unwrap();
    assert!(events.items.iter().any(|event| event.kind == mantyx_core::EventKind::AppPurged));
    client.upload_script("s.py", apps::sleeper_script(), &[("name", name.as_str())]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_web_app_comes_back_with_its_port() {
    let mantyx = TestMantyx::start().await;
    let client = mantyx.client();
    let name =
        client.upload_script("s.py", apps::sleeper_script(), &[("web_port", "auto")]).await.unwrap().app.name;
    delete(&mantyx, &name).await;
    let trashed = only_trashed(&mantyx).await;
    let path = format!("/api/trash/{}/restore?wait=60", trashed.id);
    let _: OperationView = client.post(&path, json!({})).await.unwrap();
    assert!(client.app(&name).await.unwrap().web_port.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delete_that_the_end_of_the_daemon_interrupts_is_carried_on() {
    let mut mantyx = TestMantyx::start().await;
    let client = mantyx.client();
    let script = "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('deaf', flush=True)\ntime.sleep(3600)\n";
    let fields = [("stop_grace", "3"), ("name", "deaf")];
    let name = client.upload_script("deaf.py", script, &fields).await.unwrap().app.name;
    client.install_and_enable(&name).await;
    mantyx_test_support::wait_until("the app to be deaf", mantyx_test_support::PATIENCE, async || {
        let log = client.get_text(&format!("/api/apps/{name}/logs?download=true")).await.ok()?;
        log.contains("deaf").then_some(())
    })
    .await;
    let path = format!("/api/apps/{name}?confirm={name}");
    let _: OperationView = client.delete(&path).await.unwrap();
    assert!(mantyx.stop().await.success());
    mantyx.start_again().await;
    mantyx_test_support::wait_until(
        "the delete to be carried on",
        mantyx_test_support::PATIENCE,
        async || {
            let trash: Page<TrashedAppView> = mantyx.client().get("/api/trash").await.ok()?;
            trash.items.first().map(drop)
        },
    )
    .await;
    assert_eq!(only_trashed(&mantyx).await.name, name);
}
