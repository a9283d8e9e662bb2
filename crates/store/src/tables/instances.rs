//! `instances`: what runs, with its state and the pair of release and revision that is active.

use diesel::prelude::*;
use mantyx_core::{AppId, AppState, InstanceId, ReleaseId, Result, RevisionId, Timestamp};

use crate::fault::Doing;
use crate::schema::instances;
use crate::{Read, Word, Write};

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
