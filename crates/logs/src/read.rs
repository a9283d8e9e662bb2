//! Reading what is written: the end of a log, all of it from a position, or a span of time.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use chrono::{DateTime, Utc};

use crate::lines::{LinesBackwards, length, line_from, whole_end};
use crate::record::{MAX_TEXT, Record, Stream};

/// The longest line that may be a record: what stands before the text is much shorter than the rest.
const LONGEST_LINE: usize = 2 * MAX_TEXT;

/// How far behind a moment lines are looked for that were begun before it and finished after it.
const MARGIN: u64 = 64 * 1024;

/// A part of a log in bytes, from the start of one line to the end of another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// Where its first line begins.
    pub start: u64,
    /// Behind the line break of its last line.
    pub end: u64,
}

/// The last records of a log and the position behind them, where a follower goes on.
///
/// It reads backwards from the end, so it takes as long for a huge file as for a small one. A last line that is
/// still being written is left out, and the position is before it. What is no record is passed over.
pub fn tail(path: impl AsRef<Path>, count: usize) -> io::Result<(Vec<Record>, u64)> {
    let file = File::open(path)?;
    let end = whole_end(&file)?;
    let (last, _) = last_of(&file, Span { start: 0, end }, count, |_, _| true)?;
    Ok((Records::new(file, last)?.collect::<io::Result<_>>()?, end))
}

/// The end of a span in which so many records are that `keep` lets through, and how many there were.
///
/// It walks backwards and keeps nothing in memory: what was found is read by [`records_in`], in portions.
pub fn tail_span(
    path: impl AsRef<Path>,
    span: Span,
    count: usize,
    keep: impl FnMut(DateTime<Utc>, Stream) -> bool,
) -> io::Result<(Span, usize)> {
    last_of(&File::open(path)?, span, count, keep)
}

fn last_of(
    file: &File,
    span: Span,
    count: usize,
    mut keep: impl FnMut(DateTime<Utc>, Stream) -> bool,
) -> io::Result<(Span, usize)> {
    let mut lines = LinesBackwards::new(file, span.start, span.end);
    let (mut start, mut found) = (span.end, 0);
    while found < count
        && let Some((line, head)) = lines.next()?
    {
        if Record::parse_head(head).is_some_and(|(at, stream)| keep(at, stream)) {
            (start, found) = (line, found + 1);
        }
    }
    Ok((Span { start, end: span.end }, found))
}

/// All records from a position on, which is the start of a line, to the end as it is now.
pub fn records(path: impl AsRef<Path>, position: u64) -> io::Result<Records> {
    let file = File::open(path)?;
    let end = whole_end(&file)?;
    Records::new(file, Span { start: position.min(end), end })
}

/// The records of a part of a log.
pub fn records_in(path: impl AsRef<Path>, span: Span) -> io::Result<Records> {
    Records::new(File::open(path)?, span)
}

/// A part of the log in which all records from one moment (itself included) to another (not included) are, found by
/// binary search. With no moments it is the whole log, but for a last line that is still being written.
///
/// Records are in the order in which their lines were finished, but carry the moment when they began. So moments go
/// back where a line of one stream was begun before lines of the other and finished after them, and there may be
/// other records within the part too. Only a line that was begun before the end and finished long after it is not in
/// it, and what was written around a time when the clock was set back.
pub fn span(
    path: impl AsRef<Path>,
    since: Option<DateTime<Utc>>,
    until: Option<DateTime<Utc>>,
) -> io::Result<Span> {
    let file = File::open(path)?;
    let end = whole_end(&file)?;
    let first = since.map_or(Ok(0), |since| position_of(&file, since, 0, end))?;
    let last = match until {
        Some(until) => start_of_line(&file, position_of(&file, until, first, end)? + MARGIN, end)?,
        None => end,
    };
    Ok(Span { start: first, end: last })
}

/// A start of a line between two ends of lines before which no record is at `moment` or later, the last such but for
/// one.
fn position_of(file: &File, moment: DateTime<Utc>, start: u64, end: u64) -> io::Result<u64> {
    let (mut low, mut high) = (start, end);
    while low < high {
        let middle = low + (high - low) / 2;
        match record_from(file, middle, high)? {
            Some((at, next)) if at < moment && is_before(file, next, end, moment)? => low = next,
            _ => high = middle,
        }
    }
    // `high` may have come to rest within a line; what counts is the next one that begins.
    start_of_line(file, low, end)
}

/// Whether the next record is too. One alone says nothing: its line may have been open for long. But of two in a row
/// only one can have been open while another line was begun and finished, because there are two streams.
fn is_before(file: &File, from: u64, end: u64, moment: DateTime<Utc>) -> io::Result<bool> {
    Ok(record_from(file, from, end)?.is_some_and(|(at, _)| at < moment))
}

fn start_of_line(file: &File, from: u64, end: u64) -> io::Result<u64> {
    Ok(line_from(file, from, end)?.map_or(end, |line| line.start))
}

/// The moment of the first record that begins between two offsets, and the offset behind it.
fn record_from(file: &File, mut from: u64, end: u64) -> io::Result<Option<(DateTime<Utc>, u64)>> {
    while let Some(line) = line_from(file, from, end)? {
        if let Some((at, _)) = Record::parse_head(&line.bytes) {
            return Ok(Some((at, line.end)));
        }
        from = line.end;
    }
    Ok(None)
}

/// Records one after the other, with little memory.
pub struct Records {
    reader: BufReader<File>,
    position: u64,
    end: u64,
}

impl Records {
    fn new(mut file: File, span: Span) -> io::Result<Self> {
        file.seek(SeekFrom::Start(span.start))?;
        let reader = BufReader::with_capacity(64 * 1024, file);
        Ok(Self { reader, position: span.start, end: span.end })
    }

    /// Where the next record begins.
    pub fn position(&self) -> u64 {
        self.position
    }

    fn read_record(&mut self) -> io::Result<Option<Record>> {
        let mut line = Vec::new();
        while self.position < self.end {
            line.clear();
            self.read_line(&mut line)?;
            if line.is_empty() {
                break;
            }
            if let Some(record) = Record::parse(&line) {
                return Ok(Some(record));
            }
        }
        Ok(None)
    }

    /// Reads to the next line break. Of a line that is too long for a record it keeps nothing that would be one.
    fn read_line(&mut self, line: &mut Vec<u8>) -> io::Result<()> {
        let longest = length(LONGEST_LINE);
        let count = (&mut self.reader).take(longest).read_until(b'\n', line)?;
        self.position += length(count);
        if count == LONGEST_LINE && line.last() != Some(&b'\n') {
            line.truncate(1);
            self.position += length(self.reader.skip_until(b'\n')?);
        }
        Ok(())
    }
}

impl Iterator for Records {
    type Item = io::Result<Record>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read_record().transpose()
    }
}
