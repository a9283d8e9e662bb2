//! A new app: its first release, revision and instance, in one change.

use mantyx_core::{
    AppId, AppName, AppState, AppType, Configuration, EventKind, Found, Health, InstanceId, Origin,
    ReleaseId, Result, RevisionId,
};
use mantyx_store::tables::{apps, config_revisions, instances, releases};
use mantyx_store::{Json, Word};
use serde_json::json;

use crate::change::Change;

/// Everything that is known of an app when its source has been accepted.
#[derive(Clone, Debug)]
pub struct AppDraft {
    /// Chosen before the transaction, because folders are named after it.
    pub id: AppId,
    /// The name.
    pub name: AppName,
    /// A free text for people.
    pub display_name: String,
    /// What it is for.
    pub description: String,
    /// Words to group by.
    pub tags: Vec<String>,
    /// Scheduled or perpetual.
    pub app_type: AppType,
    /// Where the source came from.
    pub origin: Origin,
    /// What was found in it.
    pub found: Found,
    /// What setuptools-scm would read from the repository.
    pub scm_version: Option<String>,
    /// What is set.
    pub configuration: Configuration,
}

/// Adds an app in its first state, with release 1 and revision 1 as the active pair.
pub fn create_app(change: &mut Change<'_, '_>, draft: AppDraft) -> Result<apps::App> {
    let (now, by) = (change.now(), change.actor().to_string());
    let app = apps::App {
        id: Word(draft.id),
        name: Word(draft.name),
        display_name: draft.display_name,
        description: draft.description,
        tags: Json(draft.tags),
        app_type: Word(draft.app_type),
        created_at: now,
        updated_at: now,
        deleted_at: None,
    };
    let release = releases::Release {
        id: Word(ReleaseId::generate()),
        app_id: app.id,
        number: 1,
        origin: Json(draft.origin),
        found: Json(draft.found),
        scm_version: draft.scm_version,
        environment_id: None,
        created_at: now,
        created_by: by.clone(),
        lock: None,
        lock_digest: None,
        python_version: None,
        revision_id: None,
    };
    let revision = config_revisions::Revision {
        id: Word(RevisionId::generate()),
        instance_id: Word(InstanceId::generate()),
        number: 1,
        configuration: Json(draft.configuration),
        created_at: now,
        created_by: by,
    };
    insert(change, &app, &release, &revision)?;
    let payload =
        json!({ "origin": release.origin.0, "digest": release.found.0.digest, "type": app.app_type.0 });
    change.record_app(EventKind::AppCreated, &app, payload)?;
    Ok(app)
}

fn insert(
    change: &mut Change<'_, '_>,
    app: &apps::App,
    release: &releases::Release,
    revision: &config_revisions::Revision,
) -> Result<()> {
    apps::insert(change, app)?;
    releases::insert(change, release)?;
    let instance = instances::Instance {
        id: revision.instance_id,
        app_id: app.id,
        state: Word(AppState::FIRST),
        reason: None,
        ever_enabled: false,
        restarts: 0,
        restarts_at: None,
        release_id: release.id,
        revision_id: revision.id,
        health: Word(Health::Unknown),
        health_detail: None,
        status_text: None,
        warnings: Json(Vec::new()),
        give_ups: 0,
    };
    instances::insert(change, &instance)?;
    config_revisions::insert(change, revision)
}
