//! Git over SSH, by the machine's own `ssh`.
//!
//! It knows hosts by the machine's own settings and `known_hosts`, and refuses one that it does not know, whoever's
//! key is used.

use std::io::{self, Read, Write};
use std::path::PathBuf;

use git2::transport::{Service, SmartSubtransport, SmartSubtransportStream};
use mantyx_core::{Code, Error};
use mantyx_platform::environment;
use mantyx_platform::process::{Command, Connection};

mod key;

pub(super) use key::LentKey;

use super::address::SshRemote;
use super::stop::Stop;
use super::transport::error;

/// One conversation with a server.
pub(super) struct Ssh {
    program: PathBuf,
    to: SshRemote,
    /// The key to use, in place of those of the machine.
    key: Option<LentKey>,
    stop: Stop,
}

impl Ssh {
    pub(super) fn new(program: PathBuf, to: SshRemote, key: Option<LentKey>, stop: Stop) -> Self {
        Self { program, to, key, stop }
    }

    /// Nobody is there to answer a question, so none may be asked. A host that was never seen is refused, as the
    /// settings of the machine have it.
    fn command(&self) -> Command {
        let place = match &self.to.user {
            Some(user) => format!("{user}@{}", self.to.host),
            None => self.to.host.clone(),
        };
        let port = self.to.port.map(|port| ["-p".to_owned(), port.to_string()]);
        // Without batch mode there would be questions; the only one that is answered is that for the passphrase.
        let batch = if self.key.as_ref().is_some_and(LentKey::answers) { "no" } else { "yes" };
        Command::new(&self.program)
            .args(["-o", &format!("BatchMode={batch}"), "-o", "ConnectTimeout=15", "-T"])
            .args(self.key.iter().flat_map(LentKey::arguments))
            .args(port.into_iter().flatten())
            .args(["--", &place, &format!("git-upload-pack {}", quoted(&self.to.path))])
            .variables(environment::for_builds())
            .variables(self.key.iter().flat_map(LentKey::variables))
    }
}

/// One word for the shell at the other side.
fn quoted(word: &str) -> String {
    // A home is only found when the shell sees its `~`.
    let (home, rest) = match word.strip_prefix('~') {
        Some(rest) => {
            let end = rest.find('/').unwrap_or(rest.len());
            let plain = rest[..end].chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
            if plain { word.split_at(end + 1) } else { ("", word) }
        }
        None => ("", word),
    };
    format!("{home}'{}'", rest.replace('\'', r"'\''"))
}

impl SmartSubtransport for Ssh {
    fn action(&self, _url: &str, service: Service) -> Result<Box<dyn SmartSubtransportStream>, git2::Error> {
        if service != Service::UploadPackLs {
            return Err(error("a conversation is opened once, and nothing is ever pushed"));
        }
        match self.command().connect() {
            Ok(connection) => {
                self.stop.breaks(&connection.breaker());
                let (host, stop) = (self.to.host.clone(), self.stop.clone());
                let identity = if self.key.is_some() { Identity::Given } else { Identity::OfMachine };
                Ok(Box::new(Channel { connection, host, identity, stop, silent: true }))
            }
            Err(reason) => {
                self.stop.because(reason);
                Err(error("ssh does not start"))
            }
        }
    }

    fn close(&self) -> Result<(), git2::Error> {
        Ok(())
    }
}

/// Whose key is used.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Identity {
    /// The one that came with the request.
    Given,
    /// Whatever the user that Mantyx runs as has.
    OfMachine,
}

/// The bytes from and to the other side.
struct Channel {
    connection: Connection,
    host: String,
    identity: Identity,
    stop: Stop,
    /// Nothing has come yet: an end now is a refusal, and `ssh` says why.
    silent: bool,
}

impl Read for Channel {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.connection.read(buffer)?;
        if read == 0 && self.silent {
            let complaints = self.connection.complaints();
            self.stop.because(refusal(&self.host, self.identity, &complaints));
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        self.silent = false;
        Ok(read)
    }
}

/// What `ssh` complains about, in words that help.
fn refusal(host: &str, identity: Identity, complaints: &str) -> Error {
    let why = complaints.lines().last().unwrap_or("the connection was closed").trim();
    let detail = format!("`{host}` does not let us in: {why}");
    if complaints.contains("Host key verification failed") {
        return Error::new(Code::GitRemote, detail).hint(
            "Add it to the `known_hosts` of the user that Mantyx runs as, after a look at its fingerprint",
        );
    }
    let is_about_keys = complaints.contains("Permission denied") || complaints.contains("Load key");
    match identity {
        Identity::Given if complaints.contains("Load key") => {
            Error::new(Code::GitAuth, format!("`ssh` cannot read the key for `{host}`"))
                .hint("Store the private key again, whole, with its passphrase if it has one")
        }
        Identity::Given if is_about_keys => Error::new(Code::GitAuth, detail)
            .hint("See that the key and its passphrase are right, and that the host knows its public half"),
        _ => {
            let code = if is_about_keys { Code::GitAuth } else { Code::GitRemote };
            Error::new(code, detail).hint(
                "Try `ssh` to it as the user that Mantyx runs as: it needs a key there, and a known host",
            )
        }
    }
}

impl Write for Channel {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.connection.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.connection.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_one_word() {
        assert_eq!(quoted("/srv/it's; rm -rf ~"), r"'/srv/it'\''s; rm -rf ~'");
        assert_eq!(quoted("~me/app"), "~me'/app'");
        assert_eq!(quoted("~$(x)/app"), "'~$(x)/app'");
    }
}
