//! The client that asks an app a thousand times a second whether it is there, over a new connection each time, and
//! what it heard: who answered when, and for how long nobody did.
//!
//! A request that is refused, reset or not answered within a second was made while the app was down. The answer is the
//! process id of who gave it, so that nobody has to be asked when one version ended and the other began.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::net::sockopt::set_socket_linger;

use crate::bench::statistics::as_float;
use crate::{interrupt, terminal};

/// From one request to the next.
const PERIOD: Duration = Duration::from_millis(1);

/// How many take turns, so that one slow answer does not hold up the others.
const ASKERS: u32 = 4;

/// How long an answer may take.
const SOON: Duration = Duration::from_secs(1);

/// How long an app may take to answer at all.
const PATIENCE: Duration = Duration::from_secs(60);

/// What came of a request: who answered it, if anybody did, and when that was known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seen {
    at: Instant,
    process: Option<u32>,
}

/// A client that asks until it is ended.
pub(super) struct Asker {
    enough: Arc<AtomicBool>,
    latest: Arc<AtomicU32>,
    threads: Vec<JoinHandle<Vec<Seen>>>,
}

/// What came of all requests, in the order of their ends.
pub(super) struct Heard(Vec<Seen>);

/// The time in which one process did not answer any more, and the next did not answer yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gap {
    /// From the last answer of the one to the first of the other.
    pub(super) down: Duration,
    /// The first answer of the other.
    pub(super) ended: Instant,
    /// How many requests failed in it.
    pub(super) inside: usize,
    /// How many failed before or after.
    pub(super) outside: usize,
}

impl Asker {
    /// Begins to ask.
    pub(super) fn start(address: SocketAddr) -> Self {
        let (enough, latest) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
        let begun = Instant::now();
        let threads = (0..ASKERS).map(|turn| {
            let (enough, latest) = (Arc::clone(&enough), Arc::clone(&latest));
            thread::spawn(move || take_turns(address, begun + PERIOD * turn, &enough, &latest))
        });
        let threads = threads.collect();
        Self { enough, latest, threads }
    }

    /// Waits until a process answers that is wanted, and says which that is.
    pub(super) fn until(&self, wanted: impl Fn(u32) -> bool) -> Result<u32> {
        let since = Instant::now();
        loop {
            let latest = self.latest.load(Ordering::Relaxed);
            if latest != 0 && wanted(latest) {
                return Ok(latest);
            }
            if since.elapsed() > PATIENCE {
                bail!("The app did not answer as it should within {}", terminal::took(PATIENCE));
            }
            interrupt::sleep(PERIOD)?;
        }
    }

    /// Ends it.
    pub(super) fn end(self) -> Result<Heard> {
        self.enough.store(true, Ordering::Relaxed);
        let mut seen = Vec::new();
        for thread in self.threads {
            seen.extend(thread.join().ok().context("A client broke off")?);
        }
        seen.sort_by_key(|seen| seen.at);
        Ok(Heard(seen))
    }
}

/// Asks at each of its turns. One that is missed, since the answer before took long, is left out.
fn take_turns(address: SocketAddr, first: Instant, enough: &AtomicBool, latest: &AtomicU32) -> Vec<Seen> {
    let mut seen = Vec::new();
    let mut turn = first;
    while !enough.load(Ordering::Relaxed) {
        thread::sleep(turn.saturating_duration_since(Instant::now()));
        let process = ask(address);
        let at = Instant::now();
        seen.push(Seen { at, process });
        if let Some(process) = process {
            latest.store(process, Ordering::Relaxed);
        }
        while turn <= at {
            turn += PERIOD * ASKERS;
        }
    }
    seen
}

/// Who answers, if anybody does.
fn ask(address: SocketAddr) -> Option<u32> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(SOON)).ok()?;
    // A closed connection leaves nothing behind that holds its port for a minute (tcp(7), TIME_WAIT).
    set_socket_linger(&stream, Some(Duration::ZERO)).ok()?;
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    answer.rsplit_once("\r\n\r\n")?.1.trim().parse().ok()
}

impl Heard {
    /// The time between two processes.
    pub(super) fn gap(&self, from: u32, to: u32) -> Result<Gap> {
        let of = |process: u32| move |seen: &&Seen| seen.process == Some(process);
        let last = self.0.iter().rev().find(of(from)).context("The process before did not answer")?.at;
        let first = self.0.iter().find(of(to)).context("The process after did not answer")?.at;
        if let Some(stranger) =
            self.0.iter().filter_map(|seen| seen.process).find(|it| ![from, to].contains(it))
        {
            bail!("Process {stranger} answered too");
        }
        if first < last {
            bail!("Two processes answered at the same time");
        }
        let failed = || self.0.iter().filter(|seen| seen.process.is_none());
        let inside = failed().filter(|seen| last <= seen.at && seen.at <= first).count();
        Ok(Gap { down: first - last, ended: first, inside, outside: failed().count() - inside })
    }

    /// How many requests a second were made.
    pub(super) fn rate(&self) -> Option<f64> {
        let (first, last) = (self.0.first()?.at, self.0.last()?.at);
        let time = (last - first).as_secs_f64();
        (time > 0.0).then(|| as_float(self.0.len()) / time)
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn heard(seen: &[(u64, Option<u32>)]) -> Heard {
        let start = Instant::now();
        let at = |milliseconds: u64| start + Duration::from_millis(milliseconds);
        Heard(seen.iter().map(|(time, process)| Seen { at: at(*time), process: *process }).collect())
    }

    #[test]
    fn a_gap_goes_from_the_last_answer_to_the_first() {
        let heard = heard(&[
            (0, Some(7)),
            (1, None),
            (2, Some(7)),
            (3, None),
            (4, None),
            (9, Some(8)),
            (11, Some(8)),
        ]);
        let gap = heard.gap(7, 8).unwrap();
        assert_eq!((gap.down, gap.inside, gap.outside), (Duration::from_millis(7), 2, 1));
        let rate = heard.rate().unwrap();
        assert!((rate - 7.0 / 0.011).abs() < 1e-6, "{rate}");
    }

    #[test]
    fn what_is_no_gap_is_refused() {
        let error = |seen: &[(u64, Option<u32>)]| heard(seen).gap(7, 8).unwrap_err().to_string();
        assert_eq!(error(&[(0, Some(7)), (1, None)]), "The process after did not answer");
        assert_eq!(error(&[(0, Some(8))]), "The process before did not answer");
        assert_eq!(error(&[(0, Some(7)), (1, Some(9)), (2, Some(8))]), "Process 9 answered too");
        assert_eq!(
            error(&[(0, Some(7)), (1, Some(8)), (2, Some(7))]),
            "Two processes answered at the same time"
        );
    }

    #[test]
    fn hears_who_answers_and_that_nobody_does() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 64];
            let _ = stream.read(&mut request).unwrap();
            stream.write_all(b"HTTP/1.0 200 OK\r\n\r\n42").unwrap();
        });
        assert_eq!(ask(address), Some(42));
        server.join().unwrap();
        assert_eq!(ask(address), None);
    }
}
