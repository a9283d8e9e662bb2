//! Git over HTTPS (gitprotocol-http(5), the smart protocol), reading only.

use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use git2::transport::{Service, SmartSubtransport, SmartSubtransportStream};
use mantyx_core::{Code, Error, Result};
use ureq::http::Response;
use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, Body, Proxy};

use super::stop::Stop;
use super::transport::error;

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(15);
/// How long the other side may say nothing: it prepares a pack before it sends one.
const SILENCE: Duration = Duration::from_secs(60);
/// How often a server may send us on.
const MOST_MOVES: usize = 5;

/// One conversation with a server.
pub(super) struct Https {
    agent: Agent,
    stop: Stop,
    authorization: Option<Arc<Authorization>>,
    /// Where the server has sent us to, for everything after the first request.
    base: Arc<Mutex<Option<String>>>,
}

/// What is told to one server and to no other.
struct Authorization {
    /// Its scheme, name and port, as they stand in an address.
    place: String,
    value: String,
}

impl Https {
    /// `authorization` is for the server of this address alone.
    pub(super) fn new(address: &str, authorization: Option<String>, stop: Stop) -> Self {
        let certificates = TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build();
        let config = Agent::config_builder()
            .tls_config(certificates)
            .https_only(!cfg!(test))
            .proxy(proxy())
            .http_status_as_error(false)
            // Where to is looked at each time, because not everybody may be told who is asking.
            .max_redirects(0)
            .timeout_connect(Some(CONNECT))
            .timeout_recv_response(Some(SILENCE))
            .timeout_per_read(Some(SILENCE))
            // Some servers only speak git to programs that say they are git.
            .user_agent(concat!("git/2 (mantyx/", env!("CARGO_PKG_VERSION"), ")"));
        let place = place_of(address).map(str::to_owned);
        let authorization = place.zip(authorization);
        let authorization = authorization.map(|(place, value)| Arc::new(Authorization { place, value }));
        Self { agent: config.build().new_agent(), stop, authorization, base: Arc::default() }
    }
}

/// The part of an address that says which server it is. Two that differ in any letter count as two servers.
fn place_of(address: &str) -> Option<&str> {
    let start = address.find("://")? + 3;
    let end = address[start..].find('/')? + start;
    Some(&address[..end])
}

/// The one that the environment names, if any: behind some walls there is no other way out. The server of the tests
/// listens on loopback, where no proxy reaches it.
fn proxy() -> Option<Proxy> {
    if cfg!(test) { None } else { Proxy::try_from_env() }
}

impl SmartSubtransport for Https {
    fn action(&self, url: &str, service: Service) -> Result<Box<dyn SmartSubtransportStream>, git2::Error> {
        let step = match service {
            Service::UploadPackLs => Step::Discover,
            Service::UploadPack => Step::Fetch,
            Service::ReceivePackLs | Service::ReceivePack => return Err(error("nothing is ever pushed")),
        };
        let base = self.base.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Ok(Box::new(Exchange {
            agent: self.agent.clone(),
            stop: self.stop.clone(),
            authorization: self.authorization.clone(),
            base: base.unwrap_or_else(|| url.trim_end_matches('/').to_owned()),
            moved: Arc::clone(&self.base),
            step,
            question: Vec::new(),
            answer: None,
        }))
    }

    fn close(&self) -> Result<(), git2::Error> {
        Ok(())
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    /// Which branches and tags there are.
    Discover,
    /// What we want and have, answered with a pack.
    Fetch,
}

const WRONG_PLACE: &str =
    "Give the address that is meant for `git clone`, with the name of a secret if it is private";

const DISCOVER: &str = "/info/refs?service=git-upload-pack";

/// One request, written by libgit2 and sent when it wants to read the answer.
struct Exchange {
    agent: Agent,
    stop: Stop,
    authorization: Option<Arc<Authorization>>,
    base: String,
    moved: Arc<Mutex<Option<String>>>,
    step: Step,
    question: Vec<u8>,
    answer: Option<Box<dyn Read + Send>>,
}

impl Exchange {
    fn send(&mut self) -> Result<Box<dyn Read + Send>> {
        let response = match self.step {
            Step::Discover => self.discover()?,
            Step::Fetch => {
                let mut request = self.agent.post(format!("{}/git-upload-pack", self.base));
                if let Some(value) = self.authorization_for(&self.base) {
                    request = request.header("Authorization", value);
                }
                let request = request
                    .header("Content-Type", "application/x-git-upload-pack-request")
                    .header("Accept", "application/x-git-upload-pack-result");
                request.send(self.question.as_slice()).map_err(|error| self.failed(&error))?
            }
        };
        self.check(&response)?;
        Ok(Box::new(response.into_body().into_reader()))
    }

    /// The first request, which may be sent on to where everything else is asked for then (as git has it with
    /// `http.followRedirects=initial`).
    fn discover(&mut self) -> Result<Response<Body>> {
        for _ in 0..=MOST_MOVES {
            let mut request = self.agent.get(format!("{}{DISCOVER}", self.base));
            if let Some(value) = self.authorization_for(&self.base) {
                request = request.header("Authorization", value);
            }
            let response = request.call().map_err(|error| self.failed(&error))?;
            if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
                return Ok(response);
            }
            self.base = self.sent_on(&response)?;
            *self.moved.lock().unwrap_or_else(PoisonError::into_inner) = Some(self.base.clone());
        }
        Err(self.refused("sends us on and on", "Give the address that is meant for `git clone`"))
    }

    /// Where a server sends us to: the address of a repository again, and one without credentials in it.
    fn sent_on(&self, response: &Response<Body>) -> Result<String> {
        let location = response.headers().get("location").and_then(|value| value.to_str().ok());
        let base = location.and_then(|location| location.strip_suffix(DISCOVER)).and_then(|base| {
            let place = place_of(&self.base)?;
            let whole = if base.starts_with('/') { format!("{place}{base}") } else { base.to_owned() };
            place_of(&whole).is_some_and(|place| !place.contains('@')).then_some(whole)
        });
        base.ok_or_else(|| self.refused("sends us to something else", WRONG_PLACE))
    }

    /// What a server may be told: only that of the address that a person gave.
    fn authorization_for(&self, address: &str) -> Option<&str> {
        let authorization = self.authorization.as_ref()?;
        (place_of(address) == Some(&authorization.place)).then_some(authorization.value.as_str())
    }

    fn check(&self, response: &Response<Body>) -> Result<()> {
        match response.status().as_u16() {
            200 => {}
            401 | 403 => return Err(self.not_let_in()),
            404 | 410 if self.authorization.is_some() => {
                let hint = "See that the address is right, and that the token may read this repository";
                return Err(self.refused("is not there, or not for this token", hint));
            }
            404 | 410 => return Err(self.refused("is not there", "See that the address is right")),
            status => {
                return Err(self.refused(&format!("answers with status {status}"), "Try again later"));
            }
        }
        let kind = match self.step {
            Step::Discover => "application/x-git-upload-pack-advertisement",
            Step::Fetch => "application/x-git-upload-pack-result",
        };
        let given = response.headers().get("content-type").and_then(|value| value.to_str().ok());
        if given == Some(kind) {
            return Ok(());
        }
        Err(self.refused("is no git repository", "Give the address that is meant for `git clone`"))
    }

    fn refused(&self, why: &str, hint: &str) -> Error {
        Error::new(Code::GitRemote, format!("`{}` {why}", self.base)).hint(hint)
    }

    fn not_let_in(&self) -> Error {
        let (why, hint) = match &self.authorization {
            None => (
                "is not there for everybody",
                "Store a token for it as a secret and name that, or use SSH with a key: `git@host:path`",
            ),
            Some(_) if self.authorization_for(&self.base).is_none() => (
                "asks for credentials, and those that there are were meant for another server",
                "Give this address instead of the one that leads to it",
            ),
            Some(_) => (
                "does not take this token",
                "See that the token is right, has not expired, and may read this repository",
            ),
        };
        Error::new(Code::GitAuth, format!("`{}` {why}", self.base)).hint(hint)
    }

    fn failed(&self, error: &ureq::Error) -> Error {
        Error::new(Code::GitRemote, format!("`{}` does not answer: {error}", self.base))
            .hint("See that this machine reaches it, and that `ca-certificates` is installed")
    }
}

impl Read for Exchange {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.stop.is_set() {
            return Err(io::Error::other("stopped"));
        }
        if let Some(answer) = &mut self.answer {
            return answer.read(buffer);
        }
        match self.send() {
            Ok(mut answer) => {
                let read = answer.read(buffer);
                self.answer = Some(answer);
                read
            }
            Err(reason) => {
                let message = reason.to_string();
                self.stop.because(reason);
                Err(io::Error::other(message))
            }
        }
    }
}

impl Write for Exchange {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.question.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn is_told(given: &str, asked: &str) -> bool {
        let https = Https::new(given, Some("Basic x".to_owned()), Stop::default());
        let place = https.authorization.as_ref().map(|authorization| authorization.place.clone());
        place.is_some() && place.as_deref() == place_of(asked)
    }

    #[test]
    fn one_server_is_told_and_no_other() {
        assert!(is_told("https://host/a/b", "https://host/other"));
        assert!(is_told("https://host:8443/a", "https://host:8443/b"));
        for asked in [
            "http://host/a",
            "https://host:8443/a",
            "https://host.evil/a",
            "https://host@evil/a",
            "https://host?@evil/a",
            "https://host#@evil/a",
            "https://host\\@evil/a",
            "https://evil/https://host/a",
            "https://host",
        ] {
            assert!(!is_told("https://host/a", asked), "{asked}");
        }
    }

    proptest! {
        #[test]
        fn whatever_a_server_sends_us_to(asked in "(https?://)?(host|evil)?[a-z@:?#./\\\\]{0,12}/") {
            prop_assert!(!is_told("https://host/a", &asked) || asked.starts_with("https://host/"), "{asked}");
        }
    }
}
