//! The lines of one log view: the newest 100,000, those of them that pass the filter, and what to show of them.
//! It knows nothing of the browser, so that its arithmetic can be tested.

use std::collections::VecDeque;

use chrono::{DateTime, Utc};
use mantyx_api_types::{LogLine, LogStream};

use crate::text::ansi;
use crate::text::level::{Level, LevelReader};

/// How many lines a view keeps.
pub(crate) const CAPACITY: usize = 100_000;

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
    /// Its text with ANSI sequences.
    pub(crate) text: String,
}

/// Which lines are shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Filter {
    /// Only of this stream.
    pub(crate) stream: Option<LogStream>,
    /// Only those that contain this, whatever the case; all when it is empty.
    pub(crate) text: String,
}

impl Filter {
    fn is_open(&self) -> bool {
        self.stream.is_none() && self.text.is_empty()
    }

    fn passes(&self, line: &Line) -> bool {
        self.stream.is_none_or(|stream| stream == line.stream)
            && (self.text.is_empty() || contains(&ansi::plain(&line.text), &self.text))
    }
}

/// Whether a text contains another, whatever the case of its ASCII letters, as the marks in the lines have it.
fn contains(text: &str, wanted: &str) -> bool {
    text.to_ascii_lowercase().contains(&wanted.to_ascii_lowercase())
}

/// The lines of a view.
#[derive(Debug)]
pub(crate) struct LogBuffer {
    capacity: usize,
    lines: VecDeque<Line>,
    /// The numbers of the lines that pass; unused while the filter lets everything through.
    passing: VecDeque<u64>,
    filter: Filter,
    levels: LevelReader,
    next: u64,
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
            filter: Filter::default(),
            levels: LevelReader::default(),
            next: 0,
            seen: None,
        }
    }

    /// Takes the next lines. Answers how many rows went from the top of what is shown.
    pub(crate) fn extend(&mut self, lines: Vec<LogLine>) -> usize {
        for line in lines {
            if !self.was_seen(line.at) {
                self.push(line);
            }
        }
        self.drop_oldest()
    }

    /// The follow starts again after a reconnect: lines that come a second time are not taken again.
    pub(crate) fn resume(&mut self) {
        self.seen = self.lines.back().map(|line| line.at);
    }

    /// Shows other lines.
    pub(crate) fn set_filter(&mut self, filter: Filter) {
        self.filter = filter;
        let filter = &self.filter;
        self.passing = if filter.is_open() {
            VecDeque::new()
        } else {
            self.lines.iter().filter(|line| filter.passes(line)).map(|line| line.number).collect()
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

    /// How many rows are shown.
    pub(crate) fn rows(&self) -> usize {
        if self.filter.is_open() { self.lines.len() } else { self.passing.len() }
    }

    /// The line in a row.
    pub(crate) fn row(&self, row: usize) -> Option<&Line> {
        if self.filter.is_open() {
            return self.lines.get(row);
        }
        let number = *self.passing.get(row)?;
        let index = usize::try_from(number - self.dropped()).ok()?;
        self.lines.get(index)
    }

    fn was_seen(&mut self, at: DateTime<Utc>) -> bool {
        let seen = self.seen.is_some_and(|seen| at <= seen);
        if !seen {
            self.seen = None;
        }
        seen
    }

    fn push(&mut self, line: LogLine) {
        let level = if line.text.contains('\u{1b}') {
            self.levels.read(&ansi::plain(&line.text))
        } else {
            self.levels.read(&line.text)
        };
        let line = Line { number: self.next, at: line.at, stream: line.stream, level, text: line.text };
        self.next += 1;
        if !self.filter.is_open() && self.filter.passes(&line) {
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
            buffer.extend(vec![line(second, &format!("Line \u{1b}[1m{second}"), stream)]);
        }
        buffer
    }

    fn texts(buffer: &LogBuffer) -> Vec<String> {
        (0..buffer.rows()).filter_map(|row| buffer.row(row)).map(|line| ansi::plain(&line.text)).collect()
    }

    #[test]
    fn the_oldest_go_first_and_are_counted() {
        let buffer = filled(3, 5);
        assert_eq!(texts(&buffer), ["Line 2", "Line 3", "Line 4"]);
        assert_eq!((buffer.len(), buffer.dropped()), (3, 2));
    }

    #[test]
    fn a_filter_holds_for_old_and_new_lines() {
        let mut buffer = filled(4, 4);
        buffer.set_filter(Filter { stream: Some(LogStream::Stderr), text: "LINE".into() });
        assert_eq!(texts(&buffer), ["Line 1", "Line 3"]);
        let gone = buffer.extend(vec![
            line(5, "line 5", LogStream::Stderr),
            line(6, "line 6", LogStream::Stdout),
            line(7, "other", LogStream::Stderr),
        ]);
        assert_eq!(gone, 1);
        assert_eq!(texts(&buffer), ["Line 3", "line 5"]);
        buffer.set_filter(Filter::default());
        assert_eq!(buffer.rows(), 4);
    }

    #[test]
    fn styles_do_not_hide_what_is_searched() {
        let mut buffer = filled(4, 4);
        buffer.set_filter(Filter { stream: None, text: "line 2".into() });
        assert_eq!(texts(&buffer), ["Line 2"]);
    }

    #[test]
    fn a_reconnect_repeats_nothing() {
        let mut buffer = filled(10, 3);
        buffer.resume();
        buffer.extend(vec![
            line(1, "again", LogStream::Stdout),
            line(2, "again", LogStream::Stdout),
            line(3, "new", LogStream::Stdout),
            line(3, "new too", LogStream::Stdout),
        ]);
        assert_eq!(texts(&buffer), ["Line 0", "Line 1", "Line 2", "new", "new too"]);
    }
}
