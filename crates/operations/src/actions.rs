//! Enable, disable, start, stop, restart, run: one event each.
//!
//! The table of states says whether an event is legal and what it entails. Processes are stopped before an event is
//! applied and started after it, so that a state never promises what is not so.

use mantyx_api_types::{AppView, ExecutionView};
use mantyx_core::{
    Actor, AppEvent, AppId, AppName, AppState, Code, Effect, Ending, Error, EventKind, InstanceId, Next,
    Overlap, Result, Trigger,
};
use mantyx_registry::tables::{apps, executions, instances, operations, schedules};
use mantyx_registry::{Change, Read, check, views};
use mantyx_supervisor::{Outlook, Start};
use serde_json::json;

use crate::mantyx::Mantyx;
use crate::work::whole;

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
            let app = mantyx.find(&name).await?;
            let _lock = mantyx.inner().locks.app(app.id.0).await;
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
            let app = mantyx.find(&name).await?;
            let _lock = mantyx.inner().locks.app(app.id.0).await;
            mantyx.refuse_during_operation(app.id.0).await?;
            mantyx.fire(&actor, app.id.0, event, Trigger::Manual).await?;
            mantyx.app(&name).await
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
        if event == AppEvent::Restart {
            self.intend_restart(actor, id, instance).await?;
        }
        if next.effects.contains(&Effect::StopProcesses) {
            let why = Ending::Stopped { by: format!("{actor} ({event})") };
            self.inner().supervisor.stop(instance, why).await?;
        }
        if !self.is_there_already(id, event).await? {
            self.registry().change(actor, move |change| change.apply(id, event, None)).await?;
        }
        for effect in next.effects {
            self.perform(actor, id, instance, effect, trigger).await?;
        }
        Ok(())
    }

    /// Should the daemon die between the stop and the start, the next one knows that a start was to follow.
    async fn intend_restart(&self, actor: &Actor, id: AppId, instance: InstanceId) -> Result<()> {
        let work = move |change: &mut Change<'_, '_>| {
            let changes = instances::Changes { restarts_at: Some(Some(change.now())), ..Default::default() };
            change.touch_app(id);
            instances::update(change, instance, &changes)
        };
        self.registry().change(actor, work).await
    }

    /// Stopping the last run of a scheduled app has made it `enabled` by itself, which is where `stop` leads.
    async fn is_there_already(&self, id: AppId, event: AppEvent) -> Result<bool> {
        if event != AppEvent::Stop {
            return Ok(false);
        }
        let state = self.registry().read(move |db| Ok(instances::of_app(db, id)?.state.0)).await?;
        Ok(state == AppState::Enabled)
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
            Effect::SpawnService => self.spawn_service(id, instance, trigger).await,
            // Runs are spawned with their trigger, which applies the event; processes were stopped before the event
            // was applied; folders are moved by the operations that own the move.
            Effect::SpawnRun
            | Effect::StopProcesses
            | Effect::MoveToTrash
            | Effect::MoveFromTrash
            | Effect::RemoveFiles => Ok(()),
        }
    }

    /// Starts the process of a perpetual app. What cannot be started is tried again by its rule, and is said to have
    /// failed once nobody tries any more.
    pub(crate) async fn spawn_service(
        &self,
        id: AppId,
        instance: InstanceId,
        trigger: Trigger,
    ) -> Result<()> {
        let supervisor = &self.inner().supervisor;
        let Err(error) = supervisor.start_service(instance, trigger).await else { return Ok(()) };
        if supervisor.status(instance).is_some_and(|status| status.outlook == Outlook::KeptRunning) {
            return Ok(());
        }
        let reason = Some(error.detail().to_owned());
        let fail = move |change: &mut Change<'_, '_>| match instances::of_app(change, id)?.state.0 {
            AppState::Running => change.apply(id, AppEvent::Crashed, reason).map(drop),
            _ => Ok(()),
        };
        self.registry().change(&Actor::Mantyx, fail).await?;
        Err(error)
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
                None => Ok(()),
            })
            .await
    }
}

fn checked(db: &mut Read<'_>, id: AppId, event: AppEvent) -> Result<(InstanceId, Next)> {
    let app = views::find_app(db, id)?;
    let next = check(db, &app, event)?;
    Ok((instances::of_app(db, id)?.id.0, next))
}

/// A run by hand keeps to the rule of the schedules: beside another only where one of them allows that.
fn may_run(db: &mut Read<'_>, app: &apps::App) -> Result<InstanceId> {
    if operations::under_way(db, app.id.0)?.is_some() {
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
