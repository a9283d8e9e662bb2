//! The thread that reads the pipes and writes the log.

use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::thread;
use std::time::Duration;

use mantyx_logs::{Rotation, Stream};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::log::{Cut, Log};
use super::memory;
use super::{FULLEST_PIPE, Pipes, Reader, Shared, Work};

/// What is read at once at least and at most; the latter is what a pipe holds by default (pipe(7)).
const SMALL: usize = 4 * 1024;
const LARGE: usize = 64 * 1024;
/// As much as it needs, and plenty to spare: what is not touched costs nothing.
const STACK: usize = 256 * 1024;

/// Why it woke.
enum Woken {
    /// There is something on these streams, or the end is asked for.
    Output([Option<Stream>; 2]),
    /// Nothing has come.
    ToRest,
}

/// What the thread has.
pub(super) struct Pump {
    pipes: Arc<Pipes>,
    open: Vec<Stream>,
    shared: Arc<Shared>,
    log: Log,
    /// As large as the bursts are at the moment.
    buffer: Vec<u8>,
}

impl Pump {
    pub(super) fn new(pipes: Arc<Pipes>, shared: Arc<Shared>, log: &Path, rotation: Rotation) -> Self {
        let mut open = vec![Stream::Stdout, Stream::Stderr];
        open.retain(|stream| pipes.get(*stream).is_some());
        Self { pipes, open, shared, log: Log::new(log, rotation), buffer: vec![0; SMALL] }
    }

    /// Lets it run until the end is asked for, which it tells when the log is closed.
    pub(super) fn spawn(mut self, done: Sender<()>) -> io::Result<()> {
        let run = move || {
            self.run();
            // Nobody hears it who has lost patience.
            let _ = done.send(());
        };
        memory::share();
        thread::Builder::new().name("log".into()).stack_size(STACK).spawn(run).map(drop)
    }

    fn run(&mut self) {
        while !self.shared.gate().ending {
            match self.wait() {
                Woken::Output(streams) => {
                    for stream in streams.into_iter().flatten() {
                        self.read(stream);
                    }
                }
                Woken::ToRest => self.rest(),
            }
        }
        self.read_rest();
        self.work(None, Log::close);
    }

    /// Waits for output, but no longer than until there is something to do at rest.
    fn wait(&self) -> Woken {
        let rest = self.rest_in().and_then(|rest| Timespec::try_from(rest).ok());
        let pipes = self.open.iter().filter_map(|stream| self.pipes.get(*stream));
        let all = pipes.chain([self.shared.wake.as_fd()]);
        let mut polled: Vec<PollFd<'_>> = all.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)).collect();
        if matches!(poll(&mut polled, rest.as_ref()), Ok(0)) {
            return Woken::ToRest;
        }
        // The only error that can come is an interruption, and then nothing is ready.
        let ready = |index: usize| polled.get(index).is_some_and(|fd| !fd.revents().is_empty());
        let stream = |index| self.open.get(index).copied().filter(|_| ready(index));
        Woken::Output([stream(0), stream(1)])
    }

    fn rest_in(&self) -> Option<Duration> {
        let buffer = (self.buffer.len() > SMALL).then_some(Duration::from_secs(1));
        buffer.into_iter().chain(self.log.rest_in()).min()
    }

    fn rest(&mut self) {
        self.buffer = vec![0; SMALL];
        self.work(None, Log::rest);
        memory::release();
    }

    /// Reads what there is, at most one buffer, and says how much it was.
    fn read(&mut self, stream: Stream) -> usize {
        let Some(pipe) = self.pipes.get(stream).filter(|_| self.open.contains(&stream)) else { return 0 };
        match rustix::io::read(pipe, &mut *self.buffer) {
            Ok(0) => {}
            Ok(read) => {
                let mut buffer = std::mem::take(&mut self.buffer);
                self.work(Some((stream, &buffer[..read])), |log| log.write(stream, &buffer[..read]));
                if read == buffer.len() && read < LARGE {
                    buffer = vec![0; LARGE];
                }
                self.buffer = buffer;
                return read;
            }
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => return 0,
            Err(_) => {}
        }
        self.open.retain(|other| *other != stream);
        0
    }

    /// Reads until there is nothing, not until the end: a stranger may hold a pipe open.
    fn read_rest(&mut self) {
        for stream in [Stream::Stdout, Stream::Stderr] {
            let mut total = 0;
            while total < FULLEST_PIPE {
                match self.read(stream) {
                    0 => break,
                    read => total += read,
                }
            }
        }
    }

    /// Does what the disk may hold up with these bytes in hand, under the eyes of the watchdog. What the loop threw
    /// away meanwhile is said, and what it threw away after that is said before anything else that comes.
    fn work(&mut self, in_hand: Option<(Stream, &[u8])>, work: impl FnOnce(&mut Log)) {
        let mut gate = self.shared.begin_work();
        if let Some((stream, bytes)) = in_hand {
            gate.held.take(stream, bytes);
        }
        let lost = gate.take_lost();
        gate.cut = Cut::default();
        drop(gate);
        if let Some((lines, cut)) = lost {
            self.log.gap(lines, cut);
        }
        work(&mut self.log);
        let mut gate = self.shared.gate();
        if let Some((lines, cut)) = gate.take_lost() {
            drop(gate);
            self.log.gap(lines, cut);
            gate = self.shared.gate();
        }
        (gate.work, gate.reader) = (Work::Waiting, Reader::Pump);
        gate.held.settle(self.log.pending());
        gate.dropped += self.log.take_dropped();
    }
}
