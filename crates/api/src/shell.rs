//! What surrounds every request: a net under panics, HEAD, the security headers, and a line in the log for each
//! one that was turned away.

use std::any::Any;
use std::convert::Infallible;
use std::panic::AssertUnwindSafe;

use actix_web::body::{BodySize, BoxBody, MessageBody, SizedStream};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::InternalError;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::web::Bytes;
use actix_web::{HttpMessage, web};
use futures_util::FutureExt;
use futures_util::stream::empty;
use mantyx_core::Error;

use crate::hooks::loggable;
use crate::problem::ApiError;
use crate::runtime::Daemon;

/// The page needs WebAssembly and styles of its own making; nothing may come from elsewhere or frame it.
const POLICY: &str = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self' 'unsafe-inline'; \
    img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'";

/// What every answer says that says nothing else. What is not a file of the page is never kept by a cache.
static HEADERS: [(HeaderName, HeaderValue); 5] = [
    (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (header::CROSS_ORIGIN_RESOURCE_POLICY, HeaderValue::from_static("same-origin")),
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
];

/// Stands beside a request of which only the head of the answer is wanted.
pub(crate) struct WasHead;

/// Which method the client sent, where it matters for the answer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asked {
    Head,
    Other,
}

pub(crate) async fn shell(
    daemon: web::Data<Daemon>,
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse, actix_web::Error> {
    let asked = take_head_as_get(&mut request);
    let outcome = daemon.run(AssertUnwindSafe(next.call(request)).catch_unwind()).await;
    match outcome.unwrap_or_else(|panic| Err(panicked(&*panic).into())) {
        Ok(response) => {
            let mut response = response.map_into_boxed_body();
            add_headers(response.headers_mut());
            log_refusal(&response);
            Ok(if asked == Asked::Head {
                response.map_body(|_, body| without_content(body))
            } else {
                response
            })
        }
        Err(error) => {
            let mut response = error.error_response();
            add_headers(response.headers_mut());
            Err(InternalError::from_response(error, response).into())
        }
    }
}

/// A HEAD is answered like a GET; the connection leaves the body out.
fn take_head_as_get(request: &mut ServiceRequest) -> Asked {
    if request.method() != Method::HEAD {
        return Asked::Other;
    }
    request.head_mut().method = Method::GET;
    request.extensions_mut().insert(WasHead);
    Asked::Head
}

/// Nothing of it is sent. So nothing is read for it, and what might never end holds no connection.
fn without_content(body: BoxBody) -> BoxBody {
    match body.size() {
        BodySize::Stream => BoxBody::new(actix_web::body::None::new()),
        BodySize::Sized(bytes) => BoxBody::new(SizedStream::new(bytes, empty::<Result<Bytes, Infallible>>())),
        BodySize::None => body,
    }
}

/// What a panic is answered with.
pub(crate) fn panicked(panic: &(dyn Any + Send)) -> ApiError {
    let message = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let message = message.or_else(|| panic.downcast_ref::<String>().cloned());
    Error::internal("answer this request", message.unwrap_or_else(|| "a panic".to_owned())).into()
}

/// Adds what a handler has not said otherwise.
fn add_headers(headers: &mut HeaderMap) {
    for (name, value) in &HEADERS {
        if !headers.contains_key(name) {
            headers.insert(name.clone(), value.clone());
        }
    }
}

fn log_refusal(response: &ServiceResponse) {
    let status = response.status();
    if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS) {
        let request = response.request();
        let (method, path) = (request.method(), loggable(request.path()));
        let peer = request.peer_addr().map(tracing::field::display);
        tracing::warn!(%method, path, peer, status = status.as_u16(), "A request was refused");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::body::to_bytes;
    use actix_web::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
    use actix_web::middleware::from_fn;
    use actix_web::test::{TestRequest, init_service};
    use actix_web::{App, HttpResponse};
    use futures_util::stream;
    use mantyx_api_types::Problem;
    use mantyx_core::Code;

    async fn panicking() -> HttpResponse {
        panic!("on purpose")
    }

    async fn endless() -> HttpResponse {
        HttpResponse::Ok().streaming(stream::pending::<Result<web::Bytes, Error>>())
    }

    /// The response to a request, and the one that the connection would make of an error.
    async fn answer(method: Method, path: &str) -> HttpResponse {
        let app = App::new()
            .app_data(web::Data::new(Daemon::current()))
            .route("/panic", web::get().to(panicking))
            .route("/endless", web::get().to(endless))
            .route("/", web::get().to(|| async { "hello" }))
            .wrap(from_fn(shell));
        let request = TestRequest::with_uri(path).method(method).to_request();
        let app = init_service(app).await;
        match actix_web::dev::Service::call(&app, request).await {
            Ok(response) => response.into_parts().1,
            Err(error) => error.error_response(),
        }
    }

    #[actix_web::test]
    async fn a_panic_is_a_problem_with_an_incident() {
        let response = answer(Method::GET, "/panic").await;
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(response.headers().get(CONTENT_TYPE).unwrap(), crate::problem::MEDIA_TYPE);
        assert!(response.headers().contains_key("content-security-policy"));
        let body = to_bytes(response.into_body()).await.unwrap();
        let problem: Problem = serde_json::from_slice(&body).unwrap();
        assert_eq!((problem.code, problem.incident.is_some()), (Code::Internal, true));
        assert!(!String::from_utf8_lossy(&body).contains("on purpose"));
    }

    #[actix_web::test]
    async fn head_is_get_without_a_body() {
        let response = answer(Method::HEAD, "/").await;
        assert_eq!((response.status(), response.body().size()), (StatusCode::OK, BodySize::Sized(5)));
        let endless = answer(Method::HEAD, "/endless").await;
        assert_eq!(endless.body().size(), BodySize::None);
        assert!(!endless.headers().contains_key(CONTENT_LENGTH));
    }
}
