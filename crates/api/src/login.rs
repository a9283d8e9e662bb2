//! The three ways in: the password form of OAuth 2.0, a one-time code, and a link that carries such a code.

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, RETRY_AFTER};
use actix_web::web::{Data, Form, Json};
use actix_web::{HttpResponse, post};
use mantyx_api_types::{LoginCode, LoginLink, Problem, TokenAnswer, TokenForm};
use mantyx_core::{Code, Error};
use mantyx_operations::Mantyx;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::access::{Address, Admin, Place};
use crate::inputs::Body;
use crate::problem::{Answer, ApiError};

pub(crate) fn configure(config: &mut ServiceConfig<'_>) {
    config.service(create_session).service(redeem_code).service(create_login_link);
}

/// A refusal in the words of RFC 6749, section 5.2.
#[derive(Serialize, ToSchema)]
struct TokenRefusal {
    /// `invalid_request`, `invalid_grant`, `unauthorized_client`, `unsupported_grant_type` or `slow_down`.
    error: &'static str,
    /// Why, as a sentence.
    error_description: String,
}

/// Log in with the password
///
/// The password form of OAuth 2.0 (RFC 6749, section 4.3); errors are those of its section 5.2.
#[utoipa::path(
    tag = "Access",
    security(()),
    request_body(content = TokenForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "A token for a session", body = TokenAnswer),
        (status = 400, description = "Why not", body = TokenRefusal),
        (status = 429, description = "Too many wrong passwords", body = TokenRefusal),
    )
)]
#[post("/token")]
async fn create_session(
    mantyx: Data<Mantyx>,
    Address(address): Address,
    form: Result<Form<TokenForm>, actix_web::Error>,
) -> HttpResponse {
    let Ok(Form(form)) = form else {
        return refuse(
            StatusCode::BAD_REQUEST,
            "invalid_request",
            "The body is not a form with these fields",
        );
    };
    if form.grant_type.as_deref().is_some_and(|grant| grant != "password") {
        let why = "Only `grant_type=password` is known";
        return refuse(StatusCode::BAD_REQUEST, "unsupported_grant_type", why);
    }
    match mantyx.log_in(&form, &address).await {
        Ok(answer) => HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(answer),
        Err(error) => refuse_log_in(error),
    }
}

fn refuse_log_in(error: Error) -> HttpResponse {
    let word = match error.code() {
        Code::WrongCredentials => "invalid_grant",
        // No password is set: this way in is closed to everybody.
        Code::Invalid => "unauthorized_client",
        Code::SlowDown => return refuse(StatusCode::TOO_MANY_REQUESTS, "slow_down", &sentence(&error)),
        _ => return HttpResponse::from_error(ApiError::from(error)),
    };
    refuse(StatusCode::BAD_REQUEST, word, &sentence(&error))
}

fn sentence(error: &Error) -> String {
    error.hint_text().map_or_else(|| error.detail().to_owned(), |hint| format!("{}. {hint}", error.detail()))
}

fn refuse(status: StatusCode, error: &'static str, why: &str) -> HttpResponse {
    let mut response = HttpResponse::build(status);
    if status == StatusCode::TOO_MANY_REQUESTS {
        response.insert_header((RETRY_AFTER, "5"));
    }
    response.json(TokenRefusal { error, error_description: why.to_owned() })
}

/// Log in with a one-time code
#[utoipa::path(
    request_body = LoginCode,tag = "Access", security(()), responses(
    (status = 200, description = "A token for a session", body = TokenAnswer),
    (
        status = 401, description = "The code is wrong, used up or too old", body = Problem,
        content_type = "application/problem+json"
    ),
))]
#[post("/api/login")]
async fn redeem_code(
    mantyx: Data<Mantyx>,
    Address(address): Address,
    Body(login): Body<LoginCode>,
) -> Answer<Json<TokenAnswer>> {
    Ok(Json(mantyx.redeem_code(&login.code, &address).await?))
}

/// Make a link that logs a browser in, once
#[utoipa::path(tag = "Access", responses((status = 200, description = "The link", body = LoginLink)))]
#[post("/api/login/link")]
async fn create_login_link(_: Admin, mantyx: Data<Mantyx>, place: Place) -> Answer<Json<LoginLink>> {
    let code = mantyx.login_code()?;
    let base = mantyx.settings().public_url.clone().unwrap_or_else(|| place.address());
    Ok(Json(LoginLink { url: login_link(&base, &code) }))
}

/// The address that logs a browser in with a one-time code.
#[must_use]
pub fn login_link(base: &str, code: &str) -> String {
    format!("{}/login?code={code}", base.trim_end_matches('/'))
}
