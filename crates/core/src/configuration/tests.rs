//! The rules of a configuration, called.

use super::*;
use crate::health::Probe;
use serde_json::json;

fn base() -> Configuration {
    Configuration::new(Launch::parse("main.py").unwrap())
}

fn patch(value: Value) -> Result<Configuration> {
    let Value::Object(patch) = value else { unreachable!() };
    base().patched(&patch)
}

#[test]
fn merges_like_rfc_7396() {
    let one = patch(json!({"env": {"A": "1", "B": "2"}, "restart_limit": 7})).unwrap();
    let two = one.patched(json!({"env": {"A": null}, "restart_limit": null}).as_object().unwrap()).unwrap();
    assert_eq!(two.env, BTreeMap::from([("B".into(), "2".into())]));
    assert_eq!(two.restart_limit, 3);
}

#[test]
fn says_every_wrong_field() {
    let error = patch(json!({"restart_limit": -1, "entrypoint": "", "colour": "red"})).unwrap_err();
    let mut fields: Vec<&str> = error.field_errors().iter().map(|e| e.field.as_str()).collect();
    fields.sort_unstable();
    assert_eq!(fields, ["colour", "entrypoint", "restart_limit"]);
}

#[test]
fn variables_of_mantyx_stay_its_own() {
    for name in ["PORT", "MANTYX_URL", "1A", "A-B", ""] {
        assert!(patch(json!({"env": {name: "x"}})).is_err(), "{name}");
    }
}

#[test]
fn a_probe_of_another_kind_forgets_the_fields_of_the_old_one() {
    let web = json!({"web_port": 8080, "health": {"interval": 5, "probe": {"kind": "http", "body": "ok"}}});
    let http = patch(web).unwrap();
    let kept = http.patched(json!({"health": {"probe": {"status": 204}}}).as_object().unwrap()).unwrap();
    assert_eq!(
        kept.health.probe,
        Probe::Http { url: "/".into(), status: Some(204), body: Some("ok".into()) }
    );
    let tcp = kept.patched(json!({"health": {"probe": {"kind": "tcp"}}}).as_object().unwrap()).unwrap();
    assert_eq!((tcp.health.probe, tcp.health.interval), (Probe::Tcp { port: None }, 5));
}

#[test]
fn an_account_is_named_like_one() {
    assert!(patch(json!({"user": "www-data", "groups": ["video", "dialout"]})).is_ok());
    for name in ["", "a b", "-x", "../x"] {
        assert!(patch(json!({"user": name})).is_err(), "{name}");
    }
}

#[test]
fn what_was_stored_before_limits_were_known_is_still_read() {
    let old = json!({"entrypoint": "main.py", "restart_policy": "always"});
    let configuration: Configuration = serde_json::from_value(old).unwrap();
    assert_eq!((configuration.limits, configuration.retry), (Limits::default(), true));
}

#[test]
fn a_port_is_a_number_or_auto() {
    assert_eq!(patch(json!({"web_port": "auto"})).unwrap().web_port, Some(WebPort::AUTO));
    assert_eq!(patch(json!({"web_port": 8080})).unwrap().web_port, Some(WebPort::Fixed(8080)));
    assert!(patch(json!({"web_port": 80})).is_err());
    assert!(patch(json!({"web_port": 0})).is_err());
    assert!(patch(json!({"web_port": "any"})).is_err());
}

#[test]
fn numbers_have_bounds() {
    let month = 30 * 24 * 60 * 60;
    for (field, least, most) in [
        ("restart_delay", 0, 86_400),
        ("restart_limit", 0, 10_000),
        ("restart_window", 1, month),
        ("stop_grace", 0, 3600),
        ("watchdog", 1, month),
        ("timeout", 1, month),
    ] {
        for right in [least, most] {
            assert!(patch(json!({field: right})).is_ok(), "{field}={right}");
        }
        for wrong in [least - 1, most + 1] {
            let refused = patch(json!({field: wrong})).unwrap_err();
            assert_eq!(refused.field_errors()[0].field, field, "{field}={wrong}");
        }
    }
}

#[test]
fn only_a_run_has_a_timeout() {
    let limited = patch(json!({"timeout": 60})).unwrap();
    assert_eq!(limited.run_timeout(AppType::Scheduled), Some(60));
    assert_eq!(limited.run_timeout(AppType::Perpetual), None);
}
