//! What a person sets: merged, checked field by field, kept as revisions.

use mantyx_api_types::{AppView, ConfigurationView};
use mantyx_core::{AppType, Code};
use mantyx_test_support::{PATIENCE, TestMantyx, apps, wait_until};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_made_against_the_revision_that_was_seen() {
    let mantyx = TestMantyx::start().await;
    let client = mantyx.client();
    let name = client.upload_script("job.py", apps::hello_script(), &[]).await.unwrap().app.name;
    let path = format!("/api/apps/{name}");
    let change = json!({ "display_name": "Job", "configuration": { "env": { "COLOUR": "green" } } });
    let view: ConfigurationView = client.patch(&path, "\"1\"", change.clone()).await.unwrap();
    assert_eq!((view.revision, view.configuration.env["COLOUR"].as_str()), (2, "green"));
    let stale: Result<Value, _> = client.patch(&path, "\"1\"", change).await;
    let stale = stale.unwrap_err();
    assert_eq!((stale.status, stale.code()), (412, Some(Code::Stale)));
    let yaml = std::fs::read_to_string(mantyx.root().join(format!("apps/{name}/config.yaml"))).unwrap();
    assert!(yaml.contains("revision: 2") && yaml.contains("COLOUR: green"), "{yaml}");
    assert_eq!(client.app(&name).await.unwrap().display_name, "Job");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_limit_is_said_with_a_word_and_null_is_the_default() {
    let mantyx = TestMantyx::start().await;
    let client = mantyx.client();
    let name = client.upload_script("job.py", apps::hello_script(), &[]).await.unwrap().app.name;
    let path = format!("/api/apps/{name}");
    let free = json!({ "processes": "unlimited", "memory": "unlimited", "open_files": 4096 });
    let view: Value =
        client.patch(&path, "\"1\"", json!({ "configuration": { "limits": free } })).await.unwrap();
    let limits = &view["configuration"]["limits"];
    assert_eq!((&limits["processes"], &limits["open_files"]), (&json!("unlimited"), &json!(4096)));
    let yaml = std::fs::read_to_string(mantyx.root().join(format!("apps/{name}/config.yaml"))).unwrap();
    assert!(yaml.contains("processes: unlimited"), "{yaml}");
    // What is read can be sent back.
    let same = json!({ "configuration": { "limits": limits } });
    let view: Value = client.patch(&path, "\"2\"", same).await.unwrap();
    assert_eq!(view["revision"], 2, "the same is no change");
    let null = json!({ "configuration": { "limits": { "processes": null, "open_files": null } } });
    let view: Value = client.patch(&path, "\"2\"", null).await.unwrap();
    let limits = &view["configuration"]["limits"];
    assert_eq!((&limits["processes"], &limits["open_files"]), (&json!(4096), &Value::Null));
    let wrong = json!({ "configuration": { "limits": { "processes": "many" } } });
    let refused = client.patch::<Value>(&path, "\"3\"", wrong).await.unwrap_err().problem.unwrap();
    assert!(refused.errors[0].detail.contains("`unlimited`"), "{:?}", refused.errors);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_wrong_field_is_named_and_nothing_is_changed() {
    let mantyx = TestMantyx::start().await;
    let client = mantyx.client();
    let name = client.upload_script("job.py", apps::hello_script(), &[]).await.unwrap().app.name;
    let wrong =
        json!({ "configuration": { "restart_limit": "many", "entrypoint": "../x.py", "colour": "red" } });
    let refused: Result<Value, _> = client.patch(&format!("/api/apps/{name}"), "\"1\"", wrong).await;
    let problem = refused.unwrap_err().problem.unwrap();
    let mut fields: Vec<&str> = problem.errors.iter().map(|error| error.field.as_str()).collect();
    fields.sort_unstable();
    assert_eq!((problem.status, fields), (422, vec!["colour", "entrypoint", "restart_limit"]));
    let view: ConfigurationView = client.get(&format!("/api/apps/{name}/configuration")).await.unwrap();
    assert_eq!(view.revision, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_sees_its_environment_and_nothing_of_the_daemon() {
    let mantyx = TestMantyx::builder().variable("DAEMON_SECRET", "hush").start().await;
    let client = mantyx.client();
    let script = "import os\nfor name, value in sorted(os.environ.items()):\n    print(f'{name}={value}')\n";
    let fields = [("type", "scheduled"), ("env", r#"{"COLOUR": "green"}"#), ("name", "env")];
    let name = client.upload_script("env.py", script, &fields).await.unwrap().app.name;
    client.install_and_enable(&name).await;
    client.event(&name, "run").await.unwrap();
    client.wait_for_app(&name, "have run", |app| app.last_execution.is_some()).await;
    let log = client.get_text(&format!("/api/apps/{name}/logs?download=true")).await.unwrap();
    for expected in
        ["APP_NAME=env", "APP_RELEASE=1", "COLOUR=green", "MANTYX_EXECUTION_ID=", "PYTHONUNBUFFERED=1"]
    {
        assert!(log.contains(expected), "{expected} is missing in\n{log}");
    }
    assert!(!log.contains("hush"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_type_changes_only_while_the_app_is_off() {
    let mantyx = TestMantyx::start().await;
    let client = mantyx.client();
    let name = client.upload_script("s.py", apps::sleeper_script(), &[]).await.unwrap().app.name;
    client.install_and_enable(&name).await;
    let path = format!("/api/apps/{name}");
    let refused: Result<Value, _> = client.patch(&path, "\"1\"", json!({ "type": "scheduled" })).await;
    assert_eq!(refused.unwrap_err().status, 409);
    client.event(&name, "disable").await.unwrap();
    let _: Value = client.patch(&path, "\"1\"", json!({ "type": "scheduled" })).await.unwrap();
    let app: AppView = wait_until("the change", PATIENCE, async || client.app(&name).await.ok()).await;
    assert_eq!(app.r#type, AppType::Scheduled);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_with_spaces_in_its_name_runs() {
    let mantyx = TestMantyx::start().await;
    let client = mantyx.client();
    let archive = apps::zip(&[("my app ü.py", "print('spaced out')\n")]);
    let fields = [("type", "scheduled"), ("name", "spaced")];
    let created = client.upload_archive("spaced.zip", archive, &fields).await.unwrap();
    assert_eq!(created.configuration.entrypoint.to_string(), "\"my app ü.py\"");
    let name = created.app.name;
    let patch = json!({ "configuration": { "entrypoint": "my app ü.py" } });
    let view: ConfigurationView = client.patch(&format!("/api/apps/{name}"), "\"1\"", patch).await.unwrap();
    assert_eq!(view.revision, 1, "the same without quotes is no change");
    client.install_and_enable(&name).await;
    client.event(&name, "run").await.unwrap();
    let app = client.wait_for_app(&name, "have run", |app| app.last_execution.is_some()).await;
    assert_eq!(app.last_execution.unwrap().status, mantyx_core::ExecutionStatus::Success);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_only_bite_later_is_refused_now() {
    let mantyx = TestMantyx::start().await;
    let client = mantyx.client();
    let name = client.upload_script("s.py", apps::sleeper_script(), &[]).await.unwrap().app.name;
    let own: u16 = mantyx.url().rsplit(':').next().unwrap().parse().unwrap();
    for (field, value) in [
        ("working_directory", json!("nosuch")),
        ("web_port", json!(own)),
        ("web_port", json!(22)),
        ("entrypoint", json!("gone.py")),
        ("python", json!("garbage")),
    ] {
        let patch = json!({ "configuration": { field: value } });
        let refused: Result<Value, _> = client.patch(&format!("/api/apps/{name}"), "\"1\"", patch).await;
        let problem = refused.unwrap_err().problem.unwrap();
        assert_eq!(problem.errors[0].field, field);
    }
    let tricky = json!({ "display_name": "a\u{202e}b", "tags": ["a", " a ", ""] });
    let refused: Result<Value, _> = client.patch(&format!("/api/apps/{name}"), "\"1\"", tricky).await;
    assert_eq!(refused.unwrap_err().problem.unwrap().errors[0].field, "display_name");
}
