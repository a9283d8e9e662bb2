//! How much, as it is written down: a number, a text with a unit, or `unlimited`.
//!
//! Null says the same as nothing at all: a merge patch (RFC 7396) takes away what is null, and then the default holds.
//! For processes that is a limit, so that there is none has a word of its own.

use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// No limit.
const UNLIMITED: &str = "unlimited";

/// What can stand where a limit does.
enum Amount<T> {
    Default,
    Unlimited,
    Some(T),
}

impl<T> Amount<T> {
    fn or(self, default: Option<T>) -> Option<T> {
        match self {
            Self::Default => default,
            Self::Unlimited => None,
            Self::Some(amount) => Some(amount),
        }
    }
}

fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Amount<Value>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::Null => Amount::Default,
        Value::String(text) if text.trim().eq_ignore_ascii_case(UNLIMITED) => Amount::Unlimited,
        value => Amount::Some(value),
    })
}

fn number<T: DeserializeOwned, E: Error>(value: Value) -> Result<T, E> {
    if let Value::String(text) = value {
        return Err(E::custom(format!("`{text}` is no number: give one, or `{UNLIMITED}`")));
    }
    serde_json::from_value(value).map_err(E::custom)
}

/// A number, where no limit is the default.
pub(super) fn or_unlimited<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    read(deserializer)?.or(None).map(number).transpose()
}

/// A number of bytes, or a text with a unit.
pub(super) fn bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let size = |value| match value {
        Value::String(text) => in_bytes(&text).ok_or_else(|| {
            let remedy = format!("write a number and KiB, MiB, GiB or TiB, or `{UNLIMITED}`");
            D::Error::custom(format!("`{text}` is no size: {remedy}"))
        }),
        value => number(value),
    };
    read(deserializer)?.or(None).map(size).transpose()
}

/// `256 MiB`, `256MiB`, `256M`: powers of 1024, as memory is counted.
fn in_bytes(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let shift = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kib" => 10,
        "m" | "mib" => 20,
        "g" | "gib" => 30,
        "t" | "tib" => 40,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(1 << shift)
}

/// The number of processes, which is limited unless somebody says otherwise.
pub(super) mod processes {
    use serde::{Deserializer, Serializer};

    use super::{UNLIMITED, number, read};
    use crate::limits::PROCESSES;

    pub(in crate::limits) fn deserialize<'de, D>(deserializer: D) -> Result<Option<u32>, D::Error>
    where
        D: Deserializer<'de>,
    {
        read(deserializer)?.or(Some(PROCESSES.into())).map(number).transpose()
    }

    #[allow(
        clippy::ref_option,
        clippy::trivially_copy_pass_by_ref,
        reason = "serde calls it with a reference, which is smaller on some machines and larger on others"
    )]
    pub(in crate::limits) fn serialize<S>(count: &Option<u32>, serializer: S) -> Result<S::Ok, S::Error>
    where
        S: Serializer,
    {
        match count {
            Some(count) => serializer.serialize_u32(*count),
            None => serializer.serialize_str(UNLIMITED),
        }
    }

    #[cfg(feature = "openapi")]
    pub(in crate::limits) fn schema() -> utoipa::openapi::schema::Schema {
        use utoipa::PartialSchema;
        use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, Type};
        let word = ObjectBuilder::new().schema_type(Type::String).enum_values(Some([UNLIMITED]));
        OneOfBuilder::new()
            .item(u32::schema())
            .item(word)
            .default(Some(PROCESSES.into()))
            .description(Some("Processes and threads, of everything that the app started together."))
            .into()
    }
}
