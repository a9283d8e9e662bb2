//! Environments: what was declared is installed, what cannot be is said, what is called off leaves nothing.

use mantyx_api_types::{DependenciesView, OperationView};
use mantyx_core::{AppEvent, AppState, Code, OperationStatus};
use mantyx_test_support::{TestMantyx, apps};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_requirement_that_cannot_be_had_is_named() {
    let mantyx = TestMantyx::start().await;
    let client = mantyx.client();
    let archive = apps::zip(&[("main.py", "print(1)\n"), ("requirements.txt", "iniconfig==99.9.9\n")]);
    let name = client.upload_archive("wrong.zip", archive, &[]).await.unwrap().app.name;
    let refused = client.install(&name).await.unwrap_err();
    assert_eq!((refused.status, refused.code()), (422, Some(Code::InstallFailed)));
    let problem = refused.problem.unwrap();
    assert!(problem.detail.contains("iniconfig"), "{}", problem.detail);
    let app = client.app(&name).await.unwrap();
    assert_eq!(app.state, AppState::Failed);
    assert!(!app.legal_events.contains(&AppEvent::Enable));
    assert!(app.legal_events.contains(&AppEvent::Install));
    let venvs = mantyx.root().join("venvs").join(name.as_str());
    assert_eq!(std::fs::read_dir(venvs).map_or(0, Iterator::count), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_installed_can_be_seen() {
    let mantyx = TestMantyx::start().await;
    let client = mantyx.client();
    let archive = apps::zip(&[
        ("main.py", "import six\nprint(six.__version__)\n"),
        ("requirements.txt", "six==1.16.0\n"),
    ]);
    let name = client.upload_archive("six.zip", archive, &[]).await.unwrap().app.name;
    let operation = client.install(&name).await.unwrap();
    assert!(operation.steps.iter().all(|step| step.finished_at.is_some()), "{operation:?}");
    let dependencies: DependenciesView = client.get(&format!("/api/apps/{name}/dependencies")).await.unwrap();
    let installed: Vec<_> =
        dependencies.installed.iter().map(|p| (p.name.as_str(), p.version.as_str())).collect();
    assert_eq!(installed, [("six", "1.16.0")]);
    assert!(dependencies.python.unwrap().starts_with("3."));
    assert_eq!(dependencies.install_operation, Some(operation.id));
    let log = client.get_text(&format!("/api/operations/{}/log", operation.id)).await.unwrap();
    assert!(log.contains("six"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_python_that_nobody_has_is_refused_with_what_was_found() {
    let mantyx = TestMantyx::start().await;
    let client = mantyx.client();
    let fields = [("python", ">=4.2")];
    let name = client.upload_script("future.py", apps::hello_script(), &fields).await.unwrap().app.name;
    let refused = client.install(&name).await.unwrap_err();
    assert_eq!(refused.code(), Some(Code::NoPython), "{refused}");
    assert!(refused.problem.unwrap().detail.contains("3."));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_install_that_is_called_off_leaves_the_app_as_it_was() {
    let mantyx = TestMantyx::start().await;
    let client = mantyx.client();
    // A source distribution whose build waits: it can only be called off.
    let setup = "import time\nfrom setuptools import setup\ntime.sleep(600)\nsetup(name='slow')\n";
    let archive =
        apps::zip(&[("main.py", "print(1)\n"), ("requirements.txt", "./slow\n"), ("slow/setup.py", setup)]);
    let name = client.upload_archive("slow.zip", archive, &[]).await.unwrap().app.name;
    let operation: OperationView =
        client.post(&format!("/api/apps/{name}/install"), json!({})).await.unwrap();
    let busy = client.event(&name, "install").await.unwrap_err();
    assert_eq!(busy.code(), Some(Code::OperationInProgress));
    assert!(busy.problem.unwrap().detail.contains(&operation.id.to_string()));
    let path = format!("/api/operations/{}/cancel", operation.id);
    let cancelled: OperationView = client.post(&path, json!({})).await.unwrap();
    assert_eq!(cancelled.status, OperationStatus::Cancelled, "{cancelled:?}");
    let venvs = mantyx.root().join("venvs").join(name.as_str());
    assert_eq!(std::fs::read_dir(venvs).map_or(0, Iterator::count), 0);
    let again: Result<OperationView, _> = client.post(&path, json!({})).await;
    assert_eq!(again.unwrap_err().code(), Some(Code::NotCancellable));
}
