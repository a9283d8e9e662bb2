//! A connection of the daemon. It may break off at any moment, and that never matters.

use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use mantyx_monitor::{Message, Request};

/// The first version that knows what an app says of itself.
const NOTICES: u32 = 2;
/// No request is nearly as long. Whoever sends more is no daemon of ours.
const LONGEST_REQUEST: usize = 16 * 1024;

/// A client that is connected.
pub(crate) struct Client {
    socket: OwnedFd,
    received: Vec<u8>,
    /// What it said in its hello.
    version: Option<u32>,
}

/// The client has gone, or does not read what it is told.
#[derive(Debug)]
pub(crate) struct Gone;

/// A line that a client sent: a request, or why it is none.
pub(crate) type Asked = Result<Request, String>;

impl Client {
    /// A fresh connection.
    pub(crate) fn new(socket: OwnedFd) -> io::Result<Self> {
        rustix::io::ioctl_fionbio(&socket, true)?;
        Ok(Self { socket, received: Vec::new(), version: None })
    }

    /// Says one thing. A client that is so far behind that it does not fit is given up.
    pub(crate) fn tell(&mut self, message: &Message) -> Result<(), Gone> {
        let mut line = serde_json::to_vec(message).map_err(|_| Gone)?;
        line.push(b'\n');
        match rustix::io::write(&self.socket, &line) {
            Ok(written) if written == line.len() => Ok(()),
            _ => Err(Gone),
        }
    }

    /// Whether it is told what an app says of itself.
    pub(crate) fn hears_notices(&self) -> bool {
        self.version.is_some_and(|version| version >= NOTICES)
    }

    /// Everything that it has asked since the last time.
    pub(crate) fn asked(&mut self) -> Result<Vec<Asked>, Gone> {
        self.receive()?;
        let asked: Vec<Asked> = std::iter::from_fn(|| self.line())
            .map(|line| serde_json::from_slice(&line).map_err(|error| format!("Not a request: {error}")))
            .collect();
        for request in asked.iter().flatten() {
            if let Request::Hello { version } = request {
                self.version = Some(*version);
            }
        }
        if self.received.len() > LONGEST_REQUEST { Err(Gone) } else { Ok(asked) }
    }

    fn receive(&mut self) -> Result<(), Gone> {
        let mut buffer = [0; 1024];
        match rustix::io::read(&self.socket, &mut buffer).map_err(io::Error::from) {
            Ok(0) => Err(Gone),
            Ok(read) => {
                self.received.extend_from_slice(&buffer[..read]);
                Ok(())
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(()),
            Err(_) => Err(Gone),
        }
    }

    fn line(&mut self) -> Option<Vec<u8>> {
        let end = self.received.iter().position(|byte| *byte == b'\n')?;
        let rest = self.received.split_off(end + 1);
        Some(std::mem::replace(&mut self.received, rest))
    }
}

impl AsFd for Client {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
