//! The plan over any logs, and one sweep over real ones.

use super::sweep::Sweeper;
use super::*;
use crate::logs::tests::row;
use chrono::Utc;
use mantyx_core::{Actor, AppId, AppName, ExecutionStatus, OperationId, OperationKind, OperationStatus};
use mantyx_registry::tables::executions::{self, Claim, Finish};
use mantyx_registry::tables::operations;
use mantyx_registry::{Json, Registry, Store, Word};
use mantyx_settings::Layout;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::time::UNIX_EPOCH;

const DAY: Duration = Duration::from_secs(86_400);

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

/// By a clock that is believed.
fn at(time: SystemTime) -> Moment {
    Moment { shown: time, believed: time }
}

fn any_log() -> impl Strategy<Value = LogOnDisk> {
    let segment = (0u64..3_000_000, 0u64..200_000, any::<bool>());
    (any::<bool>(), 0u32..5, prop::collection::vec(segment, 1..6)).prop_map(|(alive, gap, mut sizes)| {
        sizes.sort_by_key(|(age, ..)| std::cmp::Reverse(*age));
        let segment = |(n, (age, size, plain)): (usize, (u64, u64, bool))| SegmentOnDisk {
            // Behind the first one there may be a gap.
            number: u32::try_from(n).unwrap() + if n > 0 { gap } else { 0 },
            size,
            modified: now() - Duration::from_secs(age),
            form: match plain {
                _ if n == 0 && gap > 0 => Form::Remark,
                true => Form::Plain,
                false => Form::Compressed,
            },
        };
        let segments = sizes.into_iter().enumerate().map(segment).collect();
        let writer = if alive { Writer::Alive } else { Writer::Gone };
        LogOnDisk { path: PathBuf::new(), writer, segments }
    })
}

fn any_logs() -> impl Strategy<Value = Vec<LogOnDisk>> {
    prop::collection::vec(any_log(), 0..8).prop_map(|mut logs| {
        for (n, log) in logs.iter_mut().enumerate() {
            log.path = format!("{n}.log").into();
        }
        logs
    })
}

/// The segments that each log has left.
fn left(logs: &[LogOnDisk], plan: &Plan) -> BTreeMap<PathBuf, Vec<SegmentOnDisk>> {
    let mut left: BTreeMap<_, _> = logs.iter().map(|log| (log.path.clone(), log.segments.clone())).collect();
    for removal in &plan.removals {
        let (path, gone): (_, Vec<u32>) = match removal {
            Removal::Whole(path, numbers) => (path, numbers.clone()),
            Removal::Oldest(path, from, through) => (path, (*from..=*through).collect()),
        };
        left.get_mut(path).unwrap().retain(|segment| !gone.contains(&segment.number));
    }
    left
}

proptest! {
    #[test]
    fn the_limits_hold_and_no_active_segment_goes(
        logs in any_logs(), days in 1u32..40, total_size in 0u64..1_000_000,
    ) {
        let limits = Limits { retention: DAY * days, total_size };
        let left = left(&logs, &plan(&logs, at(now()), limits));
        let mut size = 0;
        let mut could_go = 0;
        for log in &logs {
            let kept = &left[&log.path];
            let active = log.segments.last().unwrap();
            if log.writer == Writer::Alive || age(active, now()) < FRESH {
                prop_assert_eq!(kept.last(), Some(active));
            }
            let may_go = removable(log, now());
            for segment in kept {
                let removable = log.segments[..may_go].contains(segment);
                // What a remark takes the place of is no more than a remark itself.
                let remark = segment.form == Form::Remark;
                prop_assert!(!removable || remark || age(segment, now()) <= limits.retention);
                size += if remark { 0 } else { segment.size };
                could_go += u64::from(removable && !remark);
            }
        }
        prop_assert!(size <= total_size || could_go == 0, "{} bytes of {} are left", size, total_size);
    }

    #[test]
    fn nothing_goes_without_need(logs in any_logs()) {
        let limits = Limits { retention: DAY * 365, total_size: u64::MAX };
        let plan = plan(&logs, at(now()), limits);
        prop_assert_eq!(left(&logs, &plan), left(&logs, &Plan::default()));
    }

    #[test]
    fn what_goes_for_room_is_the_oldest(logs in any_logs(), total_size in 0u64..1_000_000) {
        let limits = Limits { retention: DAY * 365, total_size };
        let left = left(&logs, &plan(&logs, at(now()), limits));
        let gone = logs.iter().flat_map(|log| log.segments.iter().filter(|segment| !left[&log.path].contains(segment)));
        let newest_gone = gone.map(|segment| segment.modified).max();
        let kept = logs.iter().flat_map(|log| {
            let may_go = log.segments[..removable(log, now())].to_vec();
            left[&log.path].iter().filter(move |segment| segment.number > 0 && may_go.contains(segment)).copied()
        });
        let oldest_kept = kept.map(|segment| segment.modified).min();
        if let (Some(gone), Some(kept)) = (newest_gone, oldest_kept) {
            prop_assert!(gone <= kept);
        }
    }
}

#[test]
fn old_large_segments_of_logs_that_are_over_are_compressed() {
    let segment = |number, hours: u64, size| SegmentOnDisk {
        number,
        size,
        modified: now() - Duration::from_secs(hours * 3600),
        form: Form::Plain,
    };
    let segments = vec![segment(0, 9, 1 << 20), segment(1, 8, 100), segment(2, 0, 1 << 20)];
    let log = LogOnDisk { path: "a.log".into(), writer: Writer::Gone, segments };
    let limits = Limits { retention: DAY, total_size: u64::MAX };
    let expected = Plan { compressed: vec![Segment::new("a.log", 0)], ..Plan::default() };
    assert_eq!(plan(std::slice::from_ref(&log), at(now()), limits), expected);
    let alive = LogOnDisk { writer: Writer::Alive, ..log };
    assert_eq!(plan(&[alive], at(now()), limits), Plan::default());
}

/// A clock that has leapt is doubted for a day, and the logs may not grow without a limit meanwhile.
#[test]
fn a_leap_of_the_clock_does_not_make_old_logs_fresh() {
    let log = |path: &str, modified| {
        let segments = vec![SegmentOnDisk { number: 0, size: 1 << 20, modified, form: Form::Plain }];
        LogOnDisk { path: path.into(), writer: Writer::Gone, segments }
    };
    let hours = |hours: u64| Duration::from_secs(hours * 3600);
    let logs =
        [log("old.log", now() - hours(2)), log("new.log", now() - FRESH), log("ahead.log", now() + DAY)];
    let leapt = Moment { shown: now(), believed: now() - DAY * 365 };
    let limits = |total_size| Limits { retention: DAY, total_size };
    let plan = |total_size| plan(&logs, leapt, limits(total_size));
    assert_eq!(plan(0).removals.len(), 3, "{:?}", plan(0));
    let compressed = vec![Segment::new("old.log", 0)];
    assert_eq!(plan(u64::MAX), Plan { compressed, ..Plan::default() }, "none is too old");
}

#[tokio::test]
async fn a_sweep_removes_what_is_old_and_keeps_what_is_new() {
    let root = tempfile::tempdir().unwrap();
    let layout = Layout::new(root.path());
    let registry = Registry::new(Store::open(&root.path().join("mantyx.db")).unwrap());
    let folder = layout.all_logs().join("app");
    std::fs::create_dir_all(&folder).unwrap();
    let long_ago = SystemTime::now() - DAY * 3;
    for (name, modified) in [
        ("old.log", long_ago),
        ("old.1.log.gz", long_ago),
        ("new.log", long_ago),
        ("new.1.log", SystemTime::now()),
        ("large.log", SystemTime::now() - DAY),
    ] {
        let file = std::fs::File::create(folder.join(name)).unwrap();
        file.set_len(if name == "large.log" { 100 * 1024 } else { 10 }).unwrap();
        file.set_modified(modified).unwrap();
    }
    let limits = Limits { retention: DAY * 2, total_size: u64::MAX };
    let sweep = async |limits| {
        let mut sweeper = Sweeper::new(registry.clone(), layout.clone(), limits, 1 << 30);
        sweeper.look(at(SystemTime::now())).await.unwrap();
    };
    sweep(limits).await;
    let mut left: Vec<_> =
        std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["large.log.gz", "new.1.log", "new.log"]);
    let remark = std::fs::read_to_string(folder.join("new.log")).unwrap();
    assert!(remark.contains("[mantyx] 10 bytes of older lines were removed"), "{remark}");
    // Once more, and nothing is left to do.
    sweep(limits).await;
    assert_eq!(std::fs::read_to_string(folder.join("new.log")).unwrap(), remark);
    let none = Limits { total_size: 0, ..limits };
    sweep(none).await;
    assert!(!folder.join("large.log.gz").exists() && folder.join("new.1.log").exists());
}

/// A hundred thousand logs that are over cost nothing when one begins and ends.
#[tokio::test]
async fn between_two_sweeps_only_what_was_written_to_is_measured() {
    let root = tempfile::tempdir().unwrap();
    let layout = Layout::new(root.path());
    let registry = Registry::new(Store::open(&root.path().join("mantyx.db")).unwrap());
    let app = AppId::generate();
    std::fs::create_dir_all(layout.logs(app)).unwrap();
    let write = |name: &str, size: u64, age: Duration| {
        let file = std::fs::File::create(layout.logs(app).join(format!("{name}.log"))).unwrap();
        file.set_len(size).unwrap();
        file.set_modified(SystemTime::now() - age).unwrap();
    };
    write("kept", 300, DAY);
    let limits = Limits { retention: DAY * 2, total_size: 1000 };
    let mut sweeper = Sweeper::new(registry.clone(), layout.clone(), limits, 200);
    let now = at(SystemTime::now());
    assert_eq!(sweeper.look(now).await.unwrap(), Standing { size: 300, growth: 0 });
    // Nobody could know of this one but by looking at all of them.
    write("unseen", 10, DAY * 3);
    let one = execution(&registry, app, ExecutionStatus::Running).await;
    write(&one, 50, Duration::ZERO);
    assert_eq!(sweeper.look(now).await.unwrap(), Standing { size: 350, growth: 150 });
    end(&registry, &one).await;
    write(&one, 100, Duration::ZERO);
    execution(&registry, app, ExecutionStatus::Success).await;
    let short = execution(&registry, app, ExecutionStatus::Success).await;
    write(&short, 20, Duration::ZERO);
    for _ in 0..30 {
        write(&operation(&registry, app).await, 1, Duration::ZERO);
    }
    for _ in 0..3 {
        assert_eq!(sweeper.look(now).await.unwrap(), Standing { size: 450, growth: 0 });
    }
    assert!(layout.logs(app).join("unseen.log").exists(), "not all were looked at");
    // Now it is too much, and the oldest go.
    let large = execution(&registry, app, ExecutionStatus::Running).await;
    write(&large, 700, Duration::ZERO);
    assert_eq!(sweeper.look(now).await.unwrap().size, 850);
    assert!(!layout.logs(app).join("unseen.log").exists() && !layout.logs(app).join("kept.log").exists());
    // Nothing more can go, so that looking at all of them does not help until it is a good deal more.
    write(&large, 1200, Duration::ZERO);
    write("unseen", 10, DAY * 3);
    assert_eq!(sweeper.look(now).await.unwrap().size, 1350);
    assert!(!layout.logs(app).join("unseen.log").exists());
    write("unseen", 10, DAY * 3);
    write(&large, 1210, Duration::ZERO);
    assert_eq!(sweeper.look(now).await.unwrap().size, 1360);
    assert!(layout.logs(app).join("unseen.log").exists());
}

/// Something that cannot be removed is tried again, and again.
#[tokio::test]
async fn what_failed_is_tried_again_soon() {
    let root = tempfile::tempdir().unwrap();
    let layout = Layout::new(root.path());
    let registry = Registry::new(Store::open(&root.path().join("mantyx.db")).unwrap());
    let folder = layout.all_logs().join("app");
    std::fs::create_dir_all(&folder).unwrap();
    let mut writer = mantyx_logs::LogWriter::open(folder.join("old.log")).unwrap();
    writer.write(mantyx_logs::Stream::Stdout, SystemTime::now(), b"old\n").unwrap();
    let limits = Limits { retention: DAY, total_size: u64::MAX };
    let mut sweeper = Sweeper::new(registry, layout, limits, 1 << 30);
    let later = at(SystemTime::now() + DAY * 2);
    // Whoever writes to it is unknown, and it is theirs as long as they live.
    assert!(sweeper.look(later).await.is_err());
    drop(writer);
    assert_eq!(sweeper.look(later).await.unwrap().size, 0);
    assert!(!folder.join("old.log").exists());
    let pauses: Vec<u64> = (0..8).map(|failures| sweep::pause_after(failures).as_secs()).collect();
    assert_eq!(pauses, [60, 120, 240, 480, 960, 1920, 3600, 3600]);
}

/// The id of an execution with this status.
async fn execution(registry: &Registry, app: AppId, status: ExecutionStatus) -> String {
    let row = row(app, status);
    let id = row.id.0;
    let insert = move |change: &mut mantyx_registry::Change<'_, '_>| {
        assert_eq!(executions::insert(change, &row)?, Claim::Won);
        Ok(())
    };
    registry.change(&Actor::Mantyx, insert).await.unwrap();
    id.to_string()
}

/// The name of the log of an operation that is over.
async fn operation(registry: &Registry, app: AppId) -> String {
    let id = OperationId::generate();
    let row = operations::Operation {
        id: Word(id),
        app_id: Some(Word(app)),
        app_name: Some(Word(AppName::parse("wiki").unwrap())),
        kind: Word(OperationKind::Install),
        status: Word(OperationStatus::Succeeded),
        memory: Json(serde_json::Value::Null),
        cancellable: false,
        problem: None,
        actor: Json(Actor::Mantyx),
        started_at: Utc::now(),
        finished_at: Some(Utc::now()),
    };
    let insert = move |change: &mut mantyx_registry::Change<'_, '_>| operations::insert(change, &row, []);
    registry.change(&Actor::Mantyx, insert).await.unwrap();
    format!("operation-{id}")
}

async fn end(registry: &Registry, id: &str) {
    let id = id.parse().unwrap();
    let row = registry.read(move |db| executions::find(db, id)).await.unwrap().unwrap();
    let finish = Finish {
        status: Word(ExecutionStatus::Success),
        exit: None,
        ending: None,
        cause: None,
        last_lines: row.last_lines,
        finished_at: Some(row.started_at),
        cpu_seconds: None,
        peak_memory: None,
        dropped_lines: 0,
    };
    registry.change(&Actor::Mantyx, move |change| executions::finish(change, id, &finish)).await.unwrap();
}

#[test]
fn the_nearer_the_limit_the_sooner_it_is_looked_again() {
    let limits = Limits { retention: DAY, total_size: 1000 };
    let again = |size, growth| Standing { size, growth }.look_again_in(limits);
    assert_eq!(again(500, 500), FAR);
    assert_eq!(again(500, 501), POSSIBLE);
    assert_eq!(again(500, u64::MAX), POSSIBLE);
    assert_eq!(again(800, 0), CLOSE);
    assert_eq!(again(5000, 0), CLOSE);
}

#[tokio::test]
async fn a_change_of_an_execution_or_an_operation_is_noticed_even_afterwards() {
    let (executions, mut of_executions) = tokio::sync::watch::channel(());
    let (operations, mut of_operations) = tokio::sync::watch::channel(());
    let heard = tokio::time::timeout(
        Duration::from_millis(20),
        sweep::a_change(&mut of_executions, &mut of_operations),
    );
    assert!(heard.await.is_err(), "nothing has changed");
    for sender in [&executions, &operations] {
        sender.send_replace(());
        sweep::a_change(&mut of_executions, &mut of_operations).await;
    }
}
