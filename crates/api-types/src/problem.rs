//! A refusal on the wire: RFC 9457 `application/problem+json`.

use mantyx_core::{AppEvent, Code, Error, FieldError, Kind};
use serde::{Deserialize, Serialize};

/// What failed, on what, why, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Problem {
    /// An address of the documentation of this kind of problem.
    pub r#type: String,
    /// The same short text for every occurrence.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What failed, on what, and why.
    pub detail: String,
    /// The stable name that programs match on.
    pub code: Code,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The entry of an archive that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<String>,
    /// Field by field, for a body that is not right.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// What would be legal instead, for an event that is not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub legal_events: Vec<AppEvent>,
    /// For a fault of Mantyx: the id that stands in its log beside the cause.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incident: Option<String>,
}

impl Problem {
    /// Where each kind of problem is explained, relative to the daemon; the code is the anchor.
    pub const TYPES: &'static str = "/docs/problems";

    /// The HTTP status of a code: the one place where refusals become HTTP.
    #[must_use]
    pub const fn status_of(code: Code) -> u16 {
        match code.kind() {
            _ if matches!(code, Code::MethodNotAllowed) => 405,
            Kind::Malformed => 400,
            Kind::Unauthenticated => 401,
            Kind::Forbidden => 403,
            Kind::NotFound => 404,
            Kind::Conflict => 409,
            Kind::Stale => 412,
            Kind::TooLarge => 413,
            Kind::UnsupportedType => 415,
            Kind::Refused => 422,
            Kind::TooMany => 429,
            Kind::Internal => 500,
            Kind::Unavailable => 503,
        }
    }
}

/// What a client may see of an error. The cause stays behind, for the log.
impl From<&Error> for Problem {
    fn from(error: &Error) -> Self {
        let code = error.code();
        Self {
            r#type: format!("{}#{}", Self::TYPES, code.as_str()),
            title: code.title().to_owned(),
            status: Self::status_of(code),
            detail: error.detail().to_owned(),
            code,
            hint: error.hint_text().map(ToOwned::to_owned),
            entry: error.entry_name().map(ToOwned::to_owned),
            errors: error.field_errors().to_vec(),
            legal_events: error.legal().to_vec(),
            incident: None,
        }
    }
}
