//! Differences: which line is which, and how much changed.

use mantyx_api_types::{DiffHunk, DiffKind, FileChange, FileDiff, PackageChange, ReleaseDiff};

use super::number;

/// A line of a difference with its numbers in both files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NumberedLine {
    /// Its number in the earlier file, unless it is new.
    pub(crate) from: Option<u32>,
    /// Its number in the later file, unless it is gone.
    pub(crate) to: Option<u32>,
    /// What became of it.
    pub(crate) kind: DiffKind,
    /// Its text.
    pub(crate) text: String,
}

/// The lines of a hunk with their numbers.
pub(crate) fn numbered(hunk: &DiffHunk) -> Vec<NumberedLine> {
    let (mut from, mut to) = (hunk.from_line, hunk.to_line);
    let next = |counter: &mut u32| {
        *counter += 1;
        *counter - 1
    };
    let line = |line: &mantyx_api_types::DiffLine| {
        let (before, after) = match line.kind {
            DiffKind::Same => (Some(next(&mut from)), Some(next(&mut to))),
            DiffKind::Added => (None, Some(next(&mut to))),
            DiffKind::Removed => (Some(next(&mut from)), None),
        };
        NumberedLine { from: before, to: after, kind: line.kind, text: line.text.clone() }
    };
    hunk.lines.iter().map(line).collect()
}

/// The sign in the gutter.
pub(crate) const fn sign(kind: DiffKind) -> &'static str {
    match kind {
        DiffKind::Same => " ",
        DiffKind::Added => "+",
        DiffKind::Removed => "\u{2212}",
    }
}

/// Where a hunk is in the later file: `Lines 10 to 14`; in the earlier one if nothing of it is left.
pub(crate) fn place(hunk: &DiffHunk) -> String {
    let count = |gone| hunk.lines.iter().filter(|line| line.kind != gone).count();
    let (first, count) = match (count(DiffKind::Removed), count(DiffKind::Added)) {
        (0, earlier) => (hunk.from_line, earlier),
        (later, _) => (hunk.to_line, later),
    };
    match u32::try_from(count).unwrap_or(u32::MAX) {
        0 | 1 => format!("Line {first}"),
        count => format!("Lines {first} to {}", first.saturating_add(count - 1)),
    }
}

/// How many lines of a hunk are new, and how many are gone.
pub(crate) fn counts(hunk: &DiffHunk) -> (u32, u32) {
    let of =
        |kind| u32::try_from(hunk.lines.iter().filter(|line| line.kind == kind).count()).unwrap_or(u32::MAX);
    (of(DiffKind::Added), of(DiffKind::Removed))
}

/// What became of a file.
pub(crate) const fn change(change: FileChange) -> &'static str {
    match change {
        FileChange::Added => "New",
        FileChange::Removed => "Removed",
        FileChange::Modified => "Changed",
        FileChange::Renamed => "Renamed",
        FileChange::Mode => "Other kind",
    }
}

/// What became of a package.
pub(crate) const fn package(change: &PackageChange) -> &'static str {
    match (&change.from, &change.to) {
        (None, _) => "New",
        (Some(_), None) => "Gone",
        (Some(_), Some(_)) => "Other version",
    }
}

/// All of it in a line: `3 files changed, 12 lines new, 4 gone; 1 package changed`.
pub(crate) fn summary(diff: &ReleaseDiff) -> String {
    let total = |of: fn(&FileDiff) -> u32| diff.files.iter().map(|file| of(file) as usize).sum::<usize>();
    let files = match diff.files.len() {
        0 => "No file changed".to_owned(),
        files => format!(
            "{} changed, {} new, {} gone",
            number::plural(files, "file", "files"),
            number::plural(total(|file| file.added), "line", "lines"),
            number::count(total(|file| file.removed)),
        ),
    };
    let packages = match diff.packages.len() {
        0 => "the packages are the same".to_owned(),
        packages => format!("{} changed", number::plural(packages, "package", "packages")),
    };
    format!("{files}; {packages}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use mantyx_api_types::DiffLine;

    fn hunk(from_line: u32, to_line: u32, lines: &str) -> DiffHunk {
        let line = |line: &str| {
            let kind = match &line[..1] {
                "+" => DiffKind::Added,
                "-" => DiffKind::Removed,
                _ => DiffKind::Same,
            };
            DiffLine { kind, text: line[1..].to_owned() }
        };
        DiffHunk { from_line, to_line, lines: lines.split('|').map(line).collect() }
    }

    #[test]
    fn every_line_has_its_numbers() {
        let numbers: Vec<_> =
            numbered(&hunk(9, 10, " a|-b|+c|+d| e")).into_iter().map(|line| (line.from, line.to)).collect();
        let wanted = [(9, 10), (10, 0), (0, 11), (0, 12), (11, 13)];
        let some = |number: u32| (number > 0).then_some(number);
        assert_eq!(numbers, wanted.map(|(from, to)| (some(from), some(to))));
    }

    #[test]
    fn a_hunk_says_where_it_is_and_how_much() {
        let changed = hunk(9, 10, " a|-b|+c|+d| e");
        assert_eq!((place(&changed), counts(&changed)), ("Lines 10 to 13".to_owned(), (2, 1)));
        assert_eq!(place(&hunk(3, 2, "-gone")), "Line 3");
        assert_eq!(place(&hunk(1, 0, "-a|-b")), "Lines 1 to 2");
    }

    #[test]
    fn a_difference_is_summed_up() {
        let file = FileDiff {
            path: "a.py".into(),
            old_path: None,
            change: FileChange::Modified,
            added: 12,
            removed: 4,
            note: None,
            hunks: Vec::new(),
        };
        let package = PackageChange { name: "flask".into(), from: Some("3.0".into()), to: None };
        let diff = |files, packages| ReleaseDiff { from: 1, to: 2, files, packages, truncated: false };
        assert_eq!(
            summary(&diff(vec![file], vec![package.clone()])),
            "1 file changed, 12 lines new, 4 gone; 1 package changed"
        );
        assert_eq!(summary(&diff(vec![], vec![])), "No file changed; the packages are the same");
        assert_eq!(super::package(&package), "Gone");
    }
}
