//! Git over SSH, by the machine's own `ssh`.

use std::io::{self, Read, Write};
use std::path::PathBuf;

use git2::transport::{Service, SmartSubtransport, SmartSubtransportStream};
use mantyx_core::{Code, Error};
use mantyx_platform::environment;
use mantyx_platform::process::{Command, Connection};

use super::address::SshRemote;
use super::stop::Stop;
use super::transport::error;

/// One conversation with a server.
pub(super) struct Ssh {
    program: PathBuf,
    to: SshRemote,
    stop: Stop,
}

impl Ssh {
    pub(super) fn new(program: PathBuf, to: SshRemote, stop: Stop) -> Self {
        Self { program, to, stop }
    }

    /// Nobody is there to answer a question, so none may be asked. A host that was never seen is refused, as the
    /// settings of the machine have it.
    fn command(&self) -> Command {
        let place = match &self.to.user {
            Some(user) => format!("{user}@{}", self.to.host),
            None => self.to.host.clone(),
        };
        let port = self.to.port.map(|port| ["-p".to_owned(), port.to_string()]);
        Command::new(&self.program)
            .args(["-o", "BatchMode=yes", "-o", "ConnectTimeout=15", "-T"])
            .args(port.into_iter().flatten())
            .args(["--", &place, &format!("git-upload-pack {}", quoted(&self.to.path))])
            .variables(environment::for_builds())
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
                let host = self.to.host.clone();
                Ok(Box::new(Channel { connection, host, stop: self.stop.clone(), silent: true }))
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

/// The bytes from and to the other side.
struct Channel {
    connection: Connection,
    host: String,
    stop: Stop,
    /// Nothing has come yet: an end now is a refusal, and `ssh` says why.
    silent: bool,
}

impl Read for Channel {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.connection.read(buffer)?;
        if read == 0 && self.silent {
            let complaints = self.connection.complaints();
            let why = complaints.lines().last().unwrap_or("the connection was closed");
            let reason = Error::new(Code::GitRemote, format!("`{}` does not let us in: {why}", self.host))
                .hint(
                    "Try `ssh` to it as the user that Mantyx runs as: it needs a key there, and a known host",
                );
            self.stop.because(reason);
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        self.silent = false;
        Ok(read)
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
