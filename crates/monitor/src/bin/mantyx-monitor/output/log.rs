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
        let Some(last) = bytes.last() else { return 0 };
        let is_open = *last != b'\n';
        let goes_on = std::mem::replace(self.of(stream), is_open);
        line_breaks(bytes) + u64::from(is_open) - u64::from(goes_on)
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

/// Lines that were read from the pipes and may not be in the file yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Held {
    ended: u64,
    /// On which streams one has not ended.
    open: Cut,
    /// On which of these the log has something of it in memory.
    pending: Cut,
}

impl Held {
    pub(super) fn take(&mut self, stream: Stream, bytes: &[u8]) {
        self.ended += line_breaks(bytes);
        if let Some(last) = bytes.last() {
            *self.open.of(stream) = *last != b'\n';
            *self.pending.of(stream) = *last != b'\n';
        }
    }

    /// All but these are in the file, or counted otherwise.
    pub(super) fn settle(&mut self, pending: Cut) {
        (self.ended, self.pending) = (0, pending);
    }

    pub(super) fn lines(self) -> u64 {
        self.ended + u64::from(self.pending.stdout) + u64::from(self.pending.stderr)
    }

    /// Where the rest of a line will come.
    pub(super) fn cut(self) -> Cut {
        self.open
    }
}

/// How many there are. Each burst is counted before it is written, so it is not done byte by byte.
fn line_breaks(bytes: &[u8]) -> u64 {
    u64::try_from(memchr::memchr_iter(b'\n', bytes).count()).unwrap_or(u64::MAX)
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
        // Where the lines are missing, which is before those that follow.
        self.say();
        if let Some(writer) = &mut self.writer {
            // What it could not take is counted.
            let _ = writer.write(stream, SystemTime::now(), self.cut.skip(stream, bytes));
            let dropped = writer.take_dropped();
            self.lose(dropped);
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
        if let Some(writer) = &mut self.writer {
            let _ = writer.flush();
            let dropped = writer.take_dropped();
            self.lose(dropped);
        }
        self.say();
    }

    fn lose(&mut self, lines: u64) {
        self.unsaid += lines;
        self.dropped += lines;
    }

    /// Says what is missing, as soon as it can be written.
    fn say(&mut self) {
        let Some(writer) = self.writer.as_mut().filter(|_| self.unsaid > 0) else { return };
        let lines = if self.unsaid == 1 { "1 line is" } else { &format!("{} lines are", self.unsaid) };
        let note = format!("[mantyx] {lines} missing: the log could not be written");
        let said = writer.remark(SystemTime::now(), &note);
        let mut dropped = writer.take_dropped();
        match said {
            Ok(()) => self.unsaid = 0,
            // A note that was dropped is no line of the app.
            Err(_) => dropped = dropped.saturating_sub(1),
        }
        self.lose(dropped);
    }

    /// How many lines were lost since the last call.
    pub(super) fn take_dropped(&mut self) -> u64 {
        std::mem::take(&mut self.dropped)
    }

    /// How long until [`Log::rest`] should be called when nothing more comes.
    pub(super) fn rest_in(&self) -> Option<Duration> {
        self.writer.as_ref().and_then(LogWriter::rest_in)
    }

    /// Writes what there is of lines that have not ended, and does what can wait until nothing comes.
    pub(super) fn rest(&mut self) {
        if let Some(writer) = &mut self.writer {
            let _ = writer.rest();
            let dropped = writer.take_dropped();
            self.lose(dropped);
        }
    }

    /// On which streams it has something of a line that has not ended in memory only.
    pub(super) fn pending(&self) -> Cut {
        let holds = |stream| self.writer.as_ref().is_some_and(|writer| writer.holds(stream));
        Cut { stdout: holds(Stream::Stdout), stderr: holds(Stream::Stderr) }
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

    fn records(log: &Log) -> Vec<String> {
        let text = std::fs::read_to_string(&log.path).unwrap();
        text.lines().map(|line| line.splitn(4, ' ').last().unwrap().to_owned()).collect()
    }

    #[test]
    fn what_is_missing_is_said_before_what_follows_and_in_no_line_of_the_app() {
        let root = tempfile::tempdir().unwrap();
        let mut log = Log::new(&root.path().join("app.log"), Rotation::default());
        log.write(Stream::Stderr, b"progress 10%");
        log.lose(5);
        log.write(Stream::Stdout, b"next\n");
        log.write(Stream::Stderr, b" 20%\n");
        log.write(Stream::Stderr, b"progress 30%");
        // And when the rest of that line is missing too.
        log.gap(1, Cut { stderr: true, stdout: false });
        log.write(Stream::Stderr, b" 40%\nlast\n");
        log.close();
        let note = |lines: &str| format!("[mantyx] {lines} missing: the log could not be written");
        let (five, one) = (note("5 lines are"), note("1 line is"));
        assert_eq!(records(&log), [&five, "next", "progress 10% 20%", "progress 30%", &one, "last"]);
    }

    #[test]
    fn lines_in_hand_are_counted_once() {
        let mut held = Held::default();
        held.take(Stream::Stdout, b"one\ntw");
        held.take(Stream::Stdout, b"o\nthree");
        held.take(Stream::Stderr, b"four");
        assert_eq!(held.lines(), 4);
        held.settle(Cut { stdout: true, stderr: true });
        assert_eq!(held.lines(), 2);
        // The beginning of both is in the file.
        held.settle(Cut::default());
        assert_eq!((held.lines(), held.cut()), (0, Cut { stdout: true, stderr: true }));
    }

    #[test]
    fn what_stays_open_is_written_once_and_then_there_is_nothing_to_do() {
        let root = tempfile::tempdir().unwrap();
        let mut log = Log::new(&root.path().join("app.log"), Rotation::default());
        log.write(Stream::Stdout, b"10%\r20%");
        assert_eq!(
            (log.rest_in(), log.pending()),
            (Some(Duration::from_secs(1)), Cut { stdout: true, stderr: false })
        );
        log.rest();
        assert_eq!((log.rest_in(), log.pending()), (None, Cut::default()));
        assert_eq!(records(&log), ["10%\r20%"]);
        log.write(Stream::Stdout, b"\rdone\n");
        assert_eq!(records(&log), ["10%\r20%", "\rdone"]);
        assert_eq!(log.rest_in(), None);
    }
}
