//! What is searched for in a whole log, and how it is asked.

use chrono::{DateTime, TimeDelta, Utc};
use mantyx_api_types::LogStream;
use mantyx_api_types::core::ExecutionId;

/// How many matches are shown at most: the newest.
pub(crate) const MATCHES: usize = 5_000;

/// How many lines are shown before a moment.
const BEFORE: usize = 500;

/// How a text is compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Case {
    /// Large and small letters are the same.
    #[default]
    Ignored,
    /// They are not.
    Matters,
}

/// What a text means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// Itself.
    #[default]
    Literal,
    /// A regular expression.
    Pattern,
}

/// What is searched for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Search {
    /// The text; any line when it is empty.
    pub(crate) text: String,
    /// What it means.
    pub(crate) meaning: Meaning,
    /// How it is compared.
    pub(crate) case: Case,
    /// Only lines from then on.
    pub(crate) since: Option<DateTime<Utc>>,
    /// Only lines before then.
    pub(crate) until: Option<DateTime<Utc>>,
    /// Only lines of this stream.
    pub(crate) stream: Option<LogStream>,
}

/// The parameters of a call: names and values, the values not yet encoded.
pub(crate) type Query = Vec<(&'static str, String)>;

impl Search {
    /// Whether it asks for anything; one stream alone is shown without asking.
    pub(crate) fn is_asked(&self) -> bool {
        !self.text.is_empty() || self.since.is_some() || self.until.is_some()
    }

    /// What to mark in a line that was found. What a pattern found is not known here.
    pub(crate) fn mark(&self) -> &str {
        match self.meaning {
            Meaning::Literal => &self.text,
            Meaning::Pattern => "",
        }
    }

    /// How it is asked, of an app or one of its executions.
    pub(crate) fn query(&self, execution: Option<ExecutionId>) -> Query {
        let mut query: Query = Vec::new();
        query.extend(execution.map(|id| ("execution", id.to_string())));
        query.extend(self.since.map(|at| ("since", instant(at))));
        query.extend(self.until.map(|at| ("until", instant(at))));
        query.extend(self.stream.map(|stream| ("stream", name(stream).to_owned())));
        if !self.text.is_empty() {
            query.push(("grep", self.text.clone()));
            if self.meaning == Meaning::Pattern {
                query.push(("regex", "true".to_owned()));
            }
            if self.case == Case::Ignored {
                query.push(("ignore_case", "true".to_owned()));
            }
        }
        query
    }
}

const fn name(stream: LogStream) -> &'static str {
    match stream {
        LogStream::Stdout => "stdout",
        LogStream::Stderr => "stderr",
    }
}

/// An instant as the API reads it. The formatting of `serde` is a part of the page already.
fn instant(at: DateTime<Utc>) -> String {
    serde_json::json!(at).as_str().unwrap_or_default().to_owned()
}

/// How the lines before a moment are asked for.
pub(crate) fn before(moment: DateTime<Utc>, execution: Option<ExecutionId>) -> Query {
    let search = Search { until: Some(moment), ..Search::default() };
    let mut query = search.query(execution);
    query.push(("tail", BEFORE.to_string()));
    query
}

/// How the lines from a moment on are asked for, so many milliseconds of them.
pub(crate) fn after(moment: DateTime<Utc>, execution: Option<ExecutionId>, range: i64) -> Query {
    let until = Some(moment + TimeDelta::milliseconds(range));
    let search = Search { since: Some(moment), until, ..Search::default() };
    let mut query = search.query(execution);
    query.push(("tail", PAGE.to_string()));
    query
}

/// The range that is asked for first, in milliseconds.
pub(crate) const RANGE: i64 = 10_000;

/// The largest page of the API.
const PAGE: usize = 10_000;

/// With so few lines more are wanted.
const FEW: usize = 200;

/// The range to ask for instead of one that held so many lines; none when it will do. The API has the newest lines of
/// a range, so one that holds more than a page does not have the moment itself.
pub(crate) fn next_range(range: i64, lines: usize) -> Option<i64> {
    match (lines, range) {
        (PAGE.., 30..) => Some(range / 30),
        (..FEW, RANGE) => Some(360 * RANGE),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(search: &Search) -> Vec<String> {
        search.query(None).into_iter().map(|(name, value)| format!("{name}={value}")).collect()
    }

    #[test]
    fn only_what_is_wanted_is_asked() {
        assert!(!Search::default().is_asked());
        assert!(asked(&Search::default()).is_empty());
        let search = Search { text: "a b".into(), ..Search::default() };
        assert!(search.is_asked());
        assert_eq!(asked(&search), ["grep=a b", "ignore_case=true"]);
        let search = Search {
            meaning: Meaning::Pattern,
            case: Case::Matters,
            stream: Some(LogStream::Stderr),
            ..search
        };
        assert_eq!(asked(&search), ["stream=stderr", "grep=a b", "regex=true"]);
        assert_eq!(search.mark(), "");
    }

    #[test]
    fn a_moment_is_asked_in_two_halves() {
        let moment: DateTime<Utc> = "2026-11-20T05:00:00.000000001Z".parse().unwrap();
        assert_eq!(before(moment, None)[0], ("until", "2026-11-20T05:00:00.000000001Z".into()));
        assert_eq!(after(moment, None, 600)[1], ("until", "2026-11-20T05:00:00.600000001Z".into()));
    }

    #[test]
    fn a_range_is_neither_too_full_nor_too_empty() {
        let ranges = |lines_of: fn(i64) -> usize| {
            let next = |range: &i64| next_range(*range, lines_of(*range));
            std::iter::successors(Some(RANGE), next).collect::<Vec<_>>()
        };
        assert_eq!(ranges(|_| 1000), [10_000]);
        assert_eq!(ranges(|_| 3), [10_000, 3_600_000]);
        assert_eq!(ranges(|range| usize::try_from(range).unwrap() * 50), [10_000, 333, 11]);
        assert_eq!(ranges(|range| if range > RANGE { PAGE } else { 0 }), [10_000, 3_600_000, 120_000, 4000]);
    }
}
