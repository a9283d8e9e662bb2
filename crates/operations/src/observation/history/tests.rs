//! Days of minutes, in a real database.

use chrono::Utc;
use mantyx_core::{AppId, AppName, AppState, AppType, Health, ReleaseId, RevisionId};
use mantyx_registry::tables::{apps, instances};
use mantyx_registry::{Json, Store};
use std::path::PathBuf;
use std::time::Duration;

use super::super::meter::Looked;
use super::*;

/// A midnight.
pub(in crate::observation) const DAY: i64 = 1_800_000_000 / 86_400 * 86_400;

pub(in crate::observation) struct Database {
    pub(in crate::observation) store: Store,
    pub(in crate::observation) instance: InstanceId,
    app: AppId,
    folder: tempfile::TempDir,
}

impl Database {
    /// With one app.
    pub(in crate::observation) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("mantyx.db")).unwrap();
        let (app, instance) = (AppId::generate(), InstanceId::generate());
        store
            .write(|tx| {
                apps::insert(tx, &app_row(app))?;
                instances::insert(tx, &instance_row(app, instance))
            })
            .unwrap();
        Self { store, instance, app, folder }
    }

    /// Takes looks every five seconds from one second to another, as the observer does.
    pub(in crate::observation) fn observe(
        &self,
        seconds: RangeInclusive<i64>,
        cpu: impl Fn(i64) -> f64,
    ) -> Minute {
        let (mut minute, mut kept_up) = (Minute::default(), 0);
        self.store
            .write(|tx| {
                for at in seconds.step_by(5) {
                    let Some(over) = minute.take(at, &[self.look(cpu(at))]) else { continue };
                    let hour = Resolution::Hours.end(over.end());
                    let upkeep = if hour == kept_up { Upkeep::Done } else { Upkeep::Due };
                    record(tx, &over, upkeep)?;
                    kept_up = hour;
                }
                Ok(())
            })
            .unwrap();
        minute
    }

    pub(in crate::observation) fn look(&self, cpu: f64) -> Looked {
        let (instance, app, span) = (self.instance, self.app, Duration::from_secs(5));
        Looked { instance, app, used: span, span, cpu, memory: 8 << 20, processes: 1 }
    }

    pub(in crate::observation) fn path(&self) -> PathBuf {
        self.folder.path().join("mantyx.db")
    }

    pub(in crate::observation) fn rows(&self, resolution: Resolution) -> Vec<Sample> {
        self.store.read(|db| samples::within(db, self.instance, seconds(resolution), 0..=i64::MAX)).unwrap()
    }
}

fn app_row(id: AppId) -> apps::App {
    apps::App {
        id: Word(id),
        name: Word(AppName::parse("wiki").unwrap()),
        display_name: String::new(),
        description: String::new(),
        tags: Json(Vec::new()),
        app_type: Word(AppType::Perpetual),
        created_at: Utc::now(),
        updated_at: Utc::now(),
        deleted_at: None,
    }
}

fn instance_row(app: AppId, id: InstanceId) -> instances::Instance {
    instances::Instance {
        id: Word(id),
        app_id: Word(app),
        state: Word(AppState::Running),
        reason: None,
        ever_enabled: true,
        restarts: 0,
        restarts_at: None,
        release_id: Word(ReleaseId::generate()),
        revision_id: Word(RevisionId::generate()),
        health: Word(Health::Unknown),
        health_detail: None,
        status_text: None,
        warnings: Json(Vec::new()),
        give_ups: 0,
    }
}

#[test]
fn a_day_and_two_hours_are_minutes_of_a_day_and_hours() {
    let database = Database::new();
    // One processor in every first half of an hour, and four in one look at noon.
    let noon = DAY + 12 * 3600 + 5;
    let busy = |at: i64| if at == noon { 4.0 } else { f64::from(u8::from((at - 1) % 3600 < 1800)) };
    let last = DAY + 26 * 3600;
    let _ = database.observe(DAY + 5..=last + 65, busy);

    let minutes = database.rows(Resolution::Minutes);
    // The newest upkeep was with the first minute of the newest hour.
    assert_eq!(minutes.first().unwrap().at, last + 60 - 86_400 + 60);
    assert_eq!(minutes.last().unwrap().at, last + 60);
    assert!(minutes.iter().all(|minute| (minute.at - DAY) % 60 == 0 && minute.seconds == 60));
    assert_eq!((minutes[10].cpu, minutes[40].cpu), (1000, 0));

    let hours = database.rows(Resolution::Hours);
    assert_eq!(hours.iter().map(|hour| hour.at).collect::<Vec<_>>(), hour_ends(26));
    let quiet = hours.iter().filter(|hour| hour.at != DAY + 13 * 3600);
    assert!(
        quiet.clone().all(|hour| (hour.cpu, hour.cpu_max, hour.seconds) == (500, 1000, 3600)),
        "{hours:?}"
    );
    assert_eq!(quiet.count(), 25);
    let at_noon = hours.iter().find(|hour| hour.at == DAY + 13 * 3600).unwrap();
    assert_eq!((at_noon.cpu, at_noon.cpu_max), (504, 4000));
    assert!(hours.iter().all(|hour| hour.memory == 8 << 10 && hour.memory_max == 8 << 10));
}

fn hour_ends(count: i64) -> Vec<i64> {
    (1..=count).map(|hour| DAY + hour * 3600).collect()
}

#[test]
fn the_hour_that_is_not_over_is_read_and_not_kept() {
    let database = Database::new();
    let now = DAY + 2 * 3600 + 1800;
    let _ = database.observe(DAY + 5..=now + 5, |_| 2.0);
    assert_eq!(database.rows(Resolution::Hours).len(), 2);
    let window = Resolution::Hours.window(now);
    let read = database.store.read(|db| read(db, database.instance, Resolution::Hours, window)).unwrap();
    assert_eq!(read.iter().map(|hour| hour.at).collect::<Vec<_>>(), hour_ends(3));
    assert!((read[2].seconds - 1800.0).abs() < 1e-9);
}

#[test]
fn an_hour_that_a_dead_daemon_left_is_made_by_the_next_one() {
    let database = Database::new();
    let _ = database.observe(DAY + 5..=DAY + 1805, |_| 1.0);
    assert!(database.rows(Resolution::Hours).is_empty());
    let later = DAY + 3 * 86_400;
    let _ = database.observe(later + 5..=later + 65, |_| 0.0);
    let hours = database.rows(Resolution::Hours);
    assert_eq!(hours.iter().map(|hour| (hour.at, hour.seconds)).collect::<Vec<_>>(), [(DAY + 3600, 1800)]);
    assert_eq!(database.rows(Resolution::Minutes).len(), 1);
}

#[test]
fn a_clock_that_ran_ahead_for_two_hours_leaves_the_past_and_is_in_nobodys_way() {
    let database = Database::new();
    let (evening, ahead) = (DAY + 20 * 3600, DAY + 400 * 86_400);
    let _ = database.observe(DAY + 5..=evening, |_| 1.0);
    let _ = database.observe(ahead + 5..=ahead + 7300, |_| 9.0);
    let _ = database.observe(evening + 5..=evening + 7265, |_| 2.0);
    let ends = |resolution| database.rows(resolution).iter().map(|row| row.at).collect::<Vec<_>>();
    // Three times it was kept up by a clock that took all of it for too old.
    let minutes = ends(Resolution::Minutes).iter().filter(|at| **at < ahead).count();
    assert_eq!(minutes, 22 * 60 - 3 * 120);
    let hours: Vec<i64> = ends(Resolution::Hours).into_iter().filter(|at| *at < ahead).collect();
    assert_eq!(hours.last_chunk(), Some(&[evening, evening + 3600, evening + 7200]));
    assert!(hours.len() > 14, "{hours:?}");
    // What lies ahead is there and not shown.
    assert_eq!(ends(Resolution::Minutes).last(), Some(&(ahead + 7260)));
    let window = Resolution::Hours.window(evening + 7265);
    let read = database.store.read(|db| read(db, database.instance, Resolution::Hours, window)).unwrap();
    assert!(read.iter().all(|hour| hour.cpu < 3.0) && read.is_sorted_by(|one, other| one.at < other.at));
}

#[test]
fn what_a_clock_recorded_that_was_set_back_is_overwritten() {
    let database = Database::new();
    let _ = database.observe(DAY + 5..=DAY + 4 * 3600 + 65, |_| 1.0);
    let _ = database.observe(DAY + 3605..=DAY + 3 * 3600 + 65, |_| 2.0);
    let hours = database.rows(Resolution::Hours);
    assert_eq!(hours.iter().map(|hour| hour.at).collect::<Vec<_>>(), hour_ends(4));
    assert_eq!(hours.iter().map(|hour| hour.cpu).collect::<Vec<_>>(), [1000, 2000, 2000, 1000]);
    assert!(database.rows(Resolution::Minutes).iter().all(|minute| minute.seconds == 60));
}

#[test]
fn an_app_that_is_gone_does_not_keep_the_others_from_their_minute() {
    let database = Database::new();
    let stranger = Looked { instance: InstanceId::generate(), ..database.look(1.0) };
    let mut minute = Minute::default();
    assert!(minute.take(DAY + 5, &[database.look(1.0), stranger]).is_none());
    let over = minute.take(DAY + 65, &[]).unwrap();
    assert!(minute.is_empty() && !over.is_empty());
    let there = database.store.write(|tx| record(tx, &over, Upkeep::Due)).unwrap();
    assert_eq!(there, HashSet::from([database.instance]));
    assert_eq!(database.rows(Resolution::Minutes).len(), 1);
}
