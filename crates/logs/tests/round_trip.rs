//! What is written comes back, however it is cut and from wherever it is read.
#![allow(clippy::unwrap_used, reason = "a test says what went wrong by failing")]

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chrono::{DateTime, Utc};
use mantyx_logs::{
    Completeness, LogWriter, MAX_TEXT, Position, Record, Span, Stream, records, records_in, span, tail,
    tail_span,
};
use proptest::prelude::*;
use tempfile::TempDir;

/// A log in a folder of its own.
struct Log {
    _folder: TempDir,
    path: PathBuf,
}

impl Log {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("0.log");
        Self { _folder: folder, path }
    }

    fn write(&self, chunks: &[(Stream, Vec<u8>)]) {
        let mut writer = LogWriter::open(&self.path).unwrap();
        for (n, (stream, bytes)) in chunks.iter().enumerate() {
            writer.write(*stream, moment(n), bytes).unwrap();
        }
        writer.close().unwrap();
    }

    fn all(&self) -> Vec<Record> {
        records(&self.path, 0).unwrap().collect::<Result<_, _>>().unwrap()
    }

    fn file(&self) -> Arc<File> {
        Arc::new(File::open(&self.path).unwrap())
    }

    fn size(&self) -> u64 {
        std::fs::metadata(&self.path).unwrap().len()
    }
}

fn moment(n: usize) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(1_700_000_000_000 + n as u64)
}

/// The bytes of one stream, put together again.
fn joined(records: &[Record], stream: Stream) -> Vec<u8> {
    let mut bytes = Vec::new();
    for record in records.iter().filter(|record| record.stream == stream) {
        bytes.extend_from_slice(&record.text);
        if record.completeness == Completeness::Full {
            bytes.push(b'\n');
        }
    }
    bytes
}

/// What a stream gives back: a last line that was not finished is.
fn expected(chunks: &[(Stream, Vec<u8>)], stream: Stream) -> Vec<u8> {
    let mut bytes: Vec<u8> =
        chunks.iter().filter(|chunk| chunk.0 == stream).flat_map(|chunk| chunk.1.clone()).collect();
    if bytes.last().is_some_and(|last| *last != b'\n') {
        bytes.push(b'\n');
    }
    bytes
}

/// Bytes with many line breaks, few, or none in tens of thousands.
fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
    let dense = prop::collection::vec(prop_oneof![Just(b'\n'), any::<u8>()], 0..80);
    let long = (0usize..3 * MAX_TEXT).prop_map(|size| vec![b'x'; size]);
    let edge = (MAX_TEXT - 2..MAX_TEXT + 3, any::<bool>()).prop_map(|(size, ends)| {
        let mut bytes = vec![b'y'; size];
        bytes.extend(ends.then_some(b'\n'));
        bytes
    });
    prop_oneof![6 => dense, 1 => long, 2 => edge]
}

fn any_chunks() -> impl Strategy<Value = Vec<(Stream, Vec<u8>)>> {
    let stream = prop_oneof![Just(Stream::Stdout), Just(Stream::Stderr)];
    prop::collection::vec((stream, any_bytes()), 0..30)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_in_any_chunks_come_back(chunks in any_chunks()) {
        let log = Log::new();
        log.write(&chunks);
        let all = log.all();
        for stream in [Stream::Stdout, Stream::Stderr] {
            prop_assert_eq!(joined(&all, stream), expected(&chunks, stream));
        }
        prop_assert!(all.iter().all(|record| record.text.len() <= MAX_TEXT));
    }

    #[test]
    fn any_bytes_come_back_however_long_lines_stay_open(
        chunks in any_chunks(), pauses in prop::collection::vec((0u64..3, any::<bool>()), 30),
    ) {
        let log = Log::new();
        let mut writer = LogWriter::open(&log.path).unwrap();
        let mut now = moment(0);
        for ((stream, bytes), (seconds, rests)) in chunks.iter().zip(pauses) {
            now += Duration::from_secs(seconds);
            writer.write(*stream, now, bytes).unwrap();
            if rests {
                writer.rest().unwrap();
                prop_assert!(!writer.holds(Stream::Stdout) && !writer.holds(Stream::Stderr));
            }
        }
        writer.close().unwrap();
        let all = log.all();
        for stream in [Stream::Stdout, Stream::Stderr] {
            prop_assert_eq!(joined(&all, stream), expected(&chunks, stream));
        }
    }

    #[test]
    fn the_tail_is_the_end_of_all(chunks in any_chunks(), count in 0usize..60) {
        let log = Log::new();
        log.write(&chunks);
        let all = log.all();
        let (last, position) = tail(&log.path, count).unwrap();
        prop_assert_eq!(&last[..], &all[all.len().saturating_sub(count)..]);
        prop_assert_eq!(position, Position { segment: 0, offset: log.size() });
    }

    #[test]
    fn the_tail_of_a_stream_is_the_end_of_its_records(
        chunks in any_chunks(), count in 0usize..20, from in any::<prop::sample::Index>(),
    ) {
        let log = Log::new();
        log.write(&chunks);
        // Any record can be the first of the span.
        let mut walk = records(&log.path, 0).unwrap();
        let mut starts = vec![0];
        while walk.next().is_some() {
            starts.push(walk.position());
        }
        let first = from.index(starts.len());
        let whole = span(&log.file(), None, None).unwrap();
        let part = Span { start: starts[first], ..whole };
        let errors = |_, stream| stream == Stream::Stderr;
        let (found, number) = tail_span(&log.file(), part, count, None, errors).unwrap();
        let is_error = |record: &Record| record.stream == Stream::Stderr;
        let mut wanted = log.all().split_off(first);
        wanted.retain(is_error);
        wanted.drain(..wanted.len().saturating_sub(count));
        let read: Vec<Record> = records_in(log.file(), found, None).collect::<Result<_, _>>().unwrap();
        prop_assert!(read.first().is_none_or(is_error), "it begins with the first that was found");
        let read: Vec<Record> = read.into_iter().filter(is_error).collect();
        prop_assert_eq!(number, read.len());
        prop_assert_eq!(read, wanted);
    }

    #[test]
    fn what_lies_between_two_moments_is_found(
        steps in prop::collection::vec((0u64..3, 0usize..5000), 0..120), since in 0u64..130, length in 0u64..60,
    ) {
        let log = Log::new();
        let mut writer = LogWriter::open(&log.path).unwrap();
        let mut now = 0;
        for (step, size) in steps {
            now += step;
            let line = [vec![b'z'; size], b"\n".to_vec()].concat();
            writer.write(Stream::Stdout, second(now), &line).unwrap();
        }
        writer.close().unwrap();
        let (found, wanted) = between(&log, since, since + length);
        prop_assert_eq!(&found.kept, &wanted);
        let bytes: usize = wanted.iter().map(|record| record.text.len() + 50).sum();
        prop_assert!(found.bytes <= bytes as u64 + 80 * 1024, "{} bytes were read for {bytes}", found.bytes);
    }

    #[test]
    fn lines_that_were_open_for_long_hide_no_others(
        steps in prop::collection::vec((0u64..3, any::<bool>(), "[x\n]{1,6}"), 0..120),
        since in 0u64..130, length in 0u64..60,
    ) {
        let log = Log::new();
        let mut writer = LogWriter::open(&log.path).unwrap();
        let mut now = 0;
        for (step, error, text) in steps {
            now += step;
            let stream = if error { Stream::Stderr } else { Stream::Stdout };
            writer.write(stream, second(now), text.as_bytes()).unwrap();
        }
        writer.close().unwrap();
        let (found, wanted) = between(&log, since, since + length);
        prop_assert_eq!(found.kept, wanted);
    }
}

/// The records in a span that lie between its moments, and how much was read to find them.
struct Found {
    kept: Vec<Record>,
    bytes: u64,
}

fn second(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

/// What a span holds of two moments, and what the whole log holds of them.
fn between(log: &Log, since: u64, until: u64) -> (Found, Vec<Record>) {
    let (since, until) = (DateTime::<Utc>::from(second(since)), DateTime::<Utc>::from(second(until)));
    let lies_between = |record: &Record| since <= record.at && record.at < until;
    let part = span(&log.file(), Some(since), Some(until)).unwrap();
    let mut kept: Vec<Record> = records_in(log.file(), part, None).collect::<Result<_, _>>().unwrap();
    kept.retain(lies_between);
    let mut wanted = log.all();
    wanted.retain(lies_between);
    (Found { kept, bytes: part.end - part.start }, wanted)
}

#[test]
fn each_line_has_the_moment_of_its_first_byte() {
    let log = Log::new();
    let out = |text: &str| (Stream::Stdout, text.as_bytes().to_vec());
    log.write(&[out("a"), (Stream::Stderr, b"e\n".to_vec()), out("b\nc"), out("\n")]);
    let moments: Vec<(Vec<u8>, SystemTime)> =
        log.all().into_iter().map(|record| (record.text, record.at.into())).collect();
    let wanted =
        [(b"e".to_vec(), moment(1)), (b"ab".to_vec(), moment(0)), (b"c".to_vec(), moment(2))].to_vec();
    assert_eq!(moments, wanted);
}

#[test]
fn an_unfinished_last_line_is_not_read_yet() {
    let log = Log::new();
    log.write(&[(Stream::Stdout, b"whole\n".to_vec())]);
    let whole = Position { segment: 0, offset: log.size() };
    let half = b"2026-01-01T00:00:00Z stdout F hal";
    std::fs::write(&log.path, [std::fs::read(&log.path).unwrap(), half.to_vec()].concat()).unwrap();
    let (last, position) = tail(&log.path, 9).unwrap();
    assert_eq!((last.len(), position), (1, whole));
    assert_eq!(log.all().len(), 1);

    // A new writer ends it before it goes on.
    log.write(&[(Stream::Stdout, b"next\n".to_vec())]);
    let texts: Vec<Vec<u8>> = log.all().into_iter().map(|record| record.text).collect();
    assert_eq!(texts, [b"whole".to_vec(), b"hal".to_vec(), b"next".to_vec()]);
}

#[test]
fn what_is_no_record_is_passed_over_from_both_sides() {
    let log = Log::new();
    let one = b"2026-01-01T00:00:00Z stdout F one\n".to_vec();
    let two = b"2026-01-01T00:00:01Z stderr F two\n".to_vec();
    for garbage in [b"\n".to_vec(), b"\n\nx\n".to_vec(), [vec![b'g'; 300 * 1024], b"\n".to_vec()].concat()] {
        let parts = [&garbage, &one, &garbage, &two, &garbage].map(Vec::as_slice);
        std::fs::write(&log.path, parts.concat()).unwrap();
        let texts = |records: Vec<Record>| records.into_iter().map(|record| record.text).collect::<Vec<_>>();
        assert_eq!(texts(log.all()), [b"one", b"two"]);
        assert_eq!(texts(tail(&log.path, 9).unwrap().0), [b"one", b"two"]);
        assert_eq!(texts(tail(&log.path, 1).unwrap().0), [b"two"]);
    }
}

#[test]
fn a_span_of_nothing_is_empty() {
    let log = Log::new();
    log.write(&[(Stream::Stdout, b"out\n".to_vec())]);
    let whole = span(&log.file(), None, None).unwrap();
    let errors = |_, stream| stream == Stream::Stderr;
    let (found, number) = tail_span(&log.file(), whole, 5, None, errors).unwrap();
    assert_eq!((found, number), (Span { start: whole.end, end: whole.end }, 0));
    assert_eq!(records_in(log.file(), found, None).count(), 0);
}

#[test]
fn the_log_is_for_its_owner_and_group() {
    use std::os::unix::fs::PermissionsExt;
    let log = Log::new();
    log.write(&[]);
    let mode = std::fs::metadata(&log.path).unwrap().permissions().mode();
    assert_eq!(mode & 0o137, 0, "{mode:o}");
}

#[test]
fn a_log_that_is_not_there_is_said() {
    let log = Log::new();
    assert_eq!(tail(&log.path, 1).unwrap_err().kind(), std::io::ErrorKind::NotFound);
}

#[test]
fn a_character_is_in_one_piece() {
    let log = Log::new();
    for lead in 0..4 {
        let line = "x".repeat(lead) + &"ü🎉".repeat(8000);
        let _ = std::fs::remove_file(&log.path);
        log.write(&[(Stream::Stdout, line.clone().into_bytes())]);
        let all = log.all();
        assert!(all.len() > 2);
        let pieces: Vec<String> =
            all.into_iter().map(|record| String::from_utf8(record.text).unwrap()).collect();
        assert_eq!(pieces.concat(), line);
    }
}

#[test]
fn a_remark_is_a_record_of_its_own() {
    let log = Log::new();
    let mut writer = LogWriter::open(&log.path).unwrap();
    let say = |writer: &mut LogWriter, text: &str| writer.write(Stream::Stderr, moment(0), text.as_bytes());
    say(&mut writer, "progress 10%").unwrap();
    writer.remark(moment(1), "[mantyx] here").unwrap();
    say(&mut writer, " 20%\n").unwrap();
    // Pieces of a line that are in the file already end before it.
    say(&mut writer, &"z".repeat(MAX_TEXT + 1)).unwrap();
    writer.remark(moment(2), "[mantyx] there").unwrap();
    say(&mut writer, "rest\n").unwrap();
    let pieces: Vec<String> =
        log.all().into_iter().map(|record| String::from_utf8(record.text).unwrap()).collect();
    let z = "z".repeat(MAX_TEXT);
    assert_eq!(pieces, ["[mantyx] here", "progress 10% 20%", &z, "z", "[mantyx] there", "rest"]);
}

#[test]
fn a_line_that_stays_open_is_written_in_pieces_of_a_second() {
    let log = Log::new();
    let mut writer = LogWriter::open(&log.path).unwrap();
    let at = |millis| moment(0) + Duration::from_millis(millis);
    assert_eq!(writer.rest_in(), None);
    for tenth in 0..=10 {
        writer.write(Stream::Stderr, at(tenth * 100), format!("\r{tenth}0%").as_bytes()).unwrap();
        assert_eq!(log.all().len(), usize::from(tenth == 10), "{tenth}");
        // The other stream is busy meanwhile, and neither waits for the other.
        writer.write(Stream::Stdout, at(tenth * 100 + 50), b"").unwrap();
    }
    assert_eq!(writer.rest_in(), None, "nothing is left to be written");
    writer.write(Stream::Stderr, at(1100), "\rdone \u{2713}".as_bytes().split_last().unwrap().1).unwrap();
    assert_eq!(writer.rest_in(), Some(Duration::from_secs(1)));
    writer.rest().unwrap();
    assert_eq!(writer.rest_in(), None, "half a character waits for the other half");
    writer.write(Stream::Stderr, at(5000), b"\x93\n").unwrap();
    let pieces: Vec<_> = log.all().into_iter().map(|record| (record.completeness, record.text)).collect();
    let bar = (0..=10).map(|tenth| format!("\r{tenth}0%")).collect::<Vec<_>>().concat();
    let piece = |completeness, text: &str| (completeness, text.as_bytes().to_vec());
    let expected = [
        piece(Completeness::Partial, &bar),
        piece(Completeness::Partial, "\rdone "),
        piece(Completeness::Full, "\u{2713}"),
    ];
    assert_eq!(pieces, expected);
}

#[test]
fn the_end_of_a_line_has_its_own_moment() {
    let log = Log::new();
    let mut writer = LogWriter::open(&log.path).unwrap();
    writer.write(Stream::Stdout, moment(0), b"Sure? ").unwrap();
    writer.rest().unwrap();
    writer.write(Stream::Stdout, moment(7), b"\n").unwrap();
    let moments: Vec<SystemTime> = log.all().into_iter().map(|record| record.at.into()).collect();
    assert_eq!(moments, [moment(0), moment(7)]);
}
