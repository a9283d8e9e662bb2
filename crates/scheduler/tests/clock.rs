//! The clock and the queue in real time, on a real file.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a helper of a test fails the test"
)]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use mantyx_core::{CatchUp, Error, Overlap, Result, ScheduleId, ScheduleSpec, Timestamp, Timing};
use mantyx_scheduler::{Runner, Schedule, Scheduler, Tick, parse};
use tokio::sync::mpsc;

const DEADLINE: Duration = Duration::from_secs(20);

/// What a runner does with a tick, after it has noted it.
#[derive(Clone, Copy)]
enum Behaviour {
    Succeed,
    Fail,
    Panic,
}

struct Notebook {
    notes: mpsc::UnboundedSender<(Tick, Timestamp)>,
    behaviour: Behaviour,
}

impl Runner for Notebook {
    fn due(&self, tick: Tick) -> BoxFuture<'_, Result<()>> {
        let _ = self.notes.send((tick, Utc::now()));
        let behaviour = self.behaviour;
        async move {
            match behaviour {
                Behaviour::Succeed => Ok(()),
                Behaviour::Fail => Err(Error::not_found("app", "gone")),
                Behaviour::Panic => panic!("a bug in a runner"),
            }
        }
        .boxed()
    }
}

/// A scheduler on a file in a folder of its own, and what its runner noted.
struct Bench {
    folder: tempfile::TempDir,
    scheduler: Scheduler,
    notes: mpsc::UnboundedReceiver<(Tick, Timestamp)>,
}

impl Bench {
    async fn new(behaviour: Behaviour) -> Self {
        Self::on(tempfile::tempdir().unwrap(), behaviour).await
    }

    async fn on(folder: tempfile::TempDir, behaviour: Behaviour) -> Self {
        let (sender, notes) = mpsc::unbounded_channel();
        let runner = Arc::new(Notebook { notes: sender, behaviour });
        let scheduler = Scheduler::open(&file(&folder), runner).await.unwrap();
        Self { folder, scheduler, notes }
    }

    async fn next(&mut self) -> (Tick, Timestamp) {
        tokio::time::timeout(DEADLINE, self.notes.recv()).await.expect("no tick in time").unwrap()
    }

    /// Ends the scheduler and starts another one on the same file.
    async fn restart(self) -> Self {
        self.scheduler.shutdown().await;
        Self::on(self.folder, Behaviour::Succeed).await
    }

    /// Every tick that was noted until the scheduler had shut down.
    async fn finish(mut self) -> Vec<Tick> {
        self.scheduler.shutdown().await;
        drop(self.scheduler);
        let mut ticks = Vec::new();
        while let Some((tick, _)) = self.notes.recv().await {
            ticks.push(tick);
        }
        ticks
    }
}

fn file(folder: &tempfile::TempDir) -> PathBuf {
    folder.path().join("jobs.db")
}

fn every(seconds: u64, anchor: Timestamp) -> Schedule {
    parse(&ScheduleSpec {
        timing: Timing::Interval { seconds, anchor: Some(anchor) },
        timezone: "UTC".into(),
        catch_up: CatchUp::None,
        overlap: Overlap::Skip,
    })
    .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_interval_of_a_second_fires_every_second() {
    let mut bench = Bench::new(Behaviour::Succeed).await;
    let (id, start) = (ScheduleId::generate(), Utc::now());
    bench.scheduler.set(id, every(1, start), start);
    for second in 1..=3 {
        let (tick, noted) = bench.next().await;
        assert_eq!(tick, Tick { schedule: id, due: micros(start + TimeDelta::seconds(second), tick.due) });
        assert!(noted >= tick.due, "never early");
        println!("due to runner: {} µs", (noted - tick.due).num_microseconds().unwrap());
    }
    bench.scheduler.remove(id);
    bench.scheduler.shutdown().await;
}

/// Instants travel as JSON in full; this only says which of the two is compared.
fn micros(expected: Timestamp, actual: Timestamp) -> Timestamp {
    if (expected - actual).abs() < TimeDelta::microseconds(1) { actual } else { expected }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_at_once_all_arrive() {
    let mut bench = Bench::new(Behaviour::Succeed).await;
    let due = Utc::now() + TimeDelta::milliseconds(500);
    for _ in 0..100 {
        bench.scheduler.set(ScheduleId::generate(), every(3600, due), due - TimeDelta::seconds(1));
    }
    let mut lateness = Vec::new();
    for _ in 0..100 {
        let (tick, noted) = bench.next().await;
        lateness.push((noted - tick.due).num_microseconds().unwrap());
    }
    lateness.sort_unstable();
    println!("100 due at once, due to runner: p50 {} µs, p99 {} µs", lateness[50], lateness[99]);
    assert!(bench.finish().await.is_empty());
}

#[tokio::test]
async fn a_restart_runs_nothing_twice() {
    let mut bench = Bench::new(Behaviour::Succeed).await;
    let (id, start) = (ScheduleId::generate(), Utc::now() - TimeDelta::seconds(90));
    bench.scheduler.set(id, every(60, start), start);
    let (first, _) = bench.next().await;
    let bench = bench.restart().await;
    // Told the same past again, the queue knows that this tick was handled.
    bench.scheduler.set(id, every(60, start), start);
    let marker = ScheduleId::generate();
    bench.scheduler.set(marker, every(60, start), start);
    let ticks = wait_for(bench, marker).await;
    assert!(!ticks.contains(&first), "{ticks:?}");
}

/// Everything noted up to the first tick of one schedule, and then up to the end.
async fn wait_for(mut bench: Bench, marker: ScheduleId) -> Vec<Tick> {
    let mut ticks = Vec::new();
    while ticks.last().is_none_or(|tick: &Tick| tick.schedule != marker) {
        ticks.push(bench.next().await.0);
    }
    ticks.extend(bench.finish().await);
    ticks
}

#[tokio::test]
async fn a_failure_and_a_panic_are_not_tried_again() {
    for behaviour in [Behaviour::Fail, Behaviour::Panic] {
        let mut bench = Bench::new(behaviour).await;
        let (id, start) = (ScheduleId::generate(), Utc::now() - TimeDelta::seconds(90));
        bench.scheduler.set(id, every(60, start), start);
        assert_eq!(bench.next().await.0.schedule, id);
        // The worker is still there, and takes the next one.
        let marker = ScheduleId::generate();
        bench.scheduler.set(marker, every(60, start), start);
        assert_eq!(wait_for(bench, marker).await.len(), 1);
    }
}

#[tokio::test]
async fn a_file_that_is_no_queue_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(file(&folder), "this was never a database, whatever its name says").unwrap();
    let mut bench = Bench::on(folder, Behaviour::Succeed).await;
    let (id, start) = (ScheduleId::generate(), Utc::now() - TimeDelta::seconds(90));
    bench.scheduler.set(id, every(60, start), start);
    assert_eq!(bench.next().await.0.schedule, id);
    bench.scheduler.shutdown().await;
}

#[tokio::test]
async fn an_idle_scheduler_ends_at_once() {
    let bench = Bench::new(Behaviour::Succeed).await;
    assert!(bench.finish().await.is_empty());
}
