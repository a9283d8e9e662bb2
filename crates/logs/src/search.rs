//! What lines are searched for.
//!
//! The regular expressions are those of the `regex` crate: their time is linear in what is searched, whatever a
//! person asks, and their memory is limited here.

use std::fmt;
use std::ops::Range;

use regex::bytes::{Regex, RegexBuilder};
use regex_syntax::ParserBuilder;

use crate::record::text_of;

/// The most memory of one compiled expression, and of what it remembers while it searches.
const MEMORY: usize = 4 << 20;
/// The longest pattern in bytes.
const LONGEST: usize = 4096;

/// How a pattern is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Syntax {
    /// As the text itself.
    #[default]
    Literal,
    /// As a regular expression.
    Regex,
}

/// Whether `a` is `A`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Case {
    /// It is not.
    #[default]
    Sensitive,
    /// It is.
    Ignored,
}

/// What a line must contain. The time and the stream before its text are not searched; of a line that was cut because
/// it is long, or was open for long, each piece is searched by itself.
#[derive(Clone, Debug)]
pub struct Pattern {
    regex: Regex,
    syntax: Syntax,
}

/// Why a pattern is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadPattern {
    /// What is wrong.
    pub reason: String,
    /// Where, in characters from the beginning; `None` when it is wrong as a whole.
    pub column: Option<usize>,
}

impl fmt::Display for BadPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.column {
            Some(column) => write!(f, "at character {column}: {}", self.reason),
            None => f.write_str(&self.reason),
        }
    }
}

impl std::error::Error for BadPattern {}

impl Pattern {
    /// Reads a pattern.
    pub fn new(text: &str, syntax: Syntax, case: Case) -> Result<Self, BadPattern> {
        let whole = |reason: String| BadPattern { reason, column: None };
        if text.is_empty() || text.len() > LONGEST {
            return Err(whole(format!("a pattern has from 1 to {LONGEST} bytes")));
        }
        let expression = match syntax {
            Syntax::Literal => regex::escape(text),
            Syntax::Regex => {
                parse(text)?;
                text.to_owned()
            }
        };
        let regex = RegexBuilder::new(&expression)
            .case_insensitive(case == Case::Ignored)
            .size_limit(MEMORY)
            .dfa_size_limit(MEMORY)
            .build()
            .map_err(|_| whole("it needs too much memory".to_owned()))?;
        Ok(Self { regex, syntax })
    }

    /// Whether it is in a text without its line break.
    #[must_use]
    pub fn matches(&self, text: &[u8]) -> bool {
        self.regex.is_match(text)
    }

    /// The first of these whole lines whose text matches, with its line break.
    pub(crate) fn first_line(&self, lines: &[u8]) -> Option<Range<usize>> {
        let mut from = 0;
        while from < lines.len() {
            // A literal is looked for in all lines at once: it has no line break in it, so it ends where it begins.
            let hit = match self.syntax {
                Syntax::Literal => from + self.regex.find(&lines[from..])?.start(),
                Syntax::Regex => from,
            };
            let start = memchr::memrchr(b'\n', &lines[from..hit]).map_or(from, |newline| from + newline + 1);
            let end = memchr::memchr(b'\n', &lines[hit..]).map_or(lines.len(), |newline| hit + newline + 1);
            if text_of(&lines[start..end]).is_some_and(|text| self.matches(text)) {
                return Some(start..end);
            }
            from = end;
        }
        None
    }
}

/// Says where it breaks, which the compiler says in prose only.
fn parse(text: &str) -> Result<(), BadPattern> {
    let Err(error) = ParserBuilder::new().utf8(false).build().parse(text) else { return Ok(()) };
    let (reason, offset) = match &error {
        regex_syntax::Error::Parse(error) => (error.kind().to_string(), error.span().start.offset),
        regex_syntax::Error::Translate(error) => (error.kind().to_string(), error.span().start.offset),
        _ => return Err(BadPattern { reason: "it cannot be read".to_owned(), column: None }),
    };
    let column = text.get(..offset).map(|before| before.chars().count() + 1);
    Err(BadPattern { reason, column })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn line(text: &str) -> String {
        format!("2026-02-03T04:05:06.000000789Z stdout F {text}\n")
    }

    fn found(pattern: &Pattern, texts: &[String]) -> Vec<usize> {
        let lines: Vec<String> = texts.iter().map(|text| line(text)).collect();
        let all = lines.concat();
        let mut starts = vec![];
        let mut from = 0;
        while let Some(range) = pattern.first_line(&all.as_bytes()[from..]) {
            starts.push(from + range.start);
            from += range.end;
        }
        let offsets = lines.iter().scan(0, |offset, line| {
            *offset += line.len();
            Some(*offset - line.len())
        });
        let offsets: Vec<usize> = offsets.collect();
        starts.iter().map(|start| offsets.iter().position(|offset| offset == start).unwrap()).collect()
    }

    proptest! {
        #[test]
        fn finds_what_each_line_by_itself_has(
            texts in prop::collection::vec("[ab0T ]{0,6}", 0..12),
            needle in "[ab0T]{1,3}", regex in any::<bool>(),
        ) {
            let syntax = if regex { Syntax::Regex } else { Syntax::Literal };
            let pattern = Pattern::new(&needle, syntax, Case::Sensitive).unwrap();
            let wanted: Vec<usize> =
                texts.iter().enumerate().filter(|(_, text)| text.contains(&needle)).map(|(n, _)| n).collect();
            prop_assert_eq!(found(&pattern, &texts), wanted);
        }

        #[test]
        fn any_pattern_is_taken_or_refused(text in ".{0,20}") {
            for syntax in [Syntax::Literal, Syntax::Regex] {
                if let Ok(pattern) = Pattern::new(&text, syntax, Case::Ignored) {
                    let _ = pattern.matches(text.as_bytes());
                }
            }
        }
    }

    #[test]
    fn anchors_and_case_are_those_of_the_text() {
        let texts = ["Error: x", "no error", "2026", "x stdout"].map(str::to_owned);
        let pattern = |text, syntax, case| Pattern::new(text, syntax, case).unwrap();
        assert_eq!(found(&pattern("^error", Syntax::Regex, Case::Ignored), &texts), [0]);
        assert_eq!(found(&pattern("ERROR", Syntax::Literal, Case::Ignored), &texts), [0, 1]);
        assert_eq!(found(&pattern("error", Syntax::Literal, Case::Sensitive), &texts), [1]);
        // What stands before the text is not searched.
        assert_eq!(found(&pattern("stdout", Syntax::Literal, Case::Sensitive), &texts), [3]);
        assert_eq!(found(&pattern("2026$", Syntax::Regex, Case::Sensitive), &texts), [2]);
        assert_eq!(found(&pattern("[^q]*", Syntax::Regex, Case::Sensitive), &texts), [0, 1, 2, 3]);
    }

    #[test]
    fn says_where_it_breaks() {
        let bad = |text| Pattern::new(text, Syntax::Regex, Case::Sensitive).unwrap_err();
        assert_eq!((bad("ü(b").column, bad("ü(b").reason.as_str()), (Some(2), "unclosed group"));
        assert_eq!(bad("a{1000}{1000}{1000}").column, None);
        assert_eq!(bad("").column, None);
        assert!(Pattern::new("(b", Syntax::Literal, Case::Sensitive).is_ok());
    }
}
