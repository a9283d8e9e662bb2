//! Which executions are alive, and which have ended since somebody last asked.

use std::collections::HashSet;

use mantyx_core::{ExecutionId, Result};
use mantyx_registry::Read;
use mantyx_registry::tables::executions::{self, Execution, Spent};

/// How many rows are read at once.
const BATCH: i64 = 500;

/// What has become of executions.
#[derive(Debug)]
pub(crate) struct News {
    pub(crate) alive: Vec<Execution>,
    /// Those that were followed and are over, and those that nobody ever saw alive.
    pub(crate) ended: Vec<Spent>,
    /// The newest of all.
    pub(crate) newest: Option<ExecutionId>,
}

impl News {
    /// Since an execution was the newest and these were alive.
    pub(crate) fn read(
        db: &mut Read<'_>,
        newest: Option<ExecutionId>,
        followed: &[ExecutionId],
    ) -> Result<Self> {
        let alive = executions::live(db)?;
        let there: HashSet<ExecutionId> = alive.iter().map(|row| row.id.0).collect();
        let mut news = Self { alive, ended: Vec::new(), newest };
        for id in followed.iter().filter(|id| !there.contains(id)) {
            news.ended.extend(executions::spent(db, *id)?);
        }
        news.read_new(db)?;
        Ok(news)
    }

    /// Ids are given in the order in which executions come to be, whatever the clock does.
    fn read_new(&mut self, db: &mut Read<'_>) -> Result<()> {
        loop {
            let rows = executions::spent_after(db, self.newest, BATCH)?;
            let Some(last) = rows.last() else { return Ok(()) };
            self.newest = Some(last.id.0);
            self.ended.extend(rows.into_iter().filter(|row| row.finished_at.is_some()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::Utc;
    use mantyx_core::{AppId, AppName, ExecutionStatus, InstanceId, Trigger};
    use mantyx_registry::{Json, Store, Word, Write};

    fn row(status: ExecutionStatus) -> Execution {
        Execution {
            id: Word(ExecutionId::generate()),
            app_id: Word(AppId::generate()),
            app_name: Word(AppName::parse("feed").unwrap()),
            instance_id: Word(InstanceId::generate()),
            release: 1,
            revision: 1,
            trigger: Word(Trigger::Schedule),
            schedule_id: None,
            due_at: None,
            status: Word(status),
            pid: None,
            exit: None,
            cause: None,
            started_at: Utc::now(),
            finished_at: status.is_final().then(Utc::now),
            cpu_seconds: Some(0.1),
            peak_memory: None,
            ending: None,
            last_lines: Json(Vec::new()),
            dropped_lines: 0,
        }
    }

    fn insert(tx: &mut Write<'_>, status: ExecutionStatus) -> Result<ExecutionId> {
        let row = row(status);
        let _ = executions::insert(tx, &row)?;
        Ok(row.id.0)
    }

    fn insert_many(tx: &mut Write<'_>, count: usize) -> Result<Vec<ExecutionId>> {
        (0..count).map(|_| insert(tx, ExecutionStatus::Failed)).collect()
    }

    fn finish(tx: &mut Write<'_>, id: ExecutionId) -> Result<()> {
        let finish = executions::Finish {
            status: Word(ExecutionStatus::Success),
            exit: None,
            cause: None,
            finished_at: Some(Utc::now()),
            cpu_seconds: Some(7.0),
            peak_memory: None,
            ending: None,
            last_lines: Json(Vec::new()),
            dropped_lines: 0,
        };
        executions::finish(tx, id, &finish)
    }

    fn ended(news: &News) -> Vec<ExecutionId> {
        news.ended.iter().map(|spent| spent.id.0).collect()
    }

    #[test]
    fn every_end_is_told_once_even_of_what_nobody_saw_alive() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("mantyx.db")).unwrap();
        let make = |status| store.write(|tx| insert(tx, status)).unwrap();
        let read = |newest, followed: &[_]| store.read(|db| News::read(db, newest, followed)).unwrap();
        let old = make(ExecutionStatus::Success);

        let (service, jobs) =
            (make(ExecutionStatus::Running), store.write(|tx| insert_many(tx, 600)).unwrap());
        let first = read(Some(old), &[]);
        assert_eq!(first.alive.iter().map(|row| row.id.0).collect::<Vec<_>>(), [service]);
        assert_eq!((ended(&first), first.newest), (jobs.clone(), jobs.last().copied()));

        store.write(|tx| finish(tx, service)).unwrap();
        let second = read(first.newest, &[service]);
        assert_eq!((ended(&second), second.ended[0].cpu_seconds), (vec![service], Some(7.0)));
        assert!(second.alive.is_empty());
        assert_eq!(ended(&read(second.newest, &[])), []);
    }
}
