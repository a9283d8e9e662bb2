//! The lines of one log view: the newest 100,000, those of them that pass the filter, and what to show of them.
//! It knows nothing of the browser, so that its arithmetic can be tested.

use std::collections::VecDeque;

use chrono::{DateTime, Utc};
use mantyx_api_types::{LogLine, LogStream};

use crate::text::ansi;
use crate::text::level::{Level, LevelReader};
use crate::text::number;

/// How many lines a view keeps.
pub(crate) const CAPACITY: usize = 100_000;

/// What stands in a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// A line with its ANSI sequences.
    Text(String),
    /// So many lines came faster than anybody can read, and are not here.
    Skipped(u64),
}

impl Content {
    /// What is said of lines that are not here; the line itself otherwise.
    pub(crate) fn words(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Skipped(count) => {
                let lines = number::plural(usize::try_from(*count).unwrap_or(usize::MAX), "line", "lines");
                format!("{lines} skipped in view; all are in the log")
            }
        }
    }
}

/// A line that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// Counted from 0 since the view was opened; it never changes.
    pub(crate) number: u64,
    /// When it was written.
    pub(crate) at: DateTime<Utc>,
    /// Where it was written.
    pub(crate) stream: LogStream,
    /// How bad it is.
    pub(crate) level: Level,
    /// What it says.
    pub(crate) content: Content,
}

/// The lines of a view.
#[derive(Debug)]
pub(crate) struct LogBuffer {
    capacity: usize,
    lines: VecDeque<Line>,
    /// The numbers of the lines that pass; unused while every stream is shown.
    passing: VecDeque<u64>,
    stream: Option<LogStream>,
    levels: LevelReader,
    next: u64,
    /// How many lines were never here.
    skipped: u64,
    /// After a reconnect, lines up to here were seen before.
    seen: Option<DateTime<Utc>>,
}

impl Default for LogBuffer {
    fn default() -> Self {
        Self::with_capacity(CAPACITY)
    }
}

impl LogBuffer {
    /// An empty view that keeps so many lines.
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        Self {
            capacity,
            lines: VecDeque::new(),
            passing: VecDeque::new(),
            stream: None,
            levels: LevelReader::default(),
            next: 0,
            skipped: 0,
            seen: None,
        }
    }

    /// A view of lines that were read at once.
    pub(crate) fn of(lines: Vec<LogLine>) -> Self {
        let mut buffer = Self::default();
        buffer.extend(lines, 0);
        buffer
    }

    /// Takes the next lines, and how many were left out before them. Answers how many rows went from the top of what
    /// is shown.
    pub(crate) fn extend(&mut self, lines: Vec<LogLine>, skipped: u64) -> usize {
        if let (1.., Some(first)) = (skipped, lines.first()) {
            self.skip(skipped, first.at, first.stream);
        }
        for line in lines {
            if !self.was_seen(line.at) {
                self.take(line);
            }
        }
        self.drop_oldest()
    }

    /// The follow starts again after a reconnect: lines that come a second time are not taken again.
    pub(crate) fn resume(&mut self) {
        self.seen = self.lines.back().map(|line| line.at);
    }

    /// Shows one stream alone, or all.
    pub(crate) fn show(&mut self, stream: Option<LogStream>) {
        self.stream = stream;
        self.passing = match stream {
            None => VecDeque::new(),
            Some(_) => self.lines.iter().filter(|line| self.passes(line)).map(|line| line.number).collect(),
        };
    }

    /// How many lines are kept.
    pub(crate) fn len(&self) -> usize {
        self.lines.len()
    }

    /// How many lines were dropped because there were too many.
    pub(crate) fn dropped(&self) -> u64 {
        self.lines.front().map_or(0, |line| line.number)
    }

    /// How many lines came too fast to be shown at all.
    pub(crate) const fn skipped(&self) -> u64 {
        self.skipped
    }

    /// How many rows are shown.
    pub(crate) fn rows(&self) -> usize {
        if self.stream.is_none() { self.lines.len() } else { self.passing.len() }
    }

    /// The line in a row.
    pub(crate) fn row(&self, row: usize) -> Option<&Line> {
        if self.stream.is_none() {
            return self.lines.get(row);
        }
        let number = *self.passing.get(row)?;
        let index = usize::try_from(number - self.dropped()).ok()?;
        self.lines.get(index)
    }

    /// That lines are missing is said whichever stream is shown.
    fn passes(&self, line: &Line) -> bool {
        matches!(line.content, Content::Skipped(_)) || self.stream.is_none_or(|stream| stream == line.stream)
    }

    fn was_seen(&mut self, at: DateTime<Utc>) -> bool {
        let seen = self.seen.is_some_and(|seen| at <= seen);
        if !seen {
            self.seen = None;
        }
        seen
    }

    fn take(&mut self, line: LogLine) {
        let level = if line.text.contains('\u{1b}') {
            self.levels.read(&ansi::plain(&line.text))
        } else {
            self.levels.read(&line.text)
        };
        self.push(line.at, line.stream, level, Content::Text(line.text));
    }

    /// Two gaps with nothing between them are one.
    fn skip(&mut self, count: u64, at: DateTime<Utc>, stream: LogStream) {
        self.skipped += count;
        match self.lines.back_mut() {
            Some(Line { content: Content::Skipped(before), .. }) => *before += count,
            _ => self.push(at, stream, Level::None, Content::Skipped(count)),
        }
    }

    fn push(&mut self, at: DateTime<Utc>, stream: LogStream, level: Level, content: Content) {
        let line = Line { number: self.next, at, stream, level, content };
        self.next += 1;
        if self.stream.is_some() && self.passes(&line) {
            self.passing.push_back(line.number);
        }
        self.lines.push_back(line);
    }

    fn drop_oldest(&mut self) -> usize {
        let before = self.rows();
        let excess = self.lines.len().saturating_sub(self.capacity);
        self.lines.drain(..excess);
        let first = self.dropped();
        while self.passing.front().is_some_and(|number| *number < first) {
            self.passing.pop_front();
        }
        before - self.rows()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;
    use mantyx_api_types::LogSource;

    fn line(second: i64, text: &str, stream: LogStream) -> LogLine {
        LogLine {
            at: DateTime::UNIX_EPOCH + TimeDelta::seconds(second),
            stream,
            source: LogSource::Execution("0190a6c0-0000-7000-8000-000000000000".parse().unwrap()),
            text: text.into(),
            partial: false,
        }
    }

    fn filled(capacity: usize, lines: i64) -> LogBuffer {
        let mut buffer = LogBuffer::with_capacity(capacity);
        for second in 0..lines {
            let stream = if second % 2 == 0 { LogStream::Stdout } else { LogStream::Stderr };
            buffer.extend(vec![line(second, &format!("Line \u{1b}[1m{second}"), stream)], 0);
        }
        buffer
    }

    fn texts(buffer: &LogBuffer) -> Vec<String> {
        let text = |line: &Line| match &line.content {
            Content::Text(text) => ansi::plain(text),
            Content::Skipped(count) => format!("-{count}"),
        };
        (0..buffer.rows()).filter_map(|row| buffer.row(row)).map(text).collect()
    }

    #[test]
    fn the_oldest_go_first_and_are_counted() {
        let buffer = filled(3, 5);
        assert_eq!(texts(&buffer), ["Line 2", "Line 3", "Line 4"]);
        assert_eq!((buffer.len(), buffer.dropped()), (3, 2));
    }

    #[test]
    fn one_stream_alone_holds_for_old_and_new_lines() {
        let mut buffer = filled(4, 4);
        buffer.show(Some(LogStream::Stderr));
        assert_eq!(texts(&buffer), ["Line 1", "Line 3"]);
        let lines = vec![
            line(5, "5", LogStream::Stderr),
            line(6, "6", LogStream::Stdout),
            line(7, "7", LogStream::Stderr),
        ];
        assert_eq!(buffer.extend(lines, 0), 1, "one of its rows went");
        assert_eq!(texts(&buffer), ["Line 3", "5", "7"]);
        buffer.show(None);
        assert_eq!(buffer.rows(), 4);
    }

    #[test]
    fn what_was_left_out_is_said_where_it_was() {
        let mut buffer = filled(10, 1);
        buffer.extend(vec![line(5, "5", LogStream::Stdout)], 40);
        buffer.show(Some(LogStream::Stderr));
        buffer.extend(vec![line(6, "6", LogStream::Stdout)], 2);
        assert_eq!(texts(&buffer), ["-40", "-2"]);
        buffer.show(None);
        assert_eq!(texts(&buffer), ["Line 0", "-40", "5", "-2", "6"]);
        assert_eq!(buffer.skipped(), 42);
    }

    #[test]
    fn a_flood_leaves_as_many_as_are_kept() {
        let mut buffer = LogBuffer::with_capacity(1000);
        for batch in 0..100 {
            let lines = (0..500).map(|at| line(batch * 500 + at, "x", LogStream::Stdout)).collect();
            buffer.extend(lines, 0);
            assert!(buffer.len() <= 1000);
        }
        assert_eq!((buffer.rows(), buffer.dropped()), (1000, 49_000));
        assert_eq!(buffer.row(999).map(|line| line.number), Some(49_999));
    }

    #[test]
    fn a_reconnect_repeats_nothing() {
        let mut buffer = filled(10, 3);
        buffer.resume();
        let lines = vec![
            line(1, "again", LogStream::Stdout),
            line(2, "again", LogStream::Stdout),
            line(3, "new", LogStream::Stdout),
            line(3, "new too", LogStream::Stdout),
        ];
        buffer.extend(lines, 0);
        assert_eq!(texts(&buffer), ["Line 0", "Line 1", "Line 2", "new", "new too"]);
    }
}
