//! Which logs of an app are read: all of them, or as few as have the last lines.
//!
//! An app may have very many executions. So the database is asked for the newest, a few at a time, for as long as lines
//! are missing. Only when many of them had too little to say is the folder listed for what is older and has a log: most
//! runs of a job may print nothing.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};

use chrono::{DateTime, TimeDelta};
use mantyx_api_types::LogSource;
use mantyx_core::{AppId, Error, ExecutionId, Result, Timestamp};
use mantyx_logs::Segment;
use mantyx_registry::Registry;
use mantyx_registry::tables::executions;
use mantyx_settings::Layout;

use super::source::{After, Filter, Source, blocking, read_error};
use crate::launch;

/// How many executions are read of the database at once.
const PAGE: i64 = 64;
/// After how many of them the folder is listed.
const LISTED_AFTER: usize = 2000;
/// How far the clock may have been set back without lines being overlooked.
const CLOCK_MARGIN: TimeDelta = TimeDelta::hours(1);

/// What was written before now.
pub(super) enum Past {
    /// These segments, the oldest first.
    Segments(Vec<Source>),
    /// The logs of an app.
    Executions(Executions),
}

impl Past {
    /// All of it, the oldest first.
    pub(super) async fn all(&self) -> Result<Vec<Source>> {
        match self {
            Self::Segments(segments) => Ok(segments.clone()),
            Self::Executions(executions) => executions.all().await,
        }
    }

    /// So many of the last lines, and what is followed whether it has any of these or not.
    pub(super) async fn last(&self, lines: usize, filter: &Filter) -> Result<VecDeque<Source>> {
        let mut last = Last { kept: Vec::new(), missing: lines };
        match self {
            Self::Segments(segments) => last.take(segments.iter().rev().cloned(), filter).await?,
            Self::Executions(executions) => executions.last(&mut last, filter).await?,
        }
        Ok(last.in_order())
    }
}

/// The last lines as far as they are found.
struct Last {
    kept: Vec<Source>,
    missing: usize,
}

impl Last {
    /// Looks for them in these, the newest first.
    async fn take(&mut self, segments: impl IntoIterator<Item = Source>, filter: &Filter) -> Result<()> {
        for mut segment in segments {
            if self.missing > 0 || segment.after == After::Following {
                self.missing -= segment.keep_last(self.missing, filter).await?;
                self.kept.push(segment);
            }
        }
        Ok(())
    }

    fn in_order(mut self) -> VecDeque<Source> {
        self.kept.sort_by_key(|source| (execution(source), source.segment.number()));
        self.kept.into()
    }
}

fn execution(source: &Source) -> Option<ExecutionId> {
    match source.whose {
        LogSource::Execution(id) => Some(id),
        LogSource::Operation(_) => None,
    }
}

/// The executions of an app as they were at one moment. Those that begin later are heard of.
pub(super) struct Executions {
    registry: Registry,
    layout: Layout,
    app: AppId,
    /// The first page, the newest first.
    newest: Vec<ExecutionId>,
    live: BTreeSet<ExecutionId>,
    /// Those that begin later are left out.
    until: Option<Timestamp>,
}

impl Executions {
    /// Who lives is asked last: who is known by then and does not live has written all of its log.
    pub(super) async fn of(
        registry: &Registry,
        layout: &Layout,
        app: AppId,
        until: Option<Timestamp>,
    ) -> Result<Self> {
        let newest = page(registry, app, None).await?;
        let live = registry.read(executions::live).await?.into_iter();
        let live = live.filter(|row| row.app_id.0 == app).map(|row| row.id.0).collect();
        Ok(Self { registry: registry.clone(), layout: layout.clone(), app, newest, live, until })
    }

    /// Those that are live, and the newest.
    pub(super) fn known(&self) -> impl Iterator<Item = ExecutionId> {
        self.newest.iter().chain(&self.live).copied()
    }

    async fn all(&self) -> Result<Vec<Source>> {
        let mut logs = self.on_disk().await?;
        for id in &self.live {
            logs.entry(*id).or_default();
        }
        let newest = self.known().max();
        logs.retain(|id, _| Some(*id) <= newest && !self.begins_too_late(*id));
        Ok(logs.into_iter().flat_map(|(id, numbers)| self.segments(id, numbers)).collect())
    }

    async fn last(&self, last: &mut Last, filter: &Filter) -> Result<()> {
        let (mut page, mut looked, mut live) = (self.newest.clone(), 0, self.live.clone());
        while last.missing > 0
            && let Some(oldest) = page.last().copied()
        {
            looked += page.len();
            live.retain(|id| !page.contains(id));
            last.take(self.logs_of(page).await?, filter).await?;
            if looked >= LISTED_AFTER {
                last.take(self.listed_before(oldest).await?, filter).await?;
                break;
            }
            page = self::page(&self.registry, self.app, Some(oldest)).await?;
        }
        last.take(self.logs_of(live.into_iter().rev().collect()).await?, filter).await
    }

    /// The logs of these, the newest first as they are. One that wrote nothing has none.
    async fn logs_of(&self, ids: Vec<ExecutionId>) -> Result<Vec<Source>> {
        let ids = ids.into_iter().filter(|id| !self.begins_too_late(*id));
        let logs: Vec<_> = ids.map(|id| (id, self.path(id))).collect();
        let numbers = move |(id, log): (_, PathBuf)| Ok((id, numbers(&log)?));
        let logs = blocking(move || logs.into_iter().map(numbers).collect::<Result<Vec<_>>>()).await?;
        let logs = logs.into_iter().filter(|(id, numbers)| !numbers.is_empty() || self.live.contains(id));
        Ok(logs.flat_map(|(id, numbers)| self.segments(id, numbers).into_iter().rev()).collect())
    }

    /// Those that have a log and are older than one, but for those that live.
    async fn listed_before(&self, id: ExecutionId) -> Result<Vec<Source>> {
        let mut logs = self.on_disk().await?;
        logs.retain(|other, _| *other < id && !self.live.contains(other) && !self.begins_too_late(*other));
        let segments = |(id, numbers)| self.segments(id, numbers).into_iter().rev();
        Ok(logs.into_iter().rev().flat_map(segments).collect())
    }

    async fn on_disk(&self) -> Result<BTreeMap<ExecutionId, Vec<u32>>> {
        let folder = self.layout.logs(self.app);
        blocking(move || on_disk(&folder)).await
    }

    fn segments(&self, id: ExecutionId, numbers: Vec<u32>) -> Vec<Source> {
        let after = if self.live.contains(&id) { After::Following } else { After::Nothing };
        Source::all(LogSource::Execution(id), &self.path(id), numbers, after)
    }

    fn path(&self, id: ExecutionId) -> PathBuf {
        launch::log_path(&self.layout, self.app, id)
    }

    fn begins_too_late(&self, id: ExecutionId) -> bool {
        self.until.is_some_and(|until| begins_after(id, until))
    }
}

/// The newest executions of an app that are older than one.
async fn page(registry: &Registry, app: AppId, before: Option<ExecutionId>) -> Result<Vec<ExecutionId>> {
    let rows = registry.read(move |db| executions::page(db, Some(app), before, PAGE)).await?;
    Ok(rows.into_iter().map(|row| row.id.0).collect())
}

/// The segments of a log, which is there when its first one is.
fn numbers(log: &Path) -> Result<Vec<u32>> {
    if !Segment::new(log, 0).exists() {
        return Ok(Vec::new());
    }
    let segments = mantyx_logs::segments(log).map_err(|e| read_error(log, e))?;
    Ok(segments.iter().map(Segment::number).collect())
}

/// The executions that have a log in a folder, and the numbers of its segments.
fn on_disk(folder: &Path) -> Result<BTreeMap<ExecutionId, Vec<u32>>> {
    let logs = mantyx_logs::segments_in(folder)
        .map_err(|e| Error::io(format!("list the logs in `{}`", folder.display()), e))?;
    let execution =
        |(name, numbers): (String, BTreeSet<u32>)| Some((name.parse().ok()?, numbers.into_iter().collect()));
    Ok(logs.into_iter().filter_map(execution).collect())
}

/// Whether all lines of an execution are from after an instant: its id says when it began (UUID version 7, RFC 9562).
fn begins_after(id: ExecutionId, until: Timestamp) -> bool {
    let begun = id.as_uuid().get_timestamp().map(|begun| begun.to_unix().0);
    let begun = begun.and_then(|seconds| DateTime::from_timestamp(i64::try_from(seconds).ok()?, 0));
    begun.is_some_and(|begun| begun - CLOCK_MARGIN > until)
}

#[cfg(test)]
mod tests;
