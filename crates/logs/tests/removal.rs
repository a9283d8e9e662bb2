//! Lines that are removed: what is left is found, whoever removes, compresses and reads at the same time.
#![cfg(feature = "follow")]
#![allow(clippy::unwrap_used, reason = "a test says what went wrong by failing")]

use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant, SystemTime};

use flate2::Compression;
use flate2::write::GzEncoder;
use mantyx_logs::{
    Case, Follower, LogWriter, Pattern, Position, Record, Rotation, Segment, Span, Stream, Syntax,
    records_in, remove_oldest, remove_segments, segments, tail,
};
use tempfile::TempDir;

/// Far longer than anything takes, also on a machine that is busy with something else.
const PATIENCE: Duration = Duration::from_secs(120);

const CAPPED: Rotation =
    Rotation { segment_size: 1000, segment_age: Duration::from_secs(3600), total_size: 5000 };

fn log() -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("run.log");
    (folder, path)
}

fn say(writer: &mut LogWriter, numbers: std::ops::Range<u32>) {
    for n in numbers {
        writer.write(Stream::Stdout, SystemTime::now(), format!("line {n}\n").as_bytes()).unwrap();
    }
}

fn text(record: Record) -> String {
    String::from_utf8(record.text).unwrap()
}

fn texts(log: &Path, pattern: Option<&Pattern>) -> Vec<String> {
    let read = |segment: Segment| {
        let file = segment.open().unwrap();
        let whole = Span::whole(&file).unwrap();
        records_in(file, whole, pattern.cloned()).map(|record| text(record.unwrap())).collect::<Vec<_>>()
    };
    segments(log).unwrap().into_iter().flat_map(read).collect()
}

fn is_remark(line: &str) -> bool {
    line.starts_with("[mantyx] ") && line.ends_with("were removed to keep within the limits")
}

/// The remark, then the last lines up to this one.
fn assert_ends(lines: &[String], last: u32) {
    let (remark, rest) = lines.split_first().unwrap();
    assert!(is_remark(remark), "{remark}");
    let first = last + 1 - u32::try_from(rest.len()).unwrap();
    let expected: Vec<_> = (first..=last).map(|n| format!("line {n}")).collect();
    assert!(rest.len() > 20 && *rest == expected, "{rest:?}");
}

/// Removes the oldest, and comes back as long as others are at it.
fn remove_in_turn(log: &Path, through: u32) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match remove_oldest(log, 0, through) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                assert!(Instant::now() < deadline, "{error}");
            }
            result => return result.unwrap(),
        }
    }
}

fn names(folder: &TempDir) -> Vec<String> {
    let entries = std::fs::read_dir(folder.path()).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[tokio::test]
async fn a_log_that_was_capped_and_rests_is_all_there() {
    let (_folder, path) = log();
    let mut writer = LogWriter::rotating(&path, CAPPED).unwrap();
    say(&mut writer, 0..500);
    let deadline = Instant::now() + PATIENCE;
    let numbers: Vec<u32> = segments(&path).unwrap().iter().map(Segment::number).collect();
    while Segment::new(&path, numbers[1]).plain().exists() {
        assert!(Instant::now() < deadline, "it is not compressed");
        std::thread::sleep(writer.rest_in().unwrap_or(Duration::from_millis(5)));
        writer.rest().unwrap();
    }
    assert!(Segment::new(&path, 0).is_remark() && path.exists(), "the remark stays plain");
    assert_ends(&texts(&path, None), 499);
    assert_eq!(tail(&path, 1).unwrap().0.into_iter().map(text).collect::<Vec<_>>(), ["line 499"]);
    let pattern = Pattern::new("line 499", Syntax::Literal, Case::Sensitive).unwrap();
    assert_eq!(texts(&path, Some(&pattern)), ["line 499"]);
    let mut follower = Follower::new(&path, Position::default()).unwrap();
    let mut seen = Vec::new();
    while seen.last().is_none_or(|line| line != "line 499") {
        let records = tokio::time::timeout(PATIENCE, follower.next()).await.unwrap().unwrap();
        seen.extend(records.into_iter().map(text));
    }
    assert_ends(&seen, 499);
}

/// As an earlier Mantyx left them.
#[test]
fn what_comes_behind_a_compressed_remark_is_found() {
    let (_folder, path) = log();
    say(&mut LogWriter::rotating(&path, CAPPED).unwrap(), 0..500);
    // Not by a program: as long as it has not begun, it would have open what the other tests write to.
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(&std::fs::read(&path).unwrap()).unwrap();
    std::fs::write(Segment::new(&path, 0).compressed(), gzip.finish().unwrap()).unwrap();
    std::fs::remove_file(&path).unwrap();
    assert!(Segment::new(&path, 0).is_remark());
    assert_ends(&texts(&path, None), 499);
    // And it is counted on from there.
    let before: u64 = texts(&path, None)[0].split(' ').nth(1).unwrap().parse().unwrap();
    let second = segments(&path).unwrap()[1].clone();
    let size = second.disk_size();
    remove_oldest(&path, second.number(), second.number()).unwrap();
    let after: u64 = texts(&path, None)[0].split(' ').nth(1).unwrap().parse().unwrap();
    assert_eq!(after, before + size);
}

/// A segment that is removed while it is being compressed does not come back, and the remark stays a remark.
#[test]
fn what_was_removed_does_not_come_back_compressed() {
    let (folder, path) = log();
    let rotation = Rotation { total_size: 900_000, ..CAPPED };
    say(&mut LogWriter::rotating(&path, rotation).unwrap(), 0..200);
    for number in [0, 1] {
        let removed = AtomicBool::new(false);
        let looks = std::cell::Cell::new(0);
        let go_on = || {
            // It has been read twice by then, and only its name is left to be changed.
            if looks.replace(looks.get() + 1) == 3 && !removed.swap(true, Relaxed) {
                remove_oldest(&path, 0, number).unwrap();
            }
            true
        };
        Segment::new(&path, number).compress(go_on).unwrap();
        assert!(removed.load(Relaxed), "{} looks", looks.get());
        assert!(!names(&folder).concat().contains(".gz") && !names(&folder).concat().contains(".part"));
        assert_ends(&texts(&path, None), 199);
    }
}

#[test]
fn two_who_compress_the_same_do_not_disturb_each_other() {
    let (folder, path) = log();
    let rotation = Rotation { segment_size: 200_000, total_size: 90_000_000, ..CAPPED };
    say(&mut LogWriter::rotating(&path, rotation).unwrap(), 0..8000);
    let whole = texts(&path, None);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            // Who comes too late finds nothing to compress.
            scope.spawn(|| drop(Segment::new(&path, 0).compress(|| true)));
        }
    });
    assert!(!path.exists() && !names(&folder).iter().any(|name| name.starts_with('.')));
    assert_eq!(texts(&path, None), whole);
}

/// The daemon's sweep and the monitor both remove.
#[test]
fn two_who_remove_say_the_same() {
    let (folder, path) = log();
    let rotation = Rotation { total_size: 900_000, ..CAPPED };
    say(&mut LogWriter::rotating(&path, rotation).unwrap(), 0..1000);
    std::thread::scope(|scope| {
        for through in [3, 5, 9, 4] {
            let path = &path;
            scope.spawn(move || remove_in_turn(path, through));
        }
    });
    let lines = texts(&path, None);
    assert_ends(&lines, 999);
    let missing: usize = lines[0].split(' ').nth(1).unwrap().parse().unwrap();
    let first = 1000 - (lines.len() - 1);
    let written: usize = (0..first).map(|n| format!("line {n}").len() + 41).sum();
    assert_eq!(missing, written);
    assert!(!names(&folder).iter().any(|name| name.starts_with('.')));
}

/// When the remark cannot be written at all, everything stays.
#[test]
fn without_a_remark_nothing_is_removed() {
    let (_folder, path) = log();
    let rotation = Rotation { total_size: 900_000, ..CAPPED };
    say(&mut LogWriter::rotating(&path, rotation).unwrap(), 0..200);
    let whole = texts(&path, None);
    // In the way of it.
    let blocked = path.with_file_name(".run.log.remark");
    std::fs::create_dir(&blocked).unwrap();
    assert!(remove_oldest(&path, 0, 1).is_err());
    assert_eq!(texts(&path, None), whole);
    std::fs::remove_dir(&blocked).unwrap();
    remove_oldest(&path, 0, 2).unwrap();
    assert_ends(&texts(&path, None), 199);
}

/// A monitor that writes within its limit, and somebody who compresses and removes beside it all the time.
#[test]
fn who_tidies_beside_the_writer_loses_nothing_unsaid() {
    let (folder, path) = log();
    let over = AtomicBool::new(false);
    let active = |path: &Path| segments(path).unwrap().last().map_or(0, Segment::number);
    std::thread::scope(|scope| {
        for what in 0..2 {
            let (path, over) = (&path, &over);
            scope.spawn(move || {
                while !over.load(Relaxed) {
                    let there = segments(path).unwrap();
                    let finished = &there[..there.len().saturating_sub(1)];
                    match (what, finished) {
                        (0, [.., one]) => drop(one.compress(|| true)),
                        (1, [.., one, _, _]) => drop(remove_oldest(path, 0, one.number())),
                        _ => std::thread::yield_now(),
                    }
                }
            });
        }
        let mut writer = LogWriter::rotating(&path, CAPPED).unwrap();
        say(&mut writer, 0..20_000);
        over.store(true, Relaxed);
    });
    assert!(active(&path) > 100);
    let lines = texts(&path, None);
    let (remark, rest) = lines.split_first().unwrap();
    assert!(is_remark(remark), "{remark}");
    let first = 20_000 - rest.len();
    assert_eq!(rest, (first..20_000).map(|n| format!("line {n}")).collect::<Vec<_>>());
    let missing: usize = remark.split(' ').nth(1).unwrap().parse().unwrap();
    assert_eq!(missing, (0..first).map(|n| format!("line {n}").len() + 41).sum::<usize>());
    assert!(!names(&folder).concat().contains(".part"), "{:?}", names(&folder));
}

/// Whoever asked who lives may have asked too early.
#[test]
fn what_is_written_to_is_neither_compressed_nor_removed() {
    let (folder, path) = log();
    for (rotation, active) in [(Rotation::default(), 0), (CAPPED, 3)] {
        let mut writer = LogWriter::rotating(&path, rotation).unwrap();
        say(&mut writer, 0..80);
        let before = (names(&folder), texts(&path, None));
        assert_eq!(segments(&path).unwrap().last().unwrap().number(), active);
        Segment::new(&path, active).compress(|| true).unwrap();
        let busy = |outcome: io::Result<()>| {
            assert_eq!(outcome.unwrap_err().kind(), ErrorKind::ResourceBusy);
        };
        busy(remove_oldest(&path, 0, active));
        busy(remove_segments(&path, &[0, active]));
        assert_eq!((names(&folder), texts(&path, None)), before);
        drop(writer);
        remove_segments(&path, &[0, 1, 2, 3]).unwrap();
        assert!(names(&folder).is_empty());
    }
}
