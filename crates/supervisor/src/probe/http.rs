//! A look by a GET request (RFC 9112): where it goes, what is sent, and whether the answer is the expected one.
//!
//! Written out over a plain connection, because that is all that it takes: one request, then the connection ends. The
//! clients that the daemon links would keep a pool or need a thread for each look.

use std::fmt;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;

use ::http::Uri;
use mantyx_platform::ports;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, lookup_host};

use super::answer::{Answer, Trouble};
use super::tls::{self, Trust};
use super::{Seen, short, unreachable};

/// Where a look goes.
#[derive(Debug)]
pub(super) struct Target {
    uri: Uri,
    place: Place,
}

/// How the address was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// As a path on this port of the machine.
    OwnPort(u16),
    /// As a whole address.
    Elsewhere,
}

/// What an answer has to be.
pub(super) struct Expected {
    /// The status; any from 200 to 399 when not given.
    pub(super) status: Option<u16>,
    /// A text in it.
    pub(super) body: Option<String>,
}

impl Target {
    /// A whole address, or a path on the app's own port.
    pub(super) fn parse(url: &str, web_port: Option<u16>) -> Result<Self, String> {
        let (whole, place) = if url.starts_with('/') {
            let port =
                web_port.ok_or_else(|| format!("`{}` needs a web port: the app has none", short(url)))?;
            (format!("http://127.0.0.1:{port}{url}"), Place::OwnPort(port))
        } else {
            (url.to_owned(), Place::Elsewhere)
        };
        let uri: Uri =
            whole.parse().map_err(|error| format!("`{}` is no web address: {error}", short(url)))?;
        match (uri.scheme_str(), uri.authority()) {
            // It would stand in every sentence about this look.
            (_, Some(authority)) if authority.as_str().contains('@') => {
                Err("The address of a check cannot carry a name and a password".to_owned())
            }
            (Some("http" | "https"), Some(_)) => Ok(Self { uri, place }),
            _ => Err(format!("`{}` is no web address: it needs `http://` or `https://`", short(url))),
        }
    }

    fn is_secure(&self) -> bool {
        self.uri.scheme_str() == Some("https")
    }

    /// The host as a name to look up or to find in a certificate: without the brackets of an IPv6 address.
    fn host(&self) -> &str {
        self.uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']')
    }

    fn port(&self) -> u16 {
        self.uri.port_u16().unwrap_or(if self.is_secure() { 443 } else { 80 })
    }

    async fn connect(&self) -> Result<TcpStream, String> {
        let connected = if let Place::OwnPort(port) = self.place {
            ports::connect_own(port).await
        } else {
            ports::connect(&self.addresses().await?).await
        };
        connected.map_err(|error| self.unreachable(&error))
    }

    async fn addresses(&self) -> Result<Vec<SocketAddr>, String> {
        // `localhost` is this machine whatever its tables say (RFC 6761, 6.3).
        if self.host().eq_ignore_ascii_case("localhost") {
            return Ok(ports::loopback(self.port()).into());
        }
        let found = lookup_host((self.host(), self.port())).await;
        found
            .map(Iterator::collect)
            .map_err(|_| format!("GET {self}: the host `{}` is not known", self.host()))
    }

    fn unreachable(&self, error: &io::Error) -> String {
        match (self.place, error.kind()) {
            (Place::OwnPort(port), _) => unreachable(port, error),
            (Place::Elsewhere, ErrorKind::ConnectionRefused) => {
                format!("GET {self}: nobody listens on port {} there", self.port())
            }
            (Place::Elsewhere, kind) => format!("GET {self}: no connection: {kind}"),
        }
    }

    /// The request. The connection is told to end with the answer: nothing is kept for the next look.
    fn request(&self) -> String {
        let path = self.uri.path_and_query().map_or("/", |path| path.as_str());
        let host = self.uri.authority().map_or("", |authority| authority.as_str());
        format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: Mantyx/{}\r\nAccept: */*\r\n\
             Accept-Encoding: identity\r\nConnection: close\r\n\r\n",
            env!("CARGO_PKG_VERSION")
        )
    }
}

/// The address, as a sentence shows it.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&short(&self.uri.to_string()))
    }
}

/// Asks, and judges the answer.
pub(super) async fn get(target: &Target, expected: &Expected) -> Seen {
    let stream = target.connect().await?;
    if target.is_secure() {
        let trust = Trust::of(&stream);
        let secured = tls::secure(stream, target.host(), trust).await;
        let stream = secured.map_err(|reason| format!("GET {target}: no secure connection: {reason}"))?;
        ask(stream, target, expected).await
    } else {
        ask(stream, target, expected).await
    }
}

async fn ask<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, target: &Target, expected: &Expected) -> Seen {
    // One that answers before it has read the question may have closed already; the answer tells.
    let _ = stream.write_all(target.request().as_bytes()).await;
    let _ = stream.flush().await;
    let failed = |trouble: Trouble| format!("GET {target}: {trouble}");
    let mut answer = Answer::read(&mut stream).await.map_err(failed)?;
    let seen = match wrong_status(answer.status(), expected.status) {
        Some(reason) => Err(format!("GET {target} answered {reason}")),
        None => search(&mut answer, target, expected.body.as_deref()).await,
    };
    answer.drain().await;
    seen
}

async fn search<S: AsyncRead + Unpin>(
    answer: &mut Answer<'_, S>,
    target: &Target,
    text: Option<&str>,
) -> Seen {
    let Some(text) = text else { return Ok(()) };
    match answer.contains(text).await {
        Ok(true) => Ok(()),
        Ok(false) => Err(format!(
            "GET {target} answered {} without the text `{}` in its first 64 KiB",
            answer.status(),
            short(text)
        )),
        Err(trouble) => Err(format!("GET {target}: {trouble}")),
    }
}

/// What is wrong with a status, when something is.
fn wrong_status(status: u16, expected: Option<u16>) -> Option<String> {
    match expected {
        Some(expected) => (status != expected).then(|| format!("{status}, not {expected}")),
        None => (!(200..400).contains(&status)).then(|| format!("{status}, not 200 to 399")),
    }
}
