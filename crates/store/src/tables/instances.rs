//! `instances`: what runs, with its state and the pair of release and revision that is active.

use diesel::prelude::*;
use mantyx_core::{
    AppId, AppState, Configuration, EnvironmentId, Health, InstanceId, Origin, ReleaseId, Result, RevisionId,
    Timestamp,
};

use crate::fault::Doing;
use crate::schema::{apps, config_revisions, instances, releases};
use crate::{Json, Read, Word, Write};

/// A row.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = instances)]
pub struct Instance {
    /// Its identity.
    pub id: Word<InstanceId>,
    /// Whose it is.
    pub app_id: Word<AppId>,
    /// Where it is in its life.
    pub state: Word<AppState>,
    /// Why, when there is something to say.
    pub reason: Option<String>,
    /// Whether a person ever enabled it.
    pub ever_enabled: bool,
    /// How often it was started again by itself since a person last started it.
    pub restarts: i32,
    /// When it is started again, while it waits for that.
    pub restarts_at: Option<Timestamp>,
    /// The active release.
    pub release_id: Word<ReleaseId>,
    /// The active configuration.
    pub revision_id: Word<RevisionId>,
    /// How it is beside its state.
    pub health: Word<Health>,
    /// What the last look said, when it was not well.
    pub health_detail: Option<String>,
    /// What it says of itself.
    pub status_text: Option<String>,
    /// What was asked for and cannot be done here, as sentences.
    pub warnings: Json<Vec<String>>,
    /// How often it was given up since it last ran well.
    pub give_ups: i32,
}

/// An instance with what is active of it.
#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = instances)]
pub struct Active {
    /// The instance.
    #[diesel(embed)]
    pub instance: Instance,
    /// The number of the release.
    #[diesel(select_expression = releases::number)]
    pub release: i32,
    /// Where its source came from.
    #[diesel(select_expression = releases::origin)]
    pub origin: Json<Origin>,
    /// Its environment, once that is built.
    #[diesel(select_expression = releases::environment_id)]
    pub environment: Option<Word<EnvironmentId>>,
    /// What is set.
    #[diesel(select_expression = config_revisions::configuration)]
    pub configuration: Json<Configuration>,
}

/// Fields that change by themselves.
#[derive(Clone, Debug, Default, AsChangeset)]
#[diesel(table_name = instances)]
pub struct Changes {
    /// Another state.
    pub state: Option<Word<AppState>>,
    /// Why, or nothing to say any more.
    pub reason: Option<Option<String>>,
    /// It was enabled.
    pub ever_enabled: Option<bool>,
    /// How often it was started again by itself.
    pub restarts: Option<i32>,
    /// When it is started again, or no more.
    pub restarts_at: Option<Option<Timestamp>>,
    /// Another active release.
    pub release_id: Option<Word<ReleaseId>>,
    /// Another active configuration.
    pub revision_id: Option<Word<RevisionId>>,
    /// Another health.
    pub health: Option<Word<Health>>,
    /// What the last look said, or nothing to say any more.
    pub health_detail: Option<Option<String>>,
    /// What it says of itself.
    pub status_text: Option<Option<String>>,
    /// Other warnings.
    pub warnings: Option<Json<Vec<String>>>,
    /// How often it was given up.
    pub give_ups: Option<i32>,
}

/// Adds the instance of an app.
pub fn insert(tx: &mut Write<'_>, instance: &Instance) -> Result<()> {
    diesel::insert_into(instances::table)
        .values(instance)
        .execute(tx.connection())
        .map(drop)
        .doing("add the instance")
}

/// Changes fields.
pub fn update(tx: &mut Write<'_>, id: InstanceId, changes: &Changes) -> Result<()> {
    let row = instances::table.find(Word(id));
    diesel::update(row).set(changes).execute(tx.connection()).map(drop).doing("change the instance")
}

/// The instance with this id.
pub fn find(db: &mut Read<'_>, id: InstanceId) -> Result<Option<Instance>> {
    let query = instances::table.find(Word(id)).select(Instance::as_select());
    query.first(db.connection()).optional().doing("read an instance")
}

/// The one instance of an app.
pub fn of_app(db: &mut Read<'_>, app: AppId) -> Result<Instance> {
    let query = instances::table.filter(instances::app_id.eq(Word(app))).select(Instance::as_select());
    query.first(db.connection()).doing("read the instance of an app")
}

/// The one instance of an app, with what is active of it.
pub fn active_of(db: &mut Read<'_>, app: AppId) -> Result<Active> {
    let query = instances::table
        .inner_join(releases::table.on(releases::id.eq(instances::release_id)))
        .inner_join(config_revisions::table.on(config_revisions::id.eq(instances::revision_id)))
        .filter(instances::app_id.eq(Word(app)))
        .select(Active::as_select());
    query.first(db.connection()).doing("read what is active of an app")
}

/// The same of all apps that are not in the trash.
pub fn all_active(db: &mut Read<'_>) -> Result<Vec<Active>> {
    let query = apps::table
        .inner_join(instances::table.on(instances::app_id.eq(apps::id)))
        .inner_join(releases::table.on(releases::id.eq(instances::release_id)))
        .inner_join(config_revisions::table.on(config_revisions::id.eq(instances::revision_id)))
        .filter(apps::deleted_at.is_null())
        .select(Active::as_select());
    query.load(db.connection()).doing("read what is active of the apps")
}

/// All of them with their apps, those in the trash too.
pub fn with_apps(db: &mut Read<'_>) -> Result<Vec<(InstanceId, AppId)>> {
    let query = instances::table.select((instances::id, instances::app_id));
    let rows: Vec<(Word<InstanceId>, Word<AppId>)> =
        query.load(db.connection()).doing("list the instances")?;
    Ok(rows.into_iter().map(|(instance, app)| (instance.0, app.0)).collect())
}

/// The ids of all of them, those of apps in the trash too.
pub fn ids(db: &mut Read<'_>) -> Result<Vec<InstanceId>> {
    let query = instances::table.select(instances::id);
    let ids: Vec<Word<InstanceId>> = query.load(db.connection()).doing("list the instances")?;
    Ok(ids.into_iter().map(|id| id.0).collect())
}
