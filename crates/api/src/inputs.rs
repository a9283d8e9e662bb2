//! What a request carries: parameters of paths, bodies, and how those that cannot be read are refused.

use std::future::Future;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::error::{PathError, PayloadError};
use actix_web::http::header::CONTENT_TYPE;
use actix_web::{FromRequest, HttpRequest, web};
use mantyx_core::{
    AppId, AppName, BackupId, Code, Error, ExecutionId, OperationId, RelativePath, Result, ScheduleId,
    TokenId,
};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use utoipa::IntoParams;

use crate::problem::ApiError;
use crate::words;

/// The largest JSON body: no configuration comes near it.
pub(crate) const JSON_LIMIT: usize = 1 << 20;

/// The app that a path names.
#[derive(Deserialize, IntoParams)]
pub(crate) struct AppPath {
    /// The app's name.
    pub(crate) app: AppName,
}

/// The release that a path names.
#[derive(Deserialize, IntoParams)]
pub(crate) struct ReleasePath {
    /// The app's name.
    pub(crate) app: AppName,
    /// The number of the release, counted from 1.
    pub(crate) number: u32,
}

/// The two releases that a path names.
#[derive(Deserialize, IntoParams)]
pub(crate) struct TwoReleasesPath {
    /// The app's name.
    pub(crate) app: AppName,
    /// The number of the release that is looked from.
    pub(crate) number: u32,
    /// The number of the release that is looked at.
    pub(crate) other: u32,
}

/// The file of a release that a path names.
#[derive(Deserialize, IntoParams)]
pub(crate) struct FilePath {
    /// The app's name.
    pub(crate) app: AppName,
    /// The number of the release, counted from 1.
    pub(crate) number: u32,
    /// Where the file is in the source. Its slashes may stand as they are.
    pub(crate) path: RelativePath,
}

/// The place among an app's own files that a path names.
#[derive(Deserialize, IntoParams)]
pub(crate) struct DataPath {
    /// The app's name.
    pub(crate) app: AppName,
    /// Where it is in the data folder. Its slashes may stand as they are.
    pub(crate) path: RelativePath,
}

/// The backup that a path names.
#[derive(Deserialize, IntoParams)]
pub(crate) struct BackupPath {
    /// The app's name.
    pub(crate) app: AppName,
    /// The backup's id.
    pub(crate) id: BackupId,
}

/// The app in the trash that a path names.
#[derive(Deserialize, IntoParams)]
pub(crate) struct TrashPath {
    /// The app's id: its name may belong to another by now.
    pub(crate) id: AppId,
}

/// The execution that a path names.
#[derive(Deserialize, IntoParams)]
pub(crate) struct ExecutionPath {
    /// The execution's id.
    pub(crate) id: ExecutionId,
}

/// The operation that a path names.
#[derive(Deserialize, IntoParams)]
pub(crate) struct OperationPath {
    /// The operation's id.
    pub(crate) id: OperationId,
}

/// The schedule that a path names.
#[derive(Deserialize, IntoParams)]
pub(crate) struct SchedulePath {
    /// The schedule's id.
    pub(crate) id: ScheduleId,
}

/// The token that a path names.
#[derive(Deserialize, IntoParams)]
pub(crate) struct TokenPath {
    /// The token's id.
    pub(crate) id: TokenId,
}

/// Which part of a list that can be narrowed to one app.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct HistoryQuery {
    /// Only those of this app.
    pub(crate) app: Option<AppName>,
    /// At most this many, 1 to 500; 100 when not given.
    pub(crate) limit: Option<u32>,
    /// Where the page before this one ended.
    pub(crate) cursor: Option<String>,
}

/// Tells actix how to refuse what it cannot read itself.
pub(crate) fn configure(config: &mut web::ServiceConfig) {
    config
        .app_data(web::PathConfig::default().error_handler(|error, request| refuse(path(&error, request))))
        .app_data(web::PayloadConfig::new(JSON_LIMIT));
}

/// A JSON body that may be left out, read as its default then.
pub(crate) struct OptionalBody<T>(pub(crate) T);

impl<T: DeserializeOwned + Default + 'static> FromRequest for OptionalBody<T> {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let bytes = web::Bytes::from_request(request, payload);
        Box::pin(async move {
            let bytes = bytes.await.map_err(|error| broken_off(&error))?;
            Ok(Self(optional_json(&bytes)?))
        })
    }
}

fn optional_json<T: DeserializeOwned + Default>(body: &[u8]) -> Result<T> {
    if body.trim_ascii().is_empty() {
        return Ok(T::default());
    }
    read_object(body)
}

/// A JSON object as the body of a request. Serde would take an array for a struct, field by position: not here.
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned + 'static> FromRequest for Body<T> {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let typed = is_json(request);
        let bytes = web::Bytes::from_request(request, payload);
        Box::pin(async move {
            if !typed {
                return Err(Error::new(Code::UnsupportedType, "The body is not sent as JSON")
                    .hint("Send it with `Content-Type: application/json`")
                    .into());
            }
            let bytes = bytes.await.map_err(|error| broken_off(&error))?;
            Ok(Self(read_object(&bytes)?))
        })
    }
}

fn is_json(request: &HttpRequest) -> bool {
    let said = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = said.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

pub(crate) fn broken_off(error: &actix_web::Error) -> Error {
    match error.as_error::<PayloadError>() {
        Some(PayloadError::Overflow) => {
            Error::new(Code::UploadTooLarge, format!("The body has more than {JSON_LIMIT} bytes"))
        }
        _ => Error::new(Code::Malformed, "The body ended before it was complete").because(error.to_string()),
    }
}

pub(crate) fn read_object<T: DeserializeOwned>(body: &[u8]) -> Result<T> {
    let value: T = serde_json::from_slice(body).map_err(|error| unreadable(&error, body))?;
    if body.trim_ascii_start().first() == Some(&b'{') {
        return Ok(value);
    }
    Err(Error::new(Code::Invalid, "The body is not a JSON object"))
}

fn refuse(error: Error) -> actix_web::Error {
    ApiError::from(error).into()
}

/// JSON that does not parse is malformed; JSON that says something else than expected is refused, at its field.
fn unreadable(error: &serde_json::Error, body: &[u8]) -> Error {
    if !error.is_data() {
        return Error::new(Code::Malformed, format!("The body is not JSON: {error}"));
    }
    match words::of_json(error, body) {
        Some(field) => Error::fields(vec![field]),
        None => Error::new(Code::Invalid, "The body is not a JSON object"),
    }
}

/// A name or an id that cannot be one names nothing: that is a thing which is not there.
fn path(error: &PathError, request: &HttpRequest) -> Error {
    Error::new(Code::NotFound, format!("There is nothing at `{}`: {error}", request.path()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use mantyx_api_types::{NewPassword, RestoreRequest};

    fn refusal(body: &str) -> Error {
        read_object::<NewPassword>(body.as_bytes()).err().unwrap()
    }

    #[test]
    fn broken_json_is_malformed_and_wrong_json_is_refused() {
        assert_eq!(refusal("{").code(), Code::Malformed);
        assert_eq!(refusal("[1]").code(), Code::Invalid);
        let missing = refusal("{}");
        assert_eq!((missing.code(), missing.field_errors()[0].field.as_str()), (Code::Invalid, "password"));
        let unknown = refusal("{\"pasword\": \"x\"}");
        assert_eq!(unknown.field_errors()[0].field, "pasword");
    }

    #[test]
    fn an_array_is_no_object() {
        let refused = read_object::<RestoreRequest>(b"[null]").unwrap_err();
        assert_eq!(refused.code(), Code::Invalid);
        assert!(read_object::<RestoreRequest>(b" {}").is_ok());
    }

    #[test]
    fn an_absent_body_is_the_default() {
        assert_eq!(optional_json::<RestoreRequest>(b" \n").unwrap(), RestoreRequest::default());
        assert_eq!(optional_json::<RestoreRequest>(b"{}").unwrap(), RestoreRequest::default());
        assert_eq!(optional_json::<RestoreRequest>(b"{\"nam\":1}").unwrap_err().code(), Code::Invalid);
    }
}
