//! `Idempotency-Key` on a POST (after the IETF's draft of that name): a client that does not know whether its request
//! arrived sends it again, and is told what the first one was told.
//!
//! Once it has been read, a request with a key is carried out even when its client has gone, because that is when it
//! will be asked for again, even of the next daemon. So everything from the note in the database on is a task of its
//! own. What was refused as unreadable, for its credentials or for its haste was never begun, and what failed, be it in
//! a panic, may be tried again: neither is kept. Only a daemon that goes down leaves a note without an answer.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use actix_web::body::{BodySize, BoxBody, MessageBody, to_bytes};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::header::{ALLOW, CONTENT_TYPE, HeaderMap, HeaderName, LOCATION};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::web::{Bytes, Data};
use actix_web::{HttpMessage, HttpResponse, ResponseError};
use futures_util::{FutureExt, StreamExt};
use mantyx_core::{Code, Error, Result, TokenId};
use mantyx_operations::{KeyedRequest, Mantyx, Recalled};
use sha2::{Digest, Sha256};
use tokio::sync::oneshot;

use crate::access::token_of;
use crate::forms::OVERHEAD;
use crate::hooks::is_secret;
use crate::inputs::JSON_LIMIT;
use crate::problem::ApiError;
use crate::replays::{Begun, Fingerprint, Kept, Key, Replays, Underway, refuse_other};
use crate::runtime::{Daemon, Worker};
use crate::server::Document;
use crate::shell::panicked;

/// The header of a request, and the one of an answer that was given before.
pub(crate) const KEY: &str = "idempotency-key";
const REPLAYED: &str = "idempotency-replayed";

/// The longest key.
const LONGEST: usize = 255;

/// The most bytes of an answer that is kept.
const ANSWER_LIMIT: usize = 64 << 10;

/// The headers that belong to an answer; the others are added to every one.
const HEADERS: [HeaderName; 3] = [CONTENT_TYPE, LOCATION, ALLOW];

/// Carries a request out, unless its key says that it was.
pub(crate) async fn replay(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse, actix_web::Error> {
    let Some(token) = token_of(&request).filter(|_| has_key(&request)) else {
        return Ok(next.call(request).await?.map_into_boxed_body());
    };
    // Most requests have no key, and need nothing of this.
    let mantyx = request.extract::<Data<Mantyx>>().await?;
    let replays = request.extract::<Data<Replays>>().await?;
    let daemon = request.extract::<Data<Daemon>>().await?;
    let worker = request.extract::<Data<Worker>>().await?;
    let (underway, keyed) = match begin(&mut request, token, &replays).await {
        Ok((Begun::First(underway), keyed)) => (underway, keyed),
        Ok((Begun::Again(kept), _)) => return Ok(instead(request, again(&kept)).await),
        Err(error) => return Ok(instead(request, ApiError::from(error).error_response()).await),
    };
    let note = Note { mantyx: Mantyx::clone(&mantyx), request: keyed, underway };
    let (answer, answered) = oneshot::channel();
    worker.spawn(async move {
        let outcome = daemon.run(carry_out(note, request, next)).await;
        // Whoever asked may have gone.
        let _ = answer.send(outcome);
    });
    let broken = |_| Err(ApiError::from(Error::internal("answer this request", "it broke off")).into());
    answered.await.unwrap_or_else(broken)
}

/// Whether it is of an address that takes requests with a key. It is looked up as actix does, by the decoded path.
fn has_key(request: &ServiceRequest) -> bool {
    let path = request.match_info().as_str();
    let document = request.app_data::<Data<Document>>();
    let is_taken = || document.and_then(|it| it.methods.at(path)).is_some_and(|all| all.contains("POST"));
    let is_sent = request.method() == Method::POST && request.headers().contains_key(KEY);
    is_sent && path.starts_with("/api/") && !is_secret(path) && is_taken()
}

/// Reads what a request says, and begins it as far as this daemon knows.
async fn begin(
    request: &mut ServiceRequest,
    token: TokenId,
    replays: &Arc<Replays>,
) -> Result<(Begun, KeyedRequest)> {
    let key = Key { token, text: key_of(request.headers())? };
    let fingerprint = fingerprint(request).await?;
    let keyed = key.request(&fingerprint);
    Ok((replays.begin(key, fingerprint, Instant::now())?, keyed))
}

/// Answers a request that is not carried out.
async fn instead(mut request: ServiceRequest, response: HttpResponse) -> ServiceResponse {
    let limit = request.app_data::<Data<Mantyx>>().map_or(0, |mantyx| mantyx.settings().upload_limit);
    pass_over(request.take_payload(), limit.saturating_add(OVERHEAD)).await;
    request.into_response(response)
}

/// The note of a request that is carried out.
struct Note {
    mantyx: Mantyx,
    request: KeyedRequest,
    underway: Underway,
}

impl Note {
    /// Writes it down, unless an earlier daemon has begun the request.
    async fn write(&self) -> Result<Option<Kept>> {
        let Some(Recalled { request: before, answer }) = self.mantyx.begin_request(&self.request).await?
        else {
            return Ok(None);
        };
        refuse_other(&before, &self.request)?;
        let unknown = || {
            let detail =
                "Mantyx went down while it carried this request out, and cannot tell how far it came";
            let hint = "Look whether it was done; send it with a new key if it was not";
            Error::new(Code::IllegalState, detail).hint(hint)
        };
        answer.map(|answer| Some(Kept::of(answer))).ok_or_else(unknown)
    }

    /// Ends it with this answer.
    async fn keep(self, kept: Kept) {
        let stored = kept.stored(&self.request.path);
        if let Err(error) = self.mantyx.keep_answer(&self.request, stored).await {
            tracing::warn!(?error, "An answer could not be kept for the next daemon");
        }
        self.underway.keep(kept, Instant::now());
    }

    /// Ends it as if it had never begun.
    async fn forget(self) {
        if let Err(error) = self.mantyx.forget_request(&self.request).await {
            tracing::warn!(?error, "A request that was not carried out could not be forgotten");
        }
    }
}

/// The one key of a request.
fn key_of(headers: &HeaderMap) -> Result<String> {
    let mut values = headers.get_all(KEY).map(|value| value.to_str().unwrap_or_default());
    match (values.next(), values.next()) {
        (Some(key), None) if (1..=LONGEST).contains(&key.len()) => Ok(key.to_owned()),
        _ => {
            let detail = format!("`Idempotency-Key` is not one text of 1 to {LONGEST} ASCII characters");
            Err(Error::new(Code::Malformed, detail).hint("Make a new UUID for each request"))
        }
    }
}

/// What a request says. Its body is read for that, and put back.
async fn fingerprint(request: &mut ServiceRequest) -> Result<Fingerprint> {
    let path = request.match_info().as_str().to_owned();
    if is_form(request.headers()) {
        return Ok(Fingerprint { path, body: None });
    }
    let mut payload = request.take_payload();
    let mut body = Vec::new();
    while let Some(chunk) = payload.next().await {
        let unreadable = |_| Error::new(Code::Malformed, "The body ended before it was complete");
        body.extend_from_slice(&chunk.map_err(unreadable)?);
        if body.len() > JSON_LIMIT {
            let detail = format!("The body has more than {JSON_LIMIT} bytes");
            return Err(Error::new(Code::UploadTooLarge, detail));
        }
    }
    let digest = Sha256::digest(&body).into();
    request.set_payload(Payload::from(Bytes::from(body)));
    Ok(Fingerprint { path, body: Some(digest) })
}

fn is_form(headers: &HeaderMap) -> bool {
    let media_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    media_type.trim_start().to_ascii_lowercase().starts_with("multipart/")
}

/// Notes a request, carries it out and keeps its answer, unless an earlier daemon has done so.
async fn carry_out<B: MessageBody + 'static>(
    note: Note,
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse, actix_web::Error> {
    let response = match note.write().await {
        Ok(None) => return end(note, next.call(request)).await,
        Ok(Some(kept)) => again(&kept),
        Err(error) => ApiError::from(error).error_response(),
    };
    drop(note);
    Ok(instead(request, response).await)
}

/// Ends a note by what a request comes to.
async fn end<B: MessageBody + 'static>(
    note: Note,
    answering: impl Future<Output = Result<ServiceResponse<B>, actix_web::Error>>,
) -> Result<ServiceResponse, actix_web::Error> {
    let outcome = AssertUnwindSafe(answering).catch_unwind().await;
    match outcome.unwrap_or_else(|panic| Err(panicked(&*panic).into())) {
        Ok(response) => Ok(keep(response, note).await?),
        Err(error) => {
            note.forget().await;
            Err(error)
        }
    }
}

/// Keeps an answer that is final.
async fn keep<B: MessageBody + 'static>(
    response: ServiceResponse<B>,
    note: Note,
) -> Result<ServiceResponse, ApiError> {
    if !is_final(response.status()) {
        note.forget().await;
        return Ok(response.map_into_boxed_body());
    }
    let status = response.status();
    let of = |name: HeaderName| Some((name.clone(), response.headers().get(name)?.clone()));
    let headers = HEADERS.into_iter().filter_map(of).collect();
    if !is_short(response.response().body().size()) {
        note.keep(Kept { status, headers, body: None }).await;
        return Ok(response.map_into_boxed_body());
    }
    let (request, response) = response.into_parts();
    let (head, body) = response.into_parts();
    let read = to_bytes(body).await;
    note.keep(Kept { status, headers, body: read.as_ref().ok().cloned() }).await;
    let body = read.map_err(|error| Error::internal("keep an answer", error.into().to_string()))?;
    Ok(ServiceResponse::new(request, head.set_body(BoxBody::new(body))))
}

/// Whether the same request would be answered like this for good.
fn is_final(status: StatusCode) -> bool {
    let passing = [
        StatusCode::BAD_REQUEST,
        StatusCode::UNAUTHORIZED,
        StatusCode::FORBIDDEN,
        StatusCode::REQUEST_TIMEOUT,
        StatusCode::TOO_MANY_REQUESTS,
    ];
    status.is_success() || (status.is_client_error() && !passing.contains(&status))
}

fn is_short(size: BodySize) -> bool {
    match size {
        BodySize::None => true,
        BodySize::Sized(length) => usize::try_from(length).is_ok_and(|length| length <= ANSWER_LIMIT),
        BodySize::Stream => false,
    }
}

/// The answer that was given before.
fn again(kept: &Kept) -> HttpResponse {
    let Some(body) = &kept.body else {
        let location = kept.headers.iter().find(|(name, _)| name == LOCATION);
        let made =
            location.and_then(|(_, value)| value.to_str().ok()).unwrap_or("the list that it belongs to");
        let detail = "This request was carried out, but its answer was not kept";
        let error = Error::new(Code::IllegalState, detail).hint(format!("Look at {made}"));
        return ApiError::from(error).error_response();
    };
    let mut response = HttpResponse::build(kept.status);
    for header in &kept.headers {
        response.insert_header(header.clone());
    }
    response.insert_header((REPLAYED, "true")).body(body.clone())
}

/// Reads what nobody will look at, because most clients hear nothing before they have said everything.
async fn pass_over(mut payload: Payload, most: u64) {
    let mut length = 0;
    while let Some(Ok(chunk)) = payload.next().await {
        length += chunk.len() as u64;
        if length > most {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::HeaderValue;
    use mantyx_settings::Settings;
    use std::collections::BTreeMap;

    #[test]
    fn a_key_is_one_short_text() {
        let read = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(HeaderName::from_static(KEY), HeaderValue::from_str(value).unwrap());
            }
            key_of(&headers)
        };
        assert_eq!(read(&["\"a b\""]).unwrap(), "\"a b\"");
        for wrong in [&["a", "a"][..], &[""], &["ä"], &["x".repeat(256).as_str()]] {
            assert_eq!(read(wrong).unwrap_err().code(), Code::Malformed, "{wrong:?}");
        }
    }

    #[test]
    fn only_what_stays_as_it_is_is_kept() {
        for kept in [200, 201, 202, 204, 404, 409, 413, 415, 422] {
            assert!(is_final(StatusCode::from_u16(kept).unwrap()), "{kept}");
        }
        for passing in [400, 401, 403, 429, 500, 503] {
            assert!(!is_final(StatusCode::from_u16(passing).unwrap()), "{passing}");
        }
    }

    #[actix_web::test]
    async fn what_panics_may_be_tried_again() {
        let root = tempfile::tempdir().unwrap();
        let settings = Settings::load(Some(root.path().into()), BTreeMap::new(), std::iter::empty()).unwrap();
        let mantyx = Mantyx::open(settings).await.unwrap();
        let replays = Arc::new(Replays::default());
        let key = Key { token: TokenId::generate(), text: "one".into() };
        for _ in 0..2 {
            let says = Fingerprint { path: "/api/apps/x/run".into(), body: None };
            let request = key.request(&says);
            let Ok(Begun::First(underway)) = replays.begin(key.clone(), says, Instant::now()) else {
                panic!("It is still under way")
            };
            let note = Note { mantyx: mantyx.clone(), request, underway };
            assert!(note.write().await.unwrap().is_none());
            let answering = async { panic!("on purpose") };
            let error = end::<BoxBody>(note, answering).await.unwrap_err();
            assert_eq!(error.error_response().status(), StatusCode::INTERNAL_SERVER_ERROR);
        }
        mantyx.shutdown().await;
    }

    #[actix_web::test]
    async fn a_long_answer_is_not_given_again_and_nothing_is_done_twice() {
        let headers = vec![(LOCATION, HeaderValue::from_static("/api/apps/x"))];
        let response = again(&Kept { status: StatusCode::CREATED, headers, body: None });
        assert_eq!(response.status(), StatusCode::CONFLICT);
        let body = to_bytes(response.into_body()).await.unwrap();
        assert!(String::from_utf8_lossy(&body).contains("/api/apps/x"));
    }
}
