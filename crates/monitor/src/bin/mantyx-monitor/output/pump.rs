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

use super::log::Log;
use super::memory;
use super::{FULLEST_PIPE, PATIENCE, Pipes, Reader, Shared, Work};

/// What is read at once at least and at most; the latter is what a pipe holds by default (pipe(7)).
const SMALL: usize = 4 * 1024;
const LARGE: usize = 64 * 1024;
/// As much as it needs, and plenty to spare: what is not touched costs nothing.
const STACK: usize = 256 * 1024;

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
            if self.wait() {
                for stream in self.open.clone() {
                    self.read(stream);
                }
            } else {
                self.rest();
            }
        }
        self.read_rest();
        self.work(Log::close);
    }

    /// Whether there is something to do within the time that it may rest in.
    fn wait(&self) -> bool {
        let rest = self.rest_in().and_then(|rest| Timespec::try_from(rest).ok());
        let pipes = self.open.iter().filter_map(|stream| self.pipes.get(*stream));
        let all = pipes.chain([self.shared.wake.as_fd()]);
        let mut polled: Vec<PollFd<'_>> = all.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)).collect();
        // The only error that can come is an interruption, and then reading finds nothing.
        !matches!(poll(&mut polled, rest.as_ref()), Ok(0))
    }

    fn rest_in(&self) -> Option<Duration> {
        let buffer = (self.buffer.len() > SMALL).then_some(Duration::from_secs(1));
        buffer.into_iter().chain(self.log.rest_in()).min()
    }

    fn rest(&mut self) {
        self.buffer = vec![0; SMALL];
        self.work(Log::rest);
        memory::release();
    }

    /// Reads what there is, at most one buffer, and says how much it was.
    fn read(&mut self, stream: Stream) -> usize {
        let Some(pipe) = self.pipes.get(stream).filter(|_| self.open.contains(&stream)) else { return 0 };
        match rustix::io::read(pipe, &mut *self.buffer) {
            Ok(0) => {}
            Ok(read) => {
                let mut buffer = std::mem::take(&mut self.buffer);
                self.work(|log| log.write(stream, &buffer[..read]));
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

    /// Does what the disk may hold up, under the eyes of the watchdog. What the loop threw away meanwhile is said.
    fn work(&mut self, work: impl FnOnce(&mut Log)) {
        self.shared.gate().work = Work::Writing;
        self.shared.watch(PATIENCE);
        work(&mut self.log);
        let (lost, cut) = self.shared.gate().take_lost();
        if lost > 0 {
            self.log.gap(lost, cut);
        }
        self.shared.watch(Duration::ZERO);
        let mut gate = self.shared.gate();
        (gate.work, gate.reader) = (Work::Waiting, Reader::Pump);
        gate.dropped += self.log.take_dropped();
    }
}
