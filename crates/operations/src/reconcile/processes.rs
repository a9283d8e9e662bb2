//! What earlier daemons began, against what the database says of it.
//!
//! Every execution that is not over is one of three: found, and then taken over or its end written down; gone without a
//! trace, and then lost; or neither, because the disk or the database does not let it be seen. Of the last nothing is
//! said, and nothing is started beside it.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use futures_util::future::join_all;
use mantyx_core::{
    Actor, AppState, AppType, Code, Ending, Error, ExecutionId, ExecutionStatus, InstanceId, Result,
};
use mantyx_registry::tables::executions::Finish;
use mantyx_registry::tables::{apps, executions, instances, operations};
use mantyx_registry::{Change, Json, Read, Word};
use mantyx_supervisor::{Care, Discovered, Found, Role};
use tokio::time::sleep;

use super::{RESTARTS_REMEMBERED, entries};
use crate::actions::history_of;
use crate::conductor::record_end;
use crate::house::House;
use crate::mantyx::Mantyx;
use crate::starting::{Active, active};
use crate::work::{FIRST_PAUSE, LAST_PAUSE, blocking};

impl Mantyx {
    /// Adopts what is alive, writes down what ended, and gives up what is gone.
    pub(super) async fn settle_processes(&self) -> Result<()> {
        let discovered = self.inner().supervisor.discover().await?;
        let known: HashSet<ExecutionId> = discovered.iter().map(|d| d.execution).collect();
        // What begins from here on, because something had ended, is nobody's riddle.
        let live = self.registry().read(executions::live).await?;
        self.settle_all(discovered).await;
        let left = self.left().await?;
        let unknown = live.into_iter().filter(|row| !known.contains(&row.id.0));
        let (unclear, lost): (Vec<_>, Vec<_>) = unknown.partition(|row| left.contains(&row.id.0));
        for row in unclear {
            self.leave_alone(row.id.0, row.instance_id.0, self.unreadable(row.id.0)).await;
        }
        self.lose(lost.iter().map(|row| row.id.0).collect()).await
    }

    /// Settles all of them at once; where that cannot be, one by one, so that one says nothing about the others.
    async fn settle_all(&self, processes: Vec<Discovered>) {
        let Ok(standings) = self.recognise_all(processes.clone()).await else {
            for process in processes {
                let settled = self.settle_process(process.clone()).await;
                self.or_later(process, settled);
            }
            return;
        };
        let taking = processes.into_iter().zip(standings).map(|(process, standing)| async move {
            let taken = self.take_over(process.clone(), standing).await;
            self.or_later(process, taken);
        });
        join_all(taking).await;
    }

    pub(super) async fn settle_process(&self, process: Discovered) -> Result<()> {
        for standing in self.recognise_all(vec![process.clone()]).await? {
            self.take_over(process.clone(), standing).await?;
        }
        Ok(())
    }

    /// What each of them is to us, in one change.
    async fn recognise_all(&self, processes: Vec<Discovered>) -> Result<Vec<Standing<Care>>> {
        let executions: Vec<ExecutionId> = processes.iter().map(|process| process.execution).collect();
        let recognise = move |change: &mut Change<'_, '_>| {
            processes.iter().map(|process| recognise(change, process)).collect::<Result<Vec<_>>>()
        };
        let (standings, house) = (self.registry().note(recognise).await?, Arc::clone(&self.inner().house));
        blocking(move || {
            let standings = standings.into_iter().zip(executions);
            standings.map(|(standing, execution)| standing.cared_for(&house, execution)).collect()
        })
        .await
    }

    async fn take_over(&self, process: Discovered, standing: Standing<Care>) -> Result<()> {
        match standing {
            Standing::Ours(role, care) => self.inner().supervisor.adopt(process, role, care).await,
            Standing::Recorded => self.inner().supervisor.forget(process.execution).await,
            Standing::Stray => {
                tracing::warn!(execution = %process.execution, "a process that no record speaks of is stopped");
                self.inner().supervisor.end_stray(&process).await
            }
        }
    }

    /// What was found and could not be taken over, as when the database is locked, is tried again.
    fn or_later(&self, process: Discovered, outcome: Result<()>) {
        let Err(error) = outcome else { return };
        let (execution, instance) = (process.execution, process.instance);
        tracing::error!(?error, %execution, "a process could not be adopted yet");
        let reason =
            format!("What there is of it (execution `{execution}`) could not be taken over yet: {error}");
        self.inner().unclear.add(execution, instance, reason);
        self.spawn_settler(execution, instance, Some(process));
    }

    /// Tries again until it is known how an execution is, and then brings its app up.
    fn spawn_settler(&self, execution: ExecutionId, instance: InstanceId, found: Option<Discovered>) {
        let mantyx = self.clone();
        tokio::spawn(async move {
            let mut pause = FIRST_PAUSE;
            loop {
                tokio::select! {
                    () = sleep(pause) => pause = (pause * 2).min(LAST_PAUSE),
                    () = mantyx.inner().cancellations.down() => return,
                }
                let Err(error) = mantyx.settle_again(execution, found.clone()).await else { break };
                tracing::error!(?error, %execution, "a process could not be adopted yet");
            }
            if let Err(error) = mantyx.bring_up_instance(execution, instance).await {
                tracing::error!(?error, %instance, "an app could not be brought up");
            }
        });
    }

    /// Looks at an execution again, where it could not be looked at, and takes over what is found.
    async fn settle_again(&self, execution: ExecutionId, found: Option<Discovered>) -> Result<()> {
        let found = match found {
            None => self.inner().supervisor.look_at(execution).await?,
            found => found,
        };
        match found {
            Some(process) => self.settle_process(process).await,
            None if self.left().await?.contains(&execution) => {
                Err(Error::new(Code::Unavailable, self.unreadable(execution)))
            }
            None => self.lose(vec![execution]).await,
        }
    }

    /// The executions that the run folder still speaks of.
    pub(super) async fn left(&self) -> Result<HashSet<ExecutionId>> {
        let run = self.layout().run();
        blocking(move || executions_in(&run)).await
    }

    /// Writes down that nobody knows how executions ended.
    async fn lose(&self, executions: Vec<ExecutionId>) -> Result<()> {
        if executions.is_empty() {
            return Ok(());
        }
        let work = move |change: &mut Change<'_, '_>| executions.iter().try_for_each(|id| lose(change, *id));
        self.registry().change(&Actor::Mantyx, work).await
    }

    /// What the boot could not do for an instance, now that all is known of its execution; unless an operation has its
    /// app: that ends with it.
    async fn bring_up_instance(&self, execution: ExecutionId, instance: InstanceId) -> Result<()> {
        let find = move |db: &mut Read<'_>| match instances::find(db, instance)? {
            Some(row) => apps::find(db, row.app_id.0),
            None => Ok(None),
        };
        let found = self.registry().read(find).await;
        let _lock = match &found {
            Ok(Some(app)) => Some(self.inner().locks.app(app.id.0).await),
            _ => None,
        };
        // Under the lock: a stop that came in between would be undone.
        self.inner().unclear.settle(execution);
        let Some(app) = found? else { return Ok(()) };
        let now = move |db: &mut Read<'_>| {
            Ok((instances::find(db, instance)?, operations::under_way(db, app.id.0)?))
        };
        match self.registry().read(now).await? {
            (Some(row), None) => self.bring_up(&app, &row).await,
            _ => Ok(()),
        }
    }

    fn unreadable(&self, execution: ExecutionId) -> String {
        let record = self.layout().run().join(format!("{execution}.json"));
        format!(
            "Whether its process is alive cannot be seen: `{}`, or what lies beside it, cannot be read",
            record.display()
        )
    }

    /// Nothing is started or stopped until it can be seen, and who looks at the app is told.
    async fn leave_alone(&self, execution: ExecutionId, instance: InstanceId, reason: String) {
        tracing::error!(%execution, "{reason}");
        self.inner().unclear.add(execution, instance, reason.clone());
        self.spawn_settler(execution, instance, None);
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

/// All in the run folder is named after an execution.
fn executions_in(run: &Path) -> Result<HashSet<ExecutionId>> {
    let name = |path: &std::path::PathBuf| path.file_name()?.to_str()?.split('.').next()?.parse().ok();
    Ok(entries(run)?.iter().filter_map(name).collect())
}

/// What a process that was found is to us, with what is known of its app.
enum Standing<T> {
    /// Its execution is not over as far as we know.
    Ours(Role, T),
    /// Its end is written down already.
    Recorded,
    /// No row speaks of it.
    Stray,
}

impl Standing<Active> {
    fn cared_for(self, house: &House, execution: ExecutionId) -> Result<Standing<Care>> {
        Ok(match self {
            Self::Ours(role, active) => Standing::Ours(role, active.care(house, execution)?),
            Self::Recorded => Standing::Recorded,
            Self::Stray => Standing::Stray,
        })
    }
}

fn recognise(change: &mut Change<'_, '_>, process: &Discovered) -> Result<Standing<Active>> {
    let id = process.execution;
    let alive = match &process.found {
        Found::Live { pid, started_at } => Some((*pid, *started_at)),
        _ => None,
    };
    let (row, instance) = (executions::find(change, id)?, instances::find(change, process.instance)?);
    let (Some(row), Some(instance)) = (row, instance) else {
        return Ok(if alive.is_some() { Standing::Stray } else { Standing::Recorded });
    };
    if row.status.0.is_final() {
        return Ok(if alive.is_some() { Standing::Stray } else { Standing::Recorded });
    }
    if let Some((pid, at)) = alive {
        executions::set_running(change, id, pid, at)?;
        change.touch_execution(id);
    }
    if instance.reason.is_some() && instance.state.0 != AppState::Failed {
        // That it could not be seen is over.
        let changes = instances::Changes { reason: Some(None), ..Default::default() };
        instances::update(change, instance.id.0, &changes)?;
        change.touch_app(instance.app_id.0);
    }
    let active = active(change, process.instance)?;
    if active.app.app_type.0 == AppType::Scheduled {
        return Ok(Standing::Ours(Role::Run, active));
    }
    let restarts = executions::restarts_of(change, active.app.id.0, RESTARTS_REMEMBERED)?;
    let role = Role::Service { history: history_of(&instance, restarts), health: instance.health.0 };
    Ok(Standing::Ours(role, active))
}

/// An execution whose process and records are gone, as after a loss of power.
fn lose(change: &mut Change<'_, '_>, id: ExecutionId) -> Result<()> {
    let Some(row) = executions::find(change, id)?.filter(|row| !row.status.0.is_final()) else {
        return Ok(());
    };
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
    executions::finish(change, id, &finish)?;
    change.touch_execution(id);
    record_end(change, &row, &finish, 0)
}
