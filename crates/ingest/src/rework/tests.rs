//! Releases of real files, read-only as releases are, and what is made of them.

use std::os::unix::fs::{MetadataExt, symlink};

use super::*;

struct Bench {
    folder: tempfile::TempDir,
    origin: Origin,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let release = folder.path().join("release");
        fs::create_dir_all(release.join("pkg/empty")).unwrap();
        fs::create_dir(folder.path().join("staging")).unwrap();
        fs::write(release.join("main.py"), "print('one')\n").unwrap();
        fs::write(release.join("pkg/run.sh"), "#!/bin/sh\n").unwrap();
        fs::set_permissions(release.join("pkg/run.sh"), Permissions::from_mode(0o755)).unwrap();
        symlink("../main.py", release.join("pkg/link")).unwrap();
        folders::make_read_only(&release).unwrap();
        Self { folder, origin: Origin::Script { file: "main.py".into() } }
    }

    fn release(&self) -> std::path::PathBuf {
        self.folder.path().join("release")
    }

    fn staging(&self) -> std::path::PathBuf {
        self.folder.path().join("staging")
    }

    fn base<'a>(&'a self, release: &'a Path) -> Base<'a> {
        Base { folder: release, origin: &self.origin, scm_version: Some("1.2") }
    }

    fn again(&self) -> Staged {
        staged_again(self.base(&self.release()), &self.staging()).unwrap()
    }

    fn edit(&self, path: &str, edit: Edit<'_>) -> Result<Staged> {
        self.edit_within(path, edit, &Limits::default())
    }

    fn edit_within(&self, path: &str, edit: Edit<'_>, limits: &Limits) -> Result<Staged> {
        let path = RelativePath::parse(path).unwrap();
        staged_from_edit(self.base(&self.release()), &path, edit, &self.staging(), limits)
    }

    fn left(&self) -> usize {
        fs::read_dir(self.staging()).unwrap().count()
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        // What is read-only is no obstacle to this removal.
        folders::remove(self.folder.path()).unwrap();
    }
}

fn inode(folder: &Path, path: &str) -> u64 {
    fs::symlink_metadata(folder.join(path)).unwrap().ino()
}

#[test]
fn a_source_from_git_says_what_of_it_was_edited() {
    let mut bench = Bench::new();
    bench.origin = Origin::Git {
        url: "https://example.org/a.git".into(),
        reference: None,
        commit: "4f2a91c".into(),
        subdir: None,
        credential: None,
        edited: vec![RelativePath::parse("main.py").unwrap()],
        submodules: false,
    };
    for (path, expected) in [("main.py", &["main.py"][..]), ("pkg/run.sh", &["main.py", "pkg/run.sh"])] {
        let staged = bench.edit(path, Edit::Write(b"two\n")).unwrap();
        let Origin::Git { edited, .. } = &staged.origin else { panic!("{:?}", staged.origin) };
        assert_eq!(edited.iter().map(RelativePath::as_str).collect::<Vec<_>>(), expected);
        folders::remove(&staged.folder).unwrap();
    }
    assert_eq!(bench.again().origin, bench.origin);
}

#[test]
fn the_same_once_more_is_shared() {
    let bench = Bench::new();
    let (again, release) = (bench.again(), bench.release());
    assert_eq!(entries(&again.folder).unwrap(), entries(&release).unwrap());
    assert_eq!(again.found.digest, inspect::inspect(&release, "app", Vec::new()).unwrap().digest);
    assert_eq!((&again.origin, again.scm_version.as_deref()), (&bench.origin, Some("1.2")));
    for path in ["main.py", "pkg/run.sh"] {
        assert_eq!(inode(&again.folder, path), inode(&release, path), "{path}");
    }
    assert!(again.folder.join("pkg/empty").is_dir());
    // Frozen and removed like any other, without a trace in the release that it was made of.
    folders::make_read_only(&again.folder).unwrap();
    folders::remove(&again.folder).unwrap();
    assert_eq!(fs::read_to_string(release.join("main.py")).unwrap(), "print('one')\n");
}

#[test]
fn an_edit_changes_one_file_and_spares_the_release() {
    let bench = Bench::new();
    let (release, before) = (bench.release(), bench.again().found.digest);
    discard(&bench.staging());
    let staged = bench.edit("pkg/run.sh", Edit::Write(b"#!/bin/sh\nexit 1\n")).unwrap();
    assert_eq!(fs::read_to_string(staged.folder.join("pkg/run.sh")).unwrap(), "#!/bin/sh\nexit 1\n");
    assert_eq!(fs::read_to_string(release.join("pkg/run.sh")).unwrap(), "#!/bin/sh\n");
    assert_eq!(fs::metadata(staged.folder.join("pkg/run.sh")).unwrap().mode() & 0o777, 0o755);
    assert_eq!(inode(&staged.folder, "main.py"), inode(&release, "main.py"));
    assert_ne!(staged.found.digest, before);
}

#[test]
fn files_are_added_and_removed() {
    let bench = Bench::new();
    let staged = bench.edit("new/deep/file.txt", Edit::Write(b"x")).unwrap();
    assert_eq!(fs::metadata(staged.folder.join("new/deep/file.txt")).unwrap().mode() & 0o777, 0o644);
    assert_eq!(staged.found.files, 4);
    discard(&bench.staging());
    let staged = bench.edit("pkg/link", Edit::Remove).unwrap();
    assert_eq!(staged.found.files, 2);
    assert!(bench.release().join("pkg/link").exists());
}

#[test]
fn what_no_source_may_have_is_refused() {
    let bench = Bench::new();
    let write = Edit::Write(b"12345");
    let table = [
        ("pkg", write, Code::EntryDuplicate),
        ("main.py/x", write, Code::EntryDuplicate),
        ("MAIN.py", write, Code::EntryCaseCollision),
        ("pkg/link", write, Code::EntrySymlink),
        ("pkg/link/x", write, Code::EntrySymlink),
        ("aux.py", write, Code::EntryName),
        (".git/config", write, Code::EntryName),
        ("pkg", Edit::Remove, Code::NotFound),
        ("no.py", Edit::Remove, Code::NotFound),
        ("main.py", Edit::Remove, Code::NoEntrypoint),
    ];
    for (path, edit, code) in table {
        assert_eq!(bench.edit(path, edit).map(drop).unwrap_err().code(), code, "{path}");
        assert_eq!(bench.left(), 0, "{path}");
    }
}

#[test]
fn the_limits_of_sources_hold() {
    let bench = Bench::new();
    let refused = |limits: Limits| {
        bench.edit_within("new.txt", Edit::Write(b"12345"), &limits).map(drop).unwrap_err().code()
    };
    assert_eq!(refused(Limits { file_bytes: 4, ..Limits::default() }), Code::EntryTooLarge);
    assert_eq!(refused(Limits { total_bytes: 30, ..Limits::default() }), Code::TooManyBytes);
    assert_eq!(refused(Limits { entries: 4, ..Limits::default() }), Code::TooManyEntries);
    assert_eq!(bench.left(), 0);
}

#[test]
fn what_is_staged_is_known_again_after_a_restart() {
    let bench = Bench::new();
    let staged = bench.again();
    let kept = toml::to_string(&staged).unwrap();
    assert_eq!(toml::from_str::<Staged>(&kept).unwrap(), staged);
}
