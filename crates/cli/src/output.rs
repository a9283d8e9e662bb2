//! What is printed: tables and sentences for people, JSON for programs.

use std::io::Write;

use chrono::{DateTime, TimeDelta, Utc};
use comfy_table::{Table, presets};
use serde::Serialize;

use crate::failure::{Failure, Result};

/// For whom it is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    People,
    Programs,
}

impl Output {
    pub(crate) fn new(json: bool) -> Self {
        if json { Self::Programs } else { Self::People }
    }

    /// A value for programs, or the text that says it for people.
    pub(crate) fn show<T: Serialize>(self, value: &T, say: impl FnOnce(&T) -> String) -> Result<()> {
        match self {
            Self::People => line(&printable(&say(value), Kept::Lines)),
            Self::Programs => line(&json(value)?),
        }
    }

    /// A value for programs, or a text for people that is written as it is and ends its lines itself.
    pub(crate) fn text<T: Serialize>(self, value: &T, say: impl FnOnce(&T) -> String) -> Result<()> {
        match self {
            Self::People => put(&mut std::io::stdout().lock(), &say(value)),
            Self::Programs => line(&json(value)?),
        }
    }

    /// A value on one line for programs, for streams of them.
    pub(crate) fn stream<T: Serialize>(self, value: &T, say: impl FnOnce(&T) -> String) -> Result<()> {
        let text = match self {
            Self::People => say(value),
            Self::Programs => format!("{}\n", serde_json::to_string(value).map_err(unwritable)?),
        };
        put(&mut std::io::stdout().lock(), &text)
    }
}

/// Writes a text that need not end its line, to be seen at once.
fn put(out: &mut impl Write, text: &str) -> Result<()> {
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}

/// A line on standard output.
pub(crate) fn line(text: &str) -> Result<()> {
    Ok(writeln!(std::io::stdout(), "{text}")?)
}

/// A line on standard error, for what is not the result.
pub(crate) fn aside(text: &str) -> Result<()> {
    Ok(writeln!(std::io::stderr(), "{}", printable(text, Kept::Lines))?)
}

/// A line of a log on standard error.
pub(crate) fn aside_log(text: &str) -> Result<()> {
    Ok(writeln!(std::io::stderr(), "{}", printable(text, Kept::Colours))?)
}

/// Which control characters of a text stay as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    /// None: a cell of a table.
    Nothing,
    /// The ends of lines: a message.
    Lines,
    /// Tabs: a line of a file.
    Tabs,
    /// Tabs and ANSI colours: a line of a log.
    Colours,
}

/// A text that may come from anywhere with its control characters written out, so that it can neither move the
/// cursor, nor forge a line, nor turn round what stands behind it.
pub(crate) fn printable(text: &str, kept: Kept) -> String {
    let mut said = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        let colour = if kept == Kept::Colours { colour(rest) } else { 0 };
        let (now, later) = rest.split_at(colour.max(character.len_utf8()));
        match character {
            '\n' if kept == Kept::Lines => said.push('\n'),
            '\t' if matches!(kept, Kept::Tabs | Kept::Colours) => said.push('\t'),
            odd if colour == 0 && is_odd(odd) => said.extend(odd.escape_default()),
            _ => said.push_str(now),
        }
        rest = later;
    }
    said
}

/// How long the sequence of a colour (SGR of ECMA-48) is that a text begins with.
fn colour(text: &str) -> usize {
    let Some(rest) = text.strip_prefix("\u{1b}[") else { return 0 };
    let parameters = rest.trim_start_matches(|c: char| c.is_ascii_digit() || matches!(c, ';' | ':'));
    if parameters.starts_with('m') { text.len() - parameters.len() + 1 } else { 0 }
}

/// Control characters, and those that turn the direction of text round (Unicode, UAX 9).
fn is_odd(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// `1 file`, `2 files`.
pub(crate) fn count(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

fn json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string_pretty(value).map_err(unwritable)
}

fn unwritable(error: serde_json::Error) -> Failure {
    Failure::Local(mantyx_core::Error::internal("write the output as JSON", error))
}

/// A table without lines, or a sentence when it is empty.
pub(crate) fn table<const N: usize>(header: [&str; N], rows: Vec<[String; N]>, empty: &str) -> String {
    if rows.is_empty() {
        return empty.to_owned();
    }
    let rows = rows.into_iter().map(|row| row.map(|cell| printable(&cell, Kept::Nothing)));
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header).add_rows(rows);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.trim_fmt()
}

/// Names and values below each other; a value that is not there has no line.
pub(crate) fn facts(facts: Vec<(&str, Option<String>)>) -> String {
    let known: Vec<(&str, String)> = facts
        .into_iter()
        .filter_map(|(name, value)| Some((name, printable(&value?, Kept::Nothing))))
        .collect();
    let width = known.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let lines: Vec<String> = known.iter().map(|(name, value)| format!("{name:width$}  {value}")).collect();
    lines.join("\n")
}

/// `3 min ago`, `in 2 h`.
pub(crate) fn relative(instant: DateTime<Utc>, now: DateTime<Utc>) -> String {
    if instant > now {
        return format!("in {}", span(instant - now));
    }
    match now - instant {
        short if short < TimeDelta::seconds(1) => "now".to_owned(),
        long => format!("{} ago", span(long)),
    }
}

/// The two largest units of a time.
pub(crate) fn span(time: TimeDelta) -> String {
    let seconds = time.num_seconds();
    match seconds {
        ..60 => format!("{seconds} s"),
        60..3600 => pair(seconds, 60, "min", 1, "s"),
        3600..86_400 => pair(seconds, 3600, "h", 60, "min"),
        _ => pair(seconds, 86_400, "d", 3600, "h"),
    }
}

fn pair(seconds: i64, large: i64, large_name: &str, small: i64, small_name: &str) -> String {
    match seconds % large / small {
        0 => format!("{} {large_name}", seconds / large),
        rest => format!("{} {large_name} {rest} {small_name}", seconds / large),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_table_has_aligned_columns_and_no_trailing_space() {
        let rows = vec![["a".into(), "running".into()], ["longer".into(), "x".into()]];
        assert_eq!(table(["NAME", "STATE"], rows, "none"), "NAME    STATE\na       running\nlonger  x");
        assert_eq!(table(["NAME"], vec![], "No apps yet"), "No apps yet");
    }

    #[test]
    fn facts_that_are_missing_have_no_line() {
        let said =
            facts(vec![("Name", Some("x".into())), ("Process", None), ("State", Some("running".into()))]);
        assert_eq!(said, "Name   x\nState  running");
    }

    #[test]
    fn nothing_from_outside_rules_the_terminal() {
        let text = "a\u{1b}]0;t\u{7}\n\u{1b}[31mred\u{1b}[0m\t\u{1b}[2J\u{202e}ü\u{9b}1m";
        assert_eq!(
            printable(text, Kept::Nothing),
            "a\\u{1b}]0;t\\u{7}\\n\\u{1b}[31mred\\u{1b}[0m\\t\\u{1b}[2J\\u{202e}ü\\u{9b}1m"
        );
        assert_eq!(printable("a\nb\tc", Kept::Lines), "a\nb\\tc");
        assert_eq!(printable("a\tb\u{1b}[31m\r", Kept::Tabs), "a\tb\\u{1b}[31m\\r");
        let log = "\u{1b}[1;31mred\u{1b}[0m\t\u{1b}[2J\u{1b}[m";
        assert_eq!(printable(log, Kept::Colours), "\u{1b}[1;31mred\u{1b}[0m\t\\u{1b}[2J\u{1b}[m");
        assert_eq!(table(["NAME"], vec![["a\nb".into()]], ""), "NAME\na\\nb");
    }

    proptest! {
        #[test]
        fn printable_text_has_no_control_characters(text in any::<String>()) {
            prop_assert!(!printable(&text, Kept::Nothing).chars().any(char::is_control));
            let lines = printable(&text, Kept::Lines);
            prop_assert!(lines.chars().all(|c| c == '\n' || !c.is_control()));
            prop_assert_eq!(printable(&lines, Kept::Lines), lines);
        }
    }

    #[test]
    fn a_line_is_seen_before_it_ends() {
        let mut out = std::io::LineWriter::new(Vec::new());
        put(&mut out, "Go on? ").unwrap();
        assert_eq!(out.get_ref(), b"Go on? ");
    }

    #[test]
    fn one_is_not_many() {
        assert_eq!((count(1, "file"), count(0, "file")), ("1 file".to_owned(), "0 files".to_owned()));
    }

    #[test]
    fn times_are_said_by_their_two_largest_units() {
        let said = |seconds| span(TimeDelta::seconds(seconds));
        assert_eq!(
            [said(5), said(60), said(61), said(3660), said(90_000)],
            ["5 s", "1 min", "1 min 1 s", "1 h 1 min", "1 d 1 h"]
        );
        let now = Utc::now();
        assert_eq!(relative(now + TimeDelta::seconds(90), now), "in 1 min 30 s");
        assert_eq!(relative(now - TimeDelta::seconds(2), now), "2 s ago");
        assert_eq!(relative(now, now), "now");
    }
}
