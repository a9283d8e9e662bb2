//! Which schedules may fire.

use chrono::Utc;
use mantyx_core::{Actor, AppState, AppType, CatchUp, InstanceId, Result, ScheduleId, Timestamp};
use mantyx_registry::tables::schedules::{self, Schedule};
use mantyx_registry::tables::{apps, instances};
use mantyx_scheduler::Tick;

use crate::due::{MISSED, record_skipped};
use crate::mantyx::Mantyx;
use crate::starting::decided;

/// At most so many missed instants are counted one by one.
const MISSED_CAP: usize = 10_000;

impl Mantyx {
    /// The schedules of an instance may fire from now on.
    pub(crate) async fn arm(&self, instance: InstanceId) -> Result<()> {
        for row in self.schedules_of_instance(instance).await?.into_iter().filter(|row| row.enabled) {
            self.arm_from(&row, Utc::now())?;
        }
        Ok(())
    }

    /// The schedules of an instance may not fire.
    pub(crate) async fn disarm(&self, instance: InstanceId) -> Result<()> {
        for row in self.schedules_of_instance(instance).await? {
            self.inner().scheduler.remove(row.id.0);
        }
        Ok(())
    }

    /// Makes the scheduler agree with one schedule and the state of its app.
    pub(crate) async fn rearm(&self, id: ScheduleId) -> Result<()> {
        let found = self
            .registry()
            .read(move |db| {
                let Some(row) = schedules::find(db, id)? else { return Ok(None) };
                let instance = instances::find(db, row.instance_id.0)?;
                let app = match &instance {
                    Some(instance) => apps::find(db, instance.app_id.0)?,
                    None => None,
                };
                let scheduled = app.is_some_and(|app| app.app_type.0 == AppType::Scheduled);
                Ok(Some((row, instance.map(|instance| instance.state.0).filter(|_| scheduled))))
            })
            .await?;
        match found {
            Some((row, Some(AppState::Enabled | AppState::Running))) if row.enabled => {
                self.arm_from(&row, Utc::now())
            }
            _ => {
                self.inner().scheduler.remove(id);
                Ok(())
            }
        }
    }

    /// At the start of the daemon: decides about what fell due while it was down, then arms from now on.
    pub(crate) async fn catch_up(&self, row: Schedule) -> Result<()> {
        let now = Utc::now();
        let schedule = mantyx_scheduler::parse(&row.spec.0)?;
        let missed = mantyx_scheduler::missed(&schedule, row.decided_to, now, MISSED_CAP);
        let run_last = row.spec.0.catch_up == CatchUp::One;
        let (skipped, last) = match missed.split_last() {
            Some((last, before)) if run_last => (before.to_vec(), Some(*last)),
            _ => (missed, None),
        };
        self.decide_missed(row.clone(), skipped).await?;
        if let Some(due) = last {
            let tick = Tick { schedule: row.id.0, due };
            let runner = self.inner().due.clone();
            // It waits for the lock of the app, which whoever brings it up may hold.
            tokio::spawn(async move {
                if let Err(error) = runner.take(tick).await {
                    tracing::warn!(?error, schedule = %tick.schedule, "a missed run could not be made up for");
                }
            });
        }
        self.arm_from(&row, now)
    }

    async fn decide_missed(&self, row: Schedule, skipped: Vec<Timestamp>) -> Result<()> {
        let (Some(first), Some(last)) = (skipped.first().copied(), skipped.last().copied()) else {
            return Ok(());
        };
        let count = i64::try_from(skipped.len()).unwrap_or(i64::MAX);
        let work = move |change: &mut mantyx_registry::Change<'_, '_>| {
            record_skipped(change, &row, first, last, count, MISSED)?;
            decided(change, row.id.0, last)
        };
        self.registry().change(&Actor::Mantyx, work).await
    }

    fn arm_from(&self, row: &Schedule, from: Timestamp) -> Result<()> {
        self.inner().scheduler.set(row.id.0, mantyx_scheduler::parse(&row.spec.0)?, from);
        Ok(())
    }

    async fn schedules_of_instance(&self, instance: InstanceId) -> Result<Vec<Schedule>> {
        self.registry().read(move |db| schedules::of_instance(db, instance)).await
    }
}
