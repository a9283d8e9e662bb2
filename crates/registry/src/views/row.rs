//! Apps with everything that a row of the dashboard says.
//!
//! One app is read by a few questions about it, and all of them by as few about all: the number of questions does not
//! grow with the number of apps.

use std::collections::HashMap;
use std::hash::Hash;

use chrono::Utc;
use mantyx_api_types::{AppView, LastExecution};
use mantyx_core::{
    AppId, AppState, AppType, Error, ExecutionStatus, InstanceId, OperationId, Result, legal_events,
};
use mantyx_store::Read;
use mantyx_store::tables::executions::Execution;
use mantyx_store::tables::instances::Active;
use mantyx_store::tables::schedules::Schedule;
use mantyx_store::tables::{apps, executions, instances, operations, port_leases, schedules};

use super::schedule::next_run;
use crate::lifecycle::facts;

/// Everything that the view of an app is made from.
struct Parts {
    active: Active,
    /// Executions that are not over, the oldest first.
    live: Vec<Execution>,
    operation: Option<OperationId>,
    last: Option<Execution>,
    web_port: Option<u16>,
    /// None are needed of an app that waits for no schedule.
    schedules: Vec<Schedule>,
}

/// An app as a row and a page show it. `web_url` is left to the API, which knows by what name it was asked.
pub fn app(db: &mut Read<'_>, app: &apps::App) -> Result<AppView> {
    let active = instances::active_of(db, app.id.0)?;
    let instance = active.instance.id.0;
    let parts = Parts {
        live: executions::live_of(db, instance)?,
        operation: operations::under_way(db, app.id.0)?.map(|operation| operation.id.0),
        last: executions::last_finished(db, app.id.0)?,
        web_port: port_leases::web_port(db, instance)?,
        schedules: if is_armed(app, &active) { schedules::of_instance(db, instance)? } else { Vec::new() },
        active,
    };
    view(app, parts)
}

/// The same of many apps, none of which is in the trash, in their order.
pub fn apps(db: &mut Read<'_>, apps: &[apps::App]) -> Result<Vec<AppView>> {
    // What follows reads of all apps there are.
    if let [only] = apps {
        return Ok(vec![app(db, only)?]);
    }
    let mut all = All::read(db)?;
    apps.iter().map(|app| view(app, all.take(app)?)).collect()
}

/// The parts of all apps.
struct All {
    active: HashMap<AppId, Active>,
    live: HashMap<InstanceId, Vec<Execution>>,
    operations: HashMap<AppId, OperationId>,
    last: HashMap<AppId, Execution>,
    web_ports: HashMap<InstanceId, u16>,
    schedules: HashMap<InstanceId, Vec<Schedule>>,
}

impl All {
    fn read(db: &mut Read<'_>) -> Result<Self> {
        let operations = operations::all_under_way(db)?;
        Ok(Self {
            active: instances::all_active(db)?.into_iter().map(|it| (it.instance.app_id.0, it)).collect(),
            live: grouped(executions::live(db)?, |row| row.instance_id.0),
            operations: operations.into_iter().filter_map(|row| Some((row.app_id?.0, row.id.0))).collect(),
            last: executions::last_finished_of_all(db)?.into_iter().map(|row| (row.app_id.0, row)).collect(),
            web_ports: port_leases::web_ports(db)?.into_iter().collect(),
            schedules: grouped(schedules::list(db)?, |row| row.instance_id.0),
        })
    }

    fn take(&mut self, app: &apps::App) -> Result<Parts> {
        let id = app.id.0;
        let active = self.active.remove(&id).ok_or_else(|| Error::not_found("instance of the app", id))?;
        let instance = active.instance.id.0;
        Ok(Parts {
            live: self.live.remove(&instance).unwrap_or_default(),
            operation: self.operations.remove(&id),
            last: self.last.remove(&id),
            web_port: self.web_ports.remove(&instance),
            schedules: self.schedules.remove(&instance).unwrap_or_default(),
            active,
        })
    }
}

fn grouped<K: Eq + Hash, T>(rows: Vec<T>, key: impl Fn(&T) -> K) -> HashMap<K, Vec<T>> {
    let mut groups: HashMap<K, Vec<T>> = HashMap::new();
    for row in rows {
        groups.entry(key(&row)).or_default().push(row);
    }
    groups
}

/// Whether its schedules start anything now.
fn is_armed(app: &apps::App, active: &Active) -> bool {
    let on = matches!(active.instance.state.0, AppState::Enabled | AppState::Running);
    on && app.app_type.0 == AppType::Scheduled
}

fn view(app: &apps::App, parts: Parts) -> Result<AppView> {
    let next_run = if is_armed(app, &parts.active) { next_run(&parts.schedules, Utc::now())? } else { None };
    let facts = facts(app, &parts.active, &parts.live);
    let running = parts.live.into_iter().rfind(|e| e.status.0 == ExecutionStatus::Running);
    let Active { instance, release, origin, environment, .. } = parts.active;
    let state = instance.state.0;
    Ok(AppView {
        id: app.id.0,
        name: app.name.0.clone(),
        display_name: app.display_name.clone(),
        description: app.description.clone(),
        tags: app.tags.0.clone(),
        r#type: app.app_type.0,
        state,
        reason: instance.reason,
        health: instance.health.0,
        health_detail: instance.health_detail,
        status_text: instance.status_text,
        warnings: instance.warnings.0,
        legal_events: legal_events(state, facts),
        operation: parts.operation,
        pid: running.as_ref().and_then(|e| e.pid).and_then(|pid| u32::try_from(pid).ok()),
        execution: running.as_ref().map(|e| e.id.0),
        started_at: running.map(|e| e.started_at),
        restarts_at: instance.restarts_at,
        restarts: u32::try_from(instance.restarts).unwrap_or_default(),
        release: environment.map(|_| u32::try_from(release).unwrap_or_default()),
        origin: origin.0,
        last_execution: parts.last.and_then(last_execution),
        next_run,
        web_port: parts.web_port,
        web_url: None,
        created_at: app.created_at,
        updated_at: app.updated_at,
    })
}

fn last_execution(row: Execution) -> Option<LastExecution> {
    Some(LastExecution {
        id: row.id.0,
        status: row.status.0,
        exit: row.exit.map(|exit| exit.0),
        ending: row.ending.map(|ending| ending.0),
        cause: row.cause,
        started_at: row.started_at,
        finished_at: row.finished_at?,
    })
}

#[cfg(test)]
mod tests;
