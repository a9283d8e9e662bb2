//! `/api/hooks/{secret}`: where GitHub, GitLab, Gitea and Forgejo say that somebody has pushed.
//!
//! No credentials: the address is the secret, and what signs a delivery has to fit it. So a path of this kind is never
//! logged or stored.

use actix_web::http::header::{CONTENT_TYPE, HeaderMap};
use actix_web::web::{Bytes, Data, Path};
use actix_web::{HttpRequest, HttpResponse, post, web};
use mantyx_api_types::{Problem, TrackingOutcome};
use mantyx_operations::{HookDelivery, HookSignature, Mantyx};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::access::Address;
use crate::inputs::broken_off;
use crate::problem::Answer;

/// What is in front of the secret.
const HOOKS: &str = "/api/hooks/";

/// What providers call an event. Gitea and Forgejo send that of GitHub too, with the same words.
const EVENTS: [&str; 4] = ["x-github-event", "x-gitlab-event", "x-gitea-event", "x-forgejo-event"];

/// Makes a signature of the text of its header.
type OfText = fn(String) -> HookSignature;

/// What they sign a delivery with.
const SIGNATURES: [(&str, OfText); 4] = [
    ("x-hub-signature-256", HookSignature::Prefixed),
    ("x-gitea-signature", HookSignature::Hexadecimal),
    ("x-forgejo-signature", HookSignature::Hexadecimal),
    ("x-gitlab-token", HookSignature::Secret),
];

pub(crate) fn configure(config: &mut ServiceConfig<'_>) {
    config.service(receive_hook);
}

/// Whether a path has the secret of a webhook in it.
pub(crate) fn is_secret(path: &str) -> bool {
    path.starts_with(HOOKS)
}

/// A path as it may be logged.
pub(crate) fn loggable(path: &str) -> &str {
    if is_secret(path) { HOOKS } else { path }
}

/// The webhook that a path names.
#[derive(Deserialize, IntoParams)]
struct HookPath {
    /// Its secret.
    secret: String,
}

/// The form in which GitHub sends a payload unless it is told otherwise.
#[derive(Deserialize)]
struct Form {
    payload: String,
}

/// Take a delivery of a webhook
///
/// GitHub, GitLab, Gitea and Forgejo are understood. A push to what the app follows has it looked at soon, and what the
/// mode says is done: how it is followed (`GET /api/apps/{app}/tracking`) says what came of it. Pushes that come before
/// the look begins are one. Anything else is told to be ignored. What signs a delivery (`X-Hub-Signature-256`, `X-Gitea-Signature`,
/// `X-Forgejo-Signature`, `X-Gitlab-Token`) has to be right where it is sent. Without a body it counts as a push.
#[utoipa::path(
    tag = "Tracking",
    security(()),
    params(HookPath),
    request_body(content = Object, content_type = "application/json", description = "What the forge sends"),
    responses(
        (status = 202, description = "Whether somebody looks", body = TrackingOutcome),
        (
            status = 403, description = "The signature is not right", body = Problem,
            content_type = "application/problem+json"
        ),
        (
            status = 404, description = "There is no such webhook", body = Problem,
            content_type = "application/problem+json"
        ),
        (
            status = 429, description = "Too many were refused", body = Problem,
            content_type = "application/problem+json"
        ),
    )
)]
#[post("/api/hooks/{secret}")]
async fn receive_hook(
    request: HttpRequest,
    mantyx: Data<Mantyx>,
    Address(address): Address,
    path: Path<HookPath>,
    body: Result<Bytes, actix_web::Error>,
) -> Answer {
    let body = body.map_err(|error| broken_off(&error))?;
    let delivery = delivery(request.headers(), &body);
    let outcome = mantyx.receive_hook(&path.secret, &address, delivery).await?;
    Ok(HttpResponse::Accepted().json(outcome))
}

fn delivery(headers: &HeaderMap, body: &[u8]) -> HookDelivery {
    // A header that is no text is there all the same, and wrong.
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or_default().to_owned());
    let signatures = SIGNATURES.into_iter().filter_map(|(name, of)| text(name).map(of)).collect();
    HookDelivery {
        event: EVENTS.into_iter().find_map(text),
        signatures,
        body: body.to_vec(),
        payload: payload(headers, body),
    }
}

/// The JSON of a form.
fn payload(headers: &HeaderMap, body: &[u8]) -> Option<String> {
    let said = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    if !said.trim_start().to_ascii_lowercase().starts_with("application/x-www-form-urlencoded") {
        return None;
    }
    let form = web::Query::<Form>::from_query(std::str::from_utf8(body).ok()?).ok()?;
    Some(form.into_inner().payload)
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::{HeaderName, HeaderValue};

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&str, &str)| {
            (name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap())
        };
        pairs.iter().map(pair).collect()
    }

    #[test]
    fn every_signature_counts() {
        let all = headers(&[
            ("X-Gitea-Event", "push"),
            ("X-Hub-Signature-256", "sha256=1"),
            ("X-Gitea-Signature", "2"),
            ("X-Forgejo-Signature", "3"),
            ("X-Gitlab-Token", "4"),
        ]);
        let delivery = delivery(&all, b"{}");
        let expected = [
            HookSignature::Prefixed("sha256=1".into()),
            HookSignature::Hexadecimal("2".into()),
            HookSignature::Hexadecimal("3".into()),
            HookSignature::Secret("4".into()),
        ];
        assert!(delivery.signatures == expected && delivery.event.as_deref() == Some("push"));
        assert_eq!((delivery.body.as_slice(), delivery.payload), (b"{}".as_slice(), None));
    }

    #[test]
    fn a_form_carries_its_payload() {
        let form = headers(&[("content-type", "application/x-www-form-urlencoded")]);
        let body = b"payload=%7B%22ref%22%3A+%22refs%2Fheads%2Fmain%22%7D";
        assert_eq!(payload(&form, body).unwrap(), "{\"ref\": \"refs/heads/main\"}");
        assert_eq!(payload(&headers(&[("content-type", "application/json")]), body), None);
    }

    #[test]
    fn no_secret_is_logged() {
        assert_eq!(loggable("/api/hooks/mantyx_hook_00"), "/api/hooks/");
        assert_eq!(loggable("/api/apps/x"), "/api/apps/x");
    }
}
