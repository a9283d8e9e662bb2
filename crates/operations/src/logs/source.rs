//! Reading one log file through, in portions and off the async threads.
//!
//! However large a file is and however little of it passes, no more than one portion is in memory, and no more than
//! so many bytes are read before somebody can see that nobody waits for them any more.

use std::path::{Path, PathBuf};

use mantyx_api_types::{LogLine, LogSource, LogStream};
use mantyx_core::{Error, Result, Timestamp};
use mantyx_logs::{Completeness, Record, Span, Stream};

/// How many lines are handed out at once.
const LINES: usize = 2000;
/// How much text is handed out at once, but for the last line: a line may have 16 KiB.
const TEXT: usize = 1024 * 1024;
/// How many bytes of a file are read at once at most, when few of its lines pass.
const LOOKED_THROUGH: u64 = 16 * 1024 * 1024;

/// Which lines pass.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Filter {
    pub(super) since: Option<Timestamp>,
    pub(super) until: Option<Timestamp>,
    pub(super) stream: Option<LogStream>,
}

impl Filter {
    pub(super) fn passes(&self, at: Timestamp, stream: LogStream) -> bool {
        self.since.is_none_or(|since| at >= since)
            && self.until.is_none_or(|until| at < until)
            && self.stream.is_none_or(|wanted| stream == wanted)
    }
}

/// What comes after the end of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum After {
    /// Nothing: who wrote it has ended.
    Nothing,
    /// Its process lives: it is followed.
    Following,
}

/// A log file that is read through.
#[derive(Clone, Debug)]
pub(super) struct Source {
    pub(super) whose: LogSource,
    pub(super) path: PathBuf,
    pub(super) after: After,
    /// What is left to be read; not known before the file was first looked at.
    span: Option<Span>,
}

impl Source {
    pub(super) fn new(whose: LogSource, path: PathBuf, after: After) -> Self {
        Self { whose, path, after, span: None }
    }

    /// Where following goes on.
    pub(super) fn end(&self) -> u64 {
        self.span.unwrap_or_default().end
    }

    /// Whether all of it was read.
    pub(super) fn is_done(&self) -> bool {
        self.span.is_some_and(|span| span.start >= span.end)
    }

    /// The next lines that pass; there may be none in this portion.
    pub(super) async fn read(&mut self, filter: Filter) -> Result<Vec<LogLine>> {
        let source = self.clone();
        let (lines, span) = blocking(move || source.portion(filter)).await?;
        self.span = Some(span);
        Ok(lines)
    }

    /// Leaves only the last lines that pass, and tells how many these are.
    pub(super) async fn keep_last(&mut self, count: usize, filter: Filter) -> Result<usize> {
        let source = self.clone();
        let (span, found) = blocking(move || source.last(count, filter)).await?;
        self.span = Some(span);
        Ok(found)
    }

    fn portion(&self, filter: Filter) -> Result<(Vec<LogLine>, Span)> {
        let Some(mut span) = self.span(filter)? else { return Ok((Vec::new(), Span::default())) };
        let first = span.start;
        let records = self.existing(mantyx_logs::records_in(&self.path, span))?;
        span.start = span.end;
        let Some(mut records) = records else { return Ok((Vec::new(), span)) };
        let (mut lines, mut text) = (Vec::new(), 0);
        while let Some(record) = records.next() {
            let record = record.map_err(|e| read_error(&self.path, e))?;
            if filter.passes(record.at, stream(record.stream)) {
                text += record.text.len();
                lines.push(line(self.whose, record));
            }
            if lines.len() >= LINES || text >= TEXT || records.position() - first >= LOOKED_THROUGH {
                span.start = records.position();
                break;
            }
        }
        Ok((lines, span))
    }

    fn last(&self, count: usize, filter: Filter) -> Result<(Span, usize)> {
        let Some(span) = self.span(filter)? else { return Ok((Span::default(), 0)) };
        let passes = |at, from| filter.passes(at, stream(from));
        let found = self.existing(mantyx_logs::tail_span(&self.path, span, count, passes))?;
        Ok(found.unwrap_or_default())
    }

    /// What is left to be read; `None` when the file is not there.
    fn span(&self, filter: Filter) -> Result<Option<Span>> {
        match self.span {
            Some(span) => Ok(Some(span)),
            None => self.existing(mantyx_logs::span(&self.path, filter.since, filter.until)),
        }
    }

    /// A log that is not there yet, or not there any more, is an empty one.
    fn existing<T>(&self, outcome: std::io::Result<T>) -> Result<Option<T>> {
        match outcome {
            Ok(value) => Ok(Some(value)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(read_error(&self.path, error)),
        }
    }
}

pub(super) fn line(source: LogSource, record: Record) -> LogLine {
    LogLine {
        at: record.at,
        stream: stream(record.stream),
        source,
        text: String::from_utf8_lossy(&record.text).into_owned(),
        partial: record.completeness == Completeness::Partial,
    }
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
    use chrono::DateTime;
    use mantyx_core::ExecutionId;
    use mantyx_logs::LogWriter;
    use std::time::{Duration, UNIX_EPOCH};
    use tempfile::TempDir;

    const ERRORS: Filter = Filter { since: None, until: None, stream: Some(LogStream::Stderr) };

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
        (folder, Source::new(whose, path, After::Nothing))
    }

    async fn portions(mut source: Source, filter: Filter) -> Vec<Vec<u64>> {
        let mut portions = Vec::new();
        while !source.is_done() {
            let lines = source.read(filter).await.unwrap();
            portions.push(lines.iter().map(|line| line.text.parse().unwrap()).collect());
        }
        portions
    }

    fn at(seconds: i64) -> Option<Timestamp> {
        DateTime::from_timestamp(seconds, 0)
    }

    #[tokio::test]
    async fn all_lines_come_in_bounded_portions() {
        let (_folder, source) = log(5000, 1);
        let portions = portions(source, Filter::default()).await;
        assert!(portions.iter().all(|lines| lines.len() <= LINES));
        assert_eq!(portions.concat(), (0..5000).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn long_lines_come_few_at_a_time() {
        let (_folder, source) = log(200, 16 * 1024);
        let portions = portions(source, Filter::default()).await;
        assert!(portions.iter().all(|lines| lines.len() <= 64));
        assert_eq!(portions.concat().len(), 200);
    }

    #[tokio::test]
    async fn a_portion_ends_also_when_nothing_passes() {
        let (_folder, source) = log(3000, 16 * 1000);
        let portions = portions(source, ERRORS).await;
        assert!(portions.len() > 2, "some 48 MB in {} portions", portions.len());
        assert_eq!(portions.concat(), [7, 1007, 2007]);
    }

    #[tokio::test]
    async fn the_last_lines_are_counted_as_they_pass() {
        let (_folder, mut source) = log(5000, 1);
        assert_eq!(source.keep_last(2, ERRORS).await.unwrap(), 2);
        assert_eq!(portions(source, ERRORS).await.concat(), [3007, 4007]);
        let (_folder, mut source) = log(5000, 1);
        let filter = Filter { since: at(1000), until: at(3000), ..ERRORS };
        assert_eq!(source.keep_last(9, filter).await.unwrap(), 2);
        assert_eq!(portions(source, filter).await.concat(), [1007, 2007]);
    }

    #[tokio::test]
    async fn a_span_of_time_is_all_that_is_read() {
        let (_folder, source) = log(5000, 1);
        let filter = Filter { since: at(10), until: at(13), stream: None };
        assert_eq!(portions(source, filter).await, [[10, 11, 12]]);
    }

    #[tokio::test]
    async fn a_file_that_is_not_there_is_empty() {
        let (folder, source) = log(1, 1);
        drop(folder);
        assert!(portions(source.clone(), ERRORS).await.concat().is_empty());
        assert_eq!(source.clone().keep_last(5, ERRORS).await.unwrap(), 0);
    }
}
