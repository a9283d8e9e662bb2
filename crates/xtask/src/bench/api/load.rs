//! The load: as many connections as asked for, each with one request under way at a time, from a single thread.
//!
//! The generator shares the processors with what it measures, so it does as little as it can: it waits in epoll(7),
//! reads the head of each answer for its status and length, and counts the bytes of the body without looking at them.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::fs::Timespec;

use super::super::statistics::{as_float, milliseconds, percentile};

/// How much is read at once.
const BLOCK: usize = 256 << 10;

/// How long an answer may take before the benchmark gives up.
const PATIENCE: Timespec = Timespec { tv_sec: 10, tv_nsec: 0 };

/// What is asked for, how often at once and for how long.
pub(super) struct Load<'a> {
    /// Who is asked.
    pub(super) address: SocketAddr,
    /// The request, byte for byte.
    pub(super) request: &'a [u8],
    /// The status that every answer must have.
    pub(super) status: u16,
    /// How many requests are under way at once.
    pub(super) connections: usize,
    /// How long.
    pub(super) time: Duration,
}

/// How it was answered.
pub(super) struct Outcome {
    /// Answers in a second.
    pub(super) rate: f64,
    /// The time that all but one in a hundred took at most, in milliseconds.
    pub(super) p99: f64,
    /// Bytes of the last answer, its head included.
    pub(super) size: usize,
}

impl Outcome {
    /// What one answer costs both sides together, in microseconds.
    pub(super) fn cost(&self) -> f64 {
        1e6 / self.rate
    }
}

impl Load<'_> {
    /// Asks until the time is over.
    pub(super) fn run(&self) -> Result<Outcome> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let mut connections =
            (0..self.connections).map(|index| self.connect(&epoll, index)).collect::<Result<Vec<_>>>()?;
        let (mut block, mut events, mut times) = (vec![0; BLOCK], Vec::with_capacity(64), Vec::new());
        let mut size = 0;
        let begun = Instant::now();
        while begun.elapsed() < self.time {
            epoll::wait(&epoll, spare_capacity(&mut events), Some(&PATIENCE))?;
            if events.is_empty() {
                bail!("Nothing was answered for {} s", PATIENCE.tv_sec);
            }
            for event in events.drain(..) {
                let index = usize::try_from(event.data.u64())?;
                let connection = connections.get_mut(index).context("An event of nobody")?;
                if let Some(time) = connection.read(&mut block, self.status)? {
                    times.push(milliseconds(time));
                    size = connection.got;
                    connection.ask(self.request)?;
                }
            }
        }
        let rate = as_float(times.len()) / begun.elapsed().as_secs_f64();
        let p99 = percentile(&times, 0.99).context("Nothing was answered")?;
        Ok(Outcome { rate, p99, size })
    }

    fn connect(&self, epoll: &OwnedFd, index: usize) -> Result<Connection> {
        let stream = TcpStream::connect(self.address)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        epoll::add(epoll, &stream, EventData::new_u64(index as u64), EventFlags::IN)?;
        let mut connection = Connection { stream, asked: Instant::now(), got: 0, whole: 0 };
        connection.ask(self.request)?;
        Ok(connection)
    }
}

/// One connection that is kept alive.
struct Connection {
    stream: TcpStream,
    asked: Instant,
    /// Bytes of the answer that have come.
    got: usize,
    /// Bytes of the whole answer; 0 before its head has come.
    whole: usize,
}

impl Connection {
    fn ask(&mut self, request: &[u8]) -> Result<()> {
        (self.asked, self.got, self.whole) = (Instant::now(), 0, 0);
        // A request fits into the empty buffer of a socket.
        self.stream.write_all(request).context("A request could not be sent")
    }

    /// Reads what there is, and tells how long the answer took once it is complete.
    fn read(&mut self, block: &mut [u8], status: u16) -> Result<Option<Duration>> {
        let count = match self.stream.read(block) {
            Ok(0) => bail!("The connection was closed"),
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        if self.whole == 0 {
            self.whole = length_of(&block[..count], status)?;
        }
        self.got += count;
        Ok((self.got >= self.whole).then(|| self.asked.elapsed()))
    }
}

/// The length of an answer by its head (RFC 9112), if it has the status that it should have.
fn length_of(answer: &[u8], status: u16) -> Result<usize> {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").context("A head came in pieces")?;
    let head = std::str::from_utf8(&answer[..end]).context("A head is no text")?;
    let said = head.split(' ').nth(1).unwrap_or_default();
    if said != status.to_string() {
        bail!("It was answered with {said} instead of {status}");
    }
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim())
    });
    let body = match length {
        Some(length) => length.parse().context("A length is no number")?,
        None if status == 304 => 0,
        None => bail!("An answer has no length"),
    };
    Ok(end + 4 + body)
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader};
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    #[test]
    fn an_answer_ends_where_its_head_says() {
        let ok = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
        assert_eq!(length_of(ok, 200).unwrap(), ok.len());
        assert_eq!(length_of(b"HTTP/1.1 304 Not Modified\r\n\r\n", 304).unwrap(), 29);
        assert!(length_of(ok, 304).unwrap_err().to_string().contains("200"));
        assert!(length_of(b"HTTP/1.1 200 OK\r\n\r\n", 200).is_err());
        assert!(length_of(b"HTTP/1.1 200", 200).is_err());
    }

    #[test]
    fn every_connection_asks_again_until_the_time_is_over() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let served = thread::spawn(move || {
            let serve = |stream: TcpStream| {
                let lines = BufReader::new(&stream).lines().map_while(Result::ok);
                let answer =
                    || (&stream).write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").is_ok();
                lines.filter(|line| line.is_empty() && answer()).count()
            };
            let connections: Vec<TcpStream> = (0..3).map(|_| listener.accept().unwrap().0).collect();
            thread::scope(|scope| {
                let each: Vec<_> =
                    connections.into_iter().map(|stream| scope.spawn(move || serve(stream))).collect();
                each.into_iter().map(|one| one.join().unwrap()).collect::<Vec<usize>>()
            })
        });
        let request = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";
        let load = Load { address, request, status: 200, connections: 3, time: Duration::from_secs(2) };
        let outcome = load.run().unwrap();
        assert!(outcome.rate > 0.0 && outcome.p99 > 0.0 && outcome.size == 40, "{}", outcome.size);
        assert!(served.join().unwrap().iter().all(|answers| *answers > 1));
    }
}
