//! Logs of apps and operations, in three forms: a page of JSON, plain text of any length, and a stream of events.

use std::collections::VecDeque;

use actix_web::http::header::{CONTENT_DISPOSITION, HeaderMap};
use actix_web::web::{self, Bytes, Data, Path};
use actix_web::{HttpRequest, HttpResponse, get};
use chrono::{DateTime, SecondsFormat, Utc};
use futures_util::{Stream, StreamExt, stream};
use mantyx_api_types::{LogLine, LogSource, LogStream, Page};
use mantyx_core::{Error, ExecutionId, Result};
use mantyx_operations::{
    Case, Completeness, Follow, LogQuery, LogStreamer, Mantyx, Pace, Pattern, Place, RawLine, Syntax,
};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::access::{Reader, bearer};
use crate::gate::Gate;
use crate::inputs::{AppPath, OperationPath};
use crate::problem::Answer;
use crate::query::Query;
use crate::sse;

/// How many lines a JSON page has when nobody says, and at most. Text and events go on to the end.
const PAGE: usize = 1_000;
const LARGEST_PAGE: usize = 10_000;
/// The most text that it has, in bytes. A page is put together in memory.
const LARGEST_TEXT: usize = 8 << 20;

pub(crate) fn configure(config: &mut ServiceConfig<'_>) {
    config.service(read_app_log).service(read_operation_log);
}

/// Which lines of an app, and in which form.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the query")]
struct AppLogQuery {
    /// Only lines of this execution.
    execution: Option<ExecutionId>,
    /// Only the last lines, this many. JSON has 1000 when not given, and 10,000 or 8 MiB of text at most.
    tail: Option<usize>,
    /// Only lines from this instant on.
    since: Option<DateTime<Utc>>,
    /// Only lines before this instant.
    until: Option<DateTime<Utc>>,
    /// Only lines of this stream.
    stream: Option<LogStream>,
    /// Only lines whose text contains this. The time before it is not searched, and of a line that was cut because
    /// it is long, each piece by itself. With `tail` it is the last so many that match.
    grep: Option<String>,
    /// `grep` is a regular expression, in the syntax of <https://docs.rs/regex/#syntax>.
    #[serde(default)]
    regex: bool,
    /// `grep` finds small and capital letters alike.
    #[serde(default)]
    ignore_case: bool,
    /// Go on with new lines as they come, as a stream of events.
    #[serde(default)]
    follow: bool,
    /// Answer with a file of plain text.
    #[serde(default)]
    download: bool,
}

impl AppLogQuery {
    /// What says nothing, or two things at once, is most likely a mistake.
    fn check(&self) -> Result<()> {
        if let (Some(since), Some(until)) = (self.since, self.until)
            && since > until
        {
            return Err(Error::field("until", format!("It is before `since`, which is {since}")));
        }
        for (name, given) in [("regex", self.regex), ("ignore_case", self.ignore_case)] {
            if given && self.grep.is_none() {
                return Err(Error::field(name, "It says how to search, and `grep`, what for, is not given"));
            }
        }
        one_form(self.follow, self.download)
    }

    /// A pattern may take a while to be made, so that is no work for an async thread.
    async fn search(&self) -> Result<Option<Pattern>> {
        let Some(text) = self.grep.clone() else { return Ok(None) };
        let syntax = if self.regex { Syntax::Regex } else { Syntax::Literal };
        let case = if self.ignore_case { Case::Ignored } else { Case::Sensitive };
        let pattern = web::block(move || Pattern::new(&text, syntax, case)).await;
        let pattern = pattern.map_err(|e| Error::internal("read a pattern", std::io::Error::other(e)))?;
        pattern
            .map(Some)
            .map_err(|bad| Error::field("grep", format!("Nothing can be searched for with it: {bad}")))
    }
}

/// A download ends, and following does not.
fn one_form(follow: bool, download: bool) -> Result<()> {
    if follow && download {
        return Err(Error::field("download", "A log that is followed is a stream of events and no file"));
    }
    Ok(())
}

/// In which form the log of an operation is wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct OperationLogQuery {
    /// Go on with new lines as they come, as a stream of events, until the operation ends.
    #[serde(default)]
    follow: bool,
    /// Answer with a file of plain text.
    #[serde(default)]
    download: bool,
}

/// The form of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Events,
    File,
    Text,
    Json,
}

impl Form {
    /// A parameter says it more clearly than a header, because a browser sends headers of its own.
    fn of(headers: &HeaderMap, follow: bool, download: bool) -> Self {
        match () {
            () if follow => Self::Events,
            () if download => Self::File,
            () if sse::accepts(headers, sse::MEDIA_TYPE) => Self::Events,
            () if sse::accepts(headers, "text/plain") => Self::Text,
            () => Self::Json,
        }
    }

    fn follow(self) -> Follow {
        if self == Self::Events { Follow::Yes } else { Follow::No }
    }
}

/// Read or follow the log of an app
///
/// `follow=true` or `Accept: text/event-stream` follows it across its executions, one line of JSON an event;
/// `download=true` or `Accept: text/plain` answers with plain text, the time before each line; else JSON. `grep`
/// searches, in every form. A stream that broke off goes on, without a gap and without a line twice, for the same query
/// with the `id` of its last event as `Last-Event-ID`, as browsers send it by themselves. Where lines were removed
/// meanwhile, its first event is of the type `gap` and says why.
#[utoipa::path(tag = "Logs", params(AppPath, AppLogQuery, ("Last-Event-ID" = Option<String>, Header,
    description = "The `id` of the last event that a stream had shown")), responses((
    status = 200, description = "Lines, the oldest first",
    content((Page<LogLine> = "application/json"), (String = "text/plain"), (String = "text/event-stream"))
)))]
#[get("/api/apps/{app}/logs")]
async fn read_app_log(
    _: Reader,
    mantyx: Data<Mantyx>,
    path: Path<AppPath>,
    Query(query): Query<AppLogQuery>,
    request: HttpRequest,
    gate: Data<Gate>,
) -> Answer {
    let form = Form::of(request.headers(), query.follow, query.download);
    let tail = match form {
        Form::Json => Some(query.tail.unwrap_or(PAGE).min(LARGEST_PAGE)),
        _ => query.tail,
    };
    query.check()?;
    let search = query.search().await?;
    let AppLogQuery { execution, since, until, stream, .. } = query;
    let (follow, pace) = (form.follow(), Pace::Every);
    let after = place(request.headers())?;
    let query = LogQuery { execution, tail, since, until, stream, search, follow, pace, after };
    let log = mantyx.app_log(&path.app, query).await?;
    Ok(respond(form, log, path.app.as_str(), &request, &gate).await?)
}

/// Read or follow the log of an operation
///
/// The forms are those of the log of an app.
#[utoipa::path(tag = "Logs", params(OperationPath, OperationLogQuery, ("Last-Event-ID" = Option<String>, Header,
    description = "The `id` of the last event that a stream had shown")), responses((
    status = 200, description = "Lines, the oldest first",
    content((Page<LogLine> = "application/json"), (String = "text/plain"), (String = "text/event-stream"))
)))]
#[get("/api/operations/{id}/log")]
async fn read_operation_log(
    _: Reader,
    mantyx: Data<Mantyx>,
    path: Path<OperationPath>,
    Query(query): Query<OperationLogQuery>,
    request: HttpRequest,
    gate: Data<Gate>,
) -> Answer {
    one_form(query.follow, query.download)?;
    let form = Form::of(request.headers(), query.follow, query.download);
    let log = mantyx.operation_log(path.id, form.follow(), place(request.headers())?).await?;
    Ok(respond(form, log, &path.id.to_string(), &request, &gate).await?)
}

async fn respond(
    form: Form,
    log: LogStreamer,
    name: &str,
    request: &HttpRequest,
    gate: &Gate,
) -> Result<HttpResponse> {
    let mut response = HttpResponse::Ok();
    match form {
        Form::Events => {
            let admission = gate.admit(bearer(request.headers())?).await?;
            return Ok(sse::respond(frames(log), admission.over()));
        }
        Form::Json => {
            let page = Page { items: last_lines(log).await?, next_cursor: None };
            return Ok(response.json(page));
        }
        Form::Text => {}
        Form::File => {
            let disposition = format!("attachment; filename=\"{name}.log\"");
            response.insert_header((CONTENT_DISPOSITION, disposition));
        }
    }
    let mut text = Text::default();
    let body = raw_batches(log).map(move |lines| lines.map(|lines| text.of(&lines)));
    Ok(response.content_type("text/plain; charset=utf-8").streaming(body))
}

/// A log as a stream of batches in the bytes of the processes.
fn raw_batches(log: LogStreamer) -> impl Stream<Item = Result<Vec<RawLine>>> {
    stream::try_unfold(log, |mut log| async { Ok(log.next_raw().await?.map(|lines| (lines, log))) })
}

/// The same as events, each with the place behind it. Nothing is lost when somebody stops waiting for the next ones.
fn frames(mut log: LogStreamer) -> impl Stream<Item = Result<String>> {
    let gap = log.take_gap().map(|gap| sse::named_frame("gap", &gap));
    let lines = stream::try_unfold(log, |mut log| async {
        let Some(lines) = log.next().await? else { return Ok(None) };
        Ok(Some((events(&log, &lines)?, log)))
    });
    stream::iter(gap).chain(lines)
}

fn events(log: &LogStreamer, lines: &[LogLine]) -> Result<String> {
    let frame =
        |(index, line): (usize, &LogLine)| sse::frame(Some(&log.place_behind(line.source, index)), line);
    lines.iter().enumerate().map(frame).collect()
}

/// Where a stream that broke off goes on.
fn place(headers: &HeaderMap) -> Result<Option<Place>> {
    sse::last_event_id(headers).map(str::parse).transpose()
}

/// As many lines as a page takes, the oldest let go.
async fn last_lines(mut log: LogStreamer) -> Result<Vec<LogLine>> {
    let mut kept = LastLines::default();
    while let Some(lines) = log.next().await? {
        for line in lines {
            kept.push(line);
        }
    }
    Ok(kept.lines.into())
}

/// So many lines, and so much text, as a page has at most.
#[derive(Default)]
struct LastLines {
    lines: VecDeque<LogLine>,
    text: usize,
}

impl LastLines {
    fn push(&mut self, line: LogLine) {
        self.text += line.text.len();
        self.lines.push_back(line);
        while self.lines.len() > LARGEST_PAGE || self.text > LARGEST_TEXT {
            let oldest = self.lines.pop_front().map_or(0, |line| line.text.len());
            self.text = self.text.saturating_sub(oldest);
        }
    }
}

/// Writes lines for people: the time, then the text, byte for byte. A line that was cut because it is long or stayed
/// open is whole again.
#[derive(Default)]
struct Text {
    /// Whose line has not ended.
    unfinished: Option<(LogSource, LogStream)>,
}

impl Text {
    fn of(&mut self, lines: &[RawLine]) -> Bytes {
        let mut text = Vec::new();
        for line in lines {
            let whose = Some((line.source, line.stream));
            if self.unfinished != whose {
                if self.unfinished.is_some() {
                    text.push(b'\n');
                }
                let at = line.at.to_rfc3339_opts(SecondsFormat::Micros, true);
                text.extend_from_slice(at.as_bytes());
                text.push(b' ');
            }
            text.extend_from_slice(&line.text);
            self.unfinished = whose.filter(|_| line.completeness == Completeness::Partial);
            if self.unfinished.is_none() {
                text.push(b'\n');
            }
        }
        Bytes::from(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::{ACCEPT, HeaderValue};
    use mantyx_core::Code;

    #[test]
    fn the_form_is_what_was_asked_for() {
        let form = |accept: &'static str, follow, download| {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT, HeaderValue::from_static(accept));
            Form::of(&headers, follow, download)
        };
        assert_eq!(form("*/*", false, false), Form::Json);
        assert_eq!(form("application/json", false, false), Form::Json);
        assert_eq!(form("text/plain", false, false), Form::Text);
        assert_eq!(form("text/event-stream", false, false), Form::Events);
        assert_eq!(form("text/plain", true, false), Form::Events);
        assert_eq!(form("text/html,*/*", false, true), Form::File);
    }

    #[test]
    fn a_cut_line_is_whole_again_and_another_stream_keeps_apart() {
        use Completeness::{Full, Partial};
        use LogStream::{Stderr, Stdout};
        let [one, other] = [(); 2].map(|()| LogSource::Execution(ExecutionId::generate()));
        let line = |source, stream, text: &[u8], completeness| {
            let (at, text) = (DateTime::UNIX_EPOCH, text.to_vec());
            RawLine { source, at, stream, completeness, text }
        };
        // A character that was cut in two is one again, and what is no character stays what it is.
        let (head, rest) = "ü".as_bytes().split_at(1);
        let mut text = Text::default();
        let first = text.of(&[line(one, Stdout, b"a\xff", Full), line(one, Stdout, head, Partial)]);
        let second = text.of(&[line(one, Stdout, rest, Partial), line(one, Stderr, b"d", Full)]);
        let third = text.of(&[line(one, Stdout, b"e", Partial), line(other, Stdout, b"f", Full)]);
        let epoch = b"1970-01-01T00:00:00.000000Z ";
        let expected = [b"a\xff", "ü".as_bytes(), b"d", b"e", b"f"].map(|line| [epoch, line, b"\n"].concat());
        assert_eq!([first, second, third].concat(), expected.concat());
    }

    #[test]
    fn a_page_has_so_many_lines_and_so_much_text() {
        let page = |count: usize, size: usize| {
            let mut kept = LastLines::default();
            for n in 0..count {
                let source = LogSource::Execution(ExecutionId::generate());
                let (at, stream, text) = (DateTime::UNIX_EPOCH, LogStream::Stdout, format!("{n:0size$}"));
                kept.push(LogLine { at, stream, source, text, partial: false });
            }
            kept.lines
        };
        assert_eq!(page(LARGEST_PAGE + 3, 1).front().unwrap().text, "3");
        let large = page(1000, 16 * 1024);
        assert_eq!((large.len(), large.back().unwrap().text.len()), (512, 16 * 1024));
        assert!(large.back().unwrap().text.ends_with("999"));
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        let refused = |query: &str| {
            let Query(query) = Query::<AppLogQuery>::read(query).unwrap();
            query.check().err().map(|error| (error.code(), error.to_string()))
        };
        assert_eq!(refused("since=2026-01-01T00:00:00Z&until=2026-01-02T00:00:00Z&grep=a&regex=true"), None);
        for query in [
            "since=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00Z",
            "regex=true",
            "ignore_case=true",
            "follow=true&download=true",
        ] {
            assert_eq!(refused(query).unwrap().0, Code::Invalid, "{query}");
        }
    }
}
