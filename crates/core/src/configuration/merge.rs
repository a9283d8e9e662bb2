//! How a merge patch (RFC 7396) goes into what it changes, and what serde says about the outcome.

use serde_json::{Map, Value};

/// One key of a merge patch: null removes, objects merge, everything else replaces. What is of another kind replaces
/// as well: the fields of a `tcp` probe mean nothing to an `http` one.
pub(super) fn merge(target: &mut Map<String, Value>, key: &str, patch: &Value) {
    match (target.get_mut(key), patch) {
        (_, Value::Null) => {
            target.remove(key);
        }
        (Some(Value::Object(old)), Value::Object(new)) if !is_of_another_kind(old, new) => {
            for (inner, value) in new {
                merge(old, inner, value);
            }
        }
        (_, value) => {
            target.insert(key.to_owned(), value.clone());
        }
    }
}

fn is_of_another_kind(old: &Map<String, Value>, new: &Map<String, Value>) -> bool {
    new.get("kind").is_some_and(|kind| old.get("kind").is_some_and(|before| before != kind))
}

/// Serde's messages start in lower case and sometimes end with a position that means nothing here.
pub(super) fn sentence(message: &str) -> String {
    let message = message.split(" at line ").next().unwrap_or(message);
    let mut chars = message.chars();
    match chars.next() {
        Some(first) => first.to_uppercase().chain(chars).collect(),
        None => String::new(),
    }
}
