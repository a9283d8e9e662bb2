//! The lines of one log view: the newest 100,000, those of them that pass the filter, and what to show of them.
//! It knows nothing of the browser, so that its arithmetic can be tested.

mod line;

use std::collections::VecDeque;

use chrono::{DateTime, Utc};
use mantyx_api_types::{LogGap, LogLine, LogSource, LogStream};

use crate::text::level::{Level, LevelReader};
pub(crate) use line::{Content, Line, Part, last_drawing};

/// How many lines a view keeps, and how many bytes of text.
pub(crate) const CAPACITY: usize = 100_000;
const LARGEST_TEXT: usize = 32 << 20;

/// How many bytes of one line are in one row, unless its first piece alone is longer.
const LARGEST_ROW: usize = 64 << 10;

/// How many unfinished lines are remembered; the rest of an older one is a row of its own.
const UNFINISHED: usize = 64;

/// A line that goes on with the next piece of the same source and stream.
#[derive(Clone, Copy, Debug)]
struct Unfinished {
    source: LogSource,
    stream: LogStream,
    /// The number of the row that it is in so far.
    row: u64,
}

/// How a view has changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Change {
    /// How many rows came at its end.
    pub(crate) came: usize,
    /// How many rows went from its top.
    pub(crate) went: usize,
}

/// The lines of a view.
#[derive(Debug)]
pub(crate) struct LogBuffer {
    capacity: usize,
    largest_text: usize,
    lines: VecDeque<Line>,
    /// The numbers of the lines that pass; unused while every stream is shown.
    passing: VecDeque<u64>,
    stream: Option<LogStream>,
    levels: LevelReader,
    unfinished: Vec<Unfinished>,
    next: u64,
    /// How many bytes all lines have.
    text: usize,
    /// How many lines were never here.
    skipped: u64,
}

impl Default for LogBuffer {
    fn default() -> Self {
        Self::with_capacity(CAPACITY, LARGEST_TEXT)
    }
}

impl LogBuffer {
    /// An empty view that keeps so many lines and so much text.
    pub(crate) fn with_capacity(capacity: usize, largest_text: usize) -> Self {
        Self {
            capacity,
            largest_text,
            lines: VecDeque::new(),
            passing: VecDeque::new(),
            stream: None,
            levels: LevelReader::default(),
            unfinished: Vec::new(),
            next: 0,
            text: 0,
            skipped: 0,
        }
    }

    /// A view of lines that match: each piece of a long line by itself, since those between may be missing.
    pub(crate) fn of_matches(lines: Vec<LogLine>) -> Self {
        let mut buffer = Self::default();
        buffer.extend(lines.into_iter().map(|line| LogLine { partial: false, ..line }).collect(), 0);
        buffer
    }

    /// A view of all lines of a time, and the row of the first that is the one that is sought.
    pub(crate) fn around(lines: Vec<LogLine>, is_sought: impl Fn(&LogLine) -> bool) -> (Self, usize) {
        let (mut buffer, mut sought) = (Self::default(), None);
        for line in lines {
            let found = sought.is_none() && is_sought(&line);
            let row = buffer.take(line);
            sought = if found { Some(row) } else { sought };
        }
        buffer.drop_oldest();
        let row = sought.unwrap_or_default().saturating_sub(buffer.dropped());
        (buffer, usize::try_from(row).unwrap_or_default())
    }

    /// Takes the next lines, and how many were left out before them.
    pub(crate) fn extend(&mut self, lines: Vec<LogLine>, skipped: u64) -> Change {
        let before = self.rows();
        if let (1.., Some(first)) = (skipped, lines.first()) {
            self.skip(skipped, first.at, first.stream);
        }
        for line in lines {
            self.take(line);
        }
        let came = self.rows() - before;
        Change { came, went: self.drop_oldest() }
    }

    /// Lines are missing behind the last one, or may be. Where nothing is, nobody misses anything.
    pub(crate) fn miss(&mut self, gap: LogGap) -> Change {
        let Some(Line { at, stream, .. }) = self.lines.back() else { return Change::default() };
        let (at, stream) = (*at, *stream);
        self.push(at, stream, Part::Beginning, Level::None, Content::Missing(gap));
        Change { came: 1, went: self.drop_oldest() }
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
        self.lines.get(self.index(*self.passing.get(row)?)?)
    }

    /// Where a line is that is kept.
    fn index(&self, number: u64) -> Option<usize> {
        usize::try_from(number.checked_sub(self.dropped())?).ok()
    }

    /// That lines are missing is said whichever stream is shown.
    fn passes(&self, line: &Line) -> bool {
        !matches!(line.content, Content::Text(_)) || self.stream.is_none_or(|stream| stream == line.stream)
    }

    /// Takes a line or a piece of one, and answers the number of its row.
    fn take(&mut self, line: LogLine) -> u64 {
        let LogLine { at, stream, source, text, partial } = line;
        let begun = self.take_unfinished(source, stream);
        let row = if let Some(row) = begun.filter(|row| self.joined_size(*row, &text) <= LARGEST_ROW) {
            self.join(row, &text)
        } else {
            let part = if begun.is_some() { Part::Rest } else { Part::Beginning };
            let text = last_drawing(text);
            let level = line::level(&mut self.levels, &text);
            self.push(at, stream, part, level, Content::Text(text))
        };
        if partial {
            self.unfinished.push(Unfinished { source, stream, row });
            let excess = self.unfinished.len().saturating_sub(UNFINISHED);
            self.unfinished.drain(..excess);
        }
        row
    }

    /// The row in which a line has begun whose next piece comes.
    fn take_unfinished(&mut self, source: LogSource, stream: LogStream) -> Option<u64> {
        let its = |line: &Unfinished| line.source == source && line.stream == stream;
        let at = self.unfinished.iter().position(its)?;
        let row = self.unfinished.remove(at).row;
        self.index(row).map(|_| row)
    }

    fn joined_size(&self, row: u64, text: &str) -> usize {
        let begun = self.index(row).and_then(|index| self.lines.get(index)).map_or(0, Line::size);
        line::joined_size(begun, text)
    }

    fn join(&mut self, row: u64, text: &str) -> u64 {
        if let Some(line) = self.index(row).and_then(|index| self.lines.get_mut(index)) {
            self.text -= line.size();
            line.join(text);
            self.text += line.size();
        }
        row
    }

    /// Two gaps with nothing between them are one.
    fn skip(&mut self, count: u64, at: DateTime<Utc>, stream: LogStream) {
        self.skipped += count;
        match self.lines.back_mut() {
            Some(Line { content: Content::Skipped(before), pieces, .. }) => {
                *before += count;
                *pieces += 1;
            }
            _ => {
                self.push(at, stream, Part::Beginning, Level::None, Content::Skipped(count));
            }
        }
    }

    fn push(
        &mut self,
        at: DateTime<Utc>,
        stream: LogStream,
        part: Part,
        level: Level,
        content: Content,
    ) -> u64 {
        if !matches!(content, Content::Text(_)) {
            // What comes behind a gap is not the rest of what was before it.
            self.unfinished.clear();
        }
        let line = Line { number: self.next, at, stream, part, level, content, pieces: 1 };
        self.next += 1;
        self.text += line.size();
        if self.stream.is_some() && self.passes(&line) {
            self.passing.push_back(line.number);
        }
        self.lines.push_back(line);
        self.next - 1
    }

    /// Answers how many rows went. The last line stays, however long it is.
    fn drop_oldest(&mut self) -> usize {
        let before = self.rows();
        while self.lines.len() > self.capacity || (self.text > self.largest_text && self.lines.len() > 1) {
            let dropped = self.lines.pop_front();
            self.text -= dropped.as_ref().map_or(0, Line::size);
        }
        let first = self.dropped();
        while self.passing.front().is_some_and(|number| *number < first) {
            self.passing.pop_front();
        }
        before - self.rows()
    }
}

#[cfg(test)]
mod tests;
