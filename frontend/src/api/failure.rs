//! Why a call had no good answer, in one type.

use mantyx_api_types::Problem;
use mantyx_api_types::core::{Code, FieldError};
use serde::Deserialize;

use super::json;
use crate::text::prose::sentence;

/// Why a call had no good answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The daemon said no, and why.
    Refused(Box<Problem>),
    /// The password form has a format of its own for a no (RFC 6749, section 5.2).
    LogIn(String),
    /// Nothing answered.
    Unreachable,
    /// Something answered that is not Mantyx, or is another version of it.
    Unreadable(u16),
    /// A part of the page itself did not come.
    PartMissing,
}

/// RFC 6749, section 5.2.
#[derive(Deserialize)]
struct TokenError {
    error: String,
    #[serde(default)]
    error_description: Option<String>,
}

impl Failure {
    /// Reads an answer that is not a success.
    pub(crate) fn read(status: u16, body: &str) -> Self {
        if let Some(problem) = json::read::<Problem>(body) {
            return Self::Refused(Box::new(problem));
        }
        match json::read::<TokenError>(body) {
            Some(answer) => Self::LogIn(answer.error_description.unwrap_or(answer.error)),
            None => Self::Unreadable(status),
        }
    }

    /// A field that the page itself cannot send as it is.
    pub(crate) fn field(field: &str, detail: &str) -> Self {
        let (code, detail) = (Code::Invalid, sentence(detail));
        Self::Refused(Box::new(Problem {
            r#type: "about:blank".to_owned(),
            title: code.title().to_owned(),
            status: 422,
            detail: detail.clone(),
            code,
            hint: None,
            entry: None,
            errors: vec![FieldError { field: field.to_owned(), detail }],
            legal_events: Vec::new(),
            incident: None,
        }))
    }

    /// What failed, in a sentence.
    pub(crate) fn detail(&self) -> String {
        match self {
            Self::Refused(problem) => problem.detail.clone(),
            Self::LogIn(reason) => reason.clone(),
            Self::Unreachable => "Mantyx does not answer".to_owned(),
            Self::Unreadable(status) => format!("The answer cannot be read (status {status})"),
            Self::PartMissing => {
                "This screen could not be fetched: Mantyx does not answer, or was updated".to_owned()
            }
        }
    }

    /// What to do about it.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::Refused(problem) => problem.hint.clone().or_else(|| {
                let incident = problem.incident.as_ref()?;
                Some(format!("The log of Mantyx says more under `{incident}`"))
            }),
            Self::LogIn(_) => None,
            Self::Unreachable => {
                Some("Check that the daemon runs and that this machine can reach it".to_owned())
            }
            Self::Unreadable(_) => Some("Reload the page: Mantyx may have been updated".to_owned()),
            Self::PartMissing => {
                Some("It comes by itself once Mantyx is back. If it does not, reload the page".to_owned())
            }
        }
    }

    /// The entry of an archive that it is about.
    pub(crate) fn entry(&self) -> Option<String> {
        match self {
            Self::Refused(problem) => problem.entry.clone(),
            _ => None,
        }
    }

    /// Field by field.
    pub(crate) fn fields(&self) -> Vec<FieldError> {
        match self {
            Self::Refused(problem) => problem.errors.clone(),
            _ => Vec::new(),
        }
    }

    /// Whether it is a refusal with this code.
    pub(crate) fn is(&self, code: Code) -> bool {
        matches!(self, Self::Refused(problem) if problem.code == code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_keeps_its_words() {
        let body = r#"{"type":"about:blank","title":"The name is taken","status":409,"code":"name_taken",
            "detail":"There is an app `wiki` already","hint":"Choose another name","errors":[]}"#;
        let failure = Failure::read(409, body);
        assert!(failure.is(Code::NameTaken));
        assert_eq!(failure.detail(), "There is an app `wiki` already");
        assert_eq!(failure.hint().as_deref(), Some("Choose another name"));
    }

    #[test]
    fn the_password_form_has_its_own_no() {
        let failure = Failure::read(400, r#"{"error":"invalid_grant","error_description":"Wrong password"}"#);
        assert_eq!(failure.detail(), "Wrong password");
        assert_eq!(Failure::read(502, "<html>"), Failure::Unreadable(502));
    }
}
