//! Reading one segment of a log through, in portions and off the async threads.
//!
//! However large a segment is and however little of it passes, no more than one portion is in memory, and no more
//! than so many bytes are read before somebody can see that nobody waits for them any more.

use std::path::Path;

use chrono::{DateTime, TimeDelta, Utc};
use mantyx_api_types::{LogSource, LogStream};
use mantyx_core::{Error, Result, Timestamp};
use mantyx_logs::{Pattern, Position, Record, Segment, Span, Stream, Text};

use super::RawLine;

/// How many lines are handed out at once.
const LINES: usize = 2000;
/// How much text is handed out at once, but for the last line: a line may have 16 KiB.
const TEXT: usize = 1024 * 1024;
/// How many bytes of a file are read at once at most, when few of its lines pass.
const LOOKED_THROUGH: u64 = 16 * 1024 * 1024;

/// Which lines pass.
#[derive(Clone, Debug, Default)]
pub(super) struct Filter {
    pub(super) since: Option<Timestamp>,
    pub(super) until: Option<Timestamp>,
    pub(super) stream: Option<LogStream>,
    pub(super) search: Option<Pattern>,
}

impl Filter {
    pub(super) fn passes(&self, at: Timestamp, stream: LogStream) -> bool {
        self.since.is_none_or(|since| at >= since)
            && self.until.is_none_or(|until| at < until)
            && self.stream.is_none_or(|wanted| stream == wanted)
    }

    /// The same of a whole record.
    pub(super) fn passes_record(&self, record: &Record) -> bool {
        self.passes(record.at, stream(record.stream))
            && self.search.as_ref().is_none_or(|pattern| pattern.matches(&record.text))
    }

    /// Whether nothing of a segment can pass, by what is known without opening it.
    fn rules_out(&self, segment: &Segment) -> bool {
        self.since.is_some_and(|since| was_written_before(segment, since)) || self.rules_out_moments(segment)
    }

    fn rules_out_moments(&self, segment: &Segment) -> bool {
        (self.since.is_some() || self.until.is_some())
            && segment.moments().is_some_and(|(first, last)| {
                self.since.is_some_and(|since| last < since) || self.until.is_some_and(|until| first >= until)
            })
    }
}

/// The kernel's clock for files is some milliseconds behind the one for lines.
const FILE_CLOCK_MARGIN: TimeDelta = TimeDelta::seconds(1);

/// Whether a segment was last written to before an instant, as long as it is plain.
fn was_written_before(segment: &Segment, instant: Timestamp) -> bool {
    let modified = std::fs::metadata(segment.plain()).and_then(|file| file.modified());
    modified.is_ok_and(|modified| DateTime::<Utc>::from(modified) + FILE_CLOCK_MARGIN < instant)
}

/// What comes after the end of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum After {
    /// Nothing that is read as itself: it is finished, or who wrote it has ended.
    Nothing,
    /// Its process lives and this is its last segment: it is followed.
    Following,
}

/// A segment that is read through.
#[derive(Clone, Debug)]
pub(super) struct Source {
    pub(super) whose: LogSource,
    pub(super) segment: Segment,
    pub(super) after: After,
    /// What is left to be read; not known before the segment was first looked at.
    span: Option<Span>,
    /// Nothing before this is read.
    from: u64,
    /// Open between two portions, so that a compressed one is unpacked once.
    text: Option<Text>,
}

impl Source {
    pub(super) fn new(whose: LogSource, segment: Segment, after: After) -> Self {
        Self { whose, segment, after, span: None, from: 0, text: None }
    }

    /// All segments of one log.
    pub(super) fn all(whose: LogSource, log: &Path, numbers: Vec<u32>, after: After) -> Vec<Self> {
        let last = numbers.last().copied().unwrap_or_default();
        let numbers = if numbers.is_empty() { vec![0] } else { numbers };
        let source = |number| {
            let after = if number == last { after } else { After::Nothing };
            Self::new(whose, Segment::new(log, number), after)
        };
        numbers.into_iter().map(source).collect()
    }

    /// The same without what comes before an offset, which is the start of a line.
    pub(super) fn from(self, from: u64) -> Self {
        Self { from, ..self }
    }

    /// Where reading is.
    pub(super) fn start(&self) -> Position {
        let offset = self.span.map_or(self.from, |span| span.start);
        Position { segment: self.segment.number(), offset }
    }

    /// Where following goes on.
    pub(super) fn end(&self) -> Position {
        Position { segment: self.segment.number(), offset: self.span.unwrap_or_default().end }
    }

    /// Whether all of it was read.
    pub(super) fn is_done(&self) -> bool {
        self.span.is_some_and(|span| span.start >= span.end)
    }

    /// The next lines that pass; there may be none in this portion.
    pub(super) async fn read(&mut self, filter: &Filter) -> Result<Vec<RawLine>> {
        let (mut source, filter) = (self.clone(), filter.clone());
        let (lines, source) = blocking(move || Ok((source.portion(&filter)?, source))).await?;
        *self = source;
        Ok(lines)
    }

    /// Leaves only the last lines that pass, and tells how many these are.
    pub(super) async fn keep_last(&mut self, count: usize, filter: &Filter) -> Result<usize> {
        let (mut source, filter) = (self.clone(), filter.clone());
        let (found, source) = blocking(move || Ok((source.last(count, &filter)?, source))).await?;
        *self = source;
        Ok(found)
    }

    fn portion(&mut self, filter: &Filter) -> Result<Vec<RawLine>> {
        let (mut lines, mut size) = (Vec::new(), 0);
        let Some((text, span)) = self.open(filter)? else { return Ok(lines) };
        let records = mantyx_logs::records_in(text, span, filter.search.clone());
        let mut records = records.at_most(LOOKED_THROUGH);
        while lines.len() < LINES
            && size < TEXT
            && let Some(record) = records.next()
        {
            let record = record.map_err(|e| self.error(e))?;
            if filter.passes(record.at, stream(record.stream)) {
                size += record.text.len();
                lines.push(raw_line(self.whose, record));
            }
        }
        self.span = Some(Span { start: records.position(), ..span });
        Ok(lines)
    }

    fn last(&mut self, count: usize, filter: &Filter) -> Result<usize> {
        let Some(file) = self.existing(filter, Segment::open)? else { return Ok(0) };
        let span = mantyx_logs::span(&file, filter.since, filter.until).map_err(|e| self.error(e))?;
        let span = self.behind_from(span);
        let passes = |at, from| filter.passes(at, stream(from));
        let found = mantyx_logs::tail_span(&file, span, count, filter.search.as_ref(), passes);
        let (span, found) = found.map_err(|e| self.error(e))?;
        self.span = Some(span);
        Ok(found)
    }

    /// The segment and what is left to be read.
    fn open(&mut self, filter: &Filter) -> Result<Option<(Text, Span)>> {
        if self.text.is_none() {
            // The end of one that is followed must be known, and it is not compressed, or was in this moment.
            let whole = self.after == After::Following && self.span.is_none();
            let open =
                |segment: &Segment| if whole { segment.open().map(Text::from) } else { segment.text() };
            self.text = self.existing(filter, open)?;
        }
        let Some(text) = self.text.clone() else { return Ok(None) };
        let span = match self.span {
            Some(span) => span,
            None => self.behind_from(text.span(filter.since, filter.until).map_err(|e| self.error(e))?),
        };
        Ok(Some((text, span)))
    }

    /// A segment that is not there yet, or not any more, or in which nothing can pass, is an empty one.
    fn existing<T>(
        &mut self,
        filter: &Filter,
        open: impl FnOnce(&Segment) -> std::io::Result<T>,
    ) -> Result<Option<T>> {
        // One that is followed is opened for its end.
        let new = self.span.is_none() && self.after == After::Nothing;
        if !(new && filter.rules_out(&self.segment)) {
            match open(&self.segment) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                opened => return opened.map(Some).map_err(|e| self.error(e)),
            }
        }
        let end = self.span.unwrap_or_default().end;
        self.span = Some(Span { start: end, end });
        Ok(None)
    }

    fn behind_from(&self, span: Span) -> Span {
        Span { start: span.start.max(self.from).min(span.end), ..span }
    }

    fn error(&self, error: std::io::Error) -> Error {
        read_error(&self.segment.plain(), error)
    }
}

pub(super) fn raw_line(source: LogSource, record: Record) -> RawLine {
    let Record { at, completeness, text, .. } = record;
    RawLine { source, at, stream: stream(record.stream), completeness, text }
}

fn stream(stream: Stream) -> LogStream {
    match stream {
        Stream::Stdout => LogStream::Stdout,
        Stream::Stderr => LogStream::Stderr,
    }
}

pub(super) fn read_error(path: &Path, error: std::io::Error) -> Error {
    Error::io(format!("read the log `{}`", path.display()), error)
}

/// Work on files does not hold up others on the async threads.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let outcome = tokio::task::spawn_blocking(work).await;
    outcome.unwrap_or_else(|error| Err(Error::internal("read a log", error)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use mantyx_core::ExecutionId;
    use mantyx_logs::{Case, LogWriter, Syntax};
    use std::time::{Duration, UNIX_EPOCH};
    use tempfile::TempDir;

    const ERRORS: Filter = Filter { since: None, until: None, stream: Some(LogStream::Stderr), search: None };

    /// A log with a line each second, of which few are errors.
    fn log(lines: u64, size: usize) -> (TempDir, Source) {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("0.log");
        let mut writer = LogWriter::open(&path).unwrap();
        for n in 0..lines {
            let from = if n % 1000 == 7 { Stream::Stderr } else { Stream::Stdout };
            let text = format!("{n:0size$}\n");
            writer.write(from, UNIX_EPOCH + Duration::from_secs(n), text.as_bytes()).unwrap();
        }
        writer.close().unwrap();
        let whose = LogSource::Execution(ExecutionId::generate());
        (folder, Source::new(whose, Segment::new(path, 0), After::Nothing))
    }

    async fn portions(mut source: Source, filter: &Filter) -> Vec<Vec<u64>> {
        let mut portions = Vec::new();
        while !source.is_done() {
            let lines = source.read(filter).await.unwrap();
            let number = |line: RawLine| String::from_utf8(line.text).unwrap().parse().unwrap();
            portions.push(lines.into_iter().map(number).collect());
        }
        portions
    }

    fn at(seconds: i64) -> Option<Timestamp> {
        DateTime::from_timestamp(seconds, 0)
    }

    #[tokio::test]
    async fn all_lines_come_in_bounded_portions() {
        let (_folder, source) = log(5000, 1);
        let portions = portions(source, &Filter::default()).await;
        assert!(portions.iter().all(|lines| lines.len() <= LINES));
        assert_eq!(portions.concat(), (0..5000).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn long_lines_come_few_at_a_time() {
        let (_folder, source) = log(200, 16 * 1024);
        let portions = portions(source, &Filter::default()).await;
        assert!(portions.iter().all(|lines| lines.len() <= 64));
        assert_eq!(portions.concat().len(), 200);
    }

    #[tokio::test]
    async fn a_portion_ends_also_when_nothing_passes() {
        let (_folder, source) = log(3000, 16 * 1000);
        let portions = portions(source, &ERRORS).await;
        assert!(portions.len() > 2, "some 48 MB in {} portions", portions.len());
        assert_eq!(portions.concat(), [7, 1007, 2007]);
    }

    #[tokio::test]
    async fn the_last_lines_are_counted_as_they_pass() {
        let (_folder, mut source) = log(5000, 1);
        assert_eq!(source.keep_last(2, &ERRORS).await.unwrap(), 2);
        assert_eq!(portions(source, &ERRORS).await.concat(), [3007, 4007]);
        let (_folder, mut source) = log(5000, 1);
        let filter = Filter { since: at(1000), until: at(3000), ..ERRORS };
        assert_eq!(source.keep_last(9, &filter).await.unwrap(), 2);
        assert_eq!(portions(source, &filter).await.concat(), [1007, 2007]);
    }

    #[tokio::test]
    async fn a_span_of_time_is_all_that_is_read() {
        let (_folder, source) = log(5000, 1);
        let filter = Filter { since: at(10), until: at(13), ..Filter::default() };
        assert_eq!(portions(source, &filter).await, [[10, 11, 12]]);
    }

    #[tokio::test]
    async fn what_was_last_written_before_is_not_even_opened() {
        let (_folder, mut source) = log(100, 1);
        let file = std::fs::File::options().write(true).open(source.segment.plain()).unwrap();
        file.set_modified(UNIX_EPOCH + Duration::from_secs(99)).unwrap();
        let since = |seconds| Filter { since: at(seconds), ..Filter::default() };
        assert_eq!(portions(source.clone(), &since(98)).await.concat(), [98, 99]);
        let mut followed = Source { after: After::Following, ..source.clone() };
        assert!(source.read(&since(101)).await.unwrap().is_empty() && source.text.is_none());
        assert!(followed.read(&since(101)).await.unwrap().is_empty());
        assert_eq!(followed.end().offset, file.metadata().unwrap().len());
    }

    #[tokio::test]
    async fn a_search_goes_on_in_portions_and_through_what_is_compressed() {
        let (_folder, source) = log(5000, 4000);
        let wanted = Pattern::new("499", Syntax::Literal, Case::Sensitive).unwrap();
        let filter = Filter { search: Some(wanted), ..Filter::default() };
        let expected: Vec<u64> = (0..5000).filter(|n| n.to_string().contains("499")).collect();
        let found = portions(source.clone(), &filter).await;
        assert!(found.len() > 1, "20 MB are more than one portion");
        assert_eq!(found.concat(), expected);
        source.segment.compress(|| true).unwrap();
        assert_eq!(portions(source.clone(), &filter).await.concat(), expected);
        let mut last = source.clone();
        assert_eq!(last.keep_last(3, &filter).await.unwrap(), 3);
        assert_eq!(portions(last, &filter).await.concat(), expected[expected.len() - 3..]);
        // Its moments say that there is nothing to unpack.
        let later = Filter { since: at(5000), ..filter };
        let mut none = source;
        assert!(none.read(&later).await.unwrap().is_empty() && none.is_done() && none.text.is_none());
    }

    #[tokio::test]
    async fn a_file_that_is_not_there_is_empty() {
        let (folder, source) = log(1, 1);
        drop(folder);
        assert!(portions(source.clone(), &ERRORS).await.concat().is_empty());
        assert_eq!(source.clone().keep_last(5, &ERRORS).await.unwrap(), 0);
    }
}
