//! Git over HTTPS (gitprotocol-http(5), the smart protocol), reading only.

use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use git2::transport::{Service, SmartSubtransport, SmartSubtransportStream};
use mantyx_core::{Code, Error};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, Body, Proxy, ResponseExt};

use super::stop::Stop;
use super::transport::error;

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(15);
/// How long the other side may say nothing: it prepares a pack before it sends one.
const SILENCE: Duration = Duration::from_secs(60);

/// One conversation with a server.
pub(super) struct Https {
    agent: Agent,
    stop: Stop,
    /// Where the server has sent us to, for everything after the first request.
    base: Arc<Mutex<Option<String>>>,
}

impl Https {
    pub(super) fn new(stop: Stop) -> Self {
        let certificates = TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build();
        let config = Agent::config_builder()
            .tls_config(certificates)
            .https_only(!cfg!(test))
            .proxy(proxy())
            .http_status_as_error(false)
            .timeout_connect(Some(CONNECT))
            .timeout_recv_response(Some(SILENCE))
            .timeout_per_read(Some(SILENCE))
            // Some servers only speak git to programs that say they are git.
            .user_agent(concat!("git/2 (mantyx/", env!("CARGO_PKG_VERSION"), ")"));
        Self { agent: config.build().new_agent(), stop, base: Arc::default() }
    }
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

const DISCOVER: &str = "/info/refs?service=git-upload-pack";

/// One request, written by libgit2 and sent when it wants to read the answer.
struct Exchange {
    agent: Agent,
    stop: Stop,
    base: String,
    moved: Arc<Mutex<Option<String>>>,
    step: Step,
    question: Vec<u8>,
    answer: Option<Box<dyn Read + Send>>,
}

impl Exchange {
    fn send(&self) -> Result<Box<dyn Read + Send>, Error> {
        let response = match self.step {
            Step::Discover => self.agent.get(format!("{}{DISCOVER}", self.base)).call(),
            Step::Fetch => self
                .agent
                .post(format!("{}/git-upload-pack", self.base))
                .header("Content-Type", "application/x-git-upload-pack-request")
                .header("Accept", "application/x-git-upload-pack-result")
                .send(self.question.as_slice()),
        };
        let response = response.map_err(|error| self.failed(&error))?;
        self.check(&response)?;
        if self.step == Step::Discover {
            let address = response.get_uri().to_string();
            let base = address.strip_suffix(DISCOVER).map(str::to_owned);
            *self.moved.lock().unwrap_or_else(PoisonError::into_inner) = base;
        }
        Ok(Box::new(response.into_body().into_reader()))
    }

    fn check(&self, response: &ureq::http::Response<Body>) -> Result<(), Error> {
        let refused = |why: String, hint: &str| {
            Error::new(Code::GitRemote, format!("`{}` {why}", self.base)).hint(hint)
        };
        match response.status().as_u16() {
            200 => {}
            401 | 403 => {
                return Err(refused(
                    "is not there for everybody".into(),
                    "Use SSH with a key: `git@host:path`",
                ));
            }
            404 | 410 => return Err(refused("is not there".into(), "See that the address is right")),
            status => return Err(refused(format!("answers with status {status}"), "Try again later")),
        }
        let kind = match self.step {
            Step::Discover => "application/x-git-upload-pack-advertisement",
            Step::Fetch => "application/x-git-upload-pack-result",
        };
        let given = response.headers().get("content-type").and_then(|value| value.to_str().ok());
        if given == Some(kind) {
            return Ok(());
        }
        Err(refused("is no git repository".into(), "Give the address that is meant for `git clone`"))
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
