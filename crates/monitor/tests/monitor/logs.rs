//! What a process writes, however much and whatever it is: the log has it, and the monitor stays small.

use std::fs;
use std::time::Duration;

use mantyx_core::Exit;
use mantyx_logs::{Completeness, Record, Rotation, Segment, records, segments};
use mantyx_monitor::{Message, Outcome, Request};

use crate::fixture::{Run, Stage, wait_for, wait_long_for};

/// Far more than a monitor needs, and far less than what goes through it in these tests. In kiB, as the kernel
/// says it; the build of a test is larger than the one that is shipped.
const MEMORY: u64 = 16 * 1024;

fn lines(stage: &Stage) -> Vec<Record> {
    let segments = segments(&stage.launch.plan.log).unwrap();
    let read = |path| records(path, 0).unwrap().map(Result::unwrap).collect::<Vec<_>>();
    segments.iter().flat_map(|segment| read(segment.plain())).collect()
}

/// The most memory that it ever had.
fn peak(run: &Run) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", run.monitor.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// How long a hundred megabytes may take to the disk.
const LONG: Duration = Duration::from_secs(300);

/// Waits until its log is as large as all that it writes (41 bytes stand around each record's text), and asks for its
/// memory then: later it may be gone.
fn peak_at(run: &Run, size: u64) -> u64 {
    let log = run.stage.launch.plan.log.clone();
    wait_long_for(LONG, "the log to be written", || {
        segments(&log).unwrap().iter().map(Segment::disk_size).sum::<u64>() >= size
    });
    peak(run)
}

#[test]
fn a_line_of_a_hundred_megabytes_is_all_there_in_pieces() {
    let mut run = Stage::script("head -c 100000000 /dev/zero | tr '\\0' x; echo; exec sleep 1000").start();
    let peak = peak_at(&run, 100_000_000 + 41 * 6104);
    assert!(peak < MEMORY, "{peak} kiB");
    run.stop(25.0);
    let (record, stage) = run.exited();
    assert_eq!((record.outcome, record.dropped_lines), (Outcome::Exited(Exit::Signal(15)), 0));
    let pieces = lines(&stage);
    let (last, others) = pieces.split_last().unwrap();
    assert!(others.iter().all(|piece| piece.completeness == Completeness::Partial));
    assert_eq!(last.completeness, Completeness::Full);
    assert_eq!(pieces.iter().map(|piece| piece.text.len()).sum::<usize>(), 100_000_000);
    assert!(pieces.iter().all(|piece| piece.text.iter().all(|byte| *byte == b'x')));
}

#[test]
fn a_burst_goes_through_many_segments_and_nothing_is_lost() {
    let mut stage = Stage::script("seq 1 1000000; exec sleep 1000");
    stage.launch.plan.rotation = Rotation { segment_size: 1 << 20, ..Rotation::default() };
    let mut run = stage.start();
    let peak = peak_at(&run, 46_888_896);
    assert!(peak < MEMORY, "{peak} kiB");
    run.stop(25.0);
    let (_, stage) = run.exited();
    assert!(segments(&stage.launch.plan.log).unwrap().len() > 20);
    let numbers = lines(&stage).into_iter().map(|line| String::from_utf8(line.text).unwrap());
    assert!(numbers.map(|number| number.parse::<u32>().unwrap()).eq(1..=1_000_000));
}

#[test]
fn a_log_is_kept_within_its_limit() {
    let mut stage = Stage::script("seq 1 300000");
    stage.launch.plan.rotation =
        Rotation { segment_size: 100_000, total_size: 1_000_000, segment_age: Duration::from_secs(86_400) };
    let (record, stage) = stage.start().exited();
    assert_eq!(record.dropped_lines, 0);
    let size: u64 = segments(&stage.launch.plan.log).unwrap().iter().map(Segment::disk_size).sum();
    assert!((500_000..=1_100_000).contains(&size), "{size}");
    let lines = lines(&stage);
    let text = |record: &Record| String::from_utf8(record.text.clone()).unwrap();
    assert!(text(&lines[0]).contains("[mantyx]") && text(&lines[0]).contains("removed"));
    assert_eq!(text(lines.last().unwrap()), "300000");
}

#[test]
fn a_process_that_closes_its_output_runs_on() {
    let (record, stage) = Stage::script("echo one; exec >&- 2>&-; sleep 0.1; exit 3").start().exited();
    assert_eq!(record.outcome, Outcome::Exited(Exit::Code(3)));
    assert_eq!(stage.log(), ["one"]);
}

/// A log that hangs is a pipe that nobody reads from.
#[test]
fn a_disk_that_hangs_holds_up_neither_the_process_nor_its_end() {
    let stage = Stage::script("trap 'exit 0' TERM; while :; do echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxx; done");
    let log = stage.launch.plan.log.clone();
    rustix::fs::mkfifoat(rustix::fs::CWD, &log, rustix::fs::Mode::RWXU).unwrap();
    let _disk = fs::File::options().read(true).write(true).open(&log).unwrap();
    let mut run = stage.start();
    let dropped = |run: &mut Run| {
        run.link().ask(&Request::Status);
        loop {
            if let Message::Status { dropped_lines, .. } = run.link().next() {
                return dropped_lines;
            }
        }
    };
    // It answers at once all the time, and the process goes on writing.
    wait_for("lines to be dropped", || dropped(&mut run) > 10_000);
    let before = dropped(&mut run);
    wait_for("more lines to be dropped", || dropped(&mut run) > before);
    run.stop(0.5);
    let (record, _) = run.exited();
    assert!(record.dropped_lines > before, "{record:?}");
}
