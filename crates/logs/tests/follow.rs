//! A follower sees every line once, whenever it is written.
#![cfg(feature = "follow")]
#![allow(clippy::unwrap_used, reason = "a test says what went wrong by failing")]

use std::io::Write;
use std::path::Path;
use std::time::{Duration, SystemTime};

use mantyx_logs::{Follower, LogWriter, Position, Record, Stream, tail};
use tempfile::TempDir;

async fn next(follower: &mut Follower) -> Vec<String> {
    let records = tokio::time::timeout(Duration::from_secs(120), follower.next()).await.unwrap().unwrap();
    records.into_iter().map(text).collect()
}

fn text(record: Record) -> String {
    String::from_utf8(record.text).unwrap()
}

fn say(writer: &mut LogWriter, text: &str) {
    writer.write(Stream::Stdout, SystemTime::now(), text.as_bytes()).unwrap();
}

#[tokio::test]
async fn goes_on_where_the_tail_ended() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("0.log");
    let mut writer = LogWriter::open(&path).unwrap();
    say(&mut writer, "one\ntwo\n");
    let (last, position) = tail(&path, 1).unwrap();
    assert_eq!(last.into_iter().map(text).collect::<Vec<_>>(), ["two"]);
    let mut follower = Follower::new(&path, position).unwrap();
    assert!(follower.read().await.unwrap().is_empty());
    say(&mut writer, "three\nfo");
    assert_eq!(next(&mut follower).await, ["three"]);
    say(&mut writer, "ur\n");
    assert_eq!(next(&mut follower).await, ["four"]);
}

#[tokio::test]
async fn wakes_when_something_is_written_while_it_waits() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("0.log");
    let mut follower = Follower::new(&path, Position::default()).unwrap();
    let waiting = tokio::spawn(async move {
        let first = next(&mut follower).await;
        (first, follower)
    });
    // Let it reach its wait: the file is not even there.
    tokio::task::yield_now().await;
    let mut writer = LogWriter::open(&path).unwrap();
    say(&mut writer, "at last\n");
    let (first, mut follower) = waiting.await.unwrap();
    assert_eq!(first, ["at last"]);

    let waiting = tokio::spawn(async move { next(&mut follower).await });
    tokio::task::yield_now().await;
    say(&mut writer, "again\n");
    assert_eq!(waiting.await.unwrap(), ["again"]);
}

#[tokio::test]
async fn a_line_that_has_not_ended_is_seen_before_it_ends() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("0.log");
    let mut writer = LogWriter::open(&path).unwrap();
    let mut follower = Follower::new(&path, Position::default()).unwrap();
    say(&mut writer, "Sure? ");
    writer.rest().unwrap();
    assert_eq!(next(&mut follower).await, ["Sure? "]);
    say(&mut writer, "yes\n");
    assert_eq!(next(&mut follower).await, ["yes"]);
}

/// Whoever is late reads on where compressing has been meanwhile, and sleeps when there is no more.
#[tokio::test]
async fn compressed_segments_are_followed_as_they_are_unpacked() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("0.log");
    let lines: Vec<String> = (0..20_000).map(|n| format!("line {n}")).collect();
    say(&mut LogWriter::open(&path).unwrap(), &(lines.join("\n") + "\n"));
    let mut follower = Follower::new(&path, Position::default()).unwrap();
    mantyx_logs::Segment::new(&path, 0).compress(|| true).unwrap();
    let mut seen = Vec::new();
    while seen.len() < lines.len() {
        seen.extend(next(&mut follower).await);
    }
    assert_eq!(seen, lines);
    let none = tokio::time::timeout(Duration::from_millis(50), follower.next()).await;
    assert!(none.is_err(), "nothing comes behind the end");
    say(&mut LogWriter::open(folder.path().join("0.1.log")).unwrap(), "next\n");
    assert_eq!(next(&mut follower).await, ["next"]);
}

#[tokio::test]
async fn a_dropped_call_loses_nothing() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("0.log");
    let mut writer = LogWriter::open(&path).unwrap();
    let mut follower = Follower::new(&path, Position::default()).unwrap();
    for n in 0..20 {
        // Polled once, then dropped, while nothing is there.
        let none = tokio::time::timeout(Duration::ZERO, follower.next()).await;
        assert!(none.is_err());
        say(&mut writer, &format!("{n}\n"));
        assert_eq!(next(&mut follower).await, [n.to_string()]);
    }
}

#[tokio::test]
async fn a_large_log_comes_in_bounded_batches() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("0.log");
    let mut writer = LogWriter::open(&path).unwrap();
    let lines: Vec<String> = (0..20_000).map(|n| format!("line {n}")).collect();
    say(&mut writer, &(lines.join("\n") + "\n"));
    let mut follower = Follower::new(&path, Position::default()).unwrap();
    let mut seen = Vec::new();
    while seen.len() < lines.len() {
        let batch = next(&mut follower).await;
        assert!(batch.len() < 10_000);
        seen.extend(batch);
    }
    assert_eq!(seen, lines);
    assert_eq!(follower.position().offset, std::fs::metadata(&path).unwrap().len());
}

#[tokio::test]
async fn passes_over_what_is_no_record_and_begins_again_when_emptied() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("0.log");
    append(&path, &vec![b'x'; 600 * 1024]);
    append(&path, b"\nnonsense\n");
    let mut writer = LogWriter::open(&path).unwrap();
    let mut follower = Follower::new(&path, Position::default()).unwrap();
    say(&mut writer, "sense\n");
    assert_eq!(next(&mut follower).await, ["sense"]);
    std::fs::File::create(&path).unwrap();
    say(&mut writer, "new\n");
    assert_eq!(next(&mut follower).await, ["new"]);
}

#[tokio::test]
async fn all_followers_share_one_instance_and_each_is_woken() {
    let folder = TempDir::new().unwrap();
    let path = |n: usize| folder.path().join(format!("{}.log", n % 100));
    let mut writers: Vec<_> = (0..100).map(|n| LogWriter::open(path(n)).unwrap()).collect();
    // Two for each file, more than the kernel gives instances to a user.
    let mut followers: Vec<_> =
        (0..200).map(|n| Follower::new(path(n), Position::default()).unwrap()).collect();
    for follower in &mut followers {
        assert!(follower.read().await.unwrap().is_empty());
    }
    assert_eq!(inotify_instances(), 1);
    // The first of each file stops; the other one still waits.
    let waiting = followers.split_off(100);
    drop(followers);
    let waiting: Vec<_> = waiting
        .into_iter()
        .map(|mut follower| tokio::spawn(async move { next(&mut follower).await }))
        .collect();
    tokio::task::yield_now().await;
    for (n, writer) in writers.iter_mut().enumerate() {
        say(writer, &format!("{n}\n"));
    }
    for (n, waiting) in waiting.into_iter().enumerate() {
        assert_eq!(waiting.await.unwrap(), [n.to_string()]);
    }
}

#[tokio::test]
async fn a_file_that_is_removed_disturbs_no_other() {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name);
    let mut gone = Follower::new(path("gone.log"), Position::default()).unwrap();
    let mut kept = Follower::new(path("kept.log"), Position::default()).unwrap();
    say(&mut LogWriter::open(path("gone.log")).unwrap(), "one\n");
    assert_eq!(next(&mut gone).await, ["one"]);
    std::fs::remove_file(path("gone.log")).unwrap();
    say(&mut LogWriter::open(path("kept.log")).unwrap(), "two\n");
    assert_eq!(next(&mut kept).await, ["two"]);
    drop(gone);
    say(&mut LogWriter::open(path("kept.log")).unwrap(), "three\n");
    assert_eq!(next(&mut kept).await, ["three"]);
}

#[tokio::test]
async fn an_unfinished_line_is_waited_for_in_sleep() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("0.log");
    append(&path, b"2026-01-01T00:00:00Z stdout F ha");
    let mut follower = Follower::new(&path, Position::default()).unwrap();
    follower.ready().await.unwrap();
    assert!(follower.read().await.unwrap().is_empty());
    // Half a line was looked at: only more of it is news.
    let none = tokio::time::timeout(Duration::from_millis(50), follower.ready()).await;
    assert!(none.is_err());
    append(&path, b"lf\n");
    assert_eq!(next(&mut follower).await, ["half"]);
}

fn inotify_instances() -> usize {
    let descriptors = std::fs::read_dir("/proc/self/fd").unwrap();
    let targets = descriptors.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
    targets.filter(|target| target.to_string_lossy().contains("inotify")).count()
}

fn append(path: &Path, bytes: &[u8]) {
    let mut file = std::fs::OpenOptions::new().append(true).create(true).open(path).unwrap();
    file.write_all(bytes).unwrap();
}
