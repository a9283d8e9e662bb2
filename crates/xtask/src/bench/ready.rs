//! How the benchmark sees that a service is there: the service sends a datagram as its first act, and the clock is
//! read when it arrives. It is the same for every contender, costs a few microseconds, and asks none of them anything.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use super::contenders::Service;
use crate::{interrupt, terminal};

/// How often a wait looks whether somebody wants to end it.
const GLANCE: Duration = Duration::from_millis(200);

/// Where services say that they are there.
pub(super) struct Ready {
    socket: UnixDatagram,
    path: PathBuf,
}

/// What a service said.
#[derive(Clone, Debug)]
pub(super) struct Notice {
    /// Its name.
    pub(super) service: String,
    /// Its process.
    pub(super) pid: u32,
    /// What it has done.
    pub(super) word: Word,
    /// When this was heard.
    pub(super) at: Instant,
}

/// What a service has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// It has begun.
    First,
    /// It has written all its lines.
    Done,
}

impl Ready {
    /// Listens in a folder; anybody may send, since apps may run as another user.
    pub(super) fn listen(folder: &Path) -> Result<Self> {
        let path = folder.join("ready");
        let socket =
            UnixDatagram::bind(&path).with_context(|| format!("Could not make `{}`", path.display()))?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o777))?;
        socket.set_read_timeout(Some(GLANCE))?;
        Ok(Self { socket, path })
    }

    /// Where to send to.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Ends a wait for services that will not come.
    pub(super) fn break_off(&self) {
        // Who listens does not understand it, and that ends the wait. If it cannot be sent, patience ends it.
        let _ = UnixDatagram::unbound().and_then(|socket| socket.send_to(b"broken off", &self.path));
    }

    /// The next that any service says.
    pub(super) fn next(&self, patience: Duration) -> Result<Notice> {
        let start = Instant::now();
        let mut buffer = [0; 256];
        while start.elapsed() < patience {
            match self.socket.recv(&mut buffer) {
                Ok(length) => return parsed(&buffer[..length], Instant::now()),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
                    interrupt::check()?;
                }
                Err(error) => return Err(error.into()),
            }
        }
        bail!("No service was heard of within {}", terminal::took(patience))
    }

    /// The next word of one service, whatever others say meanwhile.
    pub(super) fn next_of(&self, service: &str, word: Word, patience: Duration) -> Result<Notice> {
        let start = Instant::now();
        loop {
            let left = patience.saturating_sub(start.elapsed());
            let notice = self.next(left).with_context(|| format!("While waiting for `{service}`"))?;
            if notice.service == service && notice.word == word {
                return Ok(notice);
            }
        }
    }

    /// The first word of each of these services, in the order in which they came.
    pub(super) fn all(&self, services: &[Service], patience: Duration) -> Result<Vec<Notice>> {
        let mut missing: BTreeSet<&str> = services.iter().map(|service| service.name.as_str()).collect();
        let mut heard = Vec::new();
        while !missing.is_empty() {
            let some = missing.len();
            let notice = self.next(patience).with_context(|| format!("{some} services did not start"))?;
            if missing.remove(notice.service.as_str()) {
                heard.push(notice);
            }
        }
        Ok(heard)
    }
}

/// `name pid word`.
fn parsed(text: &[u8], at: Instant) -> Result<Notice> {
    let text = String::from_utf8_lossy(text);
    let mut words = text.split(' ');
    let notice = (|| {
        let (service, pid) = (words.next()?.to_owned(), words.next()?.parse().ok()?);
        let word = match words.next()? {
            "first" => Word::First,
            "done" => Word::Done,
            _ => return None,
        };
        Some(Notice { service, pid, word, at })
    })();
    notice.with_context(|| format!("A service said «{text}», which means nothing"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_understood_and_nonsense_is_named() {
        let notice = parsed(b"s007 4711 first", Instant::now()).unwrap();
        assert_eq!((notice.service.as_str(), notice.pid, notice.word), ("s007", 4711, Word::First));
        assert_eq!(parsed(b"s007 1 done", Instant::now()).unwrap().word, Word::Done);
        for nonsense in ["", "s007", "s007 x first", "s007 1", "s007 1 second"] {
            let error = parsed(nonsense.as_bytes(), Instant::now()).unwrap_err().to_string();
            assert!(error.contains(&format!("«{nonsense}»")), "{error}");
        }
    }

    #[test]
    fn what_is_sent_is_heard_from_the_one_that_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let ready = Ready::listen(folder.path()).unwrap();
        let sender = UnixDatagram::unbound().unwrap();
        for text in ["b 2 first", "a 1 first", "a 1 done"] {
            sender.send_to(text.as_bytes(), ready.path()).unwrap();
        }
        let done = ready.next_of("a", Word::Done, Duration::from_secs(5)).unwrap();
        assert_eq!((done.pid, done.word), (1, Word::Done));
    }

    #[test]
    fn a_wait_can_be_broken_off() {
        let folder = tempfile::tempdir().unwrap();
        let ready = Ready::listen(folder.path()).unwrap();
        ready.break_off();
        assert!(ready.next(Duration::from_secs(60)).is_err());
    }

    #[test]
    fn silence_is_an_error_that_says_who_is_missing() {
        let folder = tempfile::tempdir().unwrap();
        let ready = Ready::listen(folder.path()).unwrap();
        let services = [Service { name: "a".into(), words: Vec::new() }];
        let error = ready.all(&services, Duration::from_millis(1)).unwrap_err();
        assert_eq!(error.to_string(), "1 services did not start");
    }
}
