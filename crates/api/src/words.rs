//! What serde says of something that it cannot read, in words for people who do not know what serde is: which field it
//! is about, what stands there and what may.

use mantyx_core::{Error, FieldError};

/// Where serde's message is about a field by itself.
enum Complaint<'a> {
    Missing(&'a str),
    Unknown(&'a str, &'a str),
    Twice(&'a str),
    /// About the value at the place where reading has ended.
    Value(&'a str),
}

impl<'a> Complaint<'a> {
    fn of(message: &'a str) -> Self {
        let message = message.rsplit_once(" at line ").map_or(message, |(message, _)| message);
        let named = |start: &str| message.strip_prefix(start)?.split_once('`');
        if let Some((field, _)) = named("missing field `") {
            return Self::Missing(field);
        }
        if let Some((field, rest)) = named("unknown field `") {
            return Self::Unknown(field, rest.trim_start_matches(", "));
        }
        match named("duplicate field `") {
            Some((field, _)) => Self::Twice(field),
            None => Self::Value(message),
        }
    }
}

/// What is wrong with a JSON document that is sound in itself.
pub(crate) fn of_json(error: &serde_json::Error, json: &[u8]) -> Option<FieldError> {
    let message = error.to_string();
    let complaint = Complaint::of(&message);
    let levels = levels(read_part(json, error));
    let (around, here) = match complaint {
        Complaint::Missing(field) => (&levels[..], field),
        Complaint::Unknown(field, _) | Complaint::Twice(field) => {
            (levels.split_last().map_or(&[][..], |(_, around)| around), field)
        }
        Complaint::Value(_) => {
            let (here, around) = levels.split_last()?;
            (around, here.as_str())
        }
    };
    let path: Vec<&str> = around.iter().map(String::as_str).chain([here]).collect();
    Some(FieldError { field: path.join("."), detail: told(&complaint) })
}

/// What is wrong with one parameter of a query, in one sentence.
pub(crate) fn of_parameter(message: &str, name: &str, value: &str) -> String {
    let it = format!("The parameter `{name}`");
    match Complaint::of(message) {
        Complaint::Missing(_) => format!("{it} is missing"),
        Complaint::Twice(_) => format!("{it} is given twice"),
        Complaint::Unknown(_, known) => match listed(known) {
            Some(known) => format!("There is no parameter `{name}`; there is {known}"),
            None => format!("There is no parameter `{name}`"),
        },
        Complaint::Value(TOO_LARGE) => format!("{it} is too large: `{value}`"),
        Complaint::Value(TOO_SMALL) => format!("{it} is too small: `{value}`"),
        Complaint::Value(what) => match (wanted(what, value), value) {
            (Some(wanted), "") => format!("{it} must be {wanted}, not empty"),
            (Some(wanted), _) => format!("{it} must be {wanted}, not `{value}`"),
            (None, _) => format!("{it} cannot be `{value}`: {what}"),
        },
    }
}

/// What a parameter must be that is not.
fn wanted(message: &str, value: &str) -> Option<String> {
    if let Some((_, wanted)) = got_and_wanted(message) {
        return Some(wanted);
    }
    let negative = value.starts_with('-') && value.parse::<i128>().is_ok();
    let is_cut_off = |form: &str| form == WHOLE && negative;
    form_of(message).map(|form| if is_cut_off(form) { wanted_of("u64") } else { form.to_owned() })
}

fn told(complaint: &Complaint<'_>) -> String {
    match complaint {
        Complaint::Missing(_) => "It is missing".to_owned(),
        Complaint::Unknown(_, known) => match listed(known) {
            Some(known) => format!("There is no such field; there is {known}"),
            None => "There is no such field".to_owned(),
        },
        Complaint::Twice(_) => "It is given twice".to_owned(),
        Complaint::Value(message) => people(message),
    }
}

/// The fields that there are.
fn listed(known: &str) -> Option<&str> {
    known.strip_prefix("expected one of ").or(known.strip_prefix("expected "))
}

/// What is wrong with a value that was never a text: at the field that is named, or else at this one.
pub(crate) fn of_value(error: &serde_json::Error, otherwise: &str) -> Error {
    let message = error.to_string();
    let complaint = Complaint::of(&message);
    let field = match complaint {
        Complaint::Missing(field) | Complaint::Unknown(field, _) | Complaint::Twice(field) => field,
        Complaint::Value(_) => otherwise,
    };
    Error::field(field, told(&complaint))
}

/// A whole message by itself.
pub(crate) fn sentence(message: &str) -> String {
    let complaint = Complaint::of(message);
    match complaint {
        Complaint::Missing(field) | Complaint::Unknown(field, _) | Complaint::Twice(field) => {
            format!("`{field}`: {}", told(&complaint))
        }
        Complaint::Value(_) => told(&complaint),
    }
}

/// A message about a value.
fn people(message: &str) -> String {
    if let Some((got, wanted)) = got_and_wanted(message) {
        return format!("It is {got}, and must be {wanted}");
    }
    match message {
        TOO_LARGE => "The number is too large".into(),
        TOO_SMALL => "The number is too small".into(),
        other if other.starts_with("data did not match any variant") => {
            "It has none of the forms that it may have".into()
        }
        other => form_of(other).map_or_else(|| other.to_owned(), |form| format!("It must be {form}")),
    }
}

/// What stands there and what may, when a message says both.
fn got_and_wanted(message: &str) -> Option<(String, String)> {
    let typed = message.strip_prefix("invalid type: ").or_else(|| message.strip_prefix("invalid value: "));
    if let Some((got, wanted)) = typed.and_then(|rest| rest.split_once(", expected ")) {
        return Some((got_of(got), wanted_of(wanted)));
    }
    let (got, wanted) = message.strip_prefix("unknown variant ")?.split_once(", expected ")?;
    Some((got.to_owned(), wanted.to_owned()))
}

/// What must stand there, when a message says only that this does not.
fn form_of(message: &str) -> Option<&'static str> {
    match message {
        "invalid digit found in string" | "cannot parse integer from empty string" => Some(WHOLE),
        "provided string was not `true` or `false`" => Some("`true` or `false`"),
        "premature end of input"
        | "input contains invalid characters"
        | "input is out of range"
        | "trailing input" => Some(INSTANT),
        other if other.starts_with("UUID parsing failed") => Some("a UUID"),
        _ => None,
    }
}

const WHOLE: &str = "a whole number";
const TOO_LARGE: &str = "number too large to fit in target type";
const TOO_SMALL: &str = "number too small to fit in target type";

const INSTANT: &str = "an instant such as `2026-01-31T08:00:00Z`";

fn got_of(got: &str) -> String {
    let number = got.strip_prefix("integer ").or_else(|| got.strip_prefix("floating point "));
    match got {
        "map" => "an object".into(),
        "sequence" => "a list".into(),
        "null" | "unit value" => "`null`".into(),
        _ if number.is_some() => format!("the number {}", number.unwrap_or_default().trim_matches('`')),
        _ => match (got.strip_prefix("string "), got.strip_prefix("boolean ")) {
            (Some(text), _) => format!("the text {text}"),
            (_, Some(word)) => word.to_owned(),
            _ => got.to_owned(),
        },
    }
}

fn wanted_of(wanted: &str) -> String {
    match wanted {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number, 0 or more".into(),
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number".into(),
        "f32" | "f64" => "a number".into(),
        "a string" | "string" => "a text".into(),
        "a boolean" => "`true` or `false`".into(),
        "a sequence" => "a list".into(),
        "a map" => "an object".into(),
        "an RFC 3339 formatted date and time string" => INSTANT.into(),
        _ if ["struct ", "internally tagged ", "adjacently tagged "]
            .iter()
            .any(|kind| wanted.starts_with(kind)) =>
        {
            "an object".into()
        }
        _ => wanted.to_owned(),
    }
}

/// The part of a document that had been read when it was refused.
fn read_part<'a>(json: &'a [u8], error: &serde_json::Error) -> &'a [u8] {
    let before = json.split_inclusive(|byte| *byte == b'\n').take(error.line().saturating_sub(1));
    let end = before.map(<[u8]>::len).sum::<usize>() + error.column();
    &json[..end.min(json.len())]
}

/// The field or the place in a list that reading had come to, at each level of the document, the outermost first.
fn levels(json: &[u8]) -> Vec<String> {
    let (mut levels, mut text, mut at): (Vec<Level>, &[u8], usize) = (Vec::new(), &[], 0);
    while let Some(byte) = json.get(at) {
        match (byte, levels.last_mut()) {
            (b'{', _) => levels.push(Level::Object(None)),
            (b'[', _) => levels.push(Level::List(0)),
            (b'}' | b']', _) => drop(levels.pop()),
            (b':', Some(Level::Object(field))) => *field = Some(String::from_utf8_lossy(text).into_owned()),
            (b',', Some(Level::List(place))) => *place += 1,
            (b'"', _) => {
                let length = length_of_text(&json[at + 1..]);
                text = &json[at + 1..at + 1 + length];
                at += 1 + length;
            }
            _ => {}
        }
        at += 1;
    }
    levels.into_iter().filter_map(Level::name).collect()
}

/// An object with the field that was read last, or a list with the place in it.
enum Level {
    Object(Option<String>),
    List(usize),
}

impl Level {
    fn name(self) -> Option<String> {
        match self {
            Self::Object(field) => field,
            Self::List(place) => Some(place.to_string()),
        }
    }
}

/// The length of a JSON text up to the quote at its end.
fn length_of_text(json: &[u8]) -> usize {
    let mut escaped = false;
    let end = json.iter().position(|byte| {
        let ends = *byte == b'"' && !escaped;
        escaped = *byte == b'\\' && !escaped;
        ends
    });
    end.unwrap_or(json.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use mantyx_api_types::{NewSchedule, NewToken};
    use serde::de::DeserializeOwned;

    fn refused<T: DeserializeOwned>(json: &str) -> (String, String) {
        let error = serde_json::from_str::<T>(json).err().unwrap();
        let FieldError { field, detail } = of_json(&error, json.as_bytes()).unwrap();
        (field, detail)
    }

    #[test]
    fn the_field_is_named_however_deep_it_lies() {
        let table = [
            (r#"{"name": "x"}"#, "scope", "It is missing"),
            (r#"{"name": 5, "scope": "read"}"#, "name", "It is the number 5, and must be a text"),
            (
                "{\"name\": \"a \\\" , b\",\n \"scope\": \"all\"}",
                "scope",
                "It is `all`, and must be one of `read`, `operate`, `admin`",
            ),
            (
                r#"{"name": "x", "scope": "read", "expires_in": -1}"#,
                "expires_in",
                "It is the number -1, and must be a whole number, 0 or more",
            ),
            (r#"{"name": "x", "name": "y"}"#, "name", "It is given twice"),
        ];
        for (json, field, detail) in table {
            assert_eq!(refused::<NewToken>(json), (field.into(), detail.into()), "{json}");
        }
        let (field, detail) = refused::<NewToken>(r#"{"name": "x", "colour": 1}"#);
        assert_eq!(field, "colour");
        assert!(detail.starts_with("There is no such field; there is `name`"), "{detail}");
        let spec = |spec: &str| format!(r#"{{"app": "a", "name": "x", "spec": {spec}}}"#);
        let (field, _) = refused::<NewSchedule>(&spec(r#"{"timing": {"kind": "cron"}}"#));
        // Serde reads what has kinds as a whole first, so that the field is told at the object around it.
        assert_eq!(field, "spec.expression");
        let (field, _) =
            refused::<NewSchedule>(&spec(r#"{"timing": {"kind": "interval", "seconds": 5}, "catch_up": 1}"#));
        assert_eq!(field, "spec.catch_up");
        let (field, _) = refused::<NewSchedule>(&spec(r#"{"timezone": "UTC", "colour": 1}"#));
        assert_eq!(field, "spec.colour");
        let (field, detail) = refused::<Vec<Vec<u32>>>("[[1, 2], [3, true]]");
        assert_eq!(
            (field.as_str(), detail.as_str()),
            ("1.1", "It is `true`, and must be a whole number, 0 or more")
        );
    }

    #[test]
    fn a_parameter_is_told_with_its_value_and_what_it_may_be() {
        let told = |message: &str, value: &str| of_parameter(message, "limit", value);
        let digit = "invalid digit found in string";
        let table = [
            (digit, "x", "The parameter `limit` must be a whole number, not `x`"),
            (digit, "-5", "The parameter `limit` must be a whole number, 0 or more, not `-5`"),
            (
                "provided string was not `true` or `false`",
                "-1",
                "The parameter `limit` must be `true` or `false`, not `-1`",
            ),
            (
                "cannot parse integer from empty string",
                "",
                "The parameter `limit` must be a whole number, not empty",
            ),
            (TOO_LARGE, "4294967296", "The parameter `limit` is too large: `4294967296`"),
            (
                "unknown variant `x`, expected `a` or `b`",
                "x",
                "The parameter `limit` must be `a` or `b`, not `x`",
            ),
            (
                "unknown field `limit`, expected `a` or `b`",
                "x",
                "There is no parameter `limit`; there is `a` or `b`",
            ),
            ("a name cannot have `!`", "x!", "The parameter `limit` cannot be `x!`: a name cannot have `!`"),
        ];
        for (message, value, sentence) in table {
            assert_eq!(told(message, value), sentence);
        }
        assert!(told("premature end of input", "now").ends_with("`2026-01-31T08:00:00Z`, not `now`"));
    }
}
