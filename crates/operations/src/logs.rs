//! Reading logs: of an app across its executions, of one execution, of an operation.
//!
//! Every execution has a log of its own, of one or more segments, named after its id; ids sort by time, so the logs
//! of an app in the order of their names are the log of the app.

mod following;
mod place;
mod retention;
mod source;
mod streamer;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use chrono::{DateTime, TimeDelta, Utc};
use following::{Following, Scope};
use mantyx_api_types::{LiveMessage, LogLine, LogSource, LogStream};
use mantyx_core::{AppId, AppName, Error, ExecutionId, OperationId, OperationStatus, Result, Timestamp};
pub use mantyx_logs::{BadPattern, Case, Completeness, Pattern, Syntax};
use mantyx_registry::tables::executions;
use mantyx_settings::Layout;
pub use place::Place;
use source::{After, Source, blocking};
pub use streamer::LogStreamer;
use tokio::sync::broadcast;

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
    /// Go on behind this place, which an earlier answer to the same query has told. `tail` is done then.
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
        // News are collected first, so that none is missed between what is found now and what comes.
        let news = query.waits().then(|| self.subscribe());
        let (scope, files) = match query.execution {
            Some(id) => (Scope::One(LogSource::Execution(id)), self.one_execution(name, app, id).await?),
            None => (Scope::App, self.all_executions(app, query.until).await?),
        };
        let follow = news.map(|news| self.following(scope, app, &files, news).at(query.pace));
        LogStreamer::open(files, query, follow).await
    }

    /// The log of an operation, behind a place in it when there is one.
    pub async fn operation_log(
        &self,
        id: OperationId,
        follow: Follow,
        after: Option<Place>,
    ) -> Result<LogStreamer> {
        let query = LogQuery { follow, after, ..LogQuery::default() };
        let news = query.waits().then(|| self.subscribe());
        let operation = self.operation(id).await?;
        let (app, source) = (operation.app_id, LogSource::Operation(id));
        let after = match operation.status {
            OperationStatus::Running => After::Following,
            _ => After::Nothing,
        };
        let files = all_segments(source, operation_log_path(self.layout(), app, id), after).await?;
        let follow = news.map(|news| self.following(Scope::One(source), app, &files, news));
        LogStreamer::open(files, query, follow).await
    }

    /// An app keeps its executions when it gets another name, so it is the id that counts.
    async fn one_execution(&self, name: &AppName, app: AppId, id: ExecutionId) -> Result<Vec<Source>> {
        let row = self.registry().read(move |db| executions::find(db, id)).await?;
        let row = row.filter(|row| row.app_id.0 == app).ok_or_else(|| {
            Error::not_found("execution", id).hint(format!("`{name}` has no such execution"))
        })?;
        let after = if row.status.0.is_final() { After::Nothing } else { After::Following };
        all_segments(LogSource::Execution(id), launch::log_path(self.layout(), app, id), after).await
    }

    /// Those that have a log and those that live, the oldest first, without those that begin too late. The files are listed first: who has one and is
    /// not alive after that has written all of it.
    async fn all_executions(&self, app: AppId, until: Option<Timestamp>) -> Result<Vec<Source>> {
        let folder = self.layout().logs(app);
        let mut logs = blocking(move || executions_on_disk(&folder)).await?;
        let live = self.registry().read(executions::live).await?;
        let live: BTreeSet<_> =
            live.into_iter().filter(|row| row.app_id.0 == app).map(|row| row.id.0).collect();
        for id in &live {
            logs.entry(*id).or_default();
        }
        if let Some(until) = until {
            logs.retain(|id, _| !begins_after(*id, until));
        }
        let sources = |(id, numbers)| {
            let after = if live.contains(&id) { After::Following } else { After::Nothing };
            Source::all(LogSource::Execution(id), &launch::log_path(self.layout(), app, id), numbers, after)
        };
        Ok(logs.into_iter().flat_map(sources).collect())
    }

    fn following(
        &self,
        scope: Scope,
        app: AppId,
        files: &[Source],
        news: broadcast::Receiver<LiveMessage>,
    ) -> Following {
        let seen = files.iter().filter_map(|file| match file.whose {
            LogSource::Execution(id) => Some(id),
            LogSource::Operation(_) => None,
        });
        Following::new(scope, app, seen, news, self.registry().clone(), self.layout().clone())
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

/// How far the clock may have been set back without lines being overlooked.
const CLOCK_MARGIN: TimeDelta = TimeDelta::hours(1);

/// Whether all lines of an execution are from after an instant: its id says when it began (UUID version 7, RFC 9562).
fn begins_after(id: ExecutionId, until: Timestamp) -> bool {
    let begun = id.as_uuid().get_timestamp().map(|begun| begun.to_unix().0);
    let begun = begun.and_then(|seconds| DateTime::from_timestamp(i64::try_from(seconds).ok()?, 0));
    begun.is_some_and(|begun| begun - CLOCK_MARGIN > until)
}

/// The executions that have a log in a folder, and the numbers of its segments.
fn executions_on_disk(folder: &Path) -> Result<BTreeMap<ExecutionId, Vec<u32>>> {
    let logs = mantyx_logs::segments_in(folder)
        .map_err(|e| Error::io(format!("list the logs in `{}`", folder.display()), e))?;
    let execution =
        |(name, numbers): (String, BTreeSet<u32>)| Some((name.parse().ok()?, numbers.into_iter().collect()));
    Ok(logs.into_iter().filter_map(execution).collect())
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
mod tests {
    use super::*;

    #[test]
    fn the_id_says_what_begins_too_late() {
        let (id, now) = (ExecutionId::generate(), Utc::now());
        assert!(!begins_after(id, now + TimeDelta::minutes(1)));
        assert!(!begins_after(id, now - TimeDelta::minutes(50)), "the clock may have been set back");
        assert!(begins_after(id, now - TimeDelta::minutes(70)));
        assert!(!begins_after(id, DateTime::<Utc>::MAX_UTC));
    }
}
