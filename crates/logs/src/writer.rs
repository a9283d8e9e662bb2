//! From the bytes of a process to lines in a file.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::batch::{Batch, End, Sink};
use crate::record::{Completeness, Header, MAX_TEXT, Stream};
use crate::stamp::Stamp;

/// Appends what a process writes to a log file, line by line.
///
/// Each stream has its own unfinished line, so that the two never mix within one. Each line carries the moment
/// when its first byte was read. There must be one writer to a file.
///
/// An error, such as a full disk, never leaves half a record: what could not be written is dropped and counted
/// ([`LogWriter::take_dropped`]), and later lines are written again when there is room.
pub struct LogWriter {
    framing: Framing<File>,
}

impl LogWriter {
    /// Opens a log to append to; it is made, readable for its owner and group, when it is not there.
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).append(true).create(true).mode(0o640).open(path)?;
        let end = end_of(&file)?;
        Ok(Self { framing: Framing::new(file, end) })
    }

    /// Takes bytes that were read at one moment, and writes the lines that they finish.
    ///
    /// All bytes are taken even when it fails: the next call goes on behind them.
    pub fn write(&mut self, stream: Stream, at: SystemTime, bytes: &[u8]) -> io::Result<()> {
        self.framing.take(stream, at, bytes);
        self.framing.batch.write()
    }

    /// Writes lines that are not finished as if they were: their process ended, nothing will follow.
    pub fn flush(&mut self) -> io::Result<()> {
        self.framing.finish_all();
        self.framing.batch.write()
    }

    /// Writes what is left and closes the file.
    pub fn close(mut self) -> io::Result<()> {
        self.flush()
    }

    /// How many records had to be dropped since the last call, for a line that says so.
    pub fn take_dropped(&mut self) -> u64 {
        self.framing.batch.take_dropped()
    }
}

/// A file that another writer left in the middle of a line gets a line break first.
fn end_of(file: &File) -> io::Result<End> {
    let metadata = file.metadata()?;
    if !metadata.is_file() || metadata.len() == 0 {
        return Ok(End::Whole);
    }
    let mut last = [0];
    file.read_exact_at(&mut last, metadata.len() - 1)?;
    Ok(if last == *b"\n" { End::Whole } else { End::Open })
}

/// A line without its line break yet.
struct Unfinished {
    since: Stamp,
    text: Vec<u8>,
}

/// Cuts bytes into lines.
struct Framing<S> {
    batch: Batch<S>,
    now: Stamp,
    stdout: Unfinished,
    stderr: Unfinished,
}

impl<S: Sink> Framing<S> {
    fn new(sink: S, end: End) -> Self {
        let now = Stamp::new(UNIX_EPOCH);
        let unfinished = || Unfinished { since: now, text: Vec::new() };
        Self { batch: Batch::new(sink, end), now, stdout: unfinished(), stderr: unfinished() }
    }

    fn take(&mut self, stream: Stream, at: SystemTime, bytes: &[u8]) {
        self.now.set(at);
        let header = Header::new(self.now, stream, Completeness::Full);
        let mut rest = bytes;
        while let Some(newline) = memchr::memchr(b'\n', rest) {
            let line = &rest[..newline];
            rest = &rest[newline + 1..];
            if line.len() <= MAX_TEXT && self.unfinished(stream).text.is_empty() {
                self.batch.push(|out| header.encode(line, out));
            } else {
                self.keep(stream, line);
                self.finish(stream);
            }
        }
        self.keep(stream, rest);
    }

    /// Appends to an unfinished line, and writes each piece that is as long as a record can be.
    fn keep(&mut self, stream: Stream, mut bytes: &[u8]) {
        let now = self.now;
        while !bytes.is_empty() {
            let line = self.unfinished(stream);
            if line.text.is_empty() {
                line.since = now;
            }
            if line.text.len() == MAX_TEXT {
                self.put(stream, Completeness::Partial);
                continue;
            }
            let (taken, rest) = bytes.split_at(bytes.len().min(MAX_TEXT - line.text.len()));
            line.text.extend_from_slice(taken);
            bytes = rest;
        }
    }

    fn finish(&mut self, stream: Stream) {
        self.put(stream, Completeness::Full);
    }

    fn finish_all(&mut self) {
        for stream in [Stream::Stdout, Stream::Stderr] {
            if !self.unfinished(stream).text.is_empty() {
                self.finish(stream);
            }
        }
    }

    /// Hands the unfinished line on and begins an empty one.
    fn put(&mut self, stream: Stream, completeness: Completeness) {
        let line = match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        };
        let header = Header::new(line.since, stream, completeness);
        self.batch.push(|out| header.encode(&line.text, out));
        line.text.clear();
    }

    fn unfinished(&mut self, stream: Stream) -> &mut Unfinished {
        match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        }
    }
}
