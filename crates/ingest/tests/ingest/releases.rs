//! From a source to a release, and from that to the next one.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::bench::Bench;
use mantyx_core::RelativePath;
use mantyx_ingest::{
    Base, DiffLimits, Edit, FileChange, Limits, Staged, diff, entries, read_file, staged_again,
    staged_from_edit,
};
use mantyx_platform::folders;
use mantyx_test_support::archives;
use proptest::prelude::*;

/// A release beside the staging folder, read-only as releases are.
struct Release {
    folder: tempfile::TempDir,
    staged: Staged,
}

impl Release {
    fn of(bytes: &[u8]) -> Self {
        let bench = Bench::new();
        let staged = bench.archive(bytes, "app.zip", &Limits::default()).unwrap();
        let release = Self { folder: tempfile::tempdir().unwrap(), staged };
        fs::create_dir(release.staging()).unwrap();
        folders::rename(&release.staged.folder, &release.path()).unwrap();
        folders::make_read_only(&release.path()).unwrap();
        release
    }

    fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("1")
    }

    fn staging(&self) -> std::path::PathBuf {
        self.folder.path().join("staging")
    }

    fn edit(&self, path: &str, edit: Edit<'_>) -> mantyx_core::Result<Staged> {
        let base = Base { folder: &self.path(), origin: &self.staged.origin, scm_version: None };
        let path = RelativePath::parse(path).unwrap();
        staged_from_edit(base, &path, edit, &self.staging(), &Limits::default())
    }
}

impl Drop for Release {
    fn drop(&mut self) {
        folders::remove(self.folder.path()).unwrap();
    }
}

#[test]
fn an_edited_release_differs_by_what_was_edited() {
    let files = [("main.py", "import lib\nprint(1)\n"), ("lib.py", "x = 1\n"), ("data/a.txt", "a\n")];
    let release = Release::of(&archives::zip(&files));
    let edited = release.edit("main.py", Edit::Write(b"import lib\nprint(2)\n")).unwrap();
    let next = release.folder.path().join("2");
    folders::rename(&edited.folder, &next).unwrap();
    folders::make_read_only(&next).unwrap();
    let found = diff(&release.path(), &next, &DiffLimits::default()).unwrap();
    assert_eq!((found.files.len(), found.added, found.removed), (1, 1, 1));
    assert_eq!((found.files[0].path.as_str(), found.files[0].change), ("main.py", FileChange::Modified));
    let main = read_file(&next, &RelativePath::parse("main.py").unwrap(), 1000).unwrap();
    assert_eq!(main.bytes, b"import lib\nprint(2)\n");
    assert_ne!(edited.found.digest, release.staged.found.digest);
    // Back again by the same way: the digest is that of the first release.
    folders::remove(&release.staging()).unwrap();
    fs::create_dir(release.staging()).unwrap();
    let base = Base { folder: &release.path(), origin: &release.staged.origin, scm_version: None };
    let again = staged_again(base, &release.staging()).unwrap();
    assert_eq!(again.found.digest, release.staged.found.digest);
}

/// Everything that is in a folder, with its content.
fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let read = |path: &str| read_file(folder, &RelativePath::parse(path).unwrap(), 1 << 20).unwrap().bytes;
    entries(folder).unwrap().into_iter().map(|entry| (entry.path.clone(), read(&entry.path))).collect()
}

fn files() -> impl Strategy<Value = BTreeMap<String, String>> {
    prop::collection::btree_map("[a-c](/[d-f])?", "[xy\n]{0,12}", 0..6).prop_filter("one tree", |files| {
        !files.keys().any(|path| files.keys().any(|other| other.starts_with(&format!("{path}/"))))
    })
}

fn written(files: &BTreeMap<String, String>) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (path, content) in files {
        let place = folder.path().join(path);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::write(place, content).unwrap();
    }
    folder
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_difference_is_the_same_from_the_other_side(one in files(), two in files()) {
        let (from, to) = (written(&one), written(&two));
        let there = diff(from.path(), to.path(), &DiffLimits::default()).unwrap();
        let back = diff(to.path(), from.path(), &DiffLimits::default()).unwrap();
        prop_assert_eq!(there.files.is_empty(), one == two);
        prop_assert_eq!((there.added, there.removed), (back.removed, back.added));
        let renamed = |diff: &mantyx_ingest::TreeDiff| {
            diff.files.iter().filter(|file| file.change == FileChange::Renamed).count()
        };
        prop_assert_eq!((there.files.len(), renamed(&there)), (back.files.len(), renamed(&back)));
    }

    #[test]
    fn whatever_is_edited_nothing_else_changes(path in "[a-zA-Z.~/:-]{1,12}|(data|link|main.py)(/[a-z.]{0,4}){0,3}") {
        let Ok(parsed) = RelativePath::parse(&path) else { return Ok(()) };
        let release = Release::of(&archives::zip(&[("main.py", "x"), ("data/a.txt", "y")]));
        let before = contents(&release.path());
        if let Ok(staged) = release.edit(&path, Edit::Write(b"new")) {
            let mut expected = before.clone();
            expected.insert(parsed.as_str().to_owned(), b"new".to_vec());
            prop_assert_eq!(contents(&staged.folder), expected);
        } else {
            prop_assert_eq!(fs::read_dir(release.staging()).unwrap().count(), 0);
        }
        prop_assert_eq!(contents(&release.path()), before);
        prop_assert_eq!(crate::bench::names(release.folder.path()), ["1", "staging"]);
    }
}
