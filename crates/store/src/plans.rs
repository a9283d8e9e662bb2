//! No query may become slower as the history grows: what SQLite plans to do for each of them, in the real schema.
//!
//! The connection tells every statement that the functions of the tables run, and each is explained by SQLite itself.
//! A table is then either searched by an index, or small by nature, or walked through in the order that is asked for
//! and left at the limit of a page.

use std::sync::{Arc, Mutex};

use chrono::Utc;
use diesel::connection::{Connection as _, InstrumentationEvent};
use diesel::prelude::*;
use diesel::sql_types::Text;
use mantyx_core::{
    AppId, AppName, ExecutionId, InstanceId, OperationId, Result, ScheduleId, SecretName, TokenId,
};

use crate::tables::{
    apps, backups, environments, events, executions, instances, operations, port_leases, principals,
    releases, replays, samples, schedules, secrets, ticks, trackings,
};
use crate::{Read, Store, Write};

/// A step of a plan.
#[derive(QueryableByName)]
struct Step {
    #[diesel(sql_type = Text)]
    detail: String,
}

/// What a query may do beside searching by an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leave {
    /// Nothing.
    None,
    /// To walk through tables that have a row or a few for each app.
    PerApp,
    /// To walk through the rows that are not over, which have an index of their own.
    Alive,
    /// To begin a walk in the order of time that ends with the page.
    Page,
    /// To walk by age through a table that is kept short.
    Age,
}

/// Tables of which an app has one row or a few.
const PER_APP: [&str; 7] =
    ["apps", "environments", "instances", "port_leases", "schedules", "secrets", "trackings"];

impl Leave {
    fn covers(self, step: &str) -> bool {
        let table = step.split_whitespace().nth(1).unwrap_or_default();
        match self {
            Self::None => table == "CONSTANT",
            Self::PerApp => PER_APP.contains(&table),
            Self::Alive => step.contains("executions_live") || step.contains("operations_under_way"),
            Self::Age => step.contains("replays_age"),
            Self::Page => step.ends_with("INDEX sqlite_autoindex_executions_1") || step == "SCAN events",
        }
    }
}

/// The statements that some work runs.
fn statements(tx: &mut Write<'_>, work: impl FnOnce(&mut Write<'_>)) -> Vec<String> {
    let said = Arc::new(Mutex::new(Vec::new()));
    let ears = Arc::clone(&said);
    tx.connection().set_instrumentation(move |event: InstrumentationEvent<'_>| {
        if let InstrumentationEvent::StartQuery { query, .. } = event {
            ears.lock().unwrap().push(query.to_string());
        }
    });
    work(tx);
    tx.connection().set_instrumentation(|_: InstrumentationEvent<'_>| {});
    std::mem::take(&mut said.lock().unwrap())
}

fn plan(db: &mut Read<'_>, statement: &str) -> Vec<String> {
    let (sql, _binds) = statement.split_once(" -- binds:").unwrap_or((statement, ""));
    // What is bound is nothing here; no plan depends on it, as nothing is known of how values are distributed.
    let steps: Vec<Step> =
        diesel::sql_query(format!("EXPLAIN QUERY PLAN {sql}")).load(db.connection()).unwrap();
    steps.into_iter().map(|step| step.detail).collect()
}

/// Runs a query and fails when it reads a table that grows from its beginning to its end.
fn check<T>(tx: &mut Write<'_>, leave: Leave, query: impl FnOnce(&mut Write<'_>) -> Result<T>) {
    let statements = statements(tx, |tx| drop(query(tx)));
    assert!(!statements.is_empty());
    for statement in statements {
        let plan = plan(tx, &statement);
        assert!(!plan.is_empty() || statement.starts_with("INSERT"), "no plan for {statement}");
        let walk = plan.iter().find(|step| step.starts_with("SCAN") && !leave.covers(step));
        assert_eq!(walk, None, "of {plan:#?} for {statement}");
        let sort = plan.iter().find(|step| step.contains("TEMP B-TREE"));
        assert_eq!(sort.filter(|_| leave != Leave::PerApp), None, "of {plan:#?} for {statement}");
    }
}

fn in_database(work: impl FnOnce(&mut Write<'_>)) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("mantyx.db")).unwrap();
    store
        .write(|tx| {
            work(tx);
            Ok(())
        })
        .unwrap();
}

#[test]
fn no_question_about_executions_reads_the_history() {
    let (app, instance, schedule) = (AppId::generate(), InstanceId::generate(), ScheduleId::generate());
    let (id, now) = (ExecutionId::generate(), Utc::now());
    in_database(|tx| {
        check(tx, Leave::Alive, |tx| executions::live(tx));
        check(tx, Leave::None, |tx| executions::live_of(tx, instance));
        check(tx, Leave::None, |tx| executions::find(tx, id));
        check(tx, Leave::None, |tx| executions::last_finished(tx, app));
        check(tx, Leave::PerApp, |tx| executions::last_finished_of_all(tx));
        check(tx, Leave::None, |tx| executions::ended_since(tx, app, now, 10));
        check(tx, Leave::None, |tx| executions::page(tx, Some(app), None, 10));
        check(tx, Leave::None, |tx| executions::page(tx, Some(app), Some(id), 10));
        check(tx, Leave::None, |tx| executions::page(tx, None, Some(id), 10));
        check(tx, Leave::Page, |tx| executions::page(tx, None, None, 10));
        check(tx, Leave::Page, |tx| executions::newest(tx));
        check(tx, Leave::Page, |tx| executions::spent_after(tx, None, 10));
        check(tx, Leave::None, |tx| executions::spent_after(tx, Some(id), 10));
        check(tx, Leave::None, |tx| executions::spent(tx, id));
        check(tx, Leave::None, |tx| executions::ran_after(tx, schedule, now));
        check(tx, Leave::None, |tx| executions::restarts_of(tx, app, 10));
        check(tx, Leave::None, |tx| executions::set_running(tx, id, 1, now));
        check(tx, Leave::None, |tx| executions::rename(tx, app, &AppName::parse("wiki").unwrap()));
        check(tx, Leave::None, |tx| ticks::newest(tx, schedule));
    });
}

#[test]
fn no_question_about_operations_and_events_reads_all_of_them() {
    let (app, id) = (AppId::generate(), OperationId::generate());
    in_database(|tx| {
        check(tx, Leave::Alive, |tx| operations::all_under_way(tx));
        check(tx, Leave::None, |tx| operations::under_way(tx, app));
        check(tx, Leave::None, |tx| operations::find(tx, id));
        check(tx, Leave::None, |tx| operations::steps(tx, id));
        check(tx, Leave::None, |tx| operations::page(tx, Some(app), Some(id), 10));
        check(tx, Leave::None, |tx| operations::page(tx, None, Some(id), 10));
        check(tx, Leave::PerApp, |tx| operations::delete_ended(tx, Utc::now(), 10));
        check(tx, Leave::Page, |tx| events::newest(tx));
        check(tx, Leave::None, |tx| events::after(tx, 7, 10));
        check(tx, Leave::None, |tx| events::before(tx, None, 10));
    });
}

#[test]
fn no_question_about_samples_reads_those_of_other_times() {
    let instance = InstanceId::generate();
    in_database(|tx| {
        check(tx, Leave::None, |tx| samples::within(tx, instance, 60, 0..=60));
        check(tx, Leave::None, |tx| samples::newest(tx, instance, 60, 60));
        check(tx, Leave::None, |tx| samples::prune(tx, instance, 60, 60, 10));
        check(tx, Leave::PerApp, |tx| samples::of_all(tx, 60, 0..=60));
    });
}

#[test]
fn no_question_about_requests_reads_all_of_them() {
    let (token, now) = (TokenId::generate(), Utc::now());
    in_database(|tx| {
        check(tx, Leave::None, |tx| replays::find(tx, token, "x"));
        check(tx, Leave::None, |tx| replays::delete(tx, token, "x"));
        check(tx, Leave::Age, |tx| replays::prune(tx, now, 10));
    });
}

#[test]
fn a_row_of_the_dashboard_is_found_by_indexes() {
    let (app, instance) = (AppId::generate(), InstanceId::generate());
    in_database(|tx| {
        check(tx, Leave::None, |tx| apps::find_by_name(tx, &AppName::parse("wiki").unwrap()));
        check(tx, Leave::None, |tx| instances::of_app(tx, app));
        check(tx, Leave::None, |tx| instances::active_of(tx, app));
        check(tx, Leave::None, |tx| releases::of_app(tx, app));
        check(tx, Leave::None, |tx| releases::numbered(tx, app, 1));
        check(tx, Leave::None, |tx| backups::of_app(tx, app));
        check(tx, Leave::None, |tx| schedules::of_instance(tx, instance));
        check(tx, Leave::None, |tx| port_leases::web_port(tx, instance));
        check(tx, Leave::None, |tx| principals::find_by_hash(tx, "x"));
        check(tx, Leave::None, |tx| trackings::find(tx, app));
        check(tx, Leave::None, |tx| trackings::find_by_hook(tx, "x"));
        check(tx, Leave::None, |tx| secrets::find(tx, &SecretName::parse("x").unwrap()));
        check(tx, Leave::PerApp, |tx| secrets::list(tx));
        check(tx, Leave::PerApp, |tx| secrets::uses(tx));
        check(tx, Leave::PerApp, |tx| trackings::watched(tx));
        check(tx, Leave::PerApp, |tx| apps::list(tx));
        check(tx, Leave::PerApp, |tx| instances::all_active(tx));
        check(tx, Leave::PerApp, |tx| environments::ids(tx));
        check(tx, Leave::None, |tx| environments::ids_of_app(tx, app));
        check(tx, Leave::None, |tx| environments::of_fingerprint(tx, app, ""));
        check(tx, Leave::None, |tx| environments::of_lock(tx, app, ""));
        check(tx, Leave::None, |tx| environments::delete_unused(tx, app));
        check(tx, Leave::PerApp, |tx| instances::with_apps(tx));
        check(tx, Leave::PerApp, |tx| port_leases::web_ports(tx));
        check(tx, Leave::PerApp, |tx| schedules::list(tx));
    });
}

#[test]
#[should_panic(expected = "SCAN executions")]
fn a_walk_through_the_history_is_noticed() {
    use crate::schema::executions::dsl;
    in_database(|tx| {
        check(tx, Leave::None, |tx| {
            Ok(dsl::executions.filter(dsl::pid.eq(1)).count().get_result::<i64>(tx.connection()))
        });
    });
}
