//! From the bytes of a process to lines in a file.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::batch::{Batch, End, Sink};
use crate::lock;
use crate::record::{Completeness, Header, MAX_TEXT, Stream};
use crate::roll::Roll;
use crate::rotation::Rotation;
use crate::segment::{Segment, segments};
use crate::stamp::Stamp;

/// A line that has not ended is written, as a piece, when it is this old: progress and questions have no line break,
/// and somebody waits for them.
const OPEN: Duration = Duration::from_secs(1);
/// So many bytes are taken before it is asked again whether the segment is full: of short lines, records are many times
/// as long as what was read.
const STEP: usize = 4 * 1024;

/// Appends what a process writes to a log, line by line.
///
/// Each stream has its own unfinished line, so that the two never mix within one. Each record carries the moment
/// when its first byte was read. There must be one writer to a log.
///
/// A line that stays open is written in pieces: in [`LogWriter::write`] when it is a second old, and in
/// [`LogWriter::rest`], for which whoever writes sets a timer as long as [`LogWriter::rest_in`] says.
///
/// An error, such as a full disk, never leaves half a record: what could not be written is dropped and counted
/// ([`LogWriter::take_dropped`]), and later lines are written again when there is room.
pub struct LogWriter {
    framing: Framing<File>,
    roll: Option<Roll>,
}

impl LogWriter {
    /// Opens a log of one segment to append to; it is made, readable for its owner and group, when it is not there.
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        let (file, end, size) = open(path.as_ref())?;
        Ok(Self { framing: Framing::new(Batch::new(file, end, size)), roll: None })
    }

    /// Opens a log that goes on in another segment when one is full or old, as the limits say.
    pub fn rotating(log: impl AsRef<Path>, rotation: Rotation) -> io::Result<Self> {
        let log = log.as_ref();
        let there = segments(log)?;
        let last = there.last().cloned().unwrap_or_else(|| Segment::new(log, 0));
        // One that is compressed already is not written to: something else did that, and the next one is free.
        let active = if last.compressed().exists() { Segment::new(log, last.number() + 1) } else { last };
        let (file, end, size) = open(&active.plain())?;
        let roll = Roll::new(log, rotation, &file, active.number());
        Ok(Self { framing: Framing::new(Batch::new(file, end, size)), roll: Some(roll) })
    }

    /// Takes bytes that were read at one moment, and writes the lines that they finish.
    ///
    /// All bytes are taken even when it fails: the next call goes on behind them.
    pub fn write(&mut self, stream: Stream, at: SystemTime, bytes: &[u8]) -> io::Result<()> {
        for bytes in bytes.chunks(STEP) {
            if let Some(roll) = &mut self.roll {
                roll.turn(&mut self.framing.batch, at);
            }
            self.framing.take(stream, at, bytes);
        }
        self.framing.put_old(at);
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

    /// Writes a line of Mantyx itself behind the lines that have ended. It is a record of its own, whatever the
    /// process has begun to write.
    pub fn remark(&mut self, at: SystemTime, text: &str) -> io::Result<()> {
        self.framing.remark(at, text);
        self.framing.batch.write()
    }

    /// How many records had to be dropped since the last call, for a line that says so.
    pub fn take_dropped(&mut self) -> u64 {
        self.framing.batch.take_dropped()
    }

    /// How long until [`LogWriter::rest`] should be called, unless more is written; `None` when it has nothing to do.
    #[must_use]
    pub fn rest_in(&self) -> Option<Duration> {
        let compression = self.roll.as_ref().and_then(Roll::compression_in);
        let memory = self.framing.is_large().then_some(Duration::from_secs(1));
        let open = [Stream::Stdout, Stream::Stderr].into_iter().any(|stream| self.holds(stream));
        compression.into_iter().chain(memory).chain(open.then_some(OPEN)).min()
    }

    /// Whether there is text of a line that has not ended in memory only. Half a character is none.
    #[must_use]
    pub fn holds(&self, stream: Stream) -> bool {
        whole_characters(&self.framing.line(stream).text) > 0
    }

    /// Writes what there is of lines that have not ended, gives memory back, and begins to compress old segments when a
    /// burst is over, in a thread of lowest priority.
    pub fn rest(&mut self) -> io::Result<()> {
        self.framing.put_all();
        let written = self.framing.batch.write();
        self.framing.shrink();
        if let Some(roll) = &mut self.roll {
            roll.compress();
        }
        written
    }
}

/// The file, how it ends, and its size.
fn open(path: &Path) -> io::Result<(File, End, u64)> {
    let file = OpenOptions::new().read(true).append(true).create(true).mode(0o640).open(path)?;
    lock::claim(&file);
    let (end, size) = (end_of(&file)?, file.metadata()?.len());
    Ok((file, end, size))
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
    /// The same, to count from.
    opened: SystemTime,
    text: Vec<u8>,
    /// Whether pieces of it are in the file.
    begun: bool,
}

/// How many of these bytes are whole characters, if they are text. A piece of a line is read by itself too.
fn whole_characters(text: &[u8]) -> usize {
    let behind = text.iter().rev().take(3).take_while(|byte| **byte & 0xC0 == 0x80).count();
    let first = text.len().saturating_sub(behind + 1);
    let needs = match text.get(first) {
        Some(0xC2..=0xDF) => 2,
        Some(0xE0..=0xEF) => 3,
        Some(0xF0..=0xF4) => 4,
        _ => 1,
    };
    if needs > text.len() - first { first } else { text.len() }
}

/// Cuts bytes into lines.
struct Framing<S> {
    batch: Batch<S>,
    now: Stamp,
    at: SystemTime,
    stdout: Unfinished,
    stderr: Unfinished,
}

impl<S: Sink> Framing<S> {
    fn new(batch: Batch<S>) -> Self {
        let (at, now) = (UNIX_EPOCH, Stamp::new(UNIX_EPOCH));
        let unfinished = || Unfinished { since: now, opened: at, text: Vec::new(), begun: false };
        Self { batch, now, at, stdout: unfinished(), stderr: unfinished() }
    }

    /// Whether it holds memory that it needs in a burst only.
    fn is_large(&self) -> bool {
        self.batch.is_large()
    }

    fn shrink(&mut self) {
        self.batch.shrink();
        self.stdout.text.shrink_to_fit();
        self.stderr.text.shrink_to_fit();
    }

    fn take(&mut self, stream: Stream, at: SystemTime, bytes: &[u8]) {
        self.now.set(at);
        self.at = at;
        let header = Header::new(self.now, stream, Completeness::Full);
        let mut rest = bytes;
        while let Some(newline) = memchr::memchr(b'\n', rest) {
            let line = &rest[..newline];
            rest = &rest[newline + 1..];
            let unfinished = self.unfinished(stream);
            if line.len() <= MAX_TEXT && unfinished.text.is_empty() && !unfinished.begun {
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
        let (now, at) = (self.now, self.at);
        while !bytes.is_empty() {
            let line = self.unfinished(stream);
            if line.text.is_empty() {
                (line.since, line.opened) = (now, at);
            }
            if line.text.len() == MAX_TEXT {
                self.put_piece(stream);
                continue;
            }
            let (taken, rest) = bytes.split_at(bytes.len().min(MAX_TEXT - line.text.len()));
            line.text.extend_from_slice(taken);
            bytes = rest;
        }
    }

    /// Hands the unfinished line on and begins an empty one.
    fn finish(&mut self, stream: Stream) {
        let now = self.now;
        let line = self.unfinished(stream);
        if line.text.is_empty() {
            // All but the line break was written before.
            line.since = now;
        }
        let length = line.text.len();
        self.put(stream, Completeness::Full, length);
        self.unfinished(stream).begun = false;
    }

    fn finish_all(&mut self) {
        for stream in [Stream::Stdout, Stream::Stderr] {
            let line = self.unfinished(stream);
            if line.begun || !line.text.is_empty() {
                self.finish(stream);
            }
        }
    }

    /// Hands a piece of the unfinished line on, if there is any.
    fn put_piece(&mut self, stream: Stream) {
        let length = whole_characters(&self.line(stream).text);
        if length > 0 {
            self.put(stream, Completeness::Partial, length);
            self.unfinished(stream).begun = true;
        }
    }

    /// Hands on what has been there for too long. A clock that was set back says nothing, so then it is time too.
    fn put_old(&mut self, at: SystemTime) {
        for stream in [Stream::Stdout, Stream::Stderr] {
            let line = self.line(stream);
            let is_new = at.duration_since(line.opened).is_ok_and(|age| age < OPEN);
            if !line.text.is_empty() && !is_new {
                self.put_piece(stream);
            }
        }
    }

    fn put_all(&mut self) {
        self.put_piece(Stream::Stdout);
        self.put_piece(Stream::Stderr);
    }

    fn put(&mut self, stream: Stream, completeness: Completeness, length: usize) {
        let line = match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        };
        let header = Header::new(line.since, stream, completeness);
        self.batch.push(|out| header.encode(&line.text[..length], out));
        line.text.drain(..length);
    }

    fn remark(&mut self, at: SystemTime, text: &str) {
        if self.stderr.begun {
            // Behind pieces of a line it would look like the end of it.
            self.finish(Stream::Stderr);
        }
        self.now.set(at);
        let header = Header::new(self.now, Stream::Stderr, Completeness::Full);
        self.batch.push(|out| header.encode(text.as_bytes(), out));
    }

    fn line(&self, stream: Stream) -> &Unfinished {
        match stream {
            Stream::Stdout => &self.stdout,
            Stream::Stderr => &self.stderr,
        }
    }

    fn unfinished(&mut self, stream: Stream) -> &mut Unfinished {
        match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        }
    }
}
