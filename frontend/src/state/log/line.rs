//! One row of a log view: a line, put together of the pieces that it came in, or what is said of lines that are not
//! there.
//!
//! A line comes in pieces when it is long, and when it stayed open for a while, as a prompt or a progress bar does.

use chrono::{DateTime, Utc};
use mantyx_api_types::{LogGap, LogStream};

use crate::text::ansi;
use crate::text::level::{Level, LevelReader};
use crate::text::number;

/// What stands in a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// A line with its ANSI sequences.
    Text(String),
    /// So many lines came faster than anybody can read, and are not here.
    Skipped(u64),
    /// Nobody knows how many lines are not here.
    Missing(LogGap),
}

impl Content {
    /// What is said of lines that are not here; the line itself otherwise.
    pub(crate) fn words(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Skipped(count) => {
                let lines = number::plural(usize::try_from(*count).unwrap_or(usize::MAX), "line", "lines");
                format!("{lines} skipped in view; all are in the log")
            }
            Self::Missing(LogGap::Removed) => {
                "Lines are missing here: they were removed to keep the log within its limits".to_owned()
            }
            Self::Missing(LogGap::Skipped) => {
                "Lines skipped in view that were written without a connection; all are in the log".to_owned()
            }
            Self::Missing(LogGap::Unplaced) => {
                "The connection was lost here: lines may be missing, or stand here twice".to_owned()
            }
        }
    }
}

/// Which part of a line a row has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// All of it, or its beginning.
    Beginning,
    /// What did not fit into an earlier row.
    Rest,
}

/// A line that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// Counted from 0 since the view was opened; it never changes.
    pub(crate) number: u64,
    /// When it was begun.
    pub(crate) at: DateTime<Utc>,
    /// Where it was written.
    pub(crate) stream: LogStream,
    /// Which part of it is in this row.
    pub(crate) part: Part,
    /// How bad it is.
    pub(crate) level: Level,
    /// What it says.
    pub(crate) content: Content,
    /// Of how many pieces it is by now. A row with another number is to be drawn again.
    pub(crate) pieces: u32,
}

impl Line {
    /// How many bytes of text it has.
    pub(super) fn size(&self) -> usize {
        match &self.content {
            Content::Text(text) => text.len(),
            Content::Skipped(_) | Content::Missing(_) => 0,
        }
    }

    /// Takes its next piece.
    pub(super) fn join(&mut self, piece: &str) {
        let Content::Text(text) = &mut self.content else { return };
        text.push_str(piece);
        *text = last_drawing(std::mem::take(text));
        self.pieces += 1;
        // The word that tells may come later than the beginning of the line.
        if self.level == Level::None {
            self.level = level(&mut LevelReader::default(), text);
        }
    }
}

/// How many bytes a row would have at most with a further piece, which draws over it when it begins with a `\r`.
pub(super) fn joined_size(begun: usize, piece: &str) -> usize {
    match ansi::drawn_from(piece) {
        0 => begun + piece.len(),
        from => piece.len() - from,
    }
}

/// What a terminal shows of a line that draws over itself, with a `\r` at its end: what comes next draws over all.
pub(crate) fn last_drawing(mut text: String) -> String {
    text.drain(..ansi::drawn_from(&text));
    text
}

/// How bad a line is. Most have no sequences that would have to be taken out first.
pub(super) fn level(levels: &mut LevelReader, text: &str) -> Level {
    if text.contains('\u{1b}') { levels.read(&ansi::plain(text)) } else { levels.read(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_drawing_is_kept() {
        for (text, kept) in [
            ("", ""),
            ("plain", "plain"),
            ("10 %\r20 %", "20 %"),
            ("10 %\r20 %\r", "20 %\r"),
            ("windows\r", "windows\r"),
            ("\r\r", "\r\r"),
            ("\rä\rö", "ö"),
        ] {
            assert_eq!(last_drawing(text.to_owned()), kept, "{text:?}");
        }
    }

    #[test]
    fn what_is_drawn_over_takes_no_room() {
        assert_eq!(joined_size(100, "12345"), 105);
        assert_eq!(joined_size(100, "\r12345"), 5);
        assert_eq!(joined_size(100, "1\r2\r345\r"), 4);
    }
}
