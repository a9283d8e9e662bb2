//! A log of many segments is one log: for whoever writes it, reads it, searches it and follows it.
#![allow(clippy::unwrap_used, reason = "a test says what went wrong by failing")]

use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use chrono::{DateTime, Utc};
use mantyx_logs::{
    Case, Follower, LogWriter, Pattern, Position, Record, Rotation, Segment, Span, Stream, Syntax,
    records_in, remove_oldest, segments, segments_in, span, tail, tail_span,
};
use proptest::prelude::*;
use tempfile::TempDir;

/// Far longer than anything takes, also on a machine that is busy with something else.
const PATIENCE: Duration = Duration::from_secs(120);

const SMALL: Rotation =
    Rotation { segment_size: 1000, segment_age: Duration::from_secs(3600), total_size: 900_000 };

struct Log {
    folder: TempDir,
    path: PathBuf,
}

impl Log {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("run.log");
        Self { folder, path }
    }

    fn writer(&self, rotation: Rotation) -> LogWriter {
        LogWriter::rotating(&self.path, rotation).unwrap()
    }

    fn numbers(&self) -> Vec<u32> {
        segments(&self.path).unwrap().iter().map(Segment::number).collect()
    }

    fn segment(&self, number: u32) -> Segment {
        Segment::new(&self.path, number)
    }

    /// A child that another test is about to start seems to write to it as long as it has not begun.
    fn compress(&self, number: u32) {
        let (segment, deadline) = (self.segment(number), Instant::now() + PATIENCE);
        while segment.plain().exists() {
            assert!(Instant::now() < deadline, "it is not compressed");
            segment.compress(|| true).unwrap();
        }
    }

    fn texts(&self) -> Vec<String> {
        segments(&self.path).unwrap().iter().flat_map(|segment| texts(segment, None)).collect()
    }

    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

fn texts(segment: &Segment, pattern: Option<Pattern>) -> Vec<String> {
    let file = segment.open().unwrap();
    let whole = Span::whole(&file).unwrap();
    records_in(file, whole, pattern).map(|record| text(record.unwrap())).collect()
}

fn text(record: Record) -> String {
    String::from_utf8(record.text).unwrap()
}

fn say(writer: &mut LogWriter, numbers: std::ops::Range<u64>) {
    for n in numbers {
        writer.write(Stream::Stdout, second(n), format!("line {n}\n").as_bytes()).unwrap();
    }
}

fn second(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_700_000_000 + seconds)
}

fn lines(numbers: std::ops::Range<u64>) -> Vec<String> {
    numbers.map(|n| format!("line {n}")).collect()
}

#[test]
fn a_full_segment_is_followed_by_the_next_and_nothing_is_lost() {
    let log = Log::new();
    let mut writer = log.writer(SMALL);
    say(&mut writer, 0..100);
    writer.close().unwrap();
    assert_eq!(log.texts(), lines(0..100));
    let numbers = log.numbers();
    assert!(
        numbers.len() > 4 && numbers == (0..=*numbers.last().unwrap()).collect::<Vec<_>>(),
        "{numbers:?}"
    );
    for segment in segments(&log.path).unwrap() {
        assert!(segment.disk_size() < 1100, "{segment:?}");
    }
    let (last, position) = tail(&log.path, 50).unwrap();
    assert_eq!(last.into_iter().map(text).collect::<Vec<_>>(), lines(50..100));
    assert_eq!(position.segment, *numbers.last().unwrap());
}

#[test]
fn much_at_once_is_cut_into_segments_as_well() {
    let log = Log::new();
    let rotation = Rotation { segment_size: 20_000, total_size: 20_000_000, ..SMALL };
    let mut writer = log.writer(rotation);
    // Each of these bytes becomes a record, many times as long.
    writer.write(Stream::Stdout, second(0), &vec![b'\n'; 65_536]).unwrap();
    let sizes: Vec<u64> = segments(&log.path).unwrap().iter().map(Segment::disk_size).collect();
    let (last, full) = sizes.split_last().unwrap();
    assert!(full.len() > 5 && *last < 220_000, "{sizes:?}");
    assert!(full.iter().all(|size| (20_000..220_000).contains(size)), "{sizes:?}");
    assert!(log.texts().len() == 65_536);
}

#[test]
fn an_old_segment_is_followed_by_the_next() {
    let log = Log::new();
    let mut writer = log.writer(Rotation { segment_age: Duration::from_secs(60), ..Rotation::default() });
    say(&mut writer, 0..150);
    assert_eq!(log.numbers(), [0, 1, 2]);
    assert_eq!(texts(&log.segment(1), None), lines(60..120));
}

#[test]
fn a_writer_that_is_started_again_goes_on_in_the_last_segment() {
    let log = Log::new();
    let mut before = log.writer(SMALL);
    say(&mut before, 0..50);
    drop(before);
    let numbers = log.numbers();
    let mut writer = log.writer(SMALL);
    say(&mut writer, 50..51);
    assert_eq!(log.numbers(), numbers);
    say(&mut writer, 51..100);
    assert_eq!(log.texts(), lines(0..100));
}

#[test]
fn the_oldest_go_when_the_log_is_too_large_and_the_log_says_so() {
    let log = Log::new();
    let rotation = Rotation { total_size: 5000, ..SMALL };
    let mut writer = log.writer(rotation);
    let mut largest = 0;
    for n in 0..1000 {
        say(&mut writer, n..n + 1);
        largest = largest.max(segments(&log.path).unwrap().iter().map(Segment::disk_size).sum());
        if n == 500 {
            writer = log.writer(rotation);
        }
    }
    assert!(largest <= 5300, "{largest}");
    let texts = log.texts();
    let (remark, rest) = texts.split_first().unwrap();
    let missing: u64 = remark.split(' ').nth(1).unwrap().parse().unwrap();
    assert!(remark.starts_with("[mantyx] ") && remark.contains("were removed"), "{remark}");
    assert_eq!(rest.last().unwrap(), "line 999");
    assert_eq!(rest, lines(1000 - rest.len() as u64..1000));
    let written: usize = lines(0..1000 - rest.len() as u64).iter().map(|line| line.len() + 41).sum();
    assert_eq!(missing, written as u64);
}

#[test]
fn a_segment_that_cannot_be_begun_costs_no_line() {
    let log = Log::new();
    let mut writer = log.writer(SMALL);
    say(&mut writer, 0..10);
    // In the way of the next one.
    std::fs::create_dir(log.segment(1).plain()).unwrap();
    say(&mut writer, 10..60);
    std::fs::remove_dir(log.segment(1).plain()).unwrap();
    assert_eq!(log.texts(), lines(0..60));
}

#[test]
fn what_is_compressed_is_read_by_everybody() {
    let log = Log::new();
    let mut writer = log.writer(SMALL);
    say(&mut writer, 0..100);
    let open = log.segment(0).open().unwrap();
    log.compress(0);
    log.compress(2);
    assert!(log.names().contains(&"run.2.log.gz".to_owned()), "{:?}", log.names());
    assert!(!log.segment(0).plain().exists() && log.segment(0).compressed().exists());
    assert_eq!(log.texts(), lines(0..100));
    assert_eq!(tail(&log.path, 90).unwrap().0.into_iter().map(text).collect::<Vec<_>>(), lines(10..100));
    // Whoever had it open reads on.
    assert!(Span::whole(&open).unwrap().end > 900);
    let first: DateTime<Utc> = second(0).into();
    let (from, until) = log.segment(0).moments().unwrap();
    assert!(from == first && until > from && until < DateTime::<Utc>::from(second(30)), "{from} {until}");
    let zcat = std::process::Command::new("zcat").arg(log.segment(0).compressed()).output().unwrap();
    assert!(String::from_utf8(zcat.stdout).unwrap().contains("stdout F line 0\n"));
}

#[test]
fn compressing_that_is_stopped_leaves_all_as_it_was() {
    let log = Log::new();
    let mut writer = log.writer(SMALL);
    say(&mut writer, 0..100);
    let names = log.names();
    log.segment(0).compress(|| false).unwrap();
    let calls = std::cell::Cell::new(0);
    log.segment(0).compress(|| calls.replace(calls.get() + 1) < 3).unwrap();
    assert_eq!(log.names(), names);
}

#[test]
fn a_broken_archive_gives_what_it_has() {
    let log = Log::new();
    let mut writer = log.writer(Rotation { segment_size: 200_000, ..SMALL });
    say(&mut writer, 0..8000);
    log.compress(0);
    let whole = std::fs::read(log.segment(0).compressed()).unwrap();
    std::fs::write(log.segment(0).compressed(), &whole[..whole.len() / 2]).unwrap();
    let some = texts(&log.segment(0), None);
    assert!(!some.is_empty() && some == lines(0..some.len() as u64), "{}", some.len());
}

#[test]
fn old_segments_are_compressed_once_a_burst_is_over() {
    let log = Log::new();
    let mut writer = log.writer(SMALL);
    let written = Instant::now();
    say(&mut writer, 0..100);
    // While it lasts nothing is compressed.
    writer.rest().unwrap();
    assert!(!log.names().concat().contains(".gz"), "{:?}", log.names());
    let quiet = writer.rest_in().unwrap();
    assert!(quiet <= Duration::from_secs(5), "{quiet:?}");
    // Unless this machine has slept over it, there is something to wait for.
    assert!(quiet > Duration::ZERO || written.elapsed() >= Duration::from_secs(5), "{quiet:?}");
    let deadline = Instant::now() + PATIENCE;
    let active = *log.numbers().last().unwrap();
    while log.segment(active - 2).plain().exists() {
        assert!(Instant::now() < deadline, "{:?}", log.names());
        std::thread::sleep(writer.rest_in().unwrap_or(Duration::from_millis(5)));
        writer.rest().unwrap();
    }
    assert!(log.segment(0).compressed().exists());
    assert!(log.segment(active - 1).plain().exists(), "the newest finished one stays plain");
    say(&mut writer, 100..200);
    assert_eq!(log.texts(), lines(0..200));
}

#[test]
fn the_logs_of_a_folder_are_told_apart() {
    let log = Log::new();
    say(&mut log.writer(SMALL), 0..40);
    log.compress(0);
    std::fs::write(log.folder.path().join("other.log"), "").unwrap();
    std::fs::write(log.folder.path().join(".run.log.part"), "").unwrap();
    let found = segments_in(log.folder.path()).unwrap();
    assert_eq!(found["other"].iter().copied().collect::<Vec<_>>(), [0]);
    assert_eq!(found["run"].iter().copied().collect::<Vec<_>>(), log.numbers());
    assert_eq!(found.len(), 2);
}

#[test]
fn matches_are_found_from_both_sides() {
    let log = Log::new();
    let mut writer = log.writer(Rotation { segment_size: 2 << 20, total_size: 1 << 30, ..SMALL });
    say(&mut writer, 0..60_000);
    let pattern = Pattern::new("7777", Syntax::Literal, Case::Sensitive).unwrap();
    let mut wanted = lines(0..60_000);
    wanted.retain(|line| line.contains("7777"));
    let all = segments(&log.path).unwrap();
    let found: Vec<_> = all.iter().flat_map(|segment| texts(segment, Some(pattern.clone()))).collect();
    assert_eq!(found, wanted);
    let file = all[0].open().unwrap();
    let whole = Span::whole(&file).unwrap();
    let in_first = texts(&all[0], Some(pattern.clone()));
    for count in [0, 1, 3, 999] {
        let (last, number) = tail_span(&file, whole, count, Some(&pattern), |_, _| true).unwrap();
        let read = records_in(file.clone(), last, Some(pattern.clone()));
        let read: Vec<String> = read.map(|record| text(record.unwrap())).collect();
        assert_eq!((read.len(), &read[..]), (number, &in_first[in_first.len().saturating_sub(count)..]));
    }
}

/// A log of a hundred lines in many segments, and who has read the first of them.
async fn far_behind() -> (Log, LogWriter, Follower) {
    let log = Log::new();
    let mut writer = log.writer(SMALL);
    let mut follower = Follower::new(&log.path, Position::default()).unwrap();
    say(&mut writer, 0..1);
    assert_eq!(next(&mut follower).await, lines(0..1));
    say(&mut writer, 1..100);
    (log, writer, follower)
}

#[tokio::test]
async fn a_slow_follower_reads_every_segment() {
    let (log, mut writer, mut follower) = far_behind().await;
    log.compress(1);
    assert!(follower.behind().await > 3000);
    let mut seen = Vec::new();
    while seen.len() < 99 {
        seen.extend(next(&mut follower).await);
    }
    assert_eq!(seen, lines(1..100));
    // And while it waits.
    let waiting = tokio::spawn(async move {
        let mut seen = Vec::new();
        while seen.len() < 100 {
            seen.extend(next(&mut follower).await);
        }
        seen
    });
    tokio::task::yield_now().await;
    say(&mut writer, 100..200);
    assert_eq!(waiting.await.unwrap(), lines(100..200));
}

#[tokio::test]
async fn a_follower_says_what_was_removed_before_it_came() {
    let (log, _writer, mut follower) = far_behind().await;
    remove_oldest(&log.path, 0, 2).unwrap();
    let mut seen = Vec::new();
    while seen.last().is_none_or(|line| line != "line 99") {
        seen.extend(next(&mut follower).await);
    }
    let remark =
        seen.iter().position(|line| line.starts_with("[mantyx] Lines are missing here: 2 ")).unwrap();
    // It had the first one open, so nothing of that is missing.
    assert_eq!(seen[..remark], lines(1..remark as u64 + 1));
    let rest = (seen.len() - remark - 1) as u64;
    assert_eq!(seen[remark + 1..], lines(100 - rest..100));
}

#[tokio::test]
async fn who_cannot_keep_up_passes_over_what_is_old_and_is_told_how_much() {
    let log = Log::new();
    let mut writer = log.writer(SMALL);
    say(&mut writer, 0..100);
    let mut follower = Follower::new(&log.path, Position::default()).unwrap();
    let skipped = follower.skip(200).await.unwrap();
    let rest = next(&mut follower).await;
    assert!((1..5).contains(&rest.len()), "{rest:?}");
    assert_eq!(skipped, 100 - rest.len() as u64);
    assert_eq!(rest, lines(skipped..100));
    assert_eq!(follower.behind().await, 0);
}

async fn next(follower: &mut Follower) -> Vec<String> {
    let records = tokio::time::timeout(PATIENCE, follower.next()).await.unwrap().unwrap();
    records.into_iter().map(text).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn any_lines_over_any_segments_come_back(
        sizes in prop::collection::vec(0usize..400, 1..80), segment_size in 1u64..3000,
        compressed in prop::collection::vec(any::<bool>(), 0..8), count in 0usize..90,
        since in 0u64..80, length in 0u64..60,
    ) {
        let log = Log::new();
        let mut writer = log.writer(Rotation { segment_size, ..SMALL });
        let all: Vec<String> = sizes.iter().enumerate().map(|(n, size)| format!("{n}{:x<size$}", "")).collect();
        for (n, line) in all.iter().enumerate() {
            writer.write(Stream::Stdout, second(n as u64), format!("{line}\n").as_bytes()).unwrap();
        }
        let there = segments(&log.path).unwrap();
        for (segment, compress) in there.iter().zip(compressed) {
            if compress && segment != there.last().unwrap() {
                segment.compress(|| true).unwrap();
            }
        }
        prop_assert_eq!(&log.texts(), &all);
        let last: Vec<_> = tail(&log.path, count).unwrap().0.into_iter().map(text).collect();
        prop_assert_eq!(&last[..], &all[all.len().saturating_sub(count)..]);
        let (from, until) = (second(since).into(), second(since + length).into());
        let mut between = Vec::new();
        for segment in &there {
            if segment.moments().is_some_and(|(first, last)| last < from || first >= until) {
                continue;
            }
            let file = segment.open().unwrap();
            let part = span(&file, Some(from), Some(until)).unwrap();
            let records = records_in(file, part, None).map(Result::unwrap);
            between.extend(records.filter(|record| from <= record.at && record.at < until).map(text));
        }
        let edge = |seconds: u64| usize::try_from(seconds).unwrap().min(all.len());
        prop_assert_eq!(&between[..], &all[edge(since)..edge(since + length)]);
    }
}
