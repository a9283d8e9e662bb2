//! What becomes of minutes when the database, or the daemon, fails.

use std::future::ready;

use mantyx_core::{Code, Error};
use mantyx_registry::Store;

use super::super::history::tests::{DAY, Database};
use super::*;

fn seconds(database: &Database) -> Vec<(i64, i32)> {
    database.rows(Resolution::Minutes).iter().map(|row| (row.at, row.seconds)).collect()
}

/// Looks every five seconds from one second to another.
fn look(minutes: &mut Minutes, database: &Database, from: i64, to: i64) {
    (from..=to).step_by(5).for_each(|at| minutes.take(at, &[database.look(1.0)]));
}

#[tokio::test]
async fn a_minute_that_cannot_be_written_is_tried_again() {
    let database = Database::new();
    let registry = Registry::new(Store::open(&database.path()).unwrap());
    let mut minutes = Minutes::default();
    look(&mut minutes, &database, DAY + 5, DAY + 125);
    let full = |_, _| ready(Err(Error::new(Code::DiskFull, "No space is left for the database")));
    assert!(minutes.record_by(full).await.is_err());
    assert_eq!(seconds(&database), []);
    assert_eq!(minutes.record(&registry).await.unwrap(), Some(HashSet::from([database.instance])));
    assert_eq!(seconds(&database), [(DAY + 60, 60), (DAY + 120, 60)]);
    assert_eq!(minutes.record(&registry).await.unwrap(), None);
}

#[tokio::test]
async fn a_minute_that_a_daemon_left_half_is_made_whole_by_the_next() {
    let database = Database::new();
    let registry = Registry::new(Store::open(&database.path()).unwrap());
    for (from, to) in [(DAY + 5, DAY + 20), (DAY + 45, DAY + 60)] {
        let mut minutes = Minutes::default();
        look(&mut minutes, &database, from, to);
        minutes.close();
        minutes.record(&registry).await.unwrap();
        assert!(minutes.is_empty());
    }
    assert_eq!(seconds(&database), [(DAY + 60, 40)]);
}

#[test]
fn a_database_that_is_gone_for_long_costs_an_hour_and_not_all_memory() {
    let database = Database::new();
    let mut minutes = Minutes::default();
    look(&mut minutes, &database, DAY + 5, DAY + 3 * 3600);
    assert_eq!(minutes.over.len(), MOST);
    assert_eq!(minutes.over.back().unwrap().end(), DAY + 3 * 3600 - 60);
}
