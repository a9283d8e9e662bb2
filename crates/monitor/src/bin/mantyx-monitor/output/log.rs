//! The log of a process, which may not be writable at the moment.
//!
//! What it could not take is counted, and said in it as soon as it can be written again.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use mantyx_logs::{LogWriter, Rotation, Stream};

/// How long between two attempts to open a log.
const RETRY: Duration = Duration::from_secs(1);

/// A log that is opened as soon as it can be.
pub(super) struct Log {
    path: PathBuf,
    rotation: Rotation,
    writer: Option<LogWriter>,
    tried: Option<Instant>,
    /// Lines lost since the log last said so.
    unsaid: u64,
    /// Lines lost since somebody asked.
    dropped: u64,
    /// Which lines are lost that have not ended yet.
    cut: Cut,
}

/// On which streams the last line that was lost has not ended: what comes next there is the rest of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Cut {
    stdout: bool,
    stderr: bool,
}

impl Cut {
    /// How many lines begin in bytes that are lost. A line that comes in pieces is one.
    pub(super) fn lose(&mut self, stream: Stream, bytes: &[u8]) -> u64 {
        let pieces: u64 = bytes.split_inclusive(|byte| *byte == b'\n').map(|_| 1).sum();
        let Some(last) = bytes.last() else { return 0 };
        let goes_on = std::mem::replace(self.of(stream), *last != b'\n');
        pieces - u64::from(goes_on)
    }

    /// What of these bytes is not the rest of a line that is lost: half a line would look like a whole one.
    pub(super) fn skip<'a>(&mut self, stream: Stream, bytes: &'a [u8]) -> &'a [u8] {
        let cut = self.of(stream);
        if !*cut {
            return bytes;
        }
        let end = bytes.iter().position(|byte| *byte == b'\n');
        *cut = end.is_none();
        end.map_or(&[], |end| &bytes[end + 1..])
    }

    fn of(&mut self, stream: Stream) -> &mut bool {
        match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        }
    }
}

impl Log {
    pub(super) fn new(path: &Path, rotation: Rotation) -> Self {
        Self {
            path: path.to_owned(),
            rotation,
            writer: None,
            tried: None,
            unsaid: 0,
            dropped: 0,
            cut: Cut::default(),
        }
    }

    /// Opens the log if it is not, at most once in a while.
    fn open(&mut self) {
        if self.writer.is_none() && self.tried.is_none_or(|tried| tried.elapsed() >= RETRY) {
            self.tried = Some(Instant::now());
            self.writer = LogWriter::rotating(&self.path, self.rotation).ok();
        }
    }

    pub(super) fn write(&mut self, stream: Stream, bytes: &[u8]) {
        self.open();
        if let Some(writer) = &mut self.writer {
            let written = writer.write(stream, SystemTime::now(), self.cut.skip(stream, bytes));
            self.count(written.is_ok());
        } else {
            let lines = self.cut.lose(stream, bytes);
            self.lose(lines);
        }
    }

    /// Says that so many lines were lost elsewhere, behind those that were written so far, and which of them have not
    /// ended. Lines that were begun before end here.
    pub(super) fn gap(&mut self, lines: u64, cut: Cut) {
        self.open();
        self.cut = cut;
        self.unsaid += lines;
        let flushed = self.writer.as_mut().map(LogWriter::flush);
        self.count(flushed.is_some_and(|flushed| flushed.is_ok()));
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
        let lines = if self.unsaid == 1 { "1 line is" } else { &format!("{} lines are", self.unsaid) };
        let note = format!("[mantyx] {lines} missing: the log could not be written\n");
        if writer.write(Stream::Stderr, SystemTime::now(), note.as_bytes()).is_ok() {
            self.unsaid = 0;
        }
        // A note that was dropped is no line of the app.
        let _ = writer.take_dropped();
    }

    /// How many lines were lost since the last call.
    pub(super) fn take_dropped(&mut self) -> u64 {
        std::mem::take(&mut self.dropped)
    }

    /// How long until [`Log::rest`] should be called when nothing more comes.
    pub(super) fn rest_in(&self) -> Option<Duration> {
        self.writer.as_ref().and_then(LogWriter::rest_in)
    }

    /// Does what can wait until nothing comes.
    pub(super) fn rest(&mut self) {
        if let Some(writer) = &mut self.writer {
            writer.rest();
        }
    }

    /// Writes unfinished lines too: nothing will finish them.
    pub(super) fn close(&mut self) {
        self.tried = None;
        self.gap(0, self.cut);
        self.writer = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_that_appears_later_says_what_is_missing() {
        let root = tempfile::tempdir().unwrap();
        let mut log = Log::new(&root.path().join("later/app.log"), Rotation::default());
        // As Python without buffers writes: the line break by itself.
        for piece in ["one", "\n", "two\nth", "r"] {
            log.write(Stream::Stdout, piece.as_bytes());
        }
        std::fs::create_dir(root.path().join("later")).unwrap();
        log.tried = None;
        log.write(Stream::Stdout, b"ee");
        log.write(Stream::Stderr, b"aside\n");
        log.write(Stream::Stdout, b"\nfour\n");
        log.close();
        assert_eq!(log.take_dropped(), 3);
        let text = std::fs::read_to_string(&log.path).unwrap();
        assert!(text.contains("stdout F four\n"), "{text}");
        assert!(text.contains("stderr F [mantyx] 3 lines are missing"), "{text}");
        assert!(text.contains("stderr F aside\n") && text.lines().count() == 3, "{text}");
    }
}
