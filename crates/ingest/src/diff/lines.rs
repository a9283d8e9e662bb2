//! How two texts differ, line by line (the unified format of diff(1)).

use std::time::Instant;

use similar::{Algorithm, ChangeTag, DiffOp, TextDiff};

/// How many unchanged lines stand around those that differ.
const CONTEXT: usize = 3;

/// Lines that differ, with those around them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hunk {
    /// The number of the first line in the old text, from one; zero when there is none.
    pub old_start: usize,
    /// How many lines of the old text these are.
    pub old_lines: usize,
    /// The number of the first line in the new text.
    pub new_start: usize,
    /// How many lines of the new text these are.
    pub new_lines: usize,
    /// The lines.
    pub lines: Vec<Line>,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Where it is.
    pub kind: LineKind,
    /// The text without its end. A carriage return before that stays: it may be all that differs.
    pub text: String,
    /// Whether the text ends here without an end of line.
    pub unterminated: bool,
}

/// Where a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineKind {
    /// In both texts.
    Context,
    /// In the new one only.
    Added,
    /// In the old one only.
    Removed,
}

/// How two texts differ.
pub(super) struct Compared {
    pub(super) added: u64,
    pub(super) removed: u64,
    /// How long the lines in the hunks are.
    pub(super) bytes: usize,
    /// Nothing where they are longer than there is room for.
    pub(super) hunks: Option<Vec<Hunk>>,
}

/// Compares two texts. After the deadline it is no longer the shortest difference, but still a true one.
pub(super) fn compare(before: &str, after: &str, deadline: Instant, room: usize) -> Compared {
    let diff = TextDiff::configure().algorithm(Algorithm::Myers).deadline(deadline).diff_lines(before, after);
    let (mut added, mut removed) = (0, 0);
    for operation in diff.ops().iter().filter(|operation| !matches!(operation, DiffOp::Equal { .. })) {
        added += operation.new_range().len() as u64;
        removed += operation.old_range().len() as u64;
    }
    let (mut hunks, mut bytes) = (Vec::new(), 0);
    for operations in diff.grouped_ops(CONTEXT) {
        let hunk = hunk(&diff, &operations);
        bytes += hunk.lines.iter().map(|line| line.text.len() + 1).sum::<usize>();
        if bytes > room {
            return Compared { added, removed, bytes: 0, hunks: None };
        }
        hunks.push(hunk);
    }
    Compared { added, removed, bytes, hunks: Some(hunks) }
}

fn hunk(diff: &TextDiff<'_, '_, str>, operations: &[DiffOp]) -> Hunk {
    let lines = operations.iter().flat_map(|operation| diff.iter_changes(operation)).map(|change| Line {
        kind: match change.tag() {
            ChangeTag::Equal => LineKind::Context,
            ChangeTag::Insert => LineKind::Added,
            ChangeTag::Delete => LineKind::Removed,
        },
        text: change.value().strip_suffix('\n').unwrap_or(change.value()).to_owned(),
        unterminated: change.missing_newline(),
    });
    let range = |of: fn(&DiffOp) -> std::ops::Range<usize>| {
        let (first, last) = (operations.first().map(of), operations.last().map(of));
        first.zip(last).map(|(first, last)| first.start..last.end).unwrap_or_default()
    };
    let (old, new) = (range(DiffOp::old_range), range(DiffOp::new_range));
    // As diff(1) has it, nothing begins behind the line before it.
    let start = |range: &std::ops::Range<usize>| range.start + usize::from(!range.is_empty());
    Hunk {
        old_start: start(&old),
        old_lines: old.len(),
        new_start: start(&new),
        new_lines: new.len(),
        lines: lines.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::fmt::Write;
    use std::time::Duration;

    fn compared(before: &str, after: &str) -> Compared {
        compare(before, after, Instant::now() + Duration::from_secs(60), usize::MAX)
    }

    fn text(compared: &Compared) -> String {
        let mut text = String::new();
        for hunk in compared.hunks.as_ref().unwrap() {
            let Hunk { old_start, old_lines, new_start, new_lines, lines } = hunk;
            writeln!(text, "@@ -{old_start},{old_lines} +{new_start},{new_lines} @@").unwrap();
            for line in lines {
                let mark = match line.kind {
                    LineKind::Context => ' ',
                    LineKind::Added => '+',
                    LineKind::Removed => '-',
                };
                writeln!(text, "{mark}{}", line.text).unwrap();
                if line.unterminated {
                    text.push_str("\\ No newline at end of file\n");
                }
            }
        }
        text
    }

    #[test]
    fn hunks_have_numbers_and_context() {
        let before: String = (1..=20).flat_map(|n| [n.to_string(), "\n".to_owned()]).collect();
        let after = before.replace("\n10\n", "\nten\n10.5\n") + "21";
        let compared = compared(&before, &after);
        assert_eq!((compared.added, compared.removed), (3, 1));
        assert_eq!(
            text(&compared),
            "@@ -7,7 +7,8 @@\n 7\n 8\n 9\n-10\n+ten\n+10.5\n 11\n 12\n 13\n\
             @@ -18,3 +19,4 @@\n 18\n 19\n 20\n+21\n\\ No newline at end of file\n"
        );
    }

    #[test]
    fn new_and_empty_texts_begin_at_zero() {
        assert_eq!(text(&compared("", "a\r\n")), "@@ -0,0 +1,1 @@\n+a\r\n");
        assert_eq!(text(&compared("a\n", "")), "@@ -1,1 +0,0 @@\n-a\n");
        assert_eq!(text(&compared("", "")), "");
    }

    #[test]
    fn what_is_too_much_is_only_counted() {
        let compared = compare("", "a\nb\nc\n", Instant::now() + Duration::from_secs(60), 5);
        assert_eq!((compared.added, compared.hunks), (3, None));
    }

    /// What the old lines of the hunks say, put where the hunks say they are.
    fn patched(before: &str, compared: &Compared) -> String {
        let before: Vec<&str> = before.split_inclusive('\n').collect();
        let (mut text, mut at) = (String::new(), 0);
        for hunk in compared.hunks.as_ref().unwrap() {
            let start = if hunk.old_lines == 0 { hunk.old_start } else { hunk.old_start - 1 };
            text.extend(before[at..start].iter().copied());
            at = start + hunk.old_lines;
            for line in hunk.lines.iter().filter(|line| line.kind != LineKind::Removed) {
                text.push_str(&line.text);
                text.push_str(if line.unterminated { "" } else { "\n" });
            }
        }
        text.extend(before[at..].iter().copied());
        text
    }

    proptest! {
        #[test]
        fn hunks_make_the_new_text_of_the_old(before in "([ab]?\n){0,30}[ab]?", after in "([ab]?\n){0,30}[ab]?") {
            let compared = compared(&before, &after);
            prop_assert_eq!(patched(&before, &compared), after.clone());
            let late = compare(&before, &after, Instant::now(), usize::MAX);
            prop_assert_eq!(patched(&before, &late), after);
        }
    }
}
