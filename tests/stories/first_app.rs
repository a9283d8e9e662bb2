//! The main job: a source becomes an app that runs, by each of the three ways in.

use mantyx_api_types::OperationView;
use mantyx_core::{AppName, AppState, AppType, ExecutionStatus, Launch, OperationStatus, Origin};
use mantyx_test_support::apps::{self, GitRepository};
use mantyx_test_support::{PATIENCE, Refusal, TestMantyx, wait_until};
use serde_json::json;

use crate::visitor::visitor;

#[tokio::test(flavor = "multi_thread")]
async fn a_zip_of_a_flask_app_becomes_a_service_with_a_page_of_its_own() {
    let mantyx = TestMantyx::start().await;
    let client = mantyx.client();
    let fields = [("web_port", "auto"), ("display_name", "The shop"), ("tags", "web,shop")];
    let created = client.upload_archive("Shop.zip", apps::flask_zip(), &fields).await.unwrap();
    assert_eq!(created.app.state, AppState::Uploaded);
    assert_eq!(created.app.r#type, AppType::Perpetual);
    assert_eq!(created.app.tags, ["web", "shop"]);
    assert_eq!(created.found.candidates.first().map(Launch::to_string).as_deref(), Some("app.py"));
    assert_eq!(created.found.dependency_files.len(), 1);

    let name = created.app.name;
    let app = client.install_and_enable(&name).await;
    assert_eq!(app.state, AppState::Running);
    let url = app.web_url.expect("an app with a port has an address");
    let visitor = visitor();
    let look = async || visitor.get(&url).send().await.ok()?.text().await.ok();
    let page = wait_until("the app's own page", PATIENCE, look);
    assert!(page.await.contains(&format!("Hello from {name}")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_with_inline_metadata_runs_on_demand() {
    let mantyx = TestMantyx::start().await;
    let client = mantyx.client();
    let fields = [("type", "scheduled"), ("name", "answer")];
    let created = client.upload_script("answer.py", apps::inline_metadata_script(), &fields).await.unwrap();
    let name = created.app.name;
    client.install_and_enable(&name).await;
    client.event(&name, "run").await.unwrap();
    client.wait_for_app(&name, "have run", |app| app.last_execution.is_some()).await;
    let runs = client.executions(&name).await.unwrap();
    assert_eq!(runs.len(), 1);
    assert_eq!(runs[0].status, ExecutionStatus::Success);
    let log = client.get_text(&format!("/api/apps/{name}/logs?download=true")).await.unwrap();
    assert!(log.contains("answer = 42"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_git_repository_is_imported_at_a_tag() {
    let mantyx = TestMantyx::start().await;
    let client = mantyx.client();
    let repository = GitRepository::create(&[("service/main.py", apps::sleeper_script())]);
    let first = repository.commit("First", &[("service/main.py", apps::sleeper_script())]);
    repository.tag("v1.0.0");
    repository.commit("Second", &[("service/main.py", "print('not this one')\n")]);
    let request = json!({ "url": repository.url(), "ref": "v1.0.0", "subdir": "service", "name": "pulse" });
    let created = client.import_git(request).await.unwrap();
    let Origin::Git { commit, reference, .. } = &created.app.origin else {
        panic!("{:?}", created.app.origin)
    };
    assert_eq!((commit, reference.as_deref()), (&first, Some("v1.0.0")));
    let app = client.install_and_enable(&created.app.name).await;
    assert_eq!(app.state, AppState::Running);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_runs_before_it_is_enabled_and_the_refusal_says_what_is_possible() {
    let mantyx = TestMantyx::start().await;
    let client = mantyx.client();
    let name = client.upload_script("quiet.py", apps::hello_script(), &[]).await.unwrap().app.name;
    for event in ["start", "run", "restart", "enable", "stop", "disable"] {
        let refused = client.event(&name, event).await.unwrap_err();
        assert_eq!(refused.status, 409, "{event}");
        let problem = refused.problem.unwrap();
        assert!(
            problem.detail.contains("quiet") && problem.detail.contains("uploaded"),
            "{}",
            problem.detail
        );
        assert!(problem.legal_events.contains(&mantyx_core::AppEvent::Install));
    }
    assert!(client.executions(&name).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_found_kept_apart_and_changed_before_the_install() {
    let mantyx = TestMantyx::start().await;
    let client = mantyx.client();
    let upload = async || client.upload_script("Job.py", apps::hello_script(), &[]).await.unwrap().app.name;
    assert_eq!(upload().await.as_str(), "job");
    let second = upload().await;
    assert_eq!(second.as_str(), "job-2");
    let taken = client.upload_script("x.py", apps::hello_script(), &[("name", "job")]).await.unwrap_err();
    assert_eq!(taken.status, 409);
    let rename = async |from: &str, to: &str| -> Result<OperationView, Refusal> {
        client.post(&format!("/api/apps/{from}/rename?wait=60"), json!({ "name": to })).await
    };
    let renamed = rename(second.as_str(), "better").await.unwrap();
    assert_eq!(renamed.status, OperationStatus::Succeeded);
    let better = AppName::parse("better").unwrap();
    client.install_and_enable(&better).await;
    let refused = client.event(&better, "rename").await.unwrap_err();
    assert_eq!(refused.status, 422, "a rename needs a name");
    assert_eq!(rename("better", "job").await.unwrap_err().status, 409, "the name is taken");
    // Its environment is built for the new name, and it runs on from there.
    rename("better", "best").await.unwrap();
    let best = AppName::parse("best").unwrap();
    assert!(mantyx.root().join("venvs/best").is_dir() && !mantyx.root().join("venvs/better").exists());
    assert_eq!(client.app(&best).await.unwrap().release, Some(1));
}
