//! How an app is followed, and its webhook, for people.

use chrono::{DateTime, Utc};
use mantyx_api_types::{HookCreated, TrackingView, UpdateCheck};

use super::at_and;
use crate::output::{count, facts, relative};

pub(crate) fn tracking(view: &TrackingView, now: DateTime<Utc>) -> String {
    let short = |commit: &String| format!("{commit:.12}");
    let looks = view.words.clone().or_else(|| view.schedule.clone());
    facts(vec![
        ("Repository", Some(view.url.clone())),
        ("Follows", Some(view.reference.clone().unwrap_or_else(|| "the default branch".to_owned()))),
        ("Folder", view.subdir.as_ref().map(ToString::to_string)),
        ("Secret", view.credential.as_ref().map(ToString::to_string)),
        ("Active", Some(short(&view.active))),
        ("Mode", Some(view.mode.as_str().to_owned())),
        ("Schedule", looks),
        ("Next look", view.next_check.map(|at| at_and(at, now))),
        ("Webhook", view.hook.as_ref().map(|hook| format!("made {}", relative(hook.made_at, now)))),
        ("Last look", view.checked_at.map(|at| at_and(at, now))),
        ("Found", view.last_check.as_ref().map(found)),
        ("Problem", view.problem.as_ref().map(|problem| problem.detail.clone())),
        ("Left alone", view.held_back.as_ref().map(|head| format!("{} was tried before", short(head)))),
        ("Waits", view.waiting.then(|| "for another operation to end".to_owned())),
        ("Set", view.set_at.map(|at| at_and(at, now))),
        ("By", view.set_by.clone()),
    ])
}

fn found(check: &UpdateCheck) -> String {
    let tip = format!("`{}` at {:.12}", check.reference, check.head);
    match check.commits.len() as u64 {
        0 => tip,
        number => {
            let more = if check.complete { "" } else { " and more" };
            format!("{tip}, ahead by {}{more}", count(number, "commit"))
        }
    }
}

/// What a forge is to be told.
pub(crate) fn hook(hook: &HookCreated, base: &str) -> String {
    facts(vec![("Address", Some(format!("{base}{}", hook.path))), ("Secret", Some(hook.secret.clone()))])
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn view() -> TrackingView {
        serde_json::from_value(json!({
            "app": "weather", "url": "https://x/y", "ref": null, "override": null, "subdir": null,
            "credential": "deploy", "active": "0123456789abcdef", "mode": "apply", "schedule": "0 4 * * *",
            "words": "At 04:00, Europe/Berlin", "timezone": "Europe/Berlin",
            "next_check": "2026-01-01T03:00:00Z", "hook": {"made_at": "2026-01-01T00:00:00Z"},
            "last_check": {
                "active": "0123456789abcdef", "head": "fedcba9876543210", "reference": "main", "complete": false,
                "rewritten": false, "checked_at": "2026-01-01T00:00:00Z", "commits": [{
                    "id": "fedcba9876543210", "subject": "x", "author": "Ada", "at": "2026-01-01T00:00:00Z"
                }]
            },
            "checked_at": "2026-01-01T00:00:00Z", "problem": null, "held_back": "fedcba9876543210",
            "waiting": false, "set_at": "2026-01-01T00:00:00Z", "set_by": "owner"
        }))
        .unwrap()
    }

    #[test]
    fn a_tracking_is_a_list_of_facts() {
        let expected = "\
Repository  https://x/y
Follows     the default branch
Secret      deploy
Active      0123456789ab
Mode        apply
Schedule    At 04:00, Europe/Berlin
Next look   2026-01-01T03:00:00Z, in 2 h 58 min
Webhook     made 1 min 30 s ago
Last look   2026-01-01T00:00:00Z, 1 min 30 s ago
Found       `main` at fedcba987654, ahead by 1 commit and more
Left alone  fedcba987654 was tried before
Set         2026-01-01T00:00:00Z, 1 min 30 s ago
By          owner";
        assert_eq!(tracking(&view(), "2026-01-01T00:01:30Z".parse().unwrap()), expected);
    }

    #[test]
    fn a_webhook_is_an_address_and_a_secret() {
        let made = HookCreated { path: "/api/hooks/mantyx_hook_0".into(), secret: "mantyx_hook_0".into() };
        let expected = "Address  http://box:8420/api/hooks/mantyx_hook_0\nSecret   mantyx_hook_0";
        assert_eq!(hook(&made, "http://box:8420"), expected);
    }
}
