//! Two trees of real files, and what is said about them.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;

use super::*;

struct Bench(tempfile::TempDir);

impl Bench {
    fn new() -> Self {
        let bench = Self(tempfile::tempdir().unwrap());
        fs::create_dir(bench.from()).unwrap();
        fs::create_dir(bench.to()).unwrap();
        bench
    }

    fn from(&self) -> PathBuf {
        self.0.path().join("from")
    }

    fn to(&self) -> PathBuf {
        self.0.path().join("to")
    }

    fn diff(&self) -> TreeDiff {
        self.diff_within(&DiffLimits::default())
    }

    fn diff_within(&self, limits: &DiffLimits) -> TreeDiff {
        diff(&self.from(), &self.to(), limits).unwrap()
    }
}

fn put(folder: &Path, path: &str, content: impl AsRef<[u8]>) {
    let place = folder.join(path);
    fs::create_dir_all(place.parent().unwrap()).unwrap();
    fs::write(place, content).unwrap();
}

fn summary(diff: &TreeDiff) -> Vec<(&str, FileChange, u64, u64)> {
    diff.files.iter().map(|file| (file.path.as_str(), file.change, file.added, file.removed)).collect()
}

#[test]
fn every_kind_of_change_is_told() {
    let bench = Bench::new();
    let (from, to) = (bench.from(), bench.to());
    for (path, old, new) in [
        ("changed.py", Some("1\n2\n3\n"), Some("1\ntwo\n3\n4\n")),
        ("gone.py", Some("a\nb\n"), None),
        ("mode.sh", Some("x\n"), Some("x\n")),
        ("new/deep.py", None, Some("c\n")),
        ("same.py", Some("same\n"), Some("same\n")),
    ] {
        for (folder, content) in [(&from, old), (&to, new)] {
            if let Some(content) = content {
                put(folder, path, content);
            }
        }
    }
    fs::set_permissions(to.join("mode.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    put(&from, "type", "was a file\n");
    symlink("same.py", to.join("type")).unwrap();
    let diff = bench.diff();
    assert_eq!(
        summary(&diff),
        [
            ("changed.py", FileChange::Modified, 2, 1),
            ("gone.py", FileChange::Removed, 0, 2),
            ("mode.sh", FileChange::ModeChanged, 0, 0),
            ("new/deep.py", FileChange::Added, 1, 0),
            ("type", FileChange::TypeChanged, 1, 1),
        ]
    );
    assert_eq!((diff.added, diff.removed, diff.truncated), (4, 4, false));
    let ContentDiff::Text(hunks) = &diff.files[0].content else { panic!("{:?}", diff.files[0]) };
    assert_eq!((hunks[0].old_start, hunks[0].old_lines, hunks[0].new_lines), (1, 3, 4));
}

#[test]
fn the_same_trees_do_not_differ() {
    let bench = Bench::new();
    put(&bench.from(), "a/b.py", "x");
    fs::create_dir(bench.to().join("a")).unwrap();
    fs::hard_link(bench.from().join("a/b.py"), bench.to().join("a/b.py")).unwrap();
    assert_eq!(bench.diff(), TreeDiff::default());
}

#[test]
fn moved_files_are_renamed() {
    let bench = Bench::new();
    put(&bench.from(), "old/a.py", "content a\n");
    put(&bench.to(), "new/a.py", "content a\n");
    // The same length, another content.
    put(&bench.from(), "b.py", "content b\n");
    put(&bench.to(), "c.py", "content c\n");
    put(&bench.from(), "old/__init__.py", "");
    put(&bench.to(), "new/__init__.py", "");
    let diff = bench.diff();
    let renamed = diff.files.iter().find(|file| file.change == FileChange::Renamed).unwrap();
    assert_eq!((renamed.path.as_str(), renamed.content.clone()), ("new/a.py", ContentDiff::Same));
    assert_eq!(renamed.old.as_ref().unwrap().path, "old/a.py");
    let kinds: Vec<_> = diff.files.iter().map(|file| (file.path.as_str(), file.change)).collect();
    assert_eq!(
        kinds,
        [
            ("b.py", FileChange::Removed),
            ("c.py", FileChange::Added),
            ("new/__init__.py", FileChange::Added),
            ("new/a.py", FileChange::Renamed),
            ("old/__init__.py", FileChange::Removed)
        ]
    );
}

#[test]
fn links_differ_by_where_they_lead_and_are_not_followed() {
    let bench = Bench::new();
    put(bench.0.path(), "secret", "s3cret\n");
    symlink("../secret", bench.from().join("link")).unwrap();
    symlink("../other", bench.to().join("link")).unwrap();
    symlink("../secret", bench.from().join("same")).unwrap();
    symlink("../secret", bench.to().join("same")).unwrap();
    let diff = bench.diff();
    assert_eq!(summary(&diff), [("link", FileChange::Modified, 1, 1)]);
    assert!(!format!("{diff:?}").contains("s3cret"), "{diff:?}");
}

#[test]
fn what_cannot_be_shown_is_said() {
    let bench = Bench::new();
    put(&bench.to(), "binary", b"\x00\x01");
    put(&bench.to(), "latin", b"caf\xe9\n");
    put(&bench.to(), "large.txt", "x\n".repeat(600));
    put(&bench.to(), "z1.txt", "123456789\n".repeat(6));
    put(&bench.to(), "z2.txt", "123456789\n".repeat(6));
    let limits = DiffLimits { file_bytes: 1000, total_bytes: 100, ..DiffLimits::default() };
    let diff = bench.diff_within(&limits);
    let contents: Vec<_> = diff.files.iter().map(|file| &file.content).collect();
    assert_eq!(contents[..3], [&ContentDiff::Binary, &ContentDiff::TooLarge, &ContentDiff::Binary]);
    assert!(matches!(contents[3], ContentDiff::Text(_)));
    assert_eq!((contents[4], diff.files[4].added, diff.truncated), (&ContentDiff::LeftOut, 6, true));
    let late = bench.diff_within(&DiffLimits { reading: Duration::ZERO, ..limits });
    assert_eq!((late.files.len(), late.truncated), (0, true), "nothing is read for ever");
    let full = bench.diff_within(&DiffLimits { total_bytes: 0, ..DiffLimits::default() });
    assert!(full.truncated && full.files.iter().all(|file| file.content == ContentDiff::LeftOut));
    let few = bench.diff_within(&DiffLimits { files: 2, ..DiffLimits::default() });
    assert_eq!((few.files.len(), few.truncated), (2, true));
}

#[test]
fn files_that_are_hard_to_compare_get_a_coarse_answer() {
    let bench = Bench::new();
    let text = |step: u32| {
        let numbers = (0..60_000_u32).map(|n| (n.wrapping_mul(step) % 7919).to_string());
        numbers.collect::<Vec<_>>().join("\n")
    };
    put(&bench.from(), "hard.txt", text(31));
    put(&bench.to(), "hard.txt", text(37));
    let diff = bench.diff_within(&DiffLimits { time: Duration::ZERO, ..DiffLimits::default() });
    assert_eq!(diff.files[0].change, FileChange::Modified);
    assert!(diff.added > 0 && diff.added == diff.removed, "both have as many lines");
}
