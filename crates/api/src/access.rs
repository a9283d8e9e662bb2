//! Who is asking, and whether that is enough.
//!
//! [`identify`] looks the bearer up once for each request, before anything of the body is read. A handler says
//! what it needs by taking a [`Reader`], an [`Operator`] or an [`Admin`]: without one it answers everybody.

use std::convert::Infallible;
use std::future::{Ready, ready};

use actix_web::body::MessageBody;
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::header::{AUTHORIZATION, HOST, HeaderMap};
use actix_web::middleware::Next;
use actix_web::{FromRequest, HttpMessage, HttpRequest, web};
use mantyx_api_types::AppView;
use mantyx_core::{Code, Error, Result, Scope, TokenId};
use mantyx_operations::{Caller, Mantyx};

use crate::origin::name_of;
use crate::problem::ApiError;

/// The result of looking a bearer up.
struct Identity(Result<Caller>);

/// Looks up who sends a request that has credentials.
pub(crate) async fn identify(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    if request.headers().contains_key(AUTHORIZATION) {
        let caller = match (bearer(request.headers()), request.app_data::<web::Data<Mantyx>>()) {
            (Ok(bearer), Some(mantyx)) => mantyx.authenticate(bearer).await,
            (Err(error), _) => Err(error),
            (Ok(_), None) => Err(Error::new(Code::Unavailable, "Mantyx is not there")),
        };
        let address = address_of(request.request());
        let identity = Identity(caller.map(|token| Caller { token, address }));
        request.extensions_mut().insert(identity);
    }
    next.call(request).await
}

/// The token of a request whose bearer is known.
pub(crate) fn token_of(request: &ServiceRequest) -> Option<TokenId> {
    let extensions = request.extensions();
    let Identity(caller) = extensions.get::<Identity>()?;
    caller.as_ref().ok().map(|caller| caller.token.id)
}

/// The token of `Authorization: Bearer …` (RFC 6750, section 2.1).
pub(crate) fn bearer(headers: &HeaderMap) -> Result<&str> {
    let value = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    match value.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(token.trim()),
        _ => Err(Error::new(Code::Unauthenticated, "The `Authorization` header has no bearer token")
            .hint("Send `Authorization: Bearer …` with a token of Mantyx")),
    }
}

/// The caller, if the token reaches as far as `needed`.
pub(crate) fn require(caller: Caller, needed: Scope) -> Result<Caller> {
    caller.require(needed)?;
    Ok(caller)
}

/// The caller of a request, if it has one that reaches as far as `needed`.
pub(crate) fn authorise(request: &HttpRequest, needed: Scope) -> Result<Caller> {
    match request.extensions_mut().remove::<Identity>() {
        Some(Identity(caller)) => require(caller?, needed),
        None => Err(Error::new(Code::Unauthenticated, format!("`{}` needs credentials", request.path()))
            .hint("Log in, or send `Authorization: Bearer …` with a token of Mantyx")),
    }
}

macro_rules! scope {
    ($(#[$doc:meta])* $name:ident: $scope:ident) => {
        $(#[$doc])*
        pub(crate) struct $name(pub(crate) Caller);

        impl FromRequest for $name {
            type Error = ApiError;
            type Future = Ready<Result<Self, ApiError>>;

            fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
                ready(authorise(request, Scope::$scope).map(Self).map_err(ApiError::from))
            }
        }
    };
}

scope!(/** A caller who may see. */ Reader: Read);
scope!(/** A caller who may change apps. */ Operator: Operate);
scope!(/** A caller who may change Mantyx. */ Admin: Admin);

/// The address that a request came from: the peer's own, since any header about it could be made up.
pub(crate) struct Address(pub(crate) String);

impl FromRequest for Address {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self(address_of(request))))
    }
}

/// Where a request came from.
pub(crate) fn address_of(request: &HttpRequest) -> String {
    request.peer_addr().map_or_else(|| "unknown".to_owned(), |peer| peer.ip().to_string())
}

/// The host and port under which a client reaches this daemon, so that links work from where it is.
#[derive(Clone)]
pub(crate) struct Place(String);

impl Place {
    /// Fills in the address of the app's own page.
    pub(crate) fn link(&self, app: &mut AppView) {
        app.web_url = app.web_port.map(|port| format!("http://{}:{port}/", name_of(&self.0)));
    }

    /// As it was named.
    pub(crate) fn host(&self) -> &str {
        &self.0
    }

    /// The address of the daemon itself.
    pub(crate) fn address(&self) -> String {
        format!("http://{}", self.0)
    }

    /// The app with the address of its own page.
    pub(crate) fn linked(&self, mut app: AppView) -> AppView {
        self.link(&mut app);
        app
    }
}

impl FromRequest for Place {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let host = request.headers().get(HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
        ready(Ok(Self(host.to_owned())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::HeaderValue;

    fn read(value: &str) -> Result<String> {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        bearer(&headers).map(ToOwned::to_owned)
    }

    #[test]
    fn only_bearers_are_credentials() {
        assert_eq!(read("Bearer abc").unwrap(), "abc");
        assert_eq!(read("bearer  abc ").unwrap(), "abc");
        for other in ["", "abc", "Basic YWRtaW46eA==", "Bearerabc"] {
            assert_eq!(read(other).unwrap_err().code(), Code::Unauthenticated, "{other}");
        }
    }
}
