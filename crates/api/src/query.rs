//! The parameters of a query, refused by name: which one it is, what it says, and what it may say.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::error::QueryPayloadError;
use actix_web::web::Query as Pairs;
use actix_web::{FromRequest, HttpRequest};
use mantyx_core::{Code, Error, Result};
use serde::de::DeserializeOwned;

use crate::problem::ApiError;
use crate::words;

/// What a query says.
pub(crate) struct Query<T>(pub(crate) T);

impl<T: DeserializeOwned> Query<T> {
    /// Reads the text behind the question mark.
    pub(crate) fn read(text: &str) -> Result<Self> {
        Pairs::<T>::from_query(text)
            .map(|pairs| Self(pairs.into_inner()))
            .map_err(|error| refusal::<T>(text, &error))
    }
}

impl<T: DeserializeOwned> FromRequest for Query<T> {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::read(request.query_string()).map_err(ApiError::from))
    }
}

fn refusal<T: DeserializeOwned>(text: &str, error: &QueryPayloadError) -> Error {
    let hint = "/docs lists the parameters of each address";
    let QueryPayloadError::Deserialize(error) = error else {
        return Error::new(Code::Malformed, "The query cannot be read").hint(hint);
    };
    let message = error.to_string();
    // The message seldom says which one it is about: it is the one that is refused alone, or one that is there twice.
    let alone = |part: &&str| Pairs::<T>::from_query(part).is_err_and(|error| says(&error) == message);
    let twice = message.strip_prefix("duplicate field `").and_then(|rest| rest.split('`').next());
    let named = |part: &&str| pair(part).is_some_and(|(name, _)| Some(name.as_str()) == twice);
    let wrong = text.split('&').find(|part| alone(part) || named(part)).and_then(pair);
    let Some((name, value)) = wrong else {
        return Error::new(
            Code::Malformed,
            format!("The query cannot be read: {}", words::sentence(&message)),
        )
        .hint(hint);
    };
    let detail = words::of_parameter(&message, &name, &value);
    // The field says the same, so that it is told once by whoever tells both.
    Error::new(Code::Malformed, detail.clone()).with_field(name, detail).hint(hint)
}

fn says(error: &QueryPayloadError) -> String {
    match error {
        QueryPayloadError::Deserialize(error) => error.to_string(),
        other => other.to_string(),
    }
}

/// The name and the value of one parameter, without their escapes.
fn pair(part: &str) -> Option<(String, String)> {
    Pairs::<Vec<(String, String)>>::from_query(part).ok()?.into_inner().pop()
}

#[cfg(test)]
mod tests {
    use super::*;
    use mantyx_api_types::AppFilter;

    fn refused(text: &str) -> (String, String) {
        let error = Query::<AppFilter>::read(text).err().unwrap();
        assert_eq!(error.code(), Code::Malformed, "{text}");
        let field = error.field_errors().first().unwrap_or_else(|| panic!("{text}: {error}"));
        assert_eq!(field.detail, error.detail());
        (field.field.clone(), field.detail.clone())
    }

    #[test]
    fn the_wrong_parameter_is_named_among_right_ones() {
        let (name, detail) = refused("tag=a&limit=many&text=b");
        let sentence = "The parameter `limit` must be a whole number, not `many`";
        assert_eq!((name.as_str(), detail.as_str()), ("limit", sentence));
        let (name, detail) = refused("limit=5&state=h%61ppy");
        let begins = detail.starts_with("The parameter `state` must be one of `uploaded`, ");
        assert!(name == "state" && begins && detail.ends_with(", not `happy`"), "{detail}");
        let (name, detail) = refused("limit=5&colour=red");
        let begins = detail.starts_with("There is no parameter `colour`; there is ");
        assert!(name == "colour" && begins && detail.contains("`state`"), "{detail}");
        let (name, detail) = refused("limit=5&text=a&limit=6");
        assert_eq!((name.as_str(), detail.as_str()), ("limit", "The parameter `limit` is given twice"));
    }

    #[test]
    fn an_id_and_an_instant_are_told_from_others() {
        #[derive(Debug, serde::Deserialize)]
        struct Of {
            #[serde(rename = "execution")]
            _execution: Option<mantyx_core::ExecutionId>,
            #[serde(rename = "since")]
            _since: Option<chrono::DateTime<chrono::Utc>>,
        }
        let refused = |text: &str| Query::<Of>::read(text).err().unwrap().detail().to_owned();
        assert_eq!(refused("execution=7"), "The parameter `execution` must be a UUID, not `7`");
        let sentence = "The parameter `since` must be an instant such as `2026-01-31T08:00:00Z`, not `today`";
        assert_eq!(refused("since=today"), sentence);
    }

    #[test]
    fn what_is_right_is_read() {
        assert_eq!(Query::<AppFilter>::read("limit=5&text=a%20b").unwrap().0.text.as_deref(), Some("a b"));
        assert!(Query::<AppFilter>::read("").is_ok());
    }
}
