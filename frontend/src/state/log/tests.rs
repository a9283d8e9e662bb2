//! The arithmetic of a view.

use super::*;
use crate::text::ansi;
use chrono::TimeDelta;

fn line(second: i64, text: &str, stream: LogStream) -> LogLine {
    LogLine {
        at: DateTime::UNIX_EPOCH + TimeDelta::seconds(second),
        stream,
        source: LogSource::Execution("0190a6c0-0000-7000-8000-000000000000".parse().unwrap()),
        text: text.into(),
        partial: false,
    }
}

fn filled(capacity: usize, lines: i64) -> LogBuffer {
    let mut buffer = LogBuffer::with_capacity(capacity, LARGEST_TEXT);
    for second in 0..lines {
        let stream = if second % 2 == 0 { LogStream::Stdout } else { LogStream::Stderr };
        buffer.extend(vec![line(second, &format!("Line \u{1b}[1m{second}"), stream)], 0);
    }
    buffer
}

fn texts(buffer: &LogBuffer) -> Vec<String> {
    let text = |line: &Line| match &line.content {
        Content::Text(text) => ansi::plain(text),
        Content::Skipped(count) => format!("-{count}"),
        Content::Missing(gap) => format!("{gap:?}"),
    };
    (0..buffer.rows()).filter_map(|row| buffer.row(row)).map(text).collect()
}

#[test]
fn the_oldest_go_first_and_are_counted() {
    let buffer = filled(3, 5);
    assert_eq!(texts(&buffer), ["Line 2", "Line 3", "Line 4"]);
    assert_eq!((buffer.len(), buffer.dropped()), (3, 2));
}

#[test]
fn one_stream_alone_holds_for_old_and_new_lines() {
    let mut buffer = filled(4, 4);
    buffer.show(Some(LogStream::Stderr));
    assert_eq!(texts(&buffer), ["Line 1", "Line 3"]);
    let lines = vec![
        line(5, "5", LogStream::Stderr),
        line(6, "6", LogStream::Stdout),
        line(7, "7", LogStream::Stderr),
    ];
    assert_eq!(buffer.extend(lines, 0), Change { came: 2, went: 1 }, "one of its rows went");
    assert_eq!(texts(&buffer), ["Line 3", "5", "7"]);
    buffer.show(None);
    assert_eq!(buffer.rows(), 4);
}

#[test]
fn what_was_left_out_is_said_where_it_was() {
    let mut buffer = filled(10, 1);
    buffer.extend(vec![line(5, "5", LogStream::Stdout)], 40);
    buffer.show(Some(LogStream::Stderr));
    buffer.extend(vec![line(6, "6", LogStream::Stdout)], 2);
    assert_eq!(texts(&buffer), ["-40", "-2"]);
    buffer.show(None);
    assert_eq!(texts(&buffer), ["Line 0", "-40", "5", "-2", "6"]);
    assert_eq!(buffer.skipped(), 42);
}

#[test]
fn a_flood_leaves_as_many_as_are_kept() {
    let mut buffer = LogBuffer::with_capacity(1000, LARGEST_TEXT);
    for batch in 0..100 {
        let lines = (0..500).map(|at| line(batch * 500 + at, "x", LogStream::Stdout)).collect();
        buffer.extend(lines, 0);
        assert!(buffer.len() <= 1000);
    }
    assert_eq!((buffer.rows(), buffer.dropped()), (1000, 49_000));
    assert_eq!(buffer.row(999).map(|line| line.number), Some(49_999));
}

/// A piece of a line that goes on.
fn piece(second: i64, text: &str, stream: LogStream) -> LogLine {
    LogLine { partial: true, ..line(second, text, stream) }
}

#[test]
fn a_reconnect_goes_on_with_every_line_whatever_its_time() {
    let mut buffer = filled(10, 3);
    let lines = [(2, "same time"), (2, "same time"), (0, "clock set back")];
    buffer.extend(lines.map(|(second, text)| line(second, text, LogStream::Stdout)).into(), 0);
    assert_eq!(texts(&buffer), ["Line 0", "Line 1", "Line 2", "same time", "same time", "clock set back"]);
}

#[test]
fn that_lines_are_missing_is_a_row_for_every_stream() {
    let mut buffer = filled(10, 1);
    assert_eq!(buffer.miss(LogGap::Removed), Change { came: 1, went: 0 });
    buffer.show(Some(LogStream::Stderr));
    buffer.miss(LogGap::Unplaced);
    assert_eq!(texts(&buffer), ["Removed", "Unplaced"]);
    let mut empty = LogBuffer::default();
    assert_eq!(empty.miss(LogGap::Unplaced), Change::default(), "nothing is missed where nothing was");
}

#[test]
fn pieces_become_one_row_also_across_batches() {
    use LogStream::{Stderr, Stdout};
    let mut buffer = LogBuffer::default();
    assert_eq!(buffer.extend(vec![piece(0, "a", Stdout), piece(0, "x", Stderr)], 0).came, 2);
    assert_eq!(buffer.extend(vec![piece(1, "b", Stdout), line(1, "y", Stderr)], 0).came, 0);
    buffer.extend(vec![line(2, "c", Stdout), line(2, "z", Stderr)], 0);
    assert_eq!(texts(&buffer), ["abc", "xy", "z"]);
    let first = buffer.row(0).map(|line| (line.at, line.pieces));
    assert_eq!(first, Some((DateTime::UNIX_EPOCH, 3)), "its time is that of its beginning");
}

#[test]
fn pieces_of_different_runs_stay_apart() {
    let mut buffer = LogBuffer::default();
    let source = LogSource::Execution("0190a6c0-0000-7000-8000-000000000001".parse().unwrap());
    let other = LogLine { source, ..line(1, "other", LogStream::Stdout) };
    buffer.extend(vec![piece(0, "one ", LogStream::Stdout), other], 0);
    buffer.extend(vec![line(1, "run", LogStream::Stdout)], 0);
    assert_eq!(texts(&buffer), ["one run", "other"]);
}

#[test]
fn a_row_has_a_largest_size_and_the_next_one_says_so() {
    let mut buffer = LogBuffer::default();
    let half = "x".repeat(LARGEST_ROW / 2);
    buffer.extend((0..5).map(|_| piece(0, &half, LogStream::Stdout)).collect(), 0);
    buffer.extend(vec![line(0, "end", LogStream::Stdout)], 0);
    let rows: Vec<(usize, Part)> =
        (0..buffer.rows()).filter_map(|row| buffer.row(row)).map(|line| (line.size(), line.part)).collect();
    let full = LARGEST_ROW;
    assert_eq!(rows, [(full, Part::Beginning), (full, Part::Rest), (full / 2 + 3, Part::Rest)]);
}

#[test]
fn a_progress_bar_is_one_row_that_never_grows() {
    let mut buffer = LogBuffer::default();
    let bar = format!("{}\r", "#".repeat(1000));
    for _ in 0..200 {
        buffer.extend(vec![piece(0, &bar, LogStream::Stdout)], 0);
    }
    buffer.extend(vec![line(1, "done", LogStream::Stdout)], 0);
    assert_eq!(texts(&buffer), ["done"]);
    assert_eq!(buffer.text, 4);
}

#[test]
fn the_word_that_tells_may_come_with_a_later_piece() {
    let mut buffer = LogBuffer::default();
    buffer.extend(vec![piece(0, "08:15 ", LogStream::Stdout), line(1, "ERROR no", LogStream::Stdout)], 0);
    assert_eq!(buffer.row(0).map(|line| line.level), Some(Level::Error));
}

#[test]
fn a_gap_ends_what_was_unfinished() {
    let mut buffer = LogBuffer::default();
    buffer.extend(vec![piece(0, "begun", LogStream::Stdout)], 0);
    buffer.extend(vec![line(1, "new", LogStream::Stdout)], 3);
    assert_eq!(texts(&buffer), ["begun", "-3", "new"]);
}

#[test]
fn the_text_of_all_lines_is_bounded_as_well() {
    let mut buffer = LogBuffer::with_capacity(1000, 100);
    for second in 0..50 {
        buffer.extend(vec![line(second, "0123456789", LogStream::Stdout)], 0);
    }
    assert_eq!((buffer.len(), buffer.dropped(), buffer.text), (10, 40, 100));
    buffer.extend(vec![line(50, &"x".repeat(500), LogStream::Stdout)], 0);
    assert_eq!((buffer.len(), buffer.text), (1, 500), "the last one stays, however long it is");
    // What goes on in a row that is gone is a row of its own.
    buffer.extend(vec![piece(51, "begun", LogStream::Stdout)], 0);
    buffer.extend(vec![line(52, &"x".repeat(99), LogStream::Stderr)], 0);
    buffer.extend(vec![line(53, "rest", LogStream::Stdout)], 0);
    assert_eq!(texts(&buffer).last().map(String::as_str), Some("rest"));
}

#[test]
fn the_row_of_a_moment_is_found_behind_pieces_that_were_joined() {
    let lines = vec![
        piece(0, "long ", LogStream::Stdout),
        line(0, "line", LogStream::Stdout),
        piece(1, "wanted ", LogStream::Stdout),
        line(2, "too", LogStream::Stdout),
    ];
    let (buffer, row) = LogBuffer::around(lines.clone(), |line| line.text == "too");
    assert_eq!((texts(&buffer), row), (vec!["long line".into(), "wanted too".into()], 1));
    let matches = LogBuffer::of_matches(lines);
    assert_eq!(texts(&matches), ["long ", "line", "wanted ", "too"], "matches are not joined");
}
