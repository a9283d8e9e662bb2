//! One line from what two daemons saw.

use super::super::history::tests::Database;
use super::*;

const NOW: i64 = 1_800_000_000;

#[test]
fn after_a_restart_the_line_goes_on() {
    let database = Database::new();
    let _ = database.observe(NOW - 1800..=NOW - 595, |_| 1.0);
    let observation = Observation { began: NOW - 300, ..Observation::new() };
    for at in (NOW - 290..=NOW).step_by(5) {
        observation.recent().take(at, &[database.look(3.0)]);
    }
    let window = Resolution::Moments.window(NOW);
    let points = |ends: RangeInclusive<i64>| {
        let read = |db: &mut Read<'_>| observation.points(db, database.instance, Resolution::Moments, ends);
        database.store.read(read).unwrap()
    };
    let hour = points(window);
    assert!(hour.is_sorted_by(|one, other| one.at < other.at));
    let (old, new): (Vec<Summary>, Vec<Summary>) = hour.iter().copied().partition(|point| point.cpu < 2.0);
    assert_eq!((old.first().unwrap().at, old.last().unwrap().at), (NOW - 1850, NOW - 600));
    assert_eq!((new.first().unwrap().at, new.last().unwrap().at), (NOW - 290, NOW));
    assert!(old.windows(2).all(|pair| pair[1].at - pair[0].at == 10));
    let line = points(NOW - SPARKLINE + 1..=NOW);
    assert_eq!(line.len(), 30, "{line:?}");
}

#[test]
fn what_this_daemon_has_seen_it_does_not_read_again() {
    let database = Database::new();
    let _ = database.observe(NOW - 1800..=NOW, |_| 1.0);
    let observation = Observation { began: NOW - 7200, ..Observation::new() };
    observation.recent().take(NOW, &[database.look(3.0)]);
    let window = Resolution::Moments.window(NOW);
    let read = |db: &mut Read<'_>| observation.points(db, database.instance, Resolution::Moments, window);
    let points = database.store.read(read).unwrap();
    assert_eq!(points.iter().map(|point| point.at).collect::<Vec<_>>(), [NOW]);
}
