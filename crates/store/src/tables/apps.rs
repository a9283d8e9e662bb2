//! `apps`: what a person manages, the trash included.

use diesel::prelude::*;
use mantyx_core::{AppId, AppName, AppType, Code, Error, Result, Timestamp};

use crate::fault::{Doing, is_duplicate};
use crate::schema::apps;
use crate::{Json, Read, Word, Write};

/// A row.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = apps)]
pub struct App {
    /// The identity that never changes.
    pub id: Word<AppId>,
    /// Unique among the apps that are not in the trash.
    pub name: Word<AppName>,
    /// A free text for people.
    pub display_name: String,
    /// What it is for.
    pub description: String,
    /// Words to group by.
    pub tags: Json<Vec<String>>,
    /// Scheduled or perpetual.
    pub app_type: Word<AppType>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When anything about it changed.
    pub updated_at: Timestamp,
    /// When it went to the trash.
    pub deleted_at: Option<Timestamp>,
}

/// Fields that a person may change.
#[derive(Clone, Debug, Default, AsChangeset)]
#[diesel(table_name = apps)]
pub struct Changes {
    /// Another name.
    pub name: Option<Word<AppName>>,
    /// A free text for people.
    pub display_name: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// Words to group by.
    pub tags: Option<Json<Vec<String>>>,
    /// Scheduled or perpetual.
    pub app_type: Option<Word<AppType>>,
    /// Into the trash, or out of it.
    pub deleted_at: Option<Option<Timestamp>>,
}

/// Adds an app, or says that its name is taken.
pub fn insert(tx: &mut Write<'_>, app: &App) -> Result<()> {
    match diesel::insert_into(apps::table).values(app).execute(tx.connection()) {
        Err(error) if is_duplicate(&error) => Err(name_taken(&app.name.0)),
        other => other.map(drop).doing("add the app"),
    }
}

/// Changes fields and the time of the last change.
pub fn update(tx: &mut Write<'_>, id: AppId, changes: &Changes, now: Timestamp) -> Result<()> {
    let row = apps::table.find(Word(id));
    match diesel::update(row).set((changes, apps::updated_at.eq(now))).execute(tx.connection()) {
        Err(error) if is_duplicate(&error) => Err(changes
            .name
            .as_ref()
            .map_or_else(|| Error::internal("change the app", error), |n| name_taken(&n.0))),
        other => other.map(drop).doing("change the app"),
    }
}

/// Removes an app with all that hangs on it; executions, operations and events stay.
pub fn delete(tx: &mut Write<'_>, id: AppId) -> Result<()> {
    diesel::delete(apps::table.find(Word(id))).execute(tx.connection()).map(drop).doing("remove the app")
}

/// Counts one release more, and says its number.
pub fn next_release(tx: &mut Write<'_>, id: AppId) -> Result<i32> {
    let row = apps::table.find(Word(id));
    let next = diesel::update(row).set(apps::last_release.eq(apps::last_release + 1));
    next.returning(apps::last_release).get_result(tx.connection()).doing("number the next release")
}

/// The app with this id, in the trash or not.
pub fn find(db: &mut Read<'_>, id: AppId) -> Result<Option<App>> {
    let query = apps::table.find(Word(id)).select(App::as_select());
    query.first(db.connection()).optional().doing("read an app")
}

/// The app with this name that is not in the trash.
pub fn find_by_name(db: &mut Read<'_>, name: &AppName) -> Result<Option<App>> {
    let query = apps::table
        .filter(apps::name.eq(Word(name.clone())))
        .filter(apps::deleted_at.is_null())
        .select(App::as_select());
    query.first(db.connection()).optional().doing("read an app")
}

/// All apps that are not in the trash, by name.
pub fn list(db: &mut Read<'_>) -> Result<Vec<App>> {
    let query = apps::table.filter(apps::deleted_at.is_null()).order(apps::name).select(App::as_select());
    query.load(db.connection()).doing("list the apps")
}

/// All apps in the trash, the latest first.
pub fn list_deleted(db: &mut Read<'_>) -> Result<Vec<App>> {
    let query = apps::table
        .filter(apps::deleted_at.is_not_null())
        .order(apps::deleted_at.desc())
        .select(App::as_select());
    query.load(db.connection()).doing("list the trash")
}

fn name_taken(name: &AppName) -> Error {
    Error::new(Code::NameTaken, format!("There is an app `{name}` already")).hint("Choose another name")
}
