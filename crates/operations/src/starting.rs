//! From the wish for a process to its execution: what of an app is active, what has to be in place, and the claim.
//!
//! Accounts, ports and folders may take their time, so they are looked at first and outside of any transaction. The
//! claim then only sees whether that still holds, and whether the app still wants a process at all.

use std::path::PathBuf;
use std::sync::Arc;

use mantyx_core::{
    AppEvent, AppState, AppType, Code, Error, ExecutionId, ExecutionStatus, InstanceId, Result, RevisionId,
    ScheduleId, Timestamp, Trigger,
};
use mantyx_platform::{folders, ports};
use mantyx_registry::tables::executions::{Claim, Execution};
use mantyx_registry::tables::{
    apps, config_revisions, executions, instances, port_leases, releases, schedules,
};
use mantyx_registry::{Change, Json, Read, Registry, Word, views};
use mantyx_settings::Layout;
use mantyx_supervisor::{Care, Command, Start};

use crate::house::House;
use crate::identity::{RunsAs, identity_of, make_data, refuse_foreign, refuse_unreachable};
use crate::launch::{self, Launching};

/// How often a start is prepared anew because what was prepared was for another configuration.
const ATTEMPTS: u32 = 3;

/// Everything that a start waits for is in place, as of one revision of the configuration.
#[derive(Clone)]
struct Ready {
    revision: Word<RevisionId>,
    runs_as: RunsAs,
}

/// Persists an execution before it is a process, and says what to run.
pub(crate) async fn prepare(
    registry: &Registry,
    house: &Arc<House>,
    instance: InstanceId,
    start: Start,
) -> Result<Command> {
    let mut attempt = 1;
    loop {
        let ready = make_ready(registry, house, instance, start.trigger).await?;
        let house = Arc::clone(house);
        let work = move |change: &mut Change<'_, '_>| claim(change, instance, start, ready, &house);
        let claimed = match start.schedule {
            // No loss of power may let a due instant be claimed twice.
            Some(_) => registry.change(&mantyx_core::Actor::Mantyx, work).await,
            None => registry.note(work).await,
        };
        match claimed {
            Err(error) if error.code() == Code::Stale && attempt < ATTEMPTS => attempt += 1,
            claimed => return claimed,
        }
    }
}

/// Sees that a start has everything that it waits for, and says what stands in the way.
pub(crate) async fn look(
    registry: &Registry,
    house: &Arc<House>,
    instance: InstanceId,
    trigger: Trigger,
) -> Result<()> {
    make_ready(registry, house, instance, trigger).await.map(drop)
}

/// Before the claim: what fails here must not leave an execution that never ends.
async fn make_ready(
    registry: &Registry,
    house: &Arc<House>,
    instance: InstanceId,
    trigger: Trigger,
) -> Result<Ready> {
    let house = Arc::clone(house);
    let wanted = move |db: &mut Read<'_>| {
        let active = active(db, instance)?;
        refuse_unwanted(&active, trigger)?;
        Ok(active)
    };
    registry.read_then(wanted, move |active| make_places(&active, &house)).await
}

fn make_places(active: &Active, house: &House) -> Result<Ready> {
    let House { layout, settings, .. } = house;
    refuse_held_port(&active.app, active.web_port)?;
    let configuration = &active.revision.configuration.0;
    let runs_as = identity_of(configuration, settings)?;
    if let Some(environment) = active.environment(layout) {
        refuse_foreign(configuration, &runs_as, &environment)?;
    }
    let user = runs_as.identity.as_ref();
    refuse_unreachable(layout, user)?;
    make_data(layout, &active.app.name.0, user)?;
    folders::create(&layout.logs(active.app.id.0), 0o700)?;
    Ok(Ready { revision: active.revision.id, runs_as })
}

/// A due instant is claimed here, once.
fn claim(
    change: &mut Change<'_, '_>,
    instance: InstanceId,
    start: Start,
    ready: Ready,
    house: &House,
) -> Result<Command> {
    let active = active(change, instance)?;
    refuse_unwanted(&active, start.trigger)?;
    if active.revision.id != ready.revision {
        let detail = format!("`{}` was configured anew while it was being started", active.app.name.0);
        return Err(Error::new(Code::Stale, detail).hint("Start it again"));
    }
    let row = pending(&active, start, change.now());
    let id = row.id.0;
    if executions::insert(change, &row)? == Claim::Lost {
        return Err(Error::new(Code::AlreadyClaimed, "This due instant has its execution already"));
    }
    if let Some((schedule, due)) = start.schedule {
        decided(change, schedule, due)?;
    }
    if active.app.app_type.0 == AppType::Scheduled {
        change.apply(active.app.id.0, AppEvent::Run, None)?;
    }
    change.touch_execution(id);
    Ok(launch::command(&active.launching(house, id, ready.runs_as)?))
}

fn pending(active: &Active, start: Start, now: Timestamp) -> Execution {
    Execution {
        id: Word(ExecutionId::generate()),
        app_id: active.app.id,
        app_name: active.app.name.clone(),
        instance_id: active.instance.id,
        release: active.release.number,
        revision: active.revision.number,
        trigger: Word(start.trigger),
        schedule_id: start.schedule.map(|(id, _)| Word(id)),
        due_at: start.schedule.map(|(_, due)| due),
        status: Word(ExecutionStatus::Pending),
        pid: None,
        exit: None,
        cause: None,
        started_at: now,
        finished_at: None,
        cpu_seconds: None,
        peak_memory: None,
        ending: None,
        last_lines: Json(Vec::new()),
        dropped_lines: 0,
    }
}

/// What of an app is active: all that decides how a process of it is started.
pub(crate) struct Active {
    pub(crate) app: apps::App,
    instance: instances::Instance,
    release: releases::Release,
    revision: config_revisions::Revision,
    web_port: Option<u16>,
}

pub(crate) fn active(db: &mut Read<'_>, instance: InstanceId) -> Result<Active> {
    let row = instances::find(db, instance)?.ok_or_else(|| Error::not_found("instance", instance))?;
    Ok(Active {
        app: views::find_app(db, row.app_id.0)?,
        release: releases::get(db, row.release_id.0)?,
        revision: config_revisions::get(db, row.revision_id.0)?,
        web_port: port_leases::web_port(db, instance)?,
        instance: row,
    })
}

impl Active {
    /// Where its environment lies, if it has one.
    fn environment(&self, layout: &Layout) -> Option<PathBuf> {
        self.release.environment_id.map(|id| layout.environment(&self.app.name.0, id.0))
    }

    /// How a process of it is cared for. Accounts and folders are looked at, which may take its time.
    pub(crate) fn care(&self, house: &House, execution: ExecutionId) -> Result<Care> {
        let (configuration, environment) = (&self.revision.configuration.0, self.environment(&house.layout));
        let runs_as = RunsAs::whatever_happens(configuration, &house.settings, environment.as_deref());
        Ok(launch::care(&self.launching(house, execution, runs_as)?))
    }

    fn launching<'a>(
        &'a self,
        house: &'a House,
        execution: ExecutionId,
        runs_as: RunsAs,
    ) -> Result<Launching<'a>> {
        let environment = self.release.environment_id.ok_or_else(|| {
            Error::new(Code::IllegalState, format!("`{}` has no environment", self.app.name.0))
                .hint("Install it first")
        })?;
        Ok(Launching {
            house,
            app: self.app.id.0,
            name: &self.app.name.0,
            release: u32::try_from(self.release.number).unwrap_or_default(),
            environment: environment.0,
            execution,
            configuration: &self.revision.configuration.0,
            web_port: self.web_port,
            runs_as,
        })
    }
}

/// How a process of an instance is cared for now, whatever it was started with.
pub(crate) async fn care_of(
    registry: &Registry,
    house: &Arc<House>,
    instance: InstanceId,
    execution: ExecutionId,
) -> Result<Care> {
    let house = Arc::clone(house);
    registry.read_then(move |db| active(db, instance), move |active| active.care(&house, execution)).await
}

/// Nothing starts in an app that is not on, however long ago the start was planned. What is started again by itself
/// may also have been given up meanwhile; a scheduled app is never started again by itself.
fn refuse_unwanted(active: &Active, trigger: Trigger) -> Result<()> {
    let again = matches!(trigger, Trigger::Restart | Trigger::Retry);
    let (state, kind) = (active.instance.state.0, active.app.app_type.0);
    let wanted = match (state, kind) {
        (AppState::Enabled | AppState::Running, AppType::Perpetual) => true,
        (AppState::Enabled | AppState::Running, AppType::Scheduled) => !again,
        (AppState::Failed, AppType::Perpetual) => again,
        _ => false,
    };
    if wanted {
        return Ok(());
    }
    let detail =
        format!("`{}` is {state}: no process of it is started (`{}`)", active.app.name.0, trigger.as_str());
    Err(Error::new(Code::IllegalState, detail).hint("Enable or start it when it should run"))
}

/// A port that somebody else holds is named before the app stumbles over it.
fn refuse_held_port(app: &apps::App, port: Option<u16>) -> Result<()> {
    let Some(port) = port.filter(|port| ports::in_use(*port)) else { return Ok(()) };
    let holder = match ports::holder(port) {
        Some((program, pid)) => format!("`{program}` (process {pid})"),
        None => "another program".to_owned(),
    };
    let detail = format!("`{}` could not be started: its web port {port} is held by {holder}", app.name.0);
    Err(Error::new(Code::StartFailed, detail).hint("End that program, or give the app another port"))
}

/// The instant of a schedule is decided about together with what was decided.
pub(crate) fn decided(change: &mut Change<'_, '_>, id: ScheduleId, due: Timestamp) -> Result<()> {
    let Some(row) = schedules::find(change, id)? else { return Ok(()) };
    let changes = schedules::Changes { decided_to: Some(due.max(row.decided_to)), ..Default::default() };
    schedules::update(change, id, &changes)
}
