//! What a process writes: its pipes, and who reads them.
//!
//! A thread of its own, the pump, reads the pipes and writes the log, so that the loop that serves signals and
//! clients never waits for a disk. It is begun with the first output: a process that is silent costs no thread and
//! no file. A disk that is slow holds the process up, as its own file would. But once one write has taken longer
//! than [`PATIENCE`], the loop reads the pipes itself, and throws away and counts what comes, until the disk
//! answers: the process never waits for ever.

mod log;
mod memory;
mod pump;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use mantyx_logs::{Rotation, Stream};
use rustix::event::{EventfdFlags, eventfd};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};

use log::{Cut, Held};
use pump::Pump;

/// How long one write to the log may take before lines are dropped, and how long its end is waited for.
const PATIENCE: Duration = Duration::from_secs(5);
/// When every process is gone, a pipe holds no more than this (`/proc/sys/fs/pipe-max-size`).
const FULLEST_PIPE: usize = 1024 * 1024;
/// How much is thrown away at once.
const CHUNK: usize = 16 * 1024;

/// The two pipes of a process and its log.
pub(crate) struct Output {
    log: PathBuf,
    rotation: Rotation,
    pipes: Arc<Pipes>,
    /// Those that have not ended, as far as the loop knows.
    open: Vec<Stream>,
    pump: Option<Handle>,
    /// Lines lost while there was no pump.
    lost: u64,
    /// Which of those have not ended.
    cut: Cut,
}

/// What the loop waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// Something was written.
    Pipe(Stream),
    /// The pump takes too long.
    Watchdog,
}

/// The reading ends. They stay open until both threads have done with them: a number that is used again would make
/// one of them read something else.
#[derive(Default)]
struct Pipes {
    stdout: Option<OwnedFd>,
    stderr: Option<OwnedFd>,
}

/// A pump that was begun.
struct Handle {
    shared: Arc<Shared>,
    closed: Receiver<()>,
}

/// What the loop and the pump have in common.
struct Shared {
    gate: Mutex<Gate>,
    /// It goes off when the pump has been writing for too long (timerfd_create(2)).
    watchdog: OwnedFd,
    /// It wakes the pump for the end.
    wake: OwnedFd,
}

/// Who reads, and what became of it.
#[derive(Default)]
struct Gate {
    reader: Reader,
    work: Work,
    /// Whether the watchdog is wound up. It is left so when a write is done, because a timer for each would take as
    /// long as the write; when it goes off, it says itself whether that was about the same one.
    watched: bool,
    ending: bool,
    /// Lines that the loop threw away and the log does not say yet; `None` when it threw nothing away.
    lost: Option<u64>,
    /// Which lines that the loop threw away have not ended.
    cut: Cut,
    /// Lines that are in the pump's hands: were it never to come back, they would be lost.
    held: Held,
    /// Lines lost in all.
    dropped: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Reader {
    #[default]
    Pump,
    /// The pump is stuck.
    Loop,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Work {
    #[default]
    Waiting,
    /// Since then.
    Writing(Instant),
}

impl Output {
    /// Nothing comes until there are pipes.
    pub(crate) fn to(log: &Path, rotation: Rotation) -> Self {
        let (pipes, open) = (Arc::default(), Vec::new());
        Self { log: log.to_owned(), rotation, pipes, open, pump: None, lost: 0, cut: Cut::default() }
    }

    /// Reads from these pipes.
    pub(crate) fn connect(&mut self, stdout: OwnedFd, stderr: OwnedFd) {
        for pipe in [&stdout, &stderr] {
            // It fails on nothing that is open; a pipe that blocked would only be read a little less at the end.
            let _ = rustix::io::ioctl_fionbio(pipe, true);
        }
        self.pipes = Arc::new(Pipes { stdout: Some(stdout), stderr: Some(stderr) });
        self.open = [Stream::Stdout, Stream::Stderr].into();
    }

    /// What the loop must wait for.
    pub(crate) fn open(&self) -> impl Iterator<Item = (Source, BorrowedFd<'_>)> {
        let watchdog = self.pump.as_ref().map(|pump| (Source::Watchdog, pump.shared.watchdog.as_fd()));
        let pipe = |stream: &Stream| Some((Source::Pipe(*stream), self.pipes.get(*stream)?));
        let reads = self.pump.as_ref().is_none_or(|pump| pump.shared.gate().reader == Reader::Loop);
        let pipes = if reads { self.open.as_slice() } else { &[] };
        watchdog.into_iter().chain(pipes.iter().filter_map(pipe))
    }

    /// Deals with what it waited for.
    pub(crate) fn act(&mut self, source: Source) {
        match (source, &self.pump) {
            (Source::Watchdog, Some(pump)) => pump.shared.bite(),
            (Source::Watchdog, None) => {}
            (Source::Pipe(stream), Some(_)) => drop(self.throw_away(stream)),
            (Source::Pipe(stream), None) => self.begin(stream),
        }
    }

    /// Log lines that could not be written so far.
    pub(crate) fn dropped_lines(&self) -> u64 {
        self.lost + self.pump.as_ref().map_or(0, |pump| pump.shared.gate().dropped)
    }

    /// Lets the pump read what is left in the pipes and close the log, and says how many lines were lost in all.
    /// Every process is gone; a stranger who was handed a pipe may hold it open, so nobody waits for its end.
    pub(crate) fn finish(&mut self) -> u64 {
        for stream in self.open.clone() {
            if self.pump.is_none() {
                self.begin(stream);
            }
        }
        if self.pump.as_ref().is_none_or(|pump| !pump.end()) {
            self.open.clone().into_iter().for_each(|stream| self.throw_rest_away(stream));
        }
        self.open.clear();
        self.dropped_lines()
    }

    fn throw_rest_away(&mut self, stream: Stream) {
        let mut total = 0;
        while total < FULLEST_PIPE && self.open.contains(&stream) {
            match self.throw_away(stream) {
                0 => break,
                read => total += read,
            }
        }
    }

    /// Begins the pump when there is something to read. Without room for a thread the lines are lost, and the next
    /// ones try again.
    fn begin(&mut self, stream: Stream) {
        let Some(pipe) = self.pipes.get(stream) else { return };
        if rustix::io::ioctl_fionread(pipe).is_ok_and(|bytes| bytes == 0) {
            // It has ended with nothing in it.
            self.open.retain(|other| *other != stream);
            return;
        }
        match Handle::start(&self.pipes, &self.log, self.rotation, (self.lost, self.cut)) {
            Ok(pump) => (self.pump, self.lost) = (Some(pump), 0),
            Err(_) => drop(self.throw_away(stream)),
        }
    }

    /// Reads one chunk for nobody, unless the pump reads again. Says how much it was.
    fn throw_away(&mut self, stream: Stream) -> usize {
        let Some(pipe) = self.pipes.get(stream) else { return 0 };
        // Held while reading, so that the pump does not come in between.
        let gate = self.pump.as_ref().map(|pump| pump.shared.gate());
        if gate.as_ref().is_some_and(|gate| gate.reader == Reader::Pump) {
            return 0;
        }
        let mut chunk = [0; CHUNK];
        match rustix::io::read(pipe, &mut chunk) {
            Ok(0) => self.open.retain(|other| *other != stream),
            Ok(read) => {
                match gate {
                    Some(mut gate) => gate.lose(stream, &chunk[..read]),
                    None => self.lost += self.cut.lose(stream, &chunk[..read]),
                }
                return read;
            }
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => {}
            Err(_) => self.open.retain(|other| *other != stream),
        }
        0
    }
}

impl Pipes {
    fn get(&self, stream: Stream) -> Option<BorrowedFd<'_>> {
        let pipe = match stream {
            Stream::Stdout => &self.stdout,
            Stream::Stderr => &self.stderr,
        };
        pipe.as_ref().map(AsFd::as_fd)
    }
}

impl Handle {
    fn start(
        pipes: &Arc<Pipes>,
        log: &Path,
        rotation: Rotation,
        (lost, cut): (u64, Cut),
    ) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            gate: Mutex::new(Gate {
                lost: (lost > 0).then_some(lost),
                cut,
                dropped: lost,
                ..Gate::default()
            }),
            watchdog: timerfd_create(
                TimerfdClockId::Monotonic,
                TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK,
            )?,
            wake: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
        });
        let (done, closed) = mpsc::channel();
        let pump = Pump::new(Arc::clone(pipes), Arc::clone(&shared), log, rotation);
        pump.spawn(done)?;
        Ok(Self { shared, closed })
    }

    /// Whether the log was closed in time. If not, the loop reads from here on, and what the pump holds is lost.
    fn end(&self) -> bool {
        self.shared.gate().ending = true;
        // An eventfd that is full has been written to already.
        let _ = rustix::io::write(&self.shared.wake, &1_u64.to_ne_bytes());
        if self.closed.recv_timeout(PATIENCE).is_ok() {
            return true;
        }
        let mut gate = self.shared.gate();
        let held = std::mem::take(&mut gate.held);
        gate.dropped += held.lines();
        if std::mem::replace(&mut gate.reader, Reader::Loop) == Reader::Pump {
            // What is left in the pipes begins with the rest of these.
            gate.cut = held.cut();
        }
        false
    }
}

impl Shared {
    fn gate(&self) -> MutexGuard<'_, Gate> {
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The pump begins to do what the disk may hold up.
    fn begin_work(&self) -> MutexGuard<'_, Gate> {
        let mut gate = self.gate();
        gate.work = Work::Writing(Instant::now());
        if !std::mem::replace(&mut gate.watched, true) {
            self.watch(PATIENCE);
        }
        gate
    }

    /// Winds the watchdog up.
    fn watch(&self, patience: Duration) {
        let once = Itimerspec {
            it_interval: Timespec::default(),
            it_value: Timespec::try_from(patience).unwrap_or_default(),
        };
        // It fails for no time that there is.
        let _ = timerfd_settime(&self.watchdog, TimerfdTimerFlags::empty(), &once);
    }

    /// The watchdog went off: the loop reads when the pump has been at the same work all that time.
    fn bite(&self) {
        let _ = rustix::io::read(&self.watchdog, &mut [0; 8]);
        let mut gate = self.gate();
        let Work::Writing(since) = gate.work else {
            gate.watched = false;
            return;
        };
        let left = PATIENCE.saturating_sub(since.elapsed());
        if left.is_zero() {
            (gate.reader, gate.watched) = (Reader::Loop, false);
        } else {
            self.watch(left);
        }
    }
}

impl Gate {
    fn lose(&mut self, stream: Stream, bytes: &[u8]) {
        let lines = self.cut.lose(stream, bytes);
        *self.lost.get_or_insert(0) += lines;
        self.dropped += lines;
    }

    /// What the log is to say, and does not say again. Which lines have not ended stays known: more of them may be
    /// thrown away.
    fn take_lost(&mut self) -> Option<(u64, Cut)> {
        Some((self.lost.take()?, self.cut))
    }
}

#[cfg(test)]
mod tests;
