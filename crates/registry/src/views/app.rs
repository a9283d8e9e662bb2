//! What belongs to an app: its configuration, its releases, what it depends on.

use mantyx_api_types::{ConfigurationView, DependenciesView, InstalledPackage, ReleaseView, TrashedAppView};
use mantyx_core::{AppId, AppName, Error, Result, Subject};
use mantyx_store::Read;
use mantyx_store::tables::{apps, config_revisions, environments, executions, instances, releases};

use super::schedule::schedules_of;

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
        python: row.python_version,
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
        requirement: None,
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
