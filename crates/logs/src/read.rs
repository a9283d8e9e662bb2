//! Reading one segment: the end of it, a span of time, what matches. And the end of a log, over its segments.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::lines::{LinesBackwards, ReadAt, length, line_from, whole_end};
use crate::record::{Record, Stream};
use crate::search::Pattern;
use crate::segment::{Position, segments};
use crate::text::Text;

/// How much is read at once. The longest record fits many times, so a block without any line break holds nothing
/// of ours.
const BLOCK: usize = 256 * 1024;

/// How far behind a moment lines are looked for that were begun before it and finished after it.
const MARGIN: u64 = 64 * 1024;

/// A part of a segment in bytes, from the start of one line to the end of another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// Where its first line begins.
    pub start: u64,
    /// Behind the line break of its last line.
    pub end: u64,
}

impl Span {
    /// All whole lines of a segment. A last line that is still being written is none.
    pub fn whole(file: &File) -> io::Result<Self> {
        Ok(Self { start: 0, end: whole_end(file)? })
    }

    /// As far as there is anything.
    pub(crate) const ALL: Self = Self { start: 0, end: u64::MAX };
}

/// The last records of a log and the position behind them, where a follower goes on.
///
/// It reads backwards from the end, so it takes as long for a huge log as for a small one. A last line that is
/// still being written is left out, and the position is before it. What is no record is passed over.
pub fn tail(log: impl AsRef<Path>, count: usize) -> io::Result<(Vec<Record>, Position)> {
    let (mut parts, mut missing, mut end) = (Vec::new(), count, None);
    for segment in segments(log)?.iter().rev() {
        let file = match segment.open() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            opened => opened?,
        };
        let whole = Span::whole(&file)?;
        end.get_or_insert(Position { segment: segment.number(), offset: whole.end });
        let (last, found) = tail_span(&file, whole, missing, None, |_, _| true)?;
        parts.push(records_in(file, last, None).collect::<io::Result<Vec<_>>>()?);
        missing -= found;
        if missing == 0 {
            break;
        }
    }
    let end = end.ok_or(io::ErrorKind::NotFound)?;
    Ok((parts.into_iter().rev().flatten().collect(), end))
}

/// The end of a span in which so many records are that `keep` lets through and a pattern matches, and how many there
/// were.
///
/// It walks backwards and keeps nothing in memory: what was found is read by [`records_in`], in portions.
pub fn tail_span(
    file: &File,
    span: Span,
    count: usize,
    pattern: Option<&Pattern>,
    mut keep: impl FnMut(DateTime<Utc>, Stream) -> bool,
) -> io::Result<(Span, usize)> {
    if let Some(pattern) = pattern {
        return last_matches(file, span, count, pattern, keep);
    }
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

/// Block by block from the end, and each from its beginning.
fn last_matches(
    file: &File,
    span: Span,
    count: usize,
    pattern: &Pattern,
    mut keep: impl FnMut(DateTime<Utc>, Stream) -> bool,
) -> io::Result<(Span, usize)> {
    let (mut start, mut missing, mut end) = (span.end, count, span.end);
    let mut block = vec![0; BLOCK];
    while missing > 0 && end > span.start {
        let from = end.saturating_sub(length(BLOCK)).max(span.start);
        // A line that begins before the block belongs to the one before; one that is longer is none of ours.
        let first = if from == span.start { from } else { start_of_line(file, from, end)? };
        let size = usize::try_from(end - first).unwrap_or(BLOCK);
        let filled = ReadAt::read_at(file, &mut block[..size], first)?;
        let mut hits = Vec::new();
        let mut within = 0;
        while let Some(line) = pattern.first_line(&block[within..filled]) {
            let (begin, behind) = (within + line.start, within + line.end);
            if Record::parse_head(&block[begin..behind]).is_some_and(|(at, stream)| keep(at, stream)) {
                hits.push(begin);
            }
            within = behind;
        }
        let kept = &hits[hits.len().saturating_sub(missing)..];
        start = kept.first().map_or(start, |hit| first + length(*hit));
        missing -= kept.len();
        end = if first < end { first } else { from };
    }
    Ok((Span { start, end: span.end }, count - missing))
}

/// All records of one file from an offset on, which is the start of a line, to the end as it is now.
pub fn records(path: impl AsRef<Path>, offset: u64) -> io::Result<Records> {
    let file = File::open(path)?;
    let end = whole_end(&file)?;
    Ok(records_in(Arc::new(file), Span { start: offset.min(end), end }, None))
}

/// The records of a part of a segment, or those of them that match.
pub fn records_in(text: impl Into<Text>, span: Span, pattern: Option<Pattern>) -> Records {
    let (text, block, end) = (text.into(), Vec::new(), span.end);
    Records { text, block, start: span.start, within: 0, end, enough: end, pattern }
}

/// The moment of the first record of a segment.
pub(crate) fn first_moment(file: &File) -> io::Result<Option<DateTime<Utc>>> {
    Ok(record_from(file, 0, file.metadata()?.len())?.map(|(at, _)| at))
}

/// A part of a segment in which all records from one moment (itself included) to another (not included) are, found by
/// binary search. With no moments it is all of it, but for a last line that is still being written.
///
/// Records are in the order in which their lines were finished, but carry the moment when they began. So moments go
/// back where a line of one stream was begun before lines of the other and finished after them, and there may be
/// other records within the part too. Only a line that was begun before the end and finished long after it is not in
/// it, and what was written around a time when the clock was set back.
pub fn span(file: &File, since: Option<DateTime<Utc>>, until: Option<DateTime<Utc>>) -> io::Result<Span> {
    let end = whole_end(file)?;
    let first = since.map_or(Ok(0), |since| position_of(file, since, 0, end))?;
    let last = match until {
        Some(until) => start_of_line(file, position_of(file, until, first, end)? + MARGIN, end)?,
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

pub(crate) fn start_of_line(file: &impl ReadAt, from: u64, end: u64) -> io::Result<u64> {
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
    text: Text,
    /// Whole lines, and what of the next one was read with them.
    block: Vec<u8>,
    /// Where the block begins in the file.
    start: u64,
    /// Where the next line begins in the block.
    within: usize,
    end: u64,
    /// No block is read that begins here or later.
    enough: u64,
    pattern: Option<Pattern>,
}

impl Records {
    /// No more than about so many bytes of the segment, whether anything is found in them or not.
    #[must_use]
    pub fn at_most(self, bytes: u64) -> Self {
        Self { enough: self.start.saturating_add(bytes), ..self }
    }

    /// Where the next record begins, or a line before it; the end of the part when there are no more.
    pub fn position(&self) -> u64 {
        self.start + length(self.within)
    }

    fn read_record(&mut self) -> io::Result<Option<Record>> {
        loop {
            while let Some(line) = self.next_line() {
                let record = Record::parse(&self.block[line.clone()]);
                self.within = line.end;
                if record.is_some() {
                    return Ok(record);
                }
            }
            if !self.read_block()? {
                return Ok(None);
            }
        }
    }

    /// The next line of the block that counts.
    fn next_line(&self) -> Option<std::ops::Range<usize>> {
        let rest = &self.block[self.within..];
        let line = match &self.pattern {
            Some(pattern) => pattern.first_line(rest)?,
            None => 0..memchr::memchr(b'\n', rest)? + 1,
        };
        Some(self.within + line.start..self.within + line.end)
    }

    /// Goes on behind the block with the next whole lines; false at the end.
    fn read_block(&mut self) -> io::Result<bool> {
        self.start += length(self.block.len());
        self.within = 0;
        if self.start >= self.enough {
            self.block.clear();
            return Ok(false);
        }
        let size = usize::try_from(self.end.saturating_sub(self.start)).unwrap_or(BLOCK).min(BLOCK);
        self.block.resize(size, 0);
        let filled = self.text.read_at(&mut self.block, self.start)?;
        match memchr::memrchr(b'\n', &self.block[..filled]) {
            Some(newline) => self.block.truncate(newline + 1),
            // Of a line that is too long for a record nothing is kept.
            None if filled == BLOCK => {
                self.block.clear();
                self.start = start_of_line(&self.text, self.start + 1, self.end)?;
            }
            None => {
                self.block.clear();
                self.start = self.end;
            }
        }
        Ok(self.start < self.end)
    }
}

impl Iterator for Records {
    type Item = io::Result<Record>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read_record().transpose()
    }
}
