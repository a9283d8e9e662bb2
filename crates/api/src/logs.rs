//! Logs of apps and operations, in three forms: a page of JSON, plain text of any length, and a stream of events.

use std::collections::VecDeque;

use actix_web::http::header::{CONTENT_DISPOSITION, HeaderMap};
use actix_web::web::{Bytes, Data, Path, Query};
use actix_web::{HttpRequest, HttpResponse, get};
use chrono::{DateTime, SecondsFormat, Utc};
use futures_util::{Stream, StreamExt, stream};
use mantyx_api_types::{LogLine, LogStream, Page};
use mantyx_core::{Error, ExecutionId, Result};
use mantyx_operations::{Case, Follow, LogQuery, LogStreamer, Mantyx, Pace, Pattern, Syntax};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::access::{Reader, bearer};
use crate::gate::Gate;
use crate::inputs::{AppPath, OperationPath};
use crate::problem::Answer;
use crate::sse;

/// How many lines a JSON page has when nobody says, and at most. Text and events go on to the end.
const PAGE: usize = 1_000;
const LARGEST_PAGE: usize = 10_000;

pub(crate) fn configure(config: &mut ServiceConfig<'_>) {
    config.service(read_app_log).service(read_operation_log);
}

/// Which lines of an app, and in which form.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct AppLogQuery {
    /// Only lines of this execution.
    execution: Option<ExecutionId>,
    /// Only the last lines, this many. JSON has 1000 when not given, and 10,000 at most.
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
    fn search(&self) -> Result<Option<Pattern>> {
        let Some(text) = &self.grep else { return Ok(None) };
        let syntax = if self.regex { Syntax::Regex } else { Syntax::Literal };
        let case = if self.ignore_case { Case::Ignored } else { Case::Sensitive };
        let pattern = Pattern::new(text, syntax, case);
        pattern
            .map(Some)
            .map_err(|bad| Error::field("grep", format!("Nothing can be searched for with it: {bad}")))
    }
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
/// searches, in every form.
#[utoipa::path(tag = "Logs", params(AppPath, AppLogQuery), responses((
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
    let search = query.search()?;
    let AppLogQuery { execution, since, until, stream, .. } = query;
    let (follow, pace) = (form.follow(), Pace::Every);
    let query = LogQuery { execution, tail, since, until, stream, search, follow, pace };
    let log = mantyx.app_log(&path.app, query).await?;
    Ok(respond(form, log, path.app.as_str(), &request, &gate).await?)
}

/// Read or follow the log of an operation
///
/// The forms are those of the log of an app.
#[utoipa::path(tag = "Logs", params(OperationPath, OperationLogQuery), responses((
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
    let form = Form::of(request.headers(), query.follow, query.download);
    let log = mantyx.operation_log(path.id, form.follow()).await?;
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
            return Ok(sse::respond(batches(log).map(|lines| events(&lines?)), admission.over()));
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
    let body = batches(log).map(move |lines| lines.map(|lines| text.of(&lines)));
    Ok(response.content_type("text/plain; charset=utf-8").streaming(body))
}

/// A log as a stream of batches, in which nothing is lost when somebody stops waiting for the next one.
pub(crate) fn batches(log: LogStreamer) -> impl Stream<Item = Result<Vec<LogLine>>> {
    stream::try_unfold(log, |mut log| async { Ok(log.next().await?.map(|lines| (lines, log))) })
}

fn events(lines: &[LogLine]) -> Result<String> {
    lines.iter().map(|line| sse::frame(None, line)).collect()
}

/// As many lines as a page takes, the oldest let go.
async fn last_lines(mut log: LogStreamer) -> Result<Vec<LogLine>> {
    let mut kept = VecDeque::new();
    while let Some(lines) = log.next().await? {
        kept.extend(lines);
        kept.drain(..kept.len().saturating_sub(LARGEST_PAGE));
    }
    Ok(kept.into())
}

/// Writes lines for people: the time, then the text. A line that was cut because it is long is whole again.
#[derive(Default)]
struct Text {
    unfinished: Option<LogStream>,
}

impl Text {
    fn of(&mut self, lines: &[LogLine]) -> Bytes {
        let mut text = String::new();
        for line in lines {
            if self.unfinished.is_some_and(|stream| stream != line.stream) {
                text.push('\n');
            }
            if self.unfinished != Some(line.stream) {
                text.push_str(&line.at.to_rfc3339_opts(SecondsFormat::Micros, true));
                text.push(' ');
            }
            text.push_str(&line.text);
            self.unfinished = line.partial.then_some(line.stream);
            if !line.partial {
                text.push('\n');
            }
        }
        Bytes::from(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::{ACCEPT, HeaderValue};
    use mantyx_api_types::LogSource;

    fn line(stream: LogStream, text: &str, partial: bool) -> LogLine {
        let source = LogSource::Execution(ExecutionId::generate());
        LogLine { at: DateTime::UNIX_EPOCH, stream, source, text: text.into(), partial }
    }

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
        use LogStream::{Stderr, Stdout};
        let mut text = Text::default();
        let first = text.of(&[line(Stdout, "a", false), line(Stdout, "b", true)]);
        let second = text.of(&[line(Stdout, "c", true), line(Stderr, "d", false)]);
        let all = [first, second].concat();
        let epoch = "1970-01-01T00:00:00.000000Z";
        let expected = format!("{epoch} a\n{epoch} bc\n{epoch} d\n");
        assert_eq!(String::from_utf8(all).unwrap(), expected);
    }
}
