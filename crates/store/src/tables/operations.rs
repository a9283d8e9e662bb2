//! `operations` and `operation_steps`: long work, persisted before each step is taken.

use diesel::dsl::sql;
use diesel::expression::SqlLiteral;
use diesel::prelude::*;
use diesel::sql_types::Bool;
use mantyx_core::{
    Actor, AppId, AppName, Code, Error, OperationId, OperationKind, OperationStatus, Result, StepStatus,
    Timestamp,
};
use serde_json::Value;

use crate::fault::{Doing, is_duplicate};
use crate::schema::{environments, operation_steps, operations};
use crate::{Json, Read, Word, Write};

/// A row of `operations`.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = operations)]
pub struct Operation {
    /// Its identity; ids sort by time.
    pub id: Word<OperationId>,
    /// The app that it is about; none when it is about all of Mantyx.
    pub app_id: Option<Word<AppId>>,
    /// The name that the app had.
    pub app_name: Option<Word<AppName>>,
    /// What is being done.
    pub kind: Word<OperationKind>,
    /// How it stands.
    pub status: Word<OperationStatus>,
    /// What it needs to be carried on or undone after a crash.
    pub memory: Json<Value>,
    /// Whether it can be called off now.
    pub cancellable: bool,
    /// Why it failed. Before it has ended: why it is being undone.
    pub problem: Option<Json<Value>>,
    /// Who asked.
    pub actor: Json<Actor>,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
}

/// A row of `operation_steps`.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = operation_steps)]
pub struct Step {
    /// Whose it is.
    pub operation_id: Word<OperationId>,
    /// Counted from 0.
    pub position: i32,
    /// What it is called, by which it is found again after a crash.
    pub name: String,
    /// What it does, for people.
    pub title: String,
    /// How it stands.
    pub status: Word<StepStatus>,
    /// What came of it.
    pub detail: Option<String>,
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
}

/// What changes about a step.
#[derive(Clone, Debug, Default, AsChangeset)]
#[diesel(table_name = operation_steps)]
pub struct StepChanges {
    /// How it stands.
    pub status: Option<Word<StepStatus>>,
    /// What came of it; `Some(None)` when there is nothing to say any more.
    pub detail: Option<Option<String>>,
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
}

/// What changes about an operation that goes on.
#[derive(Clone, Debug, Default, AsChangeset)]
#[diesel(table_name = operations)]
pub struct Changes {
    /// What it remembers now.
    pub memory: Option<Json<Value>>,
    /// Whether it can be called off from now on.
    pub cancellable: Option<bool>,
    /// Why it is being undone.
    pub problem: Option<Json<Value>>,
}

/// Adds an operation with its steps (each a name and a title), unless the app has one under way.
pub fn insert<'a>(
    tx: &mut Write<'_>,
    operation: &Operation,
    steps: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<()> {
    match diesel::insert_into(operations::table).values(operation).execute(tx.connection()) {
        Err(error) if is_duplicate(&error) => return Err(refuse_beside(tx, operation)?),
        other => other.map(drop).doing("add an operation")?,
    }
    let steps: Vec<Step> = (0..)
        .zip(steps)
        .map(|(position, (name, title))| Step {
            operation_id: operation.id,
            position,
            name: name.to_owned(),
            title: title.to_owned(),
            status: Word(StepStatus::Pending),
            detail: None,
            started_at: None,
            finished_at: None,
        })
        .collect();
    diesel::insert_into(operation_steps::table)
        .values(steps)
        .execute(tx.connection())
        .map(drop)
        .doing("add the steps")
}

/// Changes what an operation remembers.
pub fn update(tx: &mut Write<'_>, id: OperationId, changes: &Changes) -> Result<()> {
    let row = operations::table.find(Word(id));
    diesel::update(row).set(changes).execute(tx.connection()).map(drop).doing("change an operation")
}

/// Changes a step.
pub fn update_step(tx: &mut Write<'_>, id: OperationId, position: i32, changes: &StepChanges) -> Result<()> {
    let row = operation_steps::table.find((Word(id), position));
    diesel::update(row).set(changes).execute(tx.connection()).map(drop).doing("record a step")
}

/// Ends an operation.
pub fn finish(
    tx: &mut Write<'_>,
    id: OperationId,
    status: OperationStatus,
    problem: Option<Value>,
    at: Timestamp,
) -> Result<()> {
    let change = (
        operations::status.eq(Word(status)),
        operations::problem.eq(problem.map(Json)),
        operations::cancellable.eq(false),
        // What it remembered is of use to nobody any more.
        operations::memory.eq(Json(Value::Null)),
        operations::finished_at.eq(Some(at)),
    );
    let row = diesel::update(operations::table.find(Word(id))).set(change);
    row.execute(tx.connection()).map(drop).doing("record the end of an operation")
}

/// Removes the oldest operations that ended before an instant, with their steps, this many at most, and says how many
/// there were. One that built an environment which is still there stays: it says where that comes from.
pub fn delete_ended(tx: &mut Write<'_>, before: Timestamp, most: i64) -> Result<usize> {
    let ended = operations::table
        .filter(operations::finished_at.lt(before))
        .filter(operations::id.ne_all(environments::table.select(environments::operation_id)))
        .order(operations::finished_at)
        .limit(most)
        .select(operations::id);
    let ids: Vec<Word<OperationId>> = ended.load(tx.connection()).doing("list the old operations")?;
    if ids.is_empty() {
        return Ok(0);
    }
    let rows = diesel::delete(operations::table.filter(operations::id.eq_any(ids)));
    rows.execute(tx.connection()).doing("remove old operations")
}

/// The operation with this id.
pub fn find(db: &mut Read<'_>, id: OperationId) -> Result<Option<Operation>> {
    let query = operations::table.find(Word(id)).select(Operation::as_select());
    query.first(db.connection()).optional().doing("read an operation")
}

/// The steps of an operation, in order.
pub fn steps(db: &mut Read<'_>, id: OperationId) -> Result<Vec<Step>> {
    let query = operation_steps::table
        .filter(operation_steps::operation_id.eq(Word(id)))
        .order(operation_steps::position)
        .select(Step::as_select());
    query.load(db.connection()).doing("list the steps of an operation")
}

/// What is not over, in the words of the index `operations_under_way`: SQLite uses it for no others.
fn is_under_way() -> SqlLiteral<Bool> {
    sql("operations.status = 'running'")
}

/// The operation that an app has under way.
pub fn under_way(db: &mut Read<'_>, app: AppId) -> Result<Option<Operation>> {
    let query = operations::table
        .filter(operations::app_id.eq(Word(app)))
        .filter(is_under_way())
        .select(Operation::as_select());
    query.first(db.connection()).optional().doing("read the operation of an app")
}

/// All operations that are under way, the oldest first.
pub fn all_under_way(db: &mut Read<'_>) -> Result<Vec<Operation>> {
    let query = operations::table.filter(is_under_way()).select(Operation::as_select());
    let mut rows = query.load(db.connection()).doing("list the operations under way")?;
    // They are few; told to sort them, SQLite might walk through all operations by their id instead.
    rows.sort_unstable_by_key(|row: &Operation| row.id.0);
    Ok(rows)
}

/// Operations, the newest first, before `before`.
pub fn page(
    db: &mut Read<'_>,
    app: Option<AppId>,
    before: Option<OperationId>,
    limit: i64,
) -> Result<Vec<Operation>> {
    let mut query = operations::table
        .order(operations::id.desc())
        .limit(limit)
        .select(Operation::as_select())
        .into_boxed();
    if let Some(app) = app {
        query = query.filter(operations::app_id.eq(Word(app)));
    }
    if let Some(before) = before {
        query = query.filter(operations::id.lt(Word(before)));
    }
    query.load(db.connection()).doing("list the operations")
}

/// The refusal for an app that has an operation under way, which it names.
pub fn in_progress(db: &mut Read<'_>, app: AppId) -> Result<Error> {
    let row = under_way(db, app)?;
    Ok(refusal(row.as_ref()))
}

fn refuse_beside(db: &mut Read<'_>, wanted: &Operation) -> Result<Error> {
    if let Some(app) = wanted.app_id {
        return in_progress(db, app.0);
    }
    let rows = all_under_way(db)?;
    Ok(refusal(rows.iter().find(|row| row.app_id.is_none() && row.kind == wanted.kind)))
}

fn refusal(row: Option<&Operation>) -> Error {
    let what = row.map_or_else(
        || "Another operation is under way".to_owned(),
        |row| {
            let whose = row.app_name.as_ref().map(|name| format!(" of `{}`", name.0)).unwrap_or_default();
            format!("The operation `{}` ({}){whose} is under way", row.id.0, row.kind.0.as_str())
        },
    );
    Error::new(Code::OperationInProgress, what).hint("Wait until it has ended, or cancel it")
}
