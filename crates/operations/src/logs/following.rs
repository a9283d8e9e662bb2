//! Waiting for what comes next: the files of live processes, and the news of new ones.
//!
//! News can be missed by a reader that is slow. Then the database is asked what there is, which is why nothing here
//! depends on having heard of a beginning or an end.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use chrono::Utc;
use futures_util::future::select_all;
use mantyx_api_types::{LiveMessage, LogSource};
use mantyx_core::{
    AppId, Error, ExecutionId, ExecutionStatus, OperationId, OperationStatus, Result, Timestamp,
};
use mantyx_logs::{Follower, Position};
use mantyx_registry::Registry;
use mantyx_registry::tables::executions::Execution;
use mantyx_registry::tables::{executions, operations};
use mantyx_settings::Layout;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use super::source::{Filter, Source, blocking, raw_line, read_error};
use super::{Pace, RawLine};
use crate::launch;

/// What is waited for once the past has been read.
pub(super) struct Following {
    scope: Scope,
    app: AppId,
    seen: Seen,
    news: broadcast::Receiver<LiveMessage>,
    registry: Registry,
    layout: Layout,
    /// Since when news are collected. What ended before that is in the past that was read.
    since: Timestamp,
    followed: Vec<Followed>,
    pace: Pace,
    /// Lines that were passed over and not told yet.
    skipped: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// All executions, those to come included.
    App,
    /// One execution or operation, until it is over.
    One(LogSource),
}

/// How many bytes one who wants the newest lines may be behind, and how many of them are left when it is more.
const TOO_FAR_BEHIND: u64 = 4 * 1024 * 1024;
const KEPT: u64 = 256 * 1024;

/// What was read at once.
struct Portion {
    /// Where it began: behind what was passed over.
    start: Position,
    passing: Vec<RawLine>,
    /// How many records it was before the filter.
    read: usize,
    /// Whether all of them are from after the end of what is asked for.
    beyond: bool,
}

/// A file that is followed.
struct Followed {
    source: LogSource,
    follower: Follower,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// More may be written.
    Open,
    /// All is written: it is read to its end and then let go.
    Over,
}

impl Following {
    /// Follows nothing yet, and hears of all that comes from now on.
    pub(super) fn new(scope: Scope, app: AppId, registry: &Registry, layout: &Layout) -> Self {
        let (since, news) = (Utc::now(), registry.subscribe());
        let (registry, layout, seen) = (registry.clone(), layout.clone(), Seen::default());
        let (followed, pace, skipped) = (Vec::new(), Pace::Every, 0);
        Self { scope, app, seen, news, registry, layout, since, followed, pace, skipped }
    }

    /// What was seen already is not followed again from its beginning.
    pub(super) fn has_seen(&mut self, executions: impl IntoIterator<Item = ExecutionId>) {
        self.seen.extend(executions);
    }

    /// The same at another pace.
    pub(super) fn at(self, pace: Pace) -> Self {
        Self { pace, ..self }
    }

    /// Where reading is in each file that is followed.
    pub(super) fn positions(&self) -> impl Iterator<Item = (LogSource, Position)> {
        self.followed.iter().map(|file| (file.source, file.follower.position()))
    }

    pub(super) fn take_skipped(&mut self) -> u64 {
        std::mem::take(&mut self.skipped)
    }

    /// Goes on with a file where reading it has ended.
    pub(super) async fn take_over(&mut self, file: Source) -> Result<()> {
        let position = file.end();
        self.follow(file.whose, file.segment.log().to_owned(), position).await
    }

    /// Lines of any file that is followed and that pass, and where reading them began; `None` once the one thing that
    /// is followed is over, or no line can pass any more.
    pub(super) async fn next(&mut self, filter: &Filter) -> Result<Option<(Position, Vec<RawLine>)>> {
        loop {
            let too_late = filter.until.is_some_and(has_passed);
            if too_late {
                self.followed.iter_mut().for_each(|file| file.stage = Stage::Over);
            }
            if let Some(lines) = self.rest(filter).await? {
                return Ok(Some(lines));
            }
            if self.followed.is_empty() && (too_late || self.scope != Scope::App) {
                return Ok(None);
            }
            tokio::select! {
                ready = any_ready(&mut self.followed) => {
                    let Portion { start, passing, .. } = self.read(ready?, filter).await?;
                    if !passing.is_empty() {
                        return Ok(Some((start, passing)));
                    }
                }
                news = self.news.recv() => match news {
                    Ok(message) => self.hear(message).await?,
                    Err(RecvError::Lagged(_)) => self.catch_up().await?,
                    Err(RecvError::Closed) => return Ok(None),
                },
                () = passing_of(filter.until) => {}
            }
        }
    }

    async fn follow(&mut self, source: LogSource, path: PathBuf, position: Position) -> Result<()> {
        let follower = blocking(move || {
            if let Some(folder) = path.parent() {
                mantyx_platform::folders::create(folder, 0o700)?;
            }
            Follower::new(&path, position).map_err(|e| read_error(&path, e))
        });
        let follower = follower.await?;
        self.followed.push(Followed { source, follower, stage: Stage::Open });
        Ok(())
    }

    async fn read(&mut self, index: usize, filter: &Filter) -> Result<Portion> {
        let failed = |error| Error::io("follow a log", error);
        let Followed { source, follower, .. } = &mut self.followed[index];
        if self.pace == Pace::Newest && follower.behind().await > TOO_FAR_BEHIND {
            self.skipped += follower.skip(KEPT).await.map_err(failed)?;
        }
        let before = follower.position();
        let records = follower.read().await.map_err(failed)?;
        let start = start_of_portion(before, follower.position());
        let read = records.len();
        let beyond = filter.until.is_some_and(|until| records.iter().all(|record| record.at >= until));
        let passing = records.into_iter().filter(|record| filter.passes_record(record));
        Ok(Portion {
            start,
            passing: passing.map(|record| raw_line(*source, record)).collect(),
            read,
            beyond,
        })
    }

    /// What is left of files that are over.
    async fn rest(&mut self, filter: &Filter) -> Result<Option<(Position, Vec<RawLine>)>> {
        while let Some(index) = self.followed.iter().position(|file| file.stage == Stage::Over) {
            let portion = self.read(index, filter).await?;
            if !portion.passing.is_empty() {
                return Ok(Some((portion.start, portion.passing)));
            }
            // One that lives may never come to its end.
            if portion.read == 0 || portion.beyond {
                self.followed.remove(index);
            }
        }
        Ok(None)
    }

    async fn hear(&mut self, message: LiveMessage) -> Result<()> {
        match (self.scope, message) {
            (Scope::App, LiveMessage::Execution { execution }) => {
                if self.seen.insert(execution.id) && self.is_new(execution.id).await? {
                    self.begin(execution.id).await?;
                }
                self.settle(execution.id, execution.status);
            }
            (Scope::One(LogSource::Execution(id)), LiveMessage::Execution { execution })
                if execution.id == id =>
            {
                self.settle(id, execution.status);
            }
            (Scope::One(LogSource::Operation(id)), LiveMessage::Operation { operation })
                if operation.id == id && operation.status != OperationStatus::Running =>
            {
                self.end(LogSource::Operation(id));
            }
            _ => {}
        }
        Ok(())
    }

    /// News were missed: what they said is in the database.
    async fn catch_up(&mut self) -> Result<()> {
        if let Scope::One(LogSource::Operation(id)) = self.scope {
            return self.catch_up_operation(id).await;
        }
        for row in self.executions_now().await? {
            let id = row.id.0;
            if self.scope == Scope::App && self.seen.insert(id) && self.goes_on(&row) {
                self.begin(id).await?;
            }
            self.settle(id, row.status.0);
        }
        Ok(())
    }

    async fn catch_up_operation(&mut self, id: OperationId) -> Result<()> {
        let row = self.registry.read(move |db| operations::find(db, id)).await?;
        if row.is_none_or(|row| row.status.0 != OperationStatus::Running) {
            self.end(LogSource::Operation(id));
        }
        Ok(())
    }

    /// How those that are followed stand, and the newest ones of an app, the oldest first.
    async fn executions_now(&self) -> Result<Vec<Execution>> {
        let (app, scope) = (self.app, self.scope);
        let followed: Vec<ExecutionId> = self.followed.iter().filter_map(Followed::execution).collect();
        self.registry
            .read(move |db| {
                let mut rows = Vec::new();
                if scope == Scope::App {
                    rows = executions::page(db, Some(app), None, NEWEST)?;
                }
                for id in followed {
                    rows.extend(executions::find(db, id)?);
                }
                rows.sort_unstable_by_key(|row: &Execution| row.id.0);
                Ok(rows)
            })
            .await
    }

    /// An app may go by another name by now, so that the name in the news does not tell.
    async fn is_new(&self, id: ExecutionId) -> Result<bool> {
        let row = self.registry.read(move |db| executions::find(db, id)).await?;
        Ok(row.is_some_and(|row| row.app_id.0 == self.app && self.goes_on(&row)))
    }

    /// Whether it may have written something since news are collected. Not all that ended before is among the seen: an
    /// app may have very many.
    fn goes_on(&self, row: &Execution) -> bool {
        row.finished_at.is_none_or(|finished| finished >= self.since)
    }

    /// A new execution of the app is followed from its first line.
    async fn begin(&mut self, id: ExecutionId) -> Result<()> {
        let path = launch::log_path(&self.layout, self.app, id);
        self.follow(LogSource::Execution(id), path, Position::default()).await
    }

    fn settle(&mut self, id: ExecutionId, status: ExecutionStatus) {
        if status.is_final() {
            self.end(LogSource::Execution(id));
        }
    }

    /// All of a log is written before the end of its execution or operation is told.
    fn end(&mut self, source: LogSource) {
        let its = self.followed.iter_mut().filter(|file| file.source == source);
        its.for_each(|file| file.stage = Stage::Over);
    }
}

impl Followed {
    fn execution(&self) -> Option<ExecutionId> {
        match self.source {
            LogSource::Execution(id) => Some(id),
            LogSource::Operation(_) => None,
        }
    }
}

/// How many executions are looked at when news were missed. More than that never begin while a reader falls behind
/// by as many messages as are kept for it.
const NEWEST: i64 = 500;

/// Which executions were seen before, of this app or another. It remembers the newest, because ids sort by time.
#[derive(Debug, Default)]
struct Seen {
    ids: BTreeSet<ExecutionId>,
    /// All up to this one count as seen.
    floor: Option<ExecutionId>,
}

impl Seen {
    const REMEMBERED: usize = 1000;

    /// Tells whether it is new.
    fn insert(&mut self, id: ExecutionId) -> bool {
        if self.floor.is_some_and(|floor| id <= floor) || !self.ids.insert(id) {
            return false;
        }
        if self.ids.len() > Self::REMEMBERED {
            self.floor = self.ids.pop_first();
        }
        true
    }
}

impl Extend<ExecutionId> for Seen {
    fn extend<T: IntoIterator<Item = ExecutionId>>(&mut self, ids: T) {
        for id in ids {
            self.insert(id);
        }
    }
}

/// Where a portion began that was read from one position to another: when reading went on in a later segment, at the
/// beginning of that. At offset 0 of it nothing of it was read, but only said that what is before it is missing.
fn start_of_portion(before: Position, after: Position) -> Position {
    if after.segment == before.segment || after.offset == 0 {
        before
    } else {
        Position { offset: 0, ..after }
    }
}

/// The longest sleep at once: the clock may be set meanwhile.
const NAP: Duration = Duration::from_secs(3600);

fn has_passed(instant: Timestamp) -> bool {
    instant <= Utc::now()
}

/// Sleeps until an instant has passed; for ever when there is none.
async fn passing_of(instant: Option<Timestamp>) {
    let Some(instant) = instant else { return std::future::pending().await };
    while !has_passed(instant) {
        // Timers may go off a little early.
        let left = (instant - Utc::now()).to_std().unwrap_or_default() + Duration::from_millis(1);
        tokio::time::sleep(left.min(NAP)).await;
    }
}

/// Waits for any file to have more. They take turns, so that a busy one does not silence the others.
async fn any_ready(files: &mut [Followed]) -> Result<usize> {
    if files.is_empty() {
        return std::future::pending().await;
    }
    files.rotate_left(1);
    let each = files
        .iter_mut()
        .enumerate()
        .map(|(index, file)| Box::pin(async move { file.follower.ready().await.map(|()| index) }));
    select_all(each).await.0.map_err(|e| Error::io("follow a log", e))
}

#[cfg(test)]
mod tests;
