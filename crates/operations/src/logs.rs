//! Reading logs: of an app across its executions, of one execution, of an operation.
//!
//! Every execution has a log of its own, of one or more segments, named after its id; ids sort by time, so the logs
//! of an app in the order of their names are the log of the app.

mod executions;
mod following;
mod place;
mod rest;
mod retention;
mod source;
mod streamer;

use std::path::PathBuf;

use chrono::Utc;
use executions::{Executions, Past};
use following::{Following, Scope};
use mantyx_api_types::{LogLine, LogSource, LogStream};
use mantyx_core::{AppId, AppName, Error, ExecutionId, OperationId, OperationStatus, Result, Timestamp};
pub use mantyx_logs::{BadPattern, Case, Completeness, Pattern, Syntax};
use mantyx_registry::tables::executions as rows;
use mantyx_settings::Layout;
pub use place::Place;
use source::{After, Source, blocking};
pub use streamer::LogStreamer;

use crate::launch;
use crate::mantyx::Mantyx;

/// Whether a reader waits for what comes next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Follow {
    /// It ends at the end.
    #[default]
    No,
    /// It waits; an execution or an operation that is over ends it.
    Yes,
}

/// Which lines a follower gets who is slower than the app.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pace {
    /// Every one, however late.
    #[default]
    Every,
    /// The newest: when it is some megabytes behind, lines are passed over and counted
    /// ([`LogStreamer::take_skipped`]).
    Newest,
}

/// Which lines are asked for.
#[derive(Clone, Debug, Default)]
pub struct LogQuery {
    /// Only of this execution; of all when not given.
    pub execution: Option<ExecutionId>,
    /// Only so many of the last lines, 100,000 at most.
    pub tail: Option<usize>,
    /// Only lines from this instant on.
    pub since: Option<Timestamp>,
    /// Only lines before this instant.
    pub until: Option<Timestamp>,
    /// Only of this stream.
    pub stream: Option<LogStream>,
    /// Only lines that match.
    pub search: Option<Pattern>,
    /// Whether to wait for more.
    pub follow: Follow,
    /// Which of these come when they come faster than they are taken.
    pub pace: Pace,
    /// Go on behind this place, which an earlier answer to the same query has told. `tail` is done then, but that at
    /// the pace of [`Pace::Newest`] no more than so many lines are caught up with when these are far behind.
    pub after: Option<Place>,
}

/// One line of a log, or a piece of one, in the bytes that the process wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawLine {
    /// Whose line it is.
    pub source: LogSource,
    /// When it was begun.
    pub at: Timestamp,
    /// Where it was written.
    pub stream: LogStream,
    /// Whether the line ends with it.
    pub completeness: Completeness,
    /// What was written, without the line break. It need not be UTF-8.
    pub text: Vec<u8>,
}

impl From<RawLine> for LogLine {
    fn from(line: RawLine) -> Self {
        let RawLine { source, at, stream, completeness, text } = line;
        let text = String::from_utf8(text);
        let text = text.unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
        Self { at, stream, source, text, partial: completeness == Completeness::Partial }
    }
}

impl Mantyx {
    /// The log of an app.
    pub async fn app_log(&self, name: &AppName, query: LogQuery) -> Result<LogStreamer> {
        let app = self.find(name).await?.id.0;
        let scope = query.execution.map_or(Scope::App, |id| Scope::One(LogSource::Execution(id)));
        // News are collected first, so that none is missed between what is found now and what comes.
        let mut follow = query.waits().then(|| self.following(scope, app).at(query.pace));
        let past = if let Some(id) = query.execution {
            Past::Segments(self.one_execution(name, app, id).await?)
        } else {
            let executions = Executions::of(self.registry(), self.layout(), app, query.until).await?;
            if let Some(follow) = &mut follow {
                follow.has_seen(executions.known());
            }
            Past::Executions(executions)
        };
        LogStreamer::open(past, query, follow).await
    }

    /// The log of an operation, behind a place in it when there is one.
    pub async fn operation_log(
        &self,
        id: OperationId,
        follow: Follow,
        after: Option<Place>,
    ) -> Result<LogStreamer> {
        let query = LogQuery { follow, after, ..LogQuery::default() };
        let source = LogSource::Operation(id);
        // Nothing but the package tools writes one, and they work for an app.
        let app = self.operation(id).await?.app_id;
        let app = app.ok_or_else(|| Error::not_found("log of the operation", id))?;
        let follow = query.waits().then(|| self.following(Scope::One(source), app));
        // Whether it is over is asked once its end would be heard.
        let operation = self.operation(id).await?;
        let after = match operation.status {
            OperationStatus::Running => After::Following,
            _ => After::Nothing,
        };
        let files = all_segments(source, operation_log_path(self.layout(), app, id), after).await?;
        LogStreamer::open(Past::Segments(files), query, follow).await
    }

    /// An app keeps its executions when it gets another name, so it is the id that counts.
    async fn one_execution(&self, name: &AppName, app: AppId, id: ExecutionId) -> Result<Vec<Source>> {
        let row = self.registry().read(move |db| rows::find(db, id)).await?;
        let row = row.filter(|row| row.app_id.0 == app).ok_or_else(|| {
            Error::not_found("execution", id).hint(format!("`{name}` has no such execution"))
        })?;
        let after = if row.status.0.is_final() { After::Nothing } else { After::Following };
        all_segments(LogSource::Execution(id), launch::log_path(self.layout(), app, id), after).await
    }

    fn following(&self, scope: Scope, app: AppId) -> Following {
        Following::new(scope, app, self.registry(), self.layout())
    }
}

impl LogQuery {
    /// Whether anything can come: nothing does before an instant that has passed.
    fn waits(&self) -> bool {
        self.follow == Follow::Yes && self.until.is_none_or(|until| until > Utc::now())
    }
}

/// Where the log of an operation is.
pub(crate) fn operation_log_path(layout: &Layout, app: AppId, id: OperationId) -> PathBuf {
    layout.logs(app).join(format!("operation-{id}.log"))
}

async fn all_segments(whose: LogSource, log: PathBuf, after: After) -> Result<Vec<Source>> {
    blocking(move || {
        let segments = mantyx_logs::segments(&log).map_err(|e| source::read_error(&log, e))?;
        let numbers = segments.iter().map(mantyx_logs::Segment::number).collect();
        Ok(Source::all(whose, &log, numbers, after))
    })
    .await
}

#[cfg(test)]
mod tests;
