//! What changed from one release to another, as `diff -u` says it, so that its lines can be taken as a patch.
//!
//! Before each file stands a line that says what became of it, also where no lines are shown, and behind all of them a
//! table of packages. patch(1) passes over both.

use mantyx_api_types::{DiffHunk, DiffKind, FileChange, FileDiff, PackageChange, ReleaseDiff};

use crate::output::table;
use crate::paint::{Ink, Paint};

/// The whole difference; a sentence when there is none.
pub(crate) fn text(diff: &ReleaseDiff, paint: Paint) -> String {
    let mut lines = Lines { paint, text: String::new() };
    if diff.files.is_empty() && diff.packages.is_empty() {
        lines.push(Ink::Text, &format!("Release {} and release {} are the same", diff.from, diff.to));
    }
    diff.files.iter().for_each(|file| lines.file(file));
    lines.packages(&diff.packages);
    lines.text
}

struct Lines {
    paint: Paint,
    text: String,
}

impl Lines {
    fn push(&mut self, ink: Ink, line: &str) {
        self.text.push_str(&self.paint.line(ink, line));
        self.text.push('\n');
    }

    fn file(&mut self, file: &FileDiff) {
        self.push(Ink::Heading, &heading(file));
        if file.hunks.is_empty() {
            return;
        }
        let old = file.old_path.as_ref().unwrap_or(&file.path);
        let (from, to) = (format!("a/{old}"), format!("b/{}", file.path));
        let none = "/dev/null".to_owned();
        let (from, to) = match file.change {
            FileChange::Added => (none, to),
            FileChange::Removed => (from, none),
            FileChange::Modified | FileChange::Renamed | FileChange::Mode => (from, to),
        };
        self.push(Ink::Heading, &format!("--- {from}"));
        self.push(Ink::Heading, &format!("+++ {to}"));
        file.hunks.iter().for_each(|hunk| self.hunk(hunk));
    }

    fn hunk(&mut self, hunk: &DiffHunk) {
        let without = |kind| hunk.lines.iter().filter(|line| line.kind != kind).count();
        let (from, to) = (without(DiffKind::Added), without(DiffKind::Removed));
        self.push(Ink::Place, &format!("@@ -{},{from} +{},{to} @@", hunk.from_line, hunk.to_line));
        for line in &hunk.lines {
            let (ink, sign) = match line.kind {
                DiffKind::Same => (Ink::Text, ' '),
                DiffKind::Added => (Ink::Added, '+'),
                DiffKind::Removed => (Ink::Removed, '-'),
            };
            self.push(ink, &format!("{sign}{}", line.text));
        }
    }

    fn packages(&mut self, packages: &[PackageChange]) {
        if packages.is_empty() {
            return;
        }
        if !self.text.is_empty() {
            self.push(Ink::Text, "");
        }
        let rows = packages.iter().map(|package| {
            let version = |version: &Option<String>| version.clone().unwrap_or_default();
            [package.name.clone(), version(&package.from), version(&package.to)]
        });
        let inks = packages.iter().map(|package| match (&package.from, &package.to) {
            (None, _) => Ink::Added,
            (_, None) => Ink::Removed,
            (Some(_), Some(_)) => Ink::Text,
        });
        let table = table(["PACKAGE", "BEFORE", "AFTER"], rows.collect(), "");
        for (ink, line) in std::iter::once(Ink::Heading).chain(inks).zip(table.lines()) {
            self.push(ink, line);
        }
    }
}

/// What became of a file, and why no lines are shown when none are.
fn heading(file: &FileDiff) -> String {
    let path = &file.path;
    let what = match (file.change, &file.old_path) {
        (FileChange::Added, _) => format!("added {path}"),
        (FileChange::Removed, _) => format!("removed {path}"),
        (FileChange::Modified, _) => format!("modified {path}"),
        (FileChange::Renamed, Some(old)) => format!("renamed {old} to {path}"),
        (FileChange::Renamed, None) => format!("renamed {path}"),
        (FileChange::Mode, _) => format!("changed in kind or mode {path}"),
    };
    let lines = match (file.added, file.removed) {
        (0, 0) => String::new(),
        (added, removed) => format!(" (+{added} -{removed})"),
    };
    let note = file.note.as_ref().map(|note| format!(": {note}")).unwrap_or_default();
    format!("{what}{lines}{note}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use mantyx_api_types::DiffLine;
    use std::path::Path;
    use std::process::Command;

    fn hunk(from_line: u32, to_line: u32, lines: &[&str]) -> DiffHunk {
        let line = |line: &&str| {
            let kind = match line.chars().next() {
                Some('+') => DiffKind::Added,
                Some('-') => DiffKind::Removed,
                _ => DiffKind::Same,
            };
            DiffLine { kind, text: line[1..].to_owned() }
        };
        DiffHunk { from_line, to_line, lines: lines.iter().map(line).collect() }
    }

    fn file(path: &str, change: FileChange, hunks: Vec<DiffHunk>) -> FileDiff {
        let lines = |kind| {
            let lines = hunks.iter().flat_map(|hunk| &hunk.lines).filter(|line| line.kind == kind);
            u32::try_from(lines.count()).unwrap()
        };
        let (added, removed) = (lines(DiffKind::Added), lines(DiffKind::Removed));
        FileDiff { path: path.into(), old_path: None, change, added, removed, note: None, hunks }
    }

    fn diff() -> ReleaseDiff {
        let package = |name: &str, from: Option<&str>, to: Option<&str>| PackageChange {
            name: name.into(),
            from: from.map(Into::into),
            to: to.map(Into::into),
        };
        let note = Some("It is binary".to_owned());
        let moved = file("new.py", FileChange::Renamed, vec![]);
        ReleaseDiff {
            from: 1,
            to: 2,
            files: vec![
                file("gone.py", FileChange::Removed, vec![hunk(1, 0, &["-x = 1"])]),
                FileDiff { note, ..file("logo.png", FileChange::Modified, vec![]) },
                file(
                    "main.py",
                    FileChange::Modified,
                    vec![hunk(1, 1, &[" one", "-two", "+2", "+2.5", " three"])],
                ),
                FileDiff { old_path: Some("old.py".into()), ..moved },
                file("run.py", FileChange::Added, vec![hunk(0, 1, &["+y = 2"])]),
            ],
            packages: vec![
                package("flask", Some("3.0.0"), Some("3.1.0")),
                package("idna", None, Some("3.7")),
                package("six", Some("1.16"), None),
            ],
            truncated: false,
        }
    }

    #[test]
    fn it_is_a_unified_diff() {
        let expected = "\
removed gone.py (+0 -1)
--- a/gone.py
+++ /dev/null
@@ -1,1 +0,0 @@
-x = 1
modified logo.png: It is binary
modified main.py (+2 -1)
--- a/main.py
+++ b/main.py
@@ -1,3 +1,4 @@
 one
-two
+2
+2.5
 three
renamed old.py to new.py
added run.py (+1 -0)
--- /dev/null
+++ b/run.py
@@ -0,0 +1,1 @@
+y = 2

PACKAGE  BEFORE  AFTER
flask    3.0.0   3.1.0
idna             3.7
six      1.16
";
        assert_eq!(text(&diff(), Paint::Untouched), expected);
        let same = ReleaseDiff { files: vec![], packages: vec![], ..diff() };
        assert_eq!(text(&same, Paint::Untouched), "Release 1 and release 2 are the same\n");
    }

    #[test]
    fn git_takes_it_as_a_patch() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| Path::join(folder.path(), name);
        std::fs::write(path("gone.py"), "x = 1\n").unwrap();
        std::fs::write(path("main.py"), "one\ntwo\nthree\n").unwrap();
        std::fs::write(path("patch"), text(&diff(), Paint::Untouched)).unwrap();
        let mut git = Command::new("git");
        git.args(["apply", "patch"]).current_dir(folder.path()).env("GIT_CEILING_DIRECTORIES", "/");
        let applied = git.output().unwrap();
        assert!(applied.status.success(), "{}", String::from_utf8_lossy(&applied.stderr));
        let read = |name: &str| std::fs::read_to_string(path(name)).unwrap();
        assert_eq!((read("main.py").as_str(), read("run.py").as_str()), ("one\n2\n2.5\nthree\n", "y = 2\n"));
        assert!(!path("gone.py").exists());
    }

    #[test]
    fn colours_say_what_is_new_and_what_is_gone() {
        let said = text(&diff(), Paint::Coloured);
        for line in [
            "\u{1b}[31m-two\u{1b}[0m\n",
            "\u{1b}[32m+2\u{1b}[0m\n",
            "\n one\n",
            "\u{1b}[36m@@ -1,3 +1,4 @@\u{1b}[0m\n",
            "\u{1b}[32midna             3.7\u{1b}[0m\n",
            "\u{1b}[31msix      1.16\u{1b}[0m\n",
        ] {
            assert!(said.contains(line), "{line:?} in {said:?}");
        }
    }
}
