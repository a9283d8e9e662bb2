//! What the form sends of what was touched, and where it says what is wrong.

use super::*;
use mantyx_api_types::core::{AppState, Launch};

fn app() -> AppView {
    serde_json::from_value(json!({
        "id": "0190a6c0-0000-7000-8000-000000000001", "name": "wiki", "display_name": "", "description": "",
        "tags": [], "type": "perpetual", "state": AppState::Uploaded, "reason": null, "legal_events": [],
        "health": "unknown", "health_detail": null, "status_text": null, "warnings": [],
        "operation": null, "pid": null, "execution": null, "started_at": null, "restarts_at": null,
        "restarts": 0, "release": 1, "origin": {"kind": "archive", "file": "wiki.zip"},
        "last_execution": null, "next_run": null, "web_port": null, "web_url": null,
        "created_at": "2026-11-20T05:00:00Z", "updated_at": "2026-11-20T05:00:00Z"
    }))
    .unwrap()
}

fn configuration() -> Configuration {
    let mut configuration = Configuration::new(Launch::parse("main.py").unwrap());
    configuration.env = BTreeMap::from([("A".into(), "1".into()), ("B".into(), "2".into())]);
    configuration
}

fn form() -> Form {
    Form::read(&app(), &configuration(), None, "Europe/Berlin")
}

#[test]
fn what_was_not_touched_is_not_sent() {
    assert_eq!(form().patch(&app(), &configuration()).unwrap(), AppPatch::default());
}

#[test]
fn what_was_touched_is_sent_and_accepted() {
    let mut form = form();
    form.entrypoint = " -m wiki ".into();
    form.port = PortChoice::Auto;
    form.variables[0].value = "9".into();
    form.variables.remove(1);
    form.add_variable();
    form.variables[1].name = "C".into();
    let patch = form.patch(&app(), &configuration()).unwrap();
    assert_eq!(
        Value::Object(patch.configuration.clone()),
        json!({"entrypoint": "-m wiki", "web_port": "auto", "env": {"A": "9", "B": null, "C": ""}})
    );
    let after = configuration().patched(&patch.configuration).unwrap();
    assert_eq!(after.env, BTreeMap::from([("A".into(), "9".into()), ("C".into(), String::new())]));
    assert_eq!(Form::read(&app(), &after, None, "Europe/Berlin").entrypoint, "-m wiki");
}

fn patched(change: impl FnOnce(&mut Form)) -> Value {
    let mut form = form();
    change(&mut form);
    let patch = form.patch(&app(), &configuration()).unwrap().configuration;
    Value::Object(patch)
}

#[test]
fn limits_and_times_are_sent_where_they_stand() {
    let patch = patched(|form| {
        form.set_text(Field::Memory, "256".into());
        form.set_text(Field::Processes, String::new());
        form.set_text(Field::HealthInterval, "5".into());
        form.set_text(Field::Groups, "video".into());
        form.retry = false;
        form.readiness = Readiness::Notified;
    });
    let wanted = json!({"limits": {"memory": 256 << 20, "processes": null}, "groups": ["video"], "retry": false,
        "health": {"interval": 5, "readiness": "notified"}});
    assert_eq!(patch, wanted);
    let Value::Object(patch) = patch else { panic!("a patch is an object") };
    let after = configuration().patched(&patch).unwrap();
    // Processes have a limit also when none is given.
    assert_eq!((after.limits.memory, after.limits.processes), (Some(256 << 20), Some(4096)));
    assert_eq!(Form::read(&app(), &after, None, "UTC").text(Field::Memory), "256");
}

#[test]
fn a_probe_of_another_kind_is_sent_as_a_whole() {
    let patch = patched(|form| {
        form.probe = ProbeChoice::Http;
        form.set_text(Field::ProbeUrl, "http://127.0.0.1:8000/health".into());
        form.set_text(Field::ProbeStatus, "204".into());
    });
    let probe = json!({"kind": "http", "url": "http://127.0.0.1:8000/health", "status": 204});
    assert_eq!(patch, json!({"health": {"probe": probe}}));
    let then = json!({"kind": "http", "url": "/", "body": "ok"});
    assert_eq!(
        probe_patch(json!({"kind": "http", "url": "/"}), Some(&then)),
        json!({"kind": "http", "url": "/", "body": null})
    );
    assert_eq!(probe_patch(json!({"kind": "none"}), Some(&then)), json!({"kind": "none"}));
}

#[test]
fn what_is_not_about_its_type_is_neither_sent_nor_wrong() {
    let patch = patched(|form| {
        form.app_type = AppType::Scheduled;
        form.set_text(Field::RestartDelay, "soon".into());
        form.set_text(Field::Timeout, "60".into());
    });
    assert_eq!(patch, json!({"timeout": 60}));
    let mut wrong = form();
    wrong.set_text(Field::RestartDelay, "soon".into());
    assert_eq!(wrong.patch(&app(), &configuration()).unwrap_err().field, "restart_delay");
}

#[test]
fn a_port_that_is_none_stays_at_its_field() {
    let mut form = form();
    form.port = PortChoice::Fixed;
    for text in ["", "0", "65536", "x"] {
        form.port_number = text.into();
        assert_eq!(form.patch(&app(), &configuration()).unwrap_err().field, "web_port", "{text}");
    }
}

#[test]
fn an_interval_is_read_in_its_largest_unit() {
    for (seconds, every, unit) in
        [(7200, "2", Unit::Hours), (900, "15", Unit::Minutes), (90, "90", Unit::Seconds)]
    {
        let timing = Timing::Interval { seconds, anchor: None };
        let spec =
            ScheduleSpec { timing, timezone: "UTC".into(), catch_up: CatchUp::One, overlap: Overlap::Skip };
        let mut form = form();
        form.read_schedule(&spec);
        assert_eq!((form.every.as_str(), form.unit), (every, unit));
        assert_eq!(form.schedule().unwrap(), spec);
    }
}

#[test]
fn an_error_finds_its_field() {
    let errors = [error("configuration.env", "No"), error("spec.timing.expression", "Too far")];
    assert_eq!(errors_at(&errors, &["env"]).as_deref(), Some("No"));
    assert_eq!(errors_at(&errors, &["expression", "schedule"]).as_deref(), Some("Too far"));
    assert_eq!(errors_at(&errors, &["name"]), None);
}
