//! Real processes below a parent that is called as monitors are.

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::symlink;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;

use chrono::Utc;
use mantyx_core::{AppName, ExecutionStatus, Trigger};
use mantyx_registry::{Json, Word};
use rustix::process::{Pid, Signal, kill_process};

use super::*;

const PATIENCE: Duration = Duration::from_secs(60);
/// What a test that was killed leaves behind ends after so many seconds; no test is that slow.
const LONGEST_LIFE: u64 = 4 * PATIENCE.as_secs();

/// Runs a line of the shell as its child, and says which process that is.
struct Monitor {
    process: Child,
    main: i32,
    _folder: tempfile::TempDir,
}

impl Monitor {
    fn of(line: &str, variable: &str) -> Self {
        Self::called("mantyx-monitor", line, variable)
    }

    fn called(name: &str, line: &str, variable: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join(name);
        symlink("/bin/sh", &program).unwrap();
        let mut command = Command::new(&program);
        command.args(["-c", &format!("timeout {LONGEST_LIFE} {line} & echo $!; wait")]);
        command.env(variables::EXECUTION_ID, variable).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let mut first = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut first).unwrap();
        Self { process, main: first.trim().parse().unwrap(), _folder: folder }
    }

    fn row(&self) -> Execution {
        Execution {
            id: Word(ExecutionId::generate()),
            app_id: Word(AppId::generate()),
            app_name: Word(AppName::parse("x").unwrap()),
            instance_id: Word(InstanceId::generate()),
            release: 1,
            revision: 1,
            trigger: Word(Trigger::Manual),
            schedule_id: None,
            due_at: None,
            status: Word(ExecutionStatus::Running),
            pid: Some(self.main),
            exit: None,
            cause: None,
            started_at: Utc::now(),
            finished_at: None,
            cpu_seconds: None,
            peak_memory: None,
            ending: None,
            last_lines: Json(Vec::new()),
            dropped_lines: 0,
        }
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        // `timeout` passes the signal on to what it runs. By now it may have ended itself.
        let _ = kill_process(Pid::from_raw(self.main).unwrap(), Signal::TERM);
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn meter() -> Meter {
    Meter::new(Path::new("/somewhere/mantyx-monitor"), 64).unwrap()
}

/// Looks until so many processes of an instance are seen.
fn wait_for(meter: &mut Meter, row: &Execution, processes: u32) -> Looked {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let looked = meter.look().unwrap();
        let of_instance = looked.iter().find(|looked| looked.instance == row.instance_id.0);
        if let Some(found) = of_instance.filter(|looked| looked.processes == processes) {
            return *found;
        }
        assert!(Instant::now() < deadline, "waited for {processes} processes: {looked:?}");
        sleep(Duration::from_millis(50));
    }
}

#[test]
fn who_works_is_told_apart_from_who_sleeps() {
    let begun = Instant::now();
    let (busy, idle) = (Monitor::of("sh -c 'while :; do :; done'", ""), Monitor::of("sleep 600", ""));
    let (mut meter, rows) = (meter(), [busy.row(), idle.row()]);
    meter.follow(&rows, &[]);
    let (mut worked, mut rested) = (Duration::ZERO, Duration::ZERO);
    // However little of the processors there is for it, in the end it has worked for so long.
    while worked < Duration::from_millis(500) {
        assert!(begun.elapsed() < PATIENCE, "{worked:?} {rested:?}");
        sleep(Duration::from_millis(50));
        for looked in meter.look().unwrap() {
            let is_busy = looked.instance == rows[0].instance_id.0;
            *(if is_busy { &mut worked } else { &mut rested }) += looked.used;
            let share = looked.used.as_secs_f64() / looked.span.as_secs_f64();
            assert!((looked.cpu - share).abs() < 1e-9, "{looked:?}");
        }
    }
    assert!(worked < begun.elapsed() * 3 / 2, "one thread cannot work longer than time passes: {worked:?}");
    // `timeout` and what it runs.
    let idle = wait_for(&mut meter, &rows[1], 2);
    assert!(idle.memory > 0 && rested + idle.used < worked / 4, "{rested:?} {idle:?} {worked:?}");
}

#[test]
fn runs_of_one_app_are_added_up_and_one_that_ended_is_not_seen() {
    let (one, other) = (Monitor::of("sleep 600", ""), Monitor::of("sleep 600", ""));
    let (mut meter, first) = (meter(), one.row());
    let second = Execution { instance_id: first.instance_id, app_id: first.app_id, ..other.row() };
    meter.follow(&[first.clone(), second], &[]);
    let both = wait_for(&mut meter, &first, 4);
    drop(other);
    assert!(wait_for(&mut meter, &first, 2).memory < both.memory);
    meter.follow(&[], &[]);
    assert_eq!(meter.look().unwrap(), []);
}

#[test]
fn a_stranger_is_no_execution() {
    let stranger = Monitor::called("something-else", "sleep 600", "");
    let ours = Monitor::of("sleep 600", "");
    let row = ours.row();
    let long_ago = Execution { started_at: Utc::now() - TimeDelta::hours(1), ..ours.row() };
    let mut meter = meter();
    meter.follow(&[stranger.row(), long_ago, row.clone()], &[]);
    wait_for(&mut meter, &row, 2);
    let found = meter.trees.iter().map(|tree| tree.root.is_some()).collect::<Vec<_>>();
    assert_eq!(found, [false, false, true]);
}

#[test]
fn a_process_that_carries_the_id_is_known_whatever_the_clock_says() {
    let id = ExecutionId::generate();
    let ours = Monitor::of("sleep 600", &id.to_string());
    let row = Execution { id: Word(id), started_at: Utc::now() + TimeDelta::days(400), ..ours.row() };
    let mut meter = meter();
    meter.follow(std::slice::from_ref(&row), &[]);
    assert!(wait_for(&mut meter, &row, 2).memory > 0);
}

#[test]
fn what_was_used_after_the_last_look_is_told_by_the_next() {
    let ours = Monitor::of("sh -c 'while :; do :; done'", "");
    let row = ours.row();
    let mut meter = meter();
    meter.follow(std::slice::from_ref(&row), &[]);
    let seen = wait_for(&mut meter, &row, 2);
    drop(ours);
    let spent = Spent {
        id: row.id,
        app_id: row.app_id,
        instance_id: row.instance_id,
        started_at: row.started_at,
        finished_at: Some(Utc::now()),
        cpu_seconds: Some(100.0),
        peak_memory: Some(1 << 40),
    };
    meter.follow(&[], &[spent]);
    let told = meter.look().unwrap();
    assert_eq!(told.len(), 1);
    let (told, known) = (told[0], Duration::from_secs(100));
    assert!(told.used < known && told.used > Duration::from_secs(70), "{told:?}");
    // Not the most that it ever had.
    assert_eq!((told.processes, told.memory), (0, seen.memory));
    assert_eq!(meter.look().unwrap(), [], "once");
    // Of one that an earlier daemon had started nothing is told when it ended before anybody looked.
    meter.follow(std::slice::from_ref(&row), &[]);
    meter.follow(&[], &[Spent { started_at: Utc::now() - TimeDelta::hours(1), ..spent }]);
    assert_eq!(meter.look().unwrap(), []);
}

#[test]
fn what_was_no_process_yet_is_looked_for_when_it_is_one() {
    let ours = Monitor::of("sleep 600", "");
    let row = ours.row();
    let mut meter = meter();
    meter.follow(&[Execution { pid: None, ..row.clone() }], &[]);
    assert_eq!(meter.look().unwrap(), []);
    meter.follow(std::slice::from_ref(&row), &[]);
    wait_for(&mut meter, &row, 2);
}
