//! Every hostile archive is refused with its own code, names its entry, and leaves nothing behind.

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use crate::bench::{Bench, names};
use mantyx_core::Code;
use mantyx_ingest::Limits;
use mantyx_test_support::archives::{self, TarBuilder, ZipBuilder, ZipEntry, corpus};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed};
use tar::EntryType;

#[test]
fn every_hostile_archive_is_refused_with_its_own_code() {
    for hostile in corpus() {
        let bench = Bench::new();
        let what = format!("{} in {}", hostile.name, hostile.file_name);
        let error = bench.archive(&hostile.bytes, hostile.file_name, &Limits::default()).expect_err(&what);
        assert_eq!(error.code(), hostile.code, "{what}: {error:?}");
        if let Some(entry) = hostile.entry {
            assert_eq!(error.entry_name(), Some(entry), "{what}: {error:?}");
        }
        assert_eq!(names(&bench.staging()), [""; 0], "{what} leaves something");
        assert_eq!(bench.outside(), [""; 0], "{what} reaches out");
    }
}

#[test]
fn the_same_archives_without_what_is_wrong_are_let_in() {
    let files = [("main.py", "print()"), ("lib.py", "x = 1")];
    for (name, bytes) in [
        ("app.zip", archives::zip(&files)),
        ("app.tar", archives::tar(&files)),
        ("app.tar.gz", archives::tar_gz(&files)),
    ] {
        let bench = Bench::new();
        let staged = bench.archive(&bytes, name, &Limits::default()).unwrap();
        assert_eq!(names(&staged.folder), ["lib.py", "main.py"], "{name}");
    }
}

#[test]
fn limits_hold_to_the_byte_and_the_entry() {
    let files = [("main.py", "0123456789"), ("pkg/lib.py", "01234")];
    let fits = Limits { total_bytes: 15, file_bytes: 10, entries: 3, ratio: 200 };
    let table = [
        (fits.clone(), None),
        (Limits { total_bytes: 14, ..fits.clone() }, Some(Code::TooManyBytes)),
        (Limits { file_bytes: 9, ..fits.clone() }, Some(Code::EntryTooLarge)),
        (Limits { entries: 2, ..fits }, Some(Code::TooManyEntries)),
    ];
    for (limits, code) in table {
        for (name, bytes) in [("a.zip", archives::zip(&files)), ("a.tar.gz", archives::tar_gz(&files))] {
            let outcome = Bench::new().archive(&bytes, name, &limits);
            assert_eq!(outcome.err().map(|error| error.code()), code, "{name} {limits:?}");
        }
    }
}

#[test]
fn hard_links_count_as_often_as_they_are_there() {
    let content = [b'x'; 1000];
    let mut tar = TarBuilder::default().file("main.py", &content);
    for number in 0..10 {
        tar = tar.link(&format!("copy{number}.py"), EntryType::Link, "main.py");
    }
    let limits = Limits { total_bytes: 5000, ..Limits::default() };
    let error = Bench::new().archive(&tar.build(), "a.tar", &limits).unwrap_err();
    assert_eq!(error.code(), Code::TooManyBytes);
}

#[test]
fn long_paths_are_no_way_around_the_limit_of_entries() {
    let deep = format!("{}main.py", "a/".repeat(300));
    let limits = Limits { entries: 100, ..Limits::default() };
    let error = Bench::new().archive(&archives::zip(&[(&deep, "x")]), "a.zip", &limits).unwrap_err();
    assert_eq!(error.code(), Code::TooManyEntries);
}

#[test]
fn a_directory_of_millions_is_not_read_into_memory() {
    // The number of entries is a lie, and what is counted is real: a long directory of the shortest entries.
    let zip = (0..60_000).fold(ZipBuilder::default(), |zip, number| {
        zip.entry(&ZipEntry { shares: number > 0, ..ZipEntry::new(format!("{number}"), b"") })
    });
    let limits = Limits { entries: 100, ..Limits::default() };
    let error = Bench::new().archive(&zip.build(), "a.zip", &limits).unwrap_err();
    assert_eq!(error.code(), Code::TooManyEntries);
}

#[test]
fn what_is_skipped_has_limits_too() {
    let zeros = vec![0; 4 << 20];
    let junk = TarBuilder::default().file(".git/objects/pack", &zeros).file("main.py", b"x").build();
    let limits = Limits { total_bytes: 1 << 20, entries: 10, ..Limits::default() };
    let error = Bench::new().archive(&archives::gzip(&junk), "a.tar.gz", &limits).unwrap_err();
    assert_eq!(error.code(), Code::TooManyBytes);
    let extension = TarBuilder::default().entry(b"x", EntryType::GNULongName, 0, b"", &zeros).build();
    let error = Bench::new().archive(&archives::gzip(&extension), "a.tar.gz", &limits).unwrap_err();
    assert_eq!(error.code(), Code::EntryName);
}

/// Names that are made of the parts from which ways out are made.
fn odd_name() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        Just(b"..".to_vec()),
        Just(b".".to_vec()),
        Just(b"/".to_vec()),
        Just(b"\\".to_vec()),
        Just(b"C:".to_vec()),
        Just(b"a".to_vec()),
        Just(b"link".to_vec()),
        Just(b"\0".to_vec()),
        Just(b"~".to_vec()),
        prop::collection::vec(any::<u8>(), 1..4),
    ];
    prop::collection::vec((part, any::<bool>()), 1..6).prop_map(|parts| {
        parts.into_iter().fold(Vec::new(), |mut name, (part, slash)| {
            name.extend(part);
            name.extend(slash.then_some(b'/'));
            name
        })
    })
}

proptest! {
    #![proptest_config(Config { cases: 400, failure_persistence: None, ..Config::default() })]

    #[test]
    fn no_name_and_no_link_reaches_out(
        entries in prop::collection::vec((odd_name(), odd_name(), 0u8..4), 1..6), packed in any::<bool>()
    ) {
        let tar = entries.iter().fold(TarBuilder::default().file("main.py", b"x"), |tar, (name, target, kind)| {
            let kind = [EntryType::Regular, EntryType::Symlink, EntryType::Link, EntryType::Directory][usize::from(*kind)];
            let content: &[u8] = if kind == EntryType::Regular { b"x" } else { b"" };
            tar.entry(name, kind, 0o644, target, content)
        });
        let zip = entries.iter().fold(ZipBuilder::default().file("main.py", b"x"), |zip, (name, target, kind)| {
            let mode = [0o100_644, 0o120_777, 0, 0o040_755][usize::from(*kind)];
            zip.entry(&ZipEntry::new(name.clone(), target).mode(mode))
        });
        let bytes = if packed { zip.build() } else { tar.build() };
        let bench = Bench::new();
        let outcome = bench.archive(&bytes, "odd", &Limits::default());
        prop_assert_eq!(bench.outside(), [""; 0]);
        if let Ok(staged) = outcome {
            all_inside(&staged.folder, &staged.folder);
        } else {
            prop_assert_eq!(names(&bench.staging()), [""; 0]);
        }
    }
}

/// Every file is inside, and so is what every link leads to.
fn all_inside(root: &Path, folder: &Path) {
    let root = root.canonicalize().unwrap();
    for name in names(folder) {
        let path = folder.join(name);
        let metadata = fs::symlink_metadata(&path).unwrap();
        if metadata.is_symlink() {
            if let Ok(end) = path.canonicalize() {
                assert!(end.starts_with(&root), "{} leads to {}", path.display(), end.display());
            }
        } else if metadata.is_dir() {
            all_inside(&root, &path);
        } else {
            assert!(metadata.is_file());
        }
    }
}

proptest! {
    // A fixed seed: a run is as good as the next, and a failure can be repeated.
    #![proptest_config(Config { cases: 3000, failure_persistence: None, rng_seed: RngSeed::Fixed(8420), ..Config::default() })]

    #[test]
    fn damage_is_never_more_than_a_refusal(
        format in 0u8..3, changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in prop::option::weighted(0.1, any::<prop::sample::Index>())
    ) {
        thread_local!(static BENCH: Bench = Bench::new());
        static SAMPLES: LazyLock<[Vec<u8>; 3]> = LazyLock::new(samples);
        let mut bytes = SAMPLES[usize::from(format)].clone();
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        let limits = Limits { total_bytes: 1 << 20, entries: 100, ..Limits::default() };
        BENCH.with(|bench| {
            if bench.archive(&bytes, "damaged", &limits).is_err() {
                prop_assert_eq!(names(&bench.staging()), [""; 0]);
            }
            bench.clear();
            prop_assert_eq!(bench.outside(), [""; 0]);
            Ok(())
        })?;
    }
}

/// A good archive of each format, with links and a folder.
fn samples() -> [Vec<u8>; 3] {
    let tar = TarBuilder::default()
        .file("app/main.py", b"print('hello')\n")
        .entry(b"app/pkg", EntryType::Directory, 0o755, b"", b"")
        .file("app/pkg/__init__.py", b"")
        .link("app/link.py", EntryType::Symlink, "main.py")
        .link("app/copy.py", EntryType::Link, "app/main.py")
        .build();
    let zip = ZipBuilder::default()
        .file("app/main.py", b"print('hello')\n")
        .file("app/pkg/__init__.py", b"")
        .entry(&ZipEntry::new("app/link.py", b"main.py").mode(0o120_777));
    let packed = archives::gzip(&tar);
    [tar, zip.build(), packed]
}
