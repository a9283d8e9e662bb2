//! What earlier daemons began, against what the database says of it.
//!
//! Every execution that is not over is one of three: found, and then taken over or its end written down; gone without a
//! trace, and then lost; or neither, because the disk or the database does not let it be seen. Of the last nothing is
//! said, and nothing is started beside it.

use std::collections::HashSet;
use std::path::Path;

use mantyx_core::{
    Actor, AppType, Ending, Error, ExecutionId, ExecutionStatus, InstanceId, Result, Timestamp,
};
use mantyx_registry::tables::executions::{Execution, Finish};
use mantyx_registry::tables::{apps, executions, instances};
use mantyx_registry::{Change, Json, Word, views};
use mantyx_supervisor::{Discovered, Found, Role};
use tokio::time::sleep;

use super::entries;
use crate::actions::history_of;
use crate::mantyx::Mantyx;
use crate::starting::care_of;
use crate::work::{FIRST_PAUSE, LAST_PAUSE, blocking};

impl Mantyx {
    /// Adopts what is alive, writes down what ended, and gives up what is gone.
    pub(super) async fn settle_processes(&self) -> Result<()> {
        let discovered = self.inner().supervisor.discover().await?;
        let known: HashSet<ExecutionId> = discovered.iter().map(|d| d.execution).collect();
        for process in discovered {
            if let Err(error) = self.settle_process(process.clone()).await {
                self.settle_later(process, &error);
            }
        }
        let run = self.layout().run();
        let left = blocking(move || executions_in(&run)).await?;
        let live = self.registry().read(executions::live).await?;
        let unknown = live.into_iter().filter(|row| !known.contains(&row.id.0));
        let (unclear, lost): (Vec<_>, Vec<_>) = unknown.partition(|row| left.contains(&row.id.0));
        for row in unclear {
            self.leave_alone(row.id.0, row.instance_id.0, self.unreadable(row.id.0)).await;
        }
        if lost.is_empty() {
            return Ok(());
        }
        let give_up = move |change: &mut Change<'_, '_>| lost.iter().try_for_each(|row| lose(change, row));
        self.registry().change(&Actor::Mantyx, give_up).await
    }

    async fn settle_process(&self, process: Discovered) -> Result<()> {
        let (id, instance) = (process.execution, process.instance);
        let alive = match &process.found {
            Found::Live { pid, started_at } => Some((*pid, *started_at)),
            _ => None,
        };
        let work = move |change: &mut Change<'_, '_>| recognise(change, id, instance, alive);
        match self.registry().note(work).await? {
            Standing::Ours(role) => {
                let care = care_of(self.registry(), &self.inner().house, instance, id).await?;
                self.inner().supervisor.adopt(process, role, care).await
            }
            Standing::Recorded => self.inner().supervisor.forget(id).await,
            Standing::Stray => {
                tracing::warn!(execution = %id, "a process that no record speaks of is stopped");
                self.inner().supervisor.end_stray(&process).await
            }
        }
    }

    /// What was found could not be taken over, as when the database is locked: it is tried again until it can be.
    fn settle_later(&self, process: Discovered, error: &Error) {
        let execution = process.execution;
        tracing::error!(?error, %execution, "a process could not be adopted yet");
        let reason =
            format!("What there is of it (execution `{execution}`) could not be taken over yet: {error}");
        self.inner().unclear.add(execution, process.instance, reason);
        let mantyx = self.clone();
        tokio::spawn(async move { mantyx.settle_at_last(process).await });
    }

    async fn settle_at_last(&self, process: Discovered) {
        let mut pause = FIRST_PAUSE;
        loop {
            tokio::select! {
                () = sleep(pause) => pause = (pause * 2).min(LAST_PAUSE),
                () = self.inner().cancellations.down() => return,
            }
            let Err(error) = self.settle_process(process.clone()).await else { break };
            tracing::error!(?error, execution = %process.execution, "a process could not be adopted yet");
        }
        self.inner().unclear.settle(process.execution);
        if let Err(error) = self.bring_up_instance(process.instance).await {
            tracing::error!(?error, instance = %process.instance, "an app could not be brought up");
        }
    }

    async fn bring_up_instance(&self, instance: InstanceId) -> Result<()> {
        let find = move |db: &mut mantyx_registry::Read<'_>| match instances::find(db, instance)? {
            Some(row) => apps::find(db, row.app_id.0),
            None => Ok(None),
        };
        let Some(app) = self.registry().read(find).await? else { return Ok(()) };
        let _lock = self.inner().locks.app(app.id.0).await;
        self.bring_up(&app).await
    }

    fn unreadable(&self, execution: ExecutionId) -> String {
        let record = self.layout().run().join(format!("{execution}.json"));
        format!(
            "Whether its process is alive cannot be seen: `{}`, or what lies beside it, cannot be read",
            record.display()
        )
    }

    /// Nothing is started or stopped, and who looks at the app is told.
    async fn leave_alone(&self, execution: ExecutionId, instance: InstanceId, reason: String) {
        tracing::error!(%execution, "{reason}");
        self.inner().unclear.add(execution, instance, reason.clone());
        let tell = move |change: &mut Change<'_, '_>| {
            let Some(row) = instances::find(change, instance)? else { return Ok(()) };
            change.touch_app(row.app_id.0);
            let changes = instances::Changes { reason: Some(Some(reason)), ..Default::default() };
            instances::update(change, instance, &changes)
        };
        if let Err(error) = self.registry().note(tell).await {
            tracing::warn!(?error, %instance, "what cannot be seen of an app could not be recorded");
        }
    }
}

/// What the run folder still speaks of: all in it is named after an execution.
fn executions_in(run: &Path) -> Result<HashSet<ExecutionId>> {
    let name = |path: &std::path::PathBuf| path.file_name()?.to_str()?.split('.').next()?.parse().ok();
    Ok(entries(run)?.iter().filter_map(name).collect())
}

/// What a process that was found is to us.
enum Standing {
    /// Its execution is not over as far as we know.
    Ours(Role),
    /// Its end is written down already.
    Recorded,
    /// No row speaks of it.
    Stray,
}

fn recognise(
    change: &mut Change<'_, '_>,
    id: ExecutionId,
    instance: InstanceId,
    alive: Option<(u32, Timestamp)>,
) -> Result<Standing> {
    let (row, instance) = (executions::find(change, id)?, instances::find(change, instance)?);
    let (Some(row), Some(instance)) = (row, instance) else {
        return Ok(if alive.is_some() { Standing::Stray } else { Standing::Recorded });
    };
    if row.status.0.is_final() {
        return Ok(if alive.is_some() { Standing::Stray } else { Standing::Recorded });
    }
    if let Some((pid, at)) = alive {
        executions::set_running(change, id, pid, at)?;
        change.touch_execution(id);
        if instance.reason.is_some() {
            // That it could not be seen is over.
            let changes = instances::Changes { reason: Some(None), ..Default::default() };
            instances::update(change, instance.id.0, &changes)?;
            change.touch_app(instance.app_id.0);
        }
    }
    let app = views::find_app(change, instance.app_id.0)?;
    if app.app_type.0 == AppType::Scheduled {
        return Ok(Standing::Ours(Role::Run));
    }
    let restarts = executions::restarts_of(change, app.id.0, RESTARTS_REMEMBERED)?;
    Ok(Standing::Ours(Role::Service { history: history_of(&instance, restarts), health: instance.health.0 }))
}

/// More restarts than this within one window are more than any limit that makes sense.
const RESTARTS_REMEMBERED: i64 = 100;

/// An execution whose process and records are gone, as after a loss of power.
fn lose(change: &mut Change<'_, '_>, row: &Execution) -> Result<()> {
    let finish = Finish {
        status: Word(ExecutionStatus::Lost),
        exit: None,
        cause: Some("Mantyx and the process ended together, so nobody could see how".to_owned()),
        finished_at: Some(change.now()),
        cpu_seconds: None,
        peak_memory: None,
        ending: Some(Json(Ending::Lost)),
        last_lines: Json(Vec::new()),
        dropped_lines: 0,
    };
    executions::finish(change, row.id.0, &finish)?;
    change.touch_execution(row.id.0);
    Ok(())
}
