//! Apps with everything that a row of the dashboard says.

use mantyx_api_types::{
    AppView, ConfigurationView, DependenciesView, InstalledPackage, LastExecution, ReleaseView,
    TrashedAppView,
};
use mantyx_core::{AppId, AppName, AppState, AppType, Error, ExecutionStatus, Result, Subject, legal_events};
use mantyx_store::Read;
use mantyx_store::tables::{
    apps, config_revisions, environments, executions, instances, operations, port_leases, releases,
};

use super::schedule::{next_run, schedules_of};
use crate::lifecycle::facts;

/// What an event says that it is about.
#[must_use]
pub fn app_subject(app: &apps::App) -> Subject {
    Subject { kind: "app".to_owned(), id: app.id.0.to_string(), name: app.name.0.to_string() }
}

/// The app with this id, in the trash or not.
pub fn find_app(db: &mut Read<'_>, id: AppId) -> Result<apps::App> {
    apps::find(db, id)?.ok_or_else(|| Error::not_found("app", id))
}

/// The app with this name that is not in the trash.
pub fn find_app_by_name(db: &mut Read<'_>, name: &AppName) -> Result<apps::App> {
    apps::find_by_name(db, name)?.ok_or_else(|| {
        Error::not_found("app", name)
            .hint("`GET /api/apps` lists the apps, `GET /api/trash` the deleted ones")
    })
}

/// An app as a row and a page show it. `web_url` is left to the API, which knows by what name it was asked.
pub fn app(db: &mut Read<'_>, app: &apps::App) -> Result<AppView> {
    let instance = instances::of_app(db, app.id.0)?;
    let release = releases::get(db, instance.release_id.0)?;
    let facts = facts(db, app, &instance)?;
    let live =
        executions::live_of(db, instance.id.0)?.into_iter().rfind(|e| e.status.0 == ExecutionStatus::Running);
    let state = instance.state.0;
    let on = matches!(state, AppState::Enabled | AppState::Running);
    let armed = on && app.app_type.0 == AppType::Scheduled;
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
        operation: operations::under_way(db, app.id.0)?.map(|operation| operation.id.0),
        pid: live.as_ref().and_then(|e| e.pid).and_then(|pid| u32::try_from(pid).ok()),
        execution: live.as_ref().map(|e| e.id.0),
        started_at: live.map(|e| e.started_at),
        restarts_at: instance.restarts_at,
        restarts: u32::try_from(instance.restarts).unwrap_or_default(),
        release: release.environment_id.map(|_| u32::try_from(release.number).unwrap_or_default()),
        origin: release.origin.0,
        last_execution: last_execution(db, app.id.0)?,
        next_run: if armed { next_run(db, instance.id.0)? } else { None },
        web_port: port_leases::web_port(db, instance.id.0)?,
        web_url: None,
        created_at: app.created_at,
        updated_at: app.updated_at,
    })
}

fn last_execution(db: &mut Read<'_>, app: AppId) -> Result<Option<LastExecution>> {
    let last = executions::last_finished(db, app)?;
    Ok(last.and_then(|row| {
        Some(LastExecution {
            id: row.id.0,
            status: row.status.0,
            exit: row.exit.map(|exit| exit.0),
            ending: row.ending.map(|ending| ending.0),
            cause: row.cause,
            started_at: row.started_at,
            finished_at: row.finished_at?,
        })
    }))
}

/// The active configuration of an app.
pub fn configuration(db: &mut Read<'_>, app: &apps::App) -> Result<ConfigurationView> {
    let instance = instances::of_app(db, app.id.0)?;
    let revision = config_revisions::get(db, instance.revision_id.0)?;
    let release = releases::get(db, instance.release_id.0)?;
    let live = executions::live_of(db, instance.id.0)?;
    Ok(ConfigurationView {
        revision: u32::try_from(revision.number).unwrap_or_default(),
        configuration: revision.configuration.0.clone(),
        found: release.found.0,
        schedules: schedules_of(db, app)?,
        restart_needed: needs_restart(db, &live, &revision)?,
    })
}

/// Whether a live process was started with something that only another start can change.
fn needs_restart(
    db: &mut Read<'_>,
    live: &[executions::Execution],
    active: &config_revisions::Revision,
) -> Result<bool> {
    for execution in live.iter().filter(|execution| execution.revision != active.number) {
        let started = config_revisions::numbered(db, active.instance_id.0, execution.revision)?;
        if started.is_none_or(|it| it.configuration.0.needs_restart(&active.configuration.0)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A release, and whether it is the active one.
#[must_use]
pub fn release(row: releases::Release, active: &instances::Instance) -> ReleaseView {
    ReleaseView {
        number: u32::try_from(row.number).unwrap_or_default(),
        active: row.id == active.release_id,
        installed: row.environment_id.is_some(),
        origin: row.origin.0,
        found: row.found.0,
        created_at: row.created_at,
        created_by: row.created_by,
    }
}

/// What the active release depends on, as declared and as installed.
pub fn dependencies(db: &mut Read<'_>, app: &apps::App) -> Result<DependenciesView> {
    let instance = instances::of_app(db, app.id.0)?;
    let release = releases::get(db, instance.release_id.0)?;
    let environment = match release.environment_id {
        Some(id) => Some(environments::get(db, id.0)?),
        None => None,
    };
    let package = |(name, version): &(String, String)| InstalledPackage {
        name: name.clone(),
        version: version.clone(),
    };
    Ok(DependenciesView {
        declared: release.found.0.dependency_files,
        installed: environment.iter().flat_map(|e| e.packages.0.iter().map(package)).collect(),
        python: environment.as_ref().map(|e| e.python_version.clone()),
        builder: environment.as_ref().map(|e| e.builder.clone()),
        install_operation: environment.map(|e| e.operation_id.0),
    })
}

/// An app in the trash.
pub fn trashed(db: &mut Read<'_>, app: &apps::App) -> Result<TrashedAppView> {
    Ok(TrashedAppView {
        id: app.id.0,
        name: app.name.0.clone(),
        display_name: app.display_name.clone(),
        r#type: app.app_type.0,
        deleted_at: app.deleted_at.unwrap_or(app.updated_at),
        name_free: apps::find_by_name(db, &app.name.0)?.is_none(),
    })
}
