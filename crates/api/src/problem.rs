//! Refusals on the wire: every error of Mantyx and of actix becomes a response here, and nowhere else.

use std::fmt;

use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, ResponseError};
use mantyx_api_types::Problem;
use mantyx_core::{Code, Error};
use uuid::Uuid;

/// The media type of RFC 9457.
pub(crate) const MEDIA_TYPE: &str = "application/problem+json";

/// Seconds after which a client that came too often, or at a bad moment, may try again.
const RETRY_AFTER: &str = "5";

/// What a handler returns.
pub(crate) type Answer<T = HttpResponse> = Result<T, ApiError>;

/// An error on its way to a client.
#[derive(Debug)]
pub(crate) struct ApiError(Error);

impl From<Error> for ApiError {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        status(Problem::status_of(self.0.code()))
    }

    fn error_response(&self) -> HttpResponse {
        let mut problem = Problem::from(&self.0);
        if problem.code == Code::Internal {
            let incident = Uuid::now_v7().simple().to_string();
            tracing::error!(incident, error = ?self.0, "A request failed");
            problem.hint.get_or_insert_with(|| format!("The log has the cause beside `{incident}`"));
            problem.incident = Some(incident);
        }
        respond(&problem)
    }
}

/// The response for a problem, with the headers that belong to its status.
pub(crate) fn respond(problem: &Problem) -> HttpResponse {
    let status = status(problem.status);
    let mut response = HttpResponse::build(status);
    match status {
        StatusCode::UNAUTHORIZED => {
            // RFC 6750, section 3.
            response.insert_header((header::WWW_AUTHENTICATE, "Bearer realm=\"Mantyx\""));
        }
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            response.insert_header((header::RETRY_AFTER, RETRY_AFTER));
        }
        _ => {}
    }
    response.content_type(MEDIA_TYPE).json(problem)
}

fn status(number: u16) -> StatusCode {
    StatusCode::from_u16(number).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::body::to_bytes;

    #[test]
    fn each_code_has_its_status() {
        let table = [
            (Code::Malformed, 400),
            (Code::Unauthenticated, 401),
            (Code::WrongCredentials, 401),
            (Code::Forbidden, 403),
            (Code::ForeignOrigin, 403),
            (Code::NotFound, 404),
            (Code::MethodNotAllowed, 405),
            (Code::IllegalState, 409),
            (Code::OperationInProgress, 409),
            (Code::Stale, 412),
            (Code::UploadTooLarge, 413),
            (Code::UnsupportedType, 415),
            (Code::Invalid, 422),
            (Code::EntryTraversal, 422),
            (Code::SlowDown, 429),
            (Code::Internal, 500),
            (Code::DiskFull, 503),
            (Code::Unavailable, 503),
        ];
        for (code, expected) in table {
            let response = ApiError::from(Error::new(code, "No")).error_response();
            assert_eq!(response.status().as_u16(), expected, "{code:?}");
            assert_eq!(response.headers().get(header::CONTENT_TYPE).unwrap(), MEDIA_TYPE);
        }
    }

    #[test]
    fn no_code_is_without_a_status() {
        for code in Code::ALL {
            let status = Problem::status_of(*code);
            assert!((400..600).contains(&status), "{code:?}");
            assert_eq!(status == 500, *code == Code::Internal, "only our own faults are a 500: {code:?}");
        }
    }

    #[test]
    fn a_status_brings_its_headers() {
        let headers = |code| ApiError::from(Error::new(code, "No")).error_response().headers().clone();
        assert!(headers(Code::Unauthenticated).contains_key(header::WWW_AUTHENTICATE));
        assert!(headers(Code::SlowDown).contains_key(header::RETRY_AFTER));
        assert!(headers(Code::Unavailable).contains_key(header::RETRY_AFTER));
        assert!(!headers(Code::NotFound).contains_key(header::RETRY_AFTER));
    }

    #[actix_web::test]
    async fn a_fault_shows_an_incident_and_hides_its_cause() {
        let error = Error::internal("read the list of apps", "password in /etc/shadow");
        let body = to_bytes(ApiError::from(error).error_response().into_body()).await.unwrap();
        let problem: Problem = serde_json::from_slice(&body).unwrap();
        assert_eq!(problem.incident.unwrap().len(), 32);
        assert!(!String::from_utf8_lossy(&body).contains("shadow"));
    }
}
