//! What a process writes: its pipes, and the log that it goes to.
//!
//! The pipes are always read, so the process never waits for a log that cannot be written. What the log could not
//! take is counted and said in it as soon as it can be written again.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use mantyx_logs::{LogWriter, Stream};

/// As much as a pipe holds by default (pipe(7)).
const CHUNK: usize = 64 * 1024;
/// When every process is gone, a pipe holds no more than this (`/proc/sys/fs/pipe-max-size`).
const FULLEST_PIPE: usize = 1024 * 1024;
/// How long between two attempts to open a log.
const RETRY: Duration = Duration::from_secs(1);

/// The two pipes of a process and its log.
pub(crate) struct Output {
    stdout: Option<OwnedFd>,
    stderr: Option<OwnedFd>,
    buffer: Box<[u8]>,
    log: Log,
}

impl Output {
    /// Nothing comes until there are pipes.
    pub(crate) fn to(log: &Path) -> Self {
        Self { stdout: None, stderr: None, buffer: vec![0; CHUNK].into(), log: Log::new(log) }
    }

    /// Reads from these pipes.
    pub(crate) fn connect(&mut self, stdout: Option<OwnedFd>, stderr: Option<OwnedFd>) {
        for pipe in stdout.iter().chain(&stderr) {
            // It fails on nothing that is open; a pipe that blocked would only be read a little less at the end.
            let _ = rustix::io::ioctl_fionbio(pipe, true);
        }
        (self.stdout, self.stderr) = (stdout, stderr);
    }

    /// The pipes that may bring something.
    pub(crate) fn open(&self) -> impl Iterator<Item = (Stream, BorrowedFd<'_>)> {
        let pipes = [(Stream::Stdout, &self.stdout), (Stream::Stderr, &self.stderr)];
        pipes.into_iter().filter_map(|(stream, pipe)| Some((stream, pipe.as_ref()?.as_fd())))
    }

    /// Reads what there is, at most one chunk, and says how much it was.
    pub(crate) fn read(&mut self, stream: Stream) -> usize {
        let pipe = match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        };
        let Some(open) = pipe else { return 0 };
        match rustix::io::read(open, &mut *self.buffer) {
            Ok(0) => {
                *pipe = None;
                0
            }
            Ok(read) => {
                self.log.write(stream, &self.buffer[..read]);
                read
            }
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => 0,
            Err(_) => {
                *pipe = None;
                0
            }
        }
    }

    /// Log lines that could not be written so far.
    pub(crate) fn dropped_lines(&self) -> u64 {
        self.log.dropped
    }

    /// Reads what is left in the pipes and closes the log. Every process is gone; a stranger who was handed a
    /// pipe may hold it open, so this reads until there is nothing, not until the end.
    pub(crate) fn finish(&mut self) -> u64 {
        for stream in [Stream::Stdout, Stream::Stderr] {
            let mut total = 0;
            while total < FULLEST_PIPE {
                match self.read(stream) {
                    0 => break,
                    read => total += read,
                }
            }
        }
        (self.stdout, self.stderr) = (None, None);
        self.log.close()
    }
}

/// A log that may not be writable at the moment.
struct Log {
    path: PathBuf,
    writer: Option<LogWriter>,
    tried: Option<Instant>,
    /// Lines lost since the log last said so.
    unsaid: u64,
    /// Lines lost in all.
    dropped: u64,
}

impl Log {
    fn new(path: &Path) -> Self {
        let mut log = Self { path: path.to_owned(), writer: None, tried: None, unsaid: 0, dropped: 0 };
        log.open();
        log
    }

    /// Opens the log if it is not, at most once in a while.
    fn open(&mut self) {
        if self.writer.is_none() && self.tried.is_none_or(|tried| tried.elapsed() >= RETRY) {
            self.tried = Some(Instant::now());
            self.writer = LogWriter::open(&self.path).ok();
        }
    }

    fn write(&mut self, stream: Stream, bytes: &[u8]) {
        self.open();
        if let Some(writer) = &mut self.writer {
            let written = writer.write(stream, SystemTime::now(), bytes);
            self.count(written.is_ok());
        } else {
            self.lose(lines(bytes));
        }
    }

    /// Takes note of what the writer dropped, and says it once the log can be written again.
    fn count(&mut self, writable: bool) {
        let lost = self.writer.as_mut().map_or(0, LogWriter::take_dropped);
        self.lose(lost);
        if writable && self.unsaid > 0 {
            self.say();
        }
    }

    fn lose(&mut self, lines: u64) {
        self.unsaid += lines;
        self.dropped += lines;
    }

    fn say(&mut self) {
        let Some(writer) = &mut self.writer else { return };
        let note = format!("[mantyx] {} lines are missing: the log could not be written\n", self.unsaid);
        if writer.write(Stream::Stderr, SystemTime::now(), note.as_bytes()).is_ok() {
            self.unsaid = 0;
        }
        // A note that was dropped is no line of the app.
        let _ = writer.take_dropped();
    }

    /// Writes unfinished lines too: nothing will finish them. Says how many lines were lost in all.
    fn close(&mut self) -> u64 {
        self.tried = None;
        self.open();
        if let Some(writer) = &mut self.writer {
            let flushed = writer.flush();
            self.count(flushed.is_ok());
        }
        self.writer = None;
        self.dropped
    }
}

/// How many lines these bytes are; the beginning of one is one too.
fn lines(bytes: &[u8]) -> u64 {
    bytes.split_inclusive(|byte| *byte == b'\n').map(|_| 1).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_that_appears_later_says_what_is_missing() {
        let root = tempfile::tempdir().unwrap();
        let mut log = Log::new(&root.path().join("later/app.log"));
        log.write(Stream::Stdout, b"one\ntwo\nthr");
        std::fs::create_dir(root.path().join("later")).unwrap();
        log.tried = None;
        log.write(Stream::Stdout, b"four\n");
        assert_eq!(log.close(), 3);
        let text = std::fs::read_to_string(&log.path).unwrap();
        assert!(text.contains("stdout F four\n"), "{text}");
        assert!(text.contains("stderr F [mantyx] 3 lines are missing"), "{text}");
    }
}
