//! Enable, disable, start, stop, restart, run: one event each.
//!
//! The table of states says whether an event is legal and what it entails. Processes are stopped before an event is
//! applied and started after it, so that a state never promises what is not so.

use std::time::Duration;

use chrono::TimeDelta;
use mantyx_api_types::{AppView, ExecutionView};
use mantyx_core::{
    Actor, AppEvent, AppId, AppName, AppState, Code, Effect, Ending, Error, EventKind, InstanceId, Next,
    Overlap, RestartHistory, Result, Timestamp, Trigger,
};
use mantyx_registry::tables::{apps, config_revisions, executions, instances, operations, schedules};
use mantyx_registry::{Change, Read, check, views};
use mantyx_supervisor::{Outlook, Start, Supervisor};
use serde_json::json;
use tokio::sync::OwnedMutexGuard;
use tokio::time::timeout;

use crate::alone::refuse_during_import;
use crate::mantyx::Mantyx;
use crate::starting;
use crate::work::whole;

/// How long an answer waits for a failure to be written down.
const PATIENCE: Duration = Duration::from_secs(5);

impl Mantyx {
    /// Switches an app on. A perpetual one starts at once.
    pub async fn enable(&self, actor: &Actor, name: &AppName) -> Result<AppView> {
        self.act(actor, name, AppEvent::Enable).await
    }

    /// Switches an app off: it is stopped, and nothing runs it until it is enabled again.
    pub async fn disable(&self, actor: &Actor, name: &AppName) -> Result<AppView> {
        self.act(actor, name, AppEvent::Disable).await
    }

    /// Starts a perpetual app.
    pub async fn start(&self, actor: &Actor, name: &AppName) -> Result<AppView> {
        self.act(actor, name, AppEvent::Start).await
    }

    /// Stops a perpetual app until it is started again, or calls off the live runs of a scheduled one.
    pub async fn stop(&self, actor: &Actor, name: &AppName) -> Result<AppView> {
        self.act(actor, name, AppEvent::Stop).await
    }

    /// Stops a perpetual app and starts it again.
    pub async fn restart(&self, actor: &Actor, name: &AppName) -> Result<AppView> {
        self.act(actor, name, AppEvent::Restart).await
    }

    /// Runs a scheduled app once, now.
    pub async fn run(&self, actor: &Actor, name: &AppName) -> Result<ExecutionView> {
        let (mantyx, actor, name) = (self.clone(), actor.clone(), name.clone());
        whole(async move {
            let (_lock, app) = mantyx.locked(&name).await?;
            let row = app.clone();
            let instance = mantyx.registry().read(move |db| may_run(db, &row)).await?;
            let id = mantyx.inner().supervisor.start_run(instance, Start::by(Trigger::Manual)).await?;
            let payload = json!({ "execution": id, "trigger": Trigger::Manual });
            let record = move |change: &mut Change<'_, '_>| {
                change.record_app(EventKind::ExecutionStarted, &app, payload)
            };
            mantyx.registry().change(&actor, record).await?;
            mantyx.execution(id).await
        })
        .await
    }

    async fn act(&self, actor: &Actor, name: &AppName, event: AppEvent) -> Result<AppView> {
        let (mantyx, actor, name) = (self.clone(), actor.clone(), name.clone());
        whole(async move {
            let (_lock, app) = if SETTLED_BY_THE_END.contains(&event) {
                mantyx.locked_called_off(&name).await?
            } else {
                mantyx.locked_idle(&name).await?
            };
            mantyx.fire(&actor, app.id.0, event, Trigger::Manual).await?;
            mantyx.app(&app.name.0).await
        })
        .await
    }

    /// Checks, stops, applies and starts, in this order. The caller holds the app's lock.
    pub(crate) async fn fire(
        &self,
        actor: &Actor,
        id: AppId,
        event: AppEvent,
        trigger: Trigger,
    ) -> Result<()> {
        let (instance, next) = self.registry().read(move |db| checked(db, id, event)).await?;
        if next.effects.contains(&Effect::StopProcesses) {
            let _stopping = self.inner().stops.begin(instance, actor.clone());
            self.stop_processes(instance, stopped_by(actor, event)).await?;
        }
        if !self.is_settled(id, event, &next).await? {
            self.registry().change(actor, move |change| change.apply(id, event, None)).await?;
        }
        for effect in next.effects {
            self.perform(actor, id, instance, effect, trigger).await?;
        }
        Ok(())
    }

    /// Ends every process of an instance, unless nobody knows what there is to end.
    pub(crate) async fn stop_processes(&self, instance: InstanceId, why: Ending) -> Result<()> {
        self.inner().unclear.refuse(instance)?;
        self.inner().supervisor.stop(instance, why).await
    }

    /// Whether the end of what was stopped has led there already.
    async fn is_settled(&self, id: AppId, event: AppEvent, next: &Next) -> Result<bool> {
        if !SETTLED_BY_THE_END.contains(&event) {
            return Ok(false);
        }
        let state = self.registry().read(move |db| Ok(instances::of_app(db, id)?.state.0)).await?;
        Ok(next.state == Some(state))
    }

    async fn perform(
        &self,
        actor: &Actor,
        id: AppId,
        instance: InstanceId,
        effect: Effect,
        trigger: Trigger,
    ) -> Result<()> {
        match effect {
            Effect::ArmSchedules => self.arm(instance).await,
            Effect::DisarmSchedules => self.disarm(instance).await,
            Effect::StartService => Box::pin(self.fire(actor, id, AppEvent::Start, trigger)).await,
            Effect::SpawnService => {
                self.spawn_service(id, instance, trigger, RestartHistory::default()).await
            }
            // Runs are spawned with their trigger, which applies the event; processes were stopped before the event
            // was applied; folders are moved by the operations that own the move.
            Effect::SpawnRun
            | Effect::StopProcesses
            | Effect::MoveToTrash
            | Effect::MoveFromTrash
            | Effect::RemoveFiles => Ok(()),
        }
    }

    /// Starts the process of a perpetual app. What cannot be started is tried again by its rule; once that gives up,
    /// or nobody can say what to start, it has failed and is tried again slowly.
    pub(crate) async fn spawn_service(
        &self,
        id: AppId,
        instance: InstanceId,
        trigger: Trigger,
        history: RestartHistory,
    ) -> Result<()> {
        self.inner().unclear.refuse(instance)?;
        let supervisor = &self.inner().supervisor;
        // A person is told at once what stands in the way; at the start of the machine it may only be late.
        let ready = match trigger {
            Trigger::Manual | Trigger::Update => {
                starting::look(self.registry(), &self.inner().house, instance, trigger).await
            }
            _ => Ok(()),
        };
        let started = match ready {
            Ok(()) => supervisor.resume_service(instance, trigger, history).await,
            Err(error) => Err(error),
        };
        let Err(error) = started else { return Ok(()) };
        if is_kept(supervisor, instance) {
            return Ok(());
        }
        // While the daemon goes down nothing is wrong with the app: the next one starts it.
        if error.code() != Code::Unavailable {
            self.give_up_start(id, instance, &error).await;
        }
        Err(error)
    }

    /// An app that runs by its state and has no process would be left alone for ever: its failure is written down in
    /// any case.
    async fn give_up_start(&self, id: AppId, instance: InstanceId, error: &Error) {
        let (supervisor, reason) = (self.inner().supervisor.clone(), error.detail().to_owned());
        let again = match error.code() {
            Code::IllegalState | Code::NotFound => Again::ByAPerson,
            _ => Again::ByItself,
        };
        let fail = move |change: &mut Change<'_, '_>| {
            // Somebody may have started it while the database could not be written.
            if is_kept(&supervisor, instance) { Ok(None) } else { fail_start(change, id, &reason, again) }
        };
        let mantyx = self.clone();
        let written = tokio::spawn(async move {
            let failed = mantyx.insist(&Actor::Mantyx, "that an app could not be started", fail).await;
            if let Some((at, history)) = failed.flatten() {
                let supervisor = &mantyx.inner().supervisor;
                // Instead of an earlier moment. Both fail when the daemon goes down; the next one knows of it.
                let _ = supervisor.forget_retry(instance).await;
                let _ = supervisor.retry_at(instance, at, history).await;
            }
        });
        // Who asked is told with the state that follows, unless the database lets everybody wait.
        let _ = timeout(PATIENCE, written).await;
    }

    /// What was given up is not tried again by itself any more: it is being changed.
    pub(crate) async fn call_off_retry(&self, actor: &Actor, id: AppId) -> Result<()> {
        let row = self.registry().read(move |db| instances::of_app(db, id)).await?;
        if row.state.0 != AppState::Failed {
            return Ok(());
        }
        self.inner().supervisor.forget_retry(row.id.0).await?;
        if row.restarts_at.is_none() {
            return Ok(());
        }
        self.registry().change(actor, move |change| forget_retry(change, id, row.id.0)).await
    }

    /// The app with this name, and its lock: nothing else is asked of it as long as that is held. Who waits for the lock
    /// may find that the name is another's by then.
    pub(crate) async fn locked(&self, name: &AppName) -> Result<(OwnedMutexGuard<()>, apps::App)> {
        loop {
            let id = self.find(name).await?.id;
            let lock = self.inner().locks.app(id.0).await;
            let now = self.find(name).await?;
            if now.id == id {
                return Ok((lock, now));
            }
        }
    }

    /// The same of an app that no operation has in its hands. As long as the lock is held none begins, so its name stays
    /// what it is.
    pub(crate) async fn locked_idle(&self, name: &AppName) -> Result<(OwnedMutexGuard<()>, apps::App)> {
        loop {
            let (lock, app) = self.locked(name).await?;
            self.refuse_during_operation(app.id.0).await?;
            // One may have ended in between, with another name for it.
            let now = self.find(name).await?;
            if now.id == app.id {
                return Ok((lock, now));
            }
        }
    }

    /// The same, once what is being done to it was called off. It may have had this name only for that.
    pub(crate) async fn locked_called_off(&self, name: &AppName) -> Result<(OwnedMutexGuard<()>, apps::App)> {
        let id = self.find(name).await?.id.0;
        self.call_off_operation_of(id).await?;
        let name = self.registry().read(move |db| Ok(views::find_app(db, id)?.name.0)).await?;
        self.locked_idle(&name).await
    }

    /// The app with this name.
    pub(crate) async fn find(&self, name: &AppName) -> Result<apps::App> {
        let name = name.clone();
        self.registry().read(move |db| views::find_app_by_name(db, &name)).await
    }

    /// While an operation has the app, nothing else may change it.
    pub(crate) async fn refuse_during_operation(&self, id: AppId) -> Result<()> {
        self.registry()
            .read(move |db| match operations::under_way(db, id)? {
                Some(_) => Err(operations::in_progress(db, id)?),
                None => refuse_during_import(db),
            })
            .await
    }
}

/// Nothing is due any more.
pub(crate) fn forget_retry(change: &mut Change<'_, '_>, id: AppId, instance: InstanceId) -> Result<()> {
    let changes = instances::Changes { restarts_at: Some(None), ..Default::default() };
    change.touch_app(id);
    instances::update(change, instance, &changes)
}

/// What every stop that a person asked for says of itself: `owner (restart)`.
pub(crate) fn stopped_by(actor: &Actor, event: AppEvent) -> Ending {
    Ending::Stopped { by: format!("{actor} ({event})") }
}

/// Whether a start was to follow a stop. The record of the process says so by itself, so the next daemon knows it when
/// this one dies between the two.
pub(crate) fn is_for_a_restart(ending: &Ending) -> bool {
    is_for(ending, AppEvent::Restart)
}

/// What is settled together with the end of a process that was stopped for it: who dies before that has stopped nothing
/// yet, and who dies after it has nothing left to do. A restart is settled by its start, and a delete by its operation.
pub(crate) fn settled_by(ending: &Ending) -> Option<AppEvent> {
    SETTLED_BY_THE_END.into_iter().find(|event| is_for(ending, *event))
}

const SETTLED_BY_THE_END: [AppEvent; 2] = [AppEvent::Stop, AppEvent::Disable];

pub(crate) fn is_for(ending: &Ending, event: AppEvent) -> bool {
    matches!(ending, Ending::Stopped { by } if by.ends_with(&format!("({event})")))
}

/// Whether the service of an instance runs or is about to.
fn is_kept(supervisor: &Supervisor, instance: InstanceId) -> bool {
    supervisor.status(instance).is_some_and(|status| status.outlook == Outlook::KeptRunning)
}

/// When an app is tried again, and what it has behind it.
pub(crate) type Retry = (Timestamp, RestartHistory);

/// Who may start again what could not be started.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Again {
    /// The disk, the port or the account may only be late.
    ByItself,
    /// Waiting mends nothing.
    ByAPerson,
}

/// What could not be started has failed.
pub(crate) fn fail_start(
    change: &mut Change<'_, '_>,
    id: AppId,
    reason: &str,
    again: Again,
) -> Result<Option<Retry>> {
    let row = instances::of_app(change, id)?;
    if row.state.0 != AppState::Running {
        return Ok(None);
    }
    change.apply(id, AppEvent::Crashed, Some(reason.to_owned()))?;
    let rule = config_revisions::get(change, row.revision_id.0)?.configuration.0.restart_rule();
    let mut history = history_of(&row, []);
    let after = history.give_up(&rule).filter(|_| again == Again::ByItself);
    let Some(after) = after else { return Ok(None) };
    let at = change.now() + TimeDelta::from_std(after).unwrap_or_default();
    let changes = instances::Changes {
        restarts_at: Some(Some(at)),
        give_ups: i32::try_from(history.give_ups()).ok(),
        ..Default::default()
    };
    instances::update(change, row.id.0, &changes)?;
    Ok(Some((at, history)))
}

/// What an instance has behind it, as the database remembers it.
pub(crate) fn history_of(
    row: &instances::Instance,
    restarts: impl IntoIterator<Item = Timestamp>,
) -> RestartHistory {
    let give_ups = u32::try_from(row.give_ups).unwrap_or_default();
    RestartHistory::from_iter(restarts).given_up(give_ups)
}

fn checked(db: &mut Read<'_>, id: AppId, event: AppEvent) -> Result<(InstanceId, Next)> {
    let app = views::find_app(db, id)?;
    let next = check(db, &app, event)?;
    Ok((instances::of_app(db, id)?.id.0, next))
}

/// A run by hand keeps to the rule of the schedules: beside another only where one of them allows that.
fn may_run(db: &mut Read<'_>, app: &apps::App) -> Result<InstanceId> {
    let operation = operations::under_way(db, app.id.0)?;
    if operation.is_some_and(|row| !row.kind.0.leaves_runs_alone()) {
        return Err(operations::in_progress(db, app.id.0)?);
    }
    check(db, app, AppEvent::Run)?;
    let instance = instances::of_app(db, app.id.0)?.id.0;
    let busy = !executions::live_of(db, instance)?.is_empty();
    let rows = schedules::of_instance(db, instance)?;
    let parallel = rows.iter().any(|row| row.spec.0.overlap == Overlap::Parallel);
    if busy && !parallel {
        return Err(Error::new(Code::IllegalState, format!("A run of `{}` is going already", app.name.0))
            .hint("Wait for its end or stop it, or let a schedule of the app overlap in parallel"));
    }
    Ok(instance)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_says_what_it_was_for() {
        let owner = Actor::Token { name: "owner".into(), address: "::1".into() };
        assert!(is_for_a_restart(&stopped_by(&owner, AppEvent::Restart)));
        assert!(!is_for_a_restart(&stopped_by(&owner, AppEvent::Stop)));
        assert!(!is_for_a_restart(&Ending::ShutDown));
        let settled = |event| settled_by(&stopped_by(&owner, event));
        for event in [AppEvent::Stop, AppEvent::Disable] {
            assert_eq!(settled(event), Some(event));
        }
        for event in [AppEvent::Restart, AppEvent::Delete] {
            assert_eq!(settled(event), None);
        }
        // A token may be called anything.
        let sly = Actor::Token { name: "(restart)".into(), address: "::1".into() };
        assert!(!is_for_a_restart(&stopped_by(&sly, AppEvent::Delete)));
    }
}
