//! One line of a log, and its form on disk.

use chrono::{DateTime, Utc};

use crate::stamp::Stamp;

/// The most bytes of text in one record. A longer line is split, as the container runtimes do at the same size.
pub const MAX_TEXT: usize = 16 * 1024;

/// Which stream of a process a line came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl Stream {
    /// The word in the file.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

/// Whether a record ends its line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Completeness {
    /// It does.
    Full,
    /// The line goes on in the next record of the same stream.
    Partial,
}

impl Completeness {
    /// The letter in the file.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "F",
            Self::Partial => "P",
        }
    }
}

/// One line, or a piece of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// When its first byte was read, to the nanosecond.
    pub at: DateTime<Utc>,
    /// Where it was written.
    pub stream: Stream,
    /// Whether the line ends with it.
    pub completeness: Completeness,
    /// The bytes, without the line break. They need not be UTF-8.
    pub text: Vec<u8>,
}

impl Record {
    /// Appends its line, with the line break. A line break inside the text would end the record early: it is
    /// the writer that splits text into lines.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let header = Header::new(Stamp::new(self.at.into()), self.stream, self.completeness);
        header.encode(&self.text, out);
    }

    /// Reads one line, with or without its line break. `None` when it is no record.
    #[must_use]
    pub fn parse(line: &[u8]) -> Option<Self> {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let (at, stream, completeness, text) = Self::parse_parts(line)?;
        Some(Self { at, stream, completeness, text: text.to_vec() })
    }

    /// The moment and the stream of a line alone, for a search that needs no text.
    pub(crate) fn parse_head(line: &[u8]) -> Option<(DateTime<Utc>, Stream)> {
        Self::parse_parts(line).map(|(at, stream, ..)| (at, stream))
    }

    fn parse_parts(line: &[u8]) -> Option<(DateTime<Utc>, Stream, Completeness, &[u8])> {
        let (at, rest) = split(line)?;
        let (stream, rest) = split(rest)?;
        let (completeness, text) = split(rest)?;
        // The moment is the dearest, and most of what is no record fails before it.
        let (stream, completeness) = (parse_stream(stream)?, parse_completeness(completeness)?);
        Some((parse_time(at)?, stream, completeness, text))
    }
}

/// The text of a line that looks like a record, with or without its line break.
pub(crate) fn text_of(line: &[u8]) -> Option<&[u8]> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    // Ours have their text at one place.
    if line.get(Stamp::LENGTH - 1..=Stamp::LENGTH) == Some(b"Z ")
        && line.get(Header::LENGTH - 1) == Some(&b' ')
    {
        return line.get(Header::LENGTH..);
    }
    Some(split(split(split(line)?.1)?.1)?.1)
}

fn split(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let space = memchr::memchr(b' ', line)?;
    Some((&line[..space], &line[space + 1..]))
}

fn parse_time(bytes: &[u8]) -> Option<DateTime<Utc>> {
    let text = std::str::from_utf8(bytes).ok()?;
    DateTime::parse_from_rfc3339(text).ok().map(|at| at.to_utc())
}

fn parse_stream(bytes: &[u8]) -> Option<Stream> {
    match bytes {
        b"stdout" => Some(Stream::Stdout),
        b"stderr" => Some(Stream::Stderr),
        _ => None,
    }
}

fn parse_completeness(bytes: &[u8]) -> Option<Completeness> {
    match bytes {
        b"F" => Some(Completeness::Full),
        b"P" => Some(Completeness::Partial),
        _ => None,
    }
}

/// Everything before the text, which is the same for all lines that were read at once.
#[derive(Clone, Copy)]
pub(crate) struct Header([u8; Header::LENGTH]);

impl Header {
    /// The moment, a word of six letters, one letter, and a space behind each.
    pub(crate) const LENGTH: usize = Stamp::LENGTH + 1 + 6 + 1 + 1 + 1;

    pub(crate) fn new(stamp: Stamp, stream: Stream, completeness: Completeness) -> Self {
        let mut bytes = [b' '; Self::LENGTH];
        let (moment, rest) = bytes.split_at_mut(Stamp::LENGTH);
        moment.copy_from_slice(stamp.as_bytes());
        rest[1..7].copy_from_slice(stream.as_str().as_bytes());
        rest[8..9].copy_from_slice(completeness.as_str().as_bytes());
        Self(bytes)
    }

    pub(crate) fn encode(&self, text: &[u8], out: &mut Vec<u8>) {
        out.reserve(Self::LENGTH + text.len() + 1);
        out.extend_from_slice(&self.0);
        out.extend_from_slice(text);
        out.push(b'\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sample() -> Record {
        Record {
            at: DateTime::parse_from_rfc3339("2026-02-03T04:05:06.000000789Z").unwrap().to_utc(),
            stream: Stream::Stderr,
            completeness: Completeness::Partial,
            text: b"a  b\xff ".to_vec(),
        }
    }

    #[test]
    fn looks_as_the_runtimes_write_it() {
        let mut out = Vec::new();
        sample().encode(&mut out);
        assert_eq!(out, b"2026-02-03T04:05:06.000000789Z stderr P a  b\xff \n");
        assert_eq!(Record::parse(&out), Some(sample()));
    }

    #[test]
    fn reads_what_other_runtimes_write() {
        let line = b"2016-10-06T02:17:09.66+02:00 stdout F The content";
        let record = Record::parse(line).unwrap();
        assert_eq!(record.at.to_rfc3339(), "2016-10-06T00:17:09.660+00:00");
        assert_eq!((record.stream, record.text.as_slice()), (Stream::Stdout, b"The content".as_slice()));
    }

    #[test]
    fn what_is_no_record_is_none() {
        let lines: [&[u8]; 5] = [
            b"",
            b"hello",
            b"2026-02-03T04:05:06Z stdin F x",
            b"2026-02-03T04:05:06Z stdout X x",
            b"2026-02-03T04:05:06Z stdout F",
        ];
        assert!(lines.iter().all(|line| Record::parse(line).is_none()));
    }

    proptest! {
        #[test]
        fn comes_back_as_it_went(
            seconds in 0i64..253_402_300_799, nanos in 0u32..1_000_000_000, err in any::<bool>(),
            text in prop::collection::vec(any::<u8>().prop_filter("no line break", |b| *b != b'\n'), 0..200),
        ) {
            let at = DateTime::from_timestamp(seconds, nanos).unwrap();
            let stream = if err { Stream::Stderr } else { Stream::Stdout };
            let record = Record { at, stream, completeness: Completeness::Full, text };
            let mut out = Vec::new();
            record.encode(&mut out);
            prop_assert_eq!(Record::parse(&out), Some(record));
        }
    }
}
