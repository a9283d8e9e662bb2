//! `executions`: one process from start to exit. Rows outlive their app.

use diesel::dsl::sql;
use diesel::expression::SqlLiteral;
use diesel::prelude::*;
use diesel::sql_types::Bool;
use mantyx_core::{
    AppId, AppName, Ending, ExecutionId, ExecutionStatus, Exit, InstanceId, Result, ScheduleId, Timestamp,
    Trigger,
};

use crate::fault::{Doing, is_duplicate};
use crate::schema::executions;
use crate::{Json, Read, Word, Write};

/// A row.
#[derive(Clone, Debug, Queryable, QueryableByName, Selectable, Insertable)]
#[diesel(table_name = executions)]
pub struct Execution {
    /// Its identity; ids sort by time.
    pub id: Word<ExecutionId>,
    /// The app, which may be gone by now.
    pub app_id: Word<AppId>,
    /// The name that the app had.
    pub app_name: Word<AppName>,
    /// The instance.
    pub instance_id: Word<InstanceId>,
    /// The number of the release.
    pub release: i32,
    /// The number of the configuration revision.
    pub revision: i32,
    /// Why it began.
    pub trigger: Word<Trigger>,
    /// The schedule that was due.
    pub schedule_id: Option<Word<ScheduleId>>,
    /// When it was due.
    pub due_at: Option<Timestamp>,
    /// How it stands.
    pub status: Word<ExecutionStatus>,
    /// The process.
    pub pid: Option<i32>,
    /// How the process ended.
    pub exit: Option<Json<Exit>>,
    /// Why, as a sentence.
    pub cause: Option<String>,
    /// When the process began; the moment of the decision before that.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// Processor seconds.
    pub cpu_seconds: Option<f64>,
    /// Bytes.
    pub peak_memory: Option<i64>,
    /// Why it ended.
    pub ending: Option<Json<Ending>>,
    /// The last lines of its log when it ended badly.
    pub last_lines: Json<Vec<String>>,
    /// Log lines that could not be written.
    pub dropped_lines: i64,
}

/// What an execution used that is over or not.
#[derive(Clone, Copy, Debug, PartialEq, Queryable, Selectable)]
#[diesel(table_name = executions)]
pub struct Spent {
    /// Its identity; ids sort by time.
    pub id: Word<ExecutionId>,
    /// The app.
    pub app_id: Word<AppId>,
    /// The instance.
    pub instance_id: Word<InstanceId>,
    /// When the process began.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// Processor seconds.
    pub cpu_seconds: Option<f64>,
    /// Bytes.
    pub peak_memory: Option<i64>,
}

/// What is known once a process has ended.
#[derive(Clone, Debug, AsChangeset)]
#[diesel(table_name = executions)]
#[diesel(treat_none_as_null = true)]
pub struct Finish {
    /// How it stands.
    pub status: Word<ExecutionStatus>,
    /// How the process ended.
    pub exit: Option<Json<Exit>>,
    /// Why, as a sentence.
    pub cause: Option<String>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// Processor seconds.
    pub cpu_seconds: Option<f64>,
    /// Bytes.
    pub peak_memory: Option<i64>,
    /// Why it ended.
    pub ending: Option<Json<Ending>>,
    /// The last lines of its log when it ended badly.
    pub last_lines: Json<Vec<String>>,
    /// Log lines that could not be written.
    pub dropped_lines: i64,
}

/// Whether an instant was claimed by this insert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Claim {
    /// The row is new.
    Won,
    /// The due instant of the schedule has an execution already.
    Lost,
}

/// Adds an execution, unless its due instant has one already.
pub fn insert(tx: &mut Write<'_>, execution: &Execution) -> Result<Claim> {
    match diesel::insert_into(executions::table).values(execution).execute(tx.connection()) {
        Ok(_) => Ok(Claim::Won),
        Err(error) if is_duplicate(&error) && execution.due_at.is_some() => Ok(Claim::Lost),
        Err(error) => Err(error).doing("add an execution"),
    }
}

/// The process is alive.
pub fn set_running(tx: &mut Write<'_>, id: ExecutionId, pid: u32, at: Timestamp) -> Result<()> {
    let change = (
        executions::status.eq(Word(ExecutionStatus::Running)),
        executions::pid.eq(i32::try_from(pid).ok()),
        executions::started_at.eq(at),
    );
    let row = diesel::update(executions::table.find(Word(id))).set(change);
    row.execute(tx.connection()).map(drop).doing("record the start of a process")
}

/// The process has ended.
pub fn finish(tx: &mut Write<'_>, id: ExecutionId, finish: &Finish) -> Result<()> {
    let row = diesel::update(executions::table.find(Word(id))).set(finish);
    row.execute(tx.connection()).map(drop).doing("record the end of a process")
}

/// The execution with this id.
pub fn find(db: &mut Read<'_>, id: ExecutionId) -> Result<Option<Execution>> {
    let query = executions::table.find(Word(id)).select(Execution::as_select());
    query.first(db.connection()).optional().doing("read an execution")
}

/// What is not over, in the words of the index `executions_live`. A bound value could be any status, so that SQLite
/// would read the whole history.
fn is_live() -> SqlLiteral<Bool> {
    sql("executions.status IN ('pending', 'running')")
}

/// Executions that are not over, of all instances, the oldest first.
pub fn live(db: &mut Read<'_>) -> Result<Vec<Execution>> {
    let query = executions::table.filter(is_live()).select(Execution::as_select());
    let mut rows = query.load(db.connection()).doing("list the live executions")?;
    // They are few. Told to sort them, SQLite might walk through all executions by their id instead.
    rows.sort_unstable_by_key(|row: &Execution| row.id.0);
    Ok(rows)
}

/// Executions of an instance that are not over, the oldest first.
pub fn live_of(db: &mut Read<'_>, instance: InstanceId) -> Result<Vec<Execution>> {
    let query = executions::table
        .filter(executions::instance_id.eq(Word(instance)))
        .filter(is_live())
        .order(executions::id)
        .select(Execution::as_select());
    query.load(db.connection()).doing("list the live executions of an app")
}

/// The newest execution of an app that is over.
pub fn last_finished(db: &mut Read<'_>, app: AppId) -> Result<Option<Execution>> {
    let query = executions::table
        .filter(executions::app_id.eq(Word(app)))
        .filter(executions::finished_at.is_not_null())
        .order(executions::id.desc())
        .select(Execution::as_select());
    query.first(db.connection()).optional().doing("read the last execution")
}

/// The newest execution that is over of each app that is not in the trash.
pub fn last_finished_of_all(db: &mut Read<'_>) -> Result<Vec<Execution>> {
    let query = diesel::sql_query(
        "SELECT executions.* FROM apps CROSS JOIN executions ON executions.id = (\
            SELECT newest.id FROM executions AS newest \
            WHERE newest.app_id = apps.id AND newest.finished_at IS NOT NULL \
            ORDER BY newest.id DESC LIMIT 1\
        ) WHERE apps.deleted_at IS NULL",
    );
    query.load(db.connection()).doing("read the last executions")
}

/// The newest execution of all.
pub fn newest(db: &mut Read<'_>) -> Result<Option<ExecutionId>> {
    let query = executions::table.order(executions::id.desc()).select(executions::id);
    let id: Option<Word<ExecutionId>> =
        query.first(db.connection()).optional().doing("read the newest execution")?;
    Ok(id.map(|id| id.0))
}

/// What executions used that are newer than one, the oldest first.
pub fn spent_after(db: &mut Read<'_>, after: Option<ExecutionId>, limit: i64) -> Result<Vec<Spent>> {
    let mut query =
        executions::table.order(executions::id).limit(limit).select(Spent::as_select()).into_boxed();
    if let Some(after) = after {
        query = query.filter(executions::id.gt(Word(after)));
    }
    query.load(db.connection()).doing("read what executions used")
}

/// What an execution used.
pub fn spent(db: &mut Read<'_>, id: ExecutionId) -> Result<Option<Spent>> {
    let query = executions::table.find(Word(id)).select(Spent::as_select());
    query.first(db.connection()).optional().doing("read what an execution used")
}

/// The newest executions of an app that ended at an instant or later, the newest end first.
pub fn ended_since(db: &mut Read<'_>, app: AppId, since: Timestamp, limit: i64) -> Result<Vec<Execution>> {
    let query = executions::table
        .filter(executions::app_id.eq(Word(app)))
        .filter(executions::finished_at.ge(since))
        .order(executions::finished_at.desc())
        .limit(limit)
        .select(Execution::as_select());
    query.load(db.connection()).doing("list the executions that ended lately")
}

/// Executions, the newest first, before `before`.
pub fn page(
    db: &mut Read<'_>,
    app: Option<AppId>,
    before: Option<ExecutionId>,
    limit: i64,
) -> Result<Vec<Execution>> {
    let mut query = executions::table
        .order(executions::id.desc())
        .limit(limit)
        .select(Execution::as_select())
        .into_boxed();
    if let Some(app) = app {
        query = query.filter(executions::app_id.eq(Word(app)));
    }
    if let Some(before) = before {
        query = query.filter(executions::id.lt(Word(before)));
    }
    query.load(db.connection()).doing("list the executions")
}

/// Whether a schedule has an execution that was due after an instant.
pub fn ran_after(db: &mut Read<'_>, schedule: ScheduleId, instant: Timestamp) -> Result<bool> {
    let rows = executions::table
        .filter(executions::schedule_id.eq(Some(Word(schedule))))
        .filter(executions::due_at.gt(instant));
    diesel::select(diesel::dsl::exists(rows)).get_result(db.connection()).doing("look for runs of a schedule")
}

/// When the newest restarts of an app were, the oldest first.
pub fn restarts_of(db: &mut Read<'_>, app: AppId, limit: i64) -> Result<Vec<Timestamp>> {
    let query = executions::table
        .filter(executions::app_id.eq(Word(app)))
        .order(executions::id.desc())
        .limit(limit)
        .select((executions::trigger, executions::started_at));
    let rows: Vec<(Word<Trigger>, Timestamp)> = query.load(db.connection()).doing("count the restarts")?;
    // A start by hand begins a new count, as it does while the daemon lives. One with the daemon or the machine does
    // not: whoever crashes over and over is not to be forgiven for that.
    let by_itself =
        rows.into_iter().take_while(|(trigger, _)| matches!(trigger.0, Trigger::Restart | Trigger::Boot));
    let restarts = by_itself.filter(|(trigger, _)| trigger.0 == Trigger::Restart).map(|(_, at)| at);
    let mut restarts: Vec<Timestamp> = restarts.collect();
    restarts.reverse();
    Ok(restarts)
}

/// The app goes by another name from now on, and so does its history.
pub fn rename(tx: &mut Write<'_>, app: AppId, name: &AppName) -> Result<()> {
    let rows = executions::table.filter(executions::app_id.eq(Word(app)));
    let change = executions::app_name.eq(Word(name.clone()));
    diesel::update(rows).set(change).execute(tx.connection()).map(drop).doing("rename the executions")
}
