//! Where a request may come from and go to.
//!
//! A page elsewhere can make a browser send requests to a server on loopback: by a name of its own that resolves
//! to 127.0.0.1 (DNS rebinding), or simply by sending them there. The first shows in `Host`, the second in
//! `Origin`; both are checked before anything else is looked at.

use std::net::{Ipv4Addr, Ipv6Addr};

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HOST, HeaderMap, HeaderName, ORIGIN};
use actix_web::middleware::Next;
use actix_web::{ResponseError, web};
use mantyx_core::{Code, Error, Result};

use crate::problem::ApiError;

/// The names that this daemon answers to, in lower case.
pub(crate) struct Hosts(Vec<String>);

impl Hosts {
    /// `localhost`, this host's name with and without its domain, its `.local` name, and those of the settings.
    pub(crate) fn new(machine: &str, allowed: &[String]) -> Self {
        let short = machine.split('.').next().unwrap_or(machine);
        let own = ["localhost".to_owned(), machine.to_owned(), short.to_owned(), format!("{short}.local")];
        let all = own.into_iter().chain(allowed.iter().cloned());
        Self(all.filter(|name| !name.is_empty()).map(|name| name.to_lowercase()).collect())
    }

    /// Refuses a request that is addressed to another host or comes from another origin.
    fn check(&self, headers: &HeaderMap) -> Result<()> {
        let Some(host) = only(headers, &HOST)? else {
            return Err(Error::new(Code::Malformed, "The request has no `Host` header"));
        };
        if !self.admits(host) {
            let detail = format!("The request is addressed to `{host}`, which is not a name of this daemon");
            let hint = format!("Add `{}` to `allowed_hosts` in the settings if it is yours", name_of(host));
            return Err(Error::new(Code::ForeignOrigin, detail).hint(hint));
        }
        match only(headers, &ORIGIN)? {
            Some(origin) if !is_own(origin, host) => {
                let detail = format!("The request comes from a page of `{origin}`");
                let hint = "Use Mantyx's own page, or a program that sends no `Origin`";
                Err(Error::new(Code::ForeignOrigin, detail).hint(hint))
            }
            _ => Ok(()),
        }
    }

    fn admits(&self, host: &str) -> bool {
        let name = name_of(host);
        is_address(name) || self.0.iter().any(|own| own.eq_ignore_ascii_case(name))
    }
}

/// Lets only requests through that are meant for this daemon and come from its own page or from no page.
pub(crate) async fn guard(
    hosts: web::Data<Hosts>,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse, actix_web::Error> {
    match hosts.check(request.headers()) {
        Ok(()) => Ok(next.call(request).await?.map_into_boxed_body()),
        Err(error) => Ok(request.into_response(ApiError::from(error).error_response())),
    }
}

/// The one value of a header. Two of them are a trick: each reader may take another.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>> {
    let mut values = headers.get_all(name);
    let unreadable = || Error::new(Code::Malformed, format!("The header `{name}` cannot be read"));
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| unreadable()),
        (Some(_), Some(_)) => Err(unreadable()),
    }
}

/// The host without its port and without the dot of a full name.
pub(crate) fn name_of(host: &str) -> &str {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    name.strip_suffix('.').unwrap_or(name)
}

fn is_address(name: &str) -> bool {
    match name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(inner) => inner.parse::<Ipv6Addr>().is_ok(),
        None => name.parse::<Ipv4Addr>().is_ok(),
    }
}

/// Whether an origin (RFC 6454, section 7) is this very host and port. The scheme may differ: a proxy in front
/// may speak TLS.
fn is_own(origin: &str, host: &str) -> bool {
    let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    authority.is_some_and(|authority| authority.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::HeaderValue;

    fn hosts() -> Hosts {
        Hosts::new("box.lan", &["apps.example.org".into()])
    }

    fn check(pairs: &[(HeaderName, &str)]) -> Result<()> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name.clone(), HeaderValue::from_str(value).unwrap());
        }
        hosts().check(&headers)
    }

    #[test]
    fn answers_to_addresses_and_its_own_names() {
        let own = [
            "127.0.0.1:8420",
            "192.168.1.7",
            "[::1]:8420",
            "[fe80::1]",
            "localhost",
            "LOCALHOST:8420",
            "localhost.:8420",
            "box:8420",
            "box.lan",
            "box.local:80",
            "apps.example.org",
        ];
        for host in own {
            assert!(hosts().admits(host), "{host}");
        }
    }

    #[test]
    fn a_name_is_told_from_its_port() {
        let table = [
            ("box:8420", "box"),
            ("box", "box"),
            ("box.:80", "box"),
            ("[::1]:80", "[::1]"),
            ("[::1]", "[::1]"),
        ];
        for (host, name) in table {
            assert_eq!(name_of(host), name);
        }
    }

    #[test]
    fn answers_to_no_other_name() {
        let foreign = [
            "",
            "evil.example",
            "127.0.0.1.evil.example",
            "localhost.evil.example:8420",
            "evil.example:127.0.0.1",
            "[::1].evil.example",
            "[evil]",
            "127.0.0.1@evil.example",
            "1.2.3",
        ];
        for host in foreign {
            assert!(!hosts().admits(host), "{host}");
        }
    }

    #[test]
    fn an_origin_must_be_the_host() {
        let from = |origin| check(&[(HOST, "box.local:8420"), (ORIGIN, origin)]);
        assert!(from("http://box.local:8420").is_ok());
        assert!(from("https://BOX.local:8420").is_ok());
        for foreign in
            ["null", "http://box.local", "http://box.local:19001", "https://evil.example", "box.local:8420"]
        {
            assert_eq!(from(foreign).unwrap_err().code(), Code::ForeignOrigin, "{foreign}");
        }
    }

    #[test]
    fn a_host_is_needed_and_only_one() {
        assert_eq!(check(&[]).unwrap_err().code(), Code::Malformed);
        assert_eq!(
            check(&[(HOST, "localhost"), (HOST, "evil.example")]).unwrap_err().code(),
            Code::Malformed
        );
        assert!(check(&[(HOST, "localhost")]).is_ok());
    }
}
