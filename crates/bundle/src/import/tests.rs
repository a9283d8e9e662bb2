//! What was exported comes back, and nothing else comes in.

use super::*;
use crate::export::{Odd, Report, Why, Writer, unfinished};
use chrono::DateTime;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

mod hostile;

static GO_ON: AtomicBool = AtomicBool::new(false);
const RULES: Rules<'static> =
    Rules { limits: Limits { total_bytes: 1 << 30, entries: 1000, ratio: 10 }, trees: &["apps/*/data"] };

fn watch() -> Watch<'static> {
    Watch::new(&GO_ON, |_| {})
}

/// A place for a tree, an archive and what is unpacked of it.
struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Self {
        let place = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        for folder in ["tree", "staging"] {
            fs::create_dir(place.path().join(folder)).unwrap();
        }
        Self(place)
    }

    fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.0.path().join(name)
    }

    fn tree(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path("tree").join(name)
    }

    fn staged(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path("staging/apps/shop/data").join(name)
    }

    fn archive(&self) -> PathBuf {
        self.path("mantyx.tar.gz")
    }

    fn writer(&self) -> Writer<'static> {
        let at = DateTime::from_timestamp(1_795_000_000, 0).unwrap();
        Writer::create(&self.archive(), at, &"facts", watch()).unwrap()
    }

    fn export(&self) -> Report {
        let mut writer = self.writer();
        writer.add_folder(&self.path("tree"), "apps/shop/data").unwrap();
        writer.finish().unwrap()
    }

    fn import(&self) -> Result<Imported<String>> {
        unpack(&self.archive(), &self.path("staging"), &RULES, watch())
    }

    /// Whether an archive of one file is refused without a trace, or brings that file, whatever it is called by now.
    fn holds_together(&self) -> bool {
        let is_whole = match self.import() {
            Ok(_) => snapshot(&self.path("staging")).iter().any(|(_, _, content)| content == b"some text"),
            Err(_) => fs::read_dir(self.path("staging")).unwrap().count() == 0,
        };
        is_whole && fs::read_dir(self.0.path()).unwrap().count() == 3
    }

    /// Imports what is refused, of which nothing may be left.
    fn refused(&self) -> Error {
        let error = self.import().unwrap_err();
        assert_eq!(fs::read_dir(self.path("staging")).unwrap().count(), 0, "{error}");
        error
    }
}

fn mode(path: PathBuf) -> u32 {
    fs::symlink_metadata(path).unwrap().mode() & 0o7777
}

#[test]
fn a_tree_comes_back_as_it_was() {
    let desk = Desk::new();
    let long = format!("{}/{}", "long".repeat(50), "name".repeat(60));
    fs::create_dir_all(desk.tree("empty")).unwrap();
    fs::create_dir_all(desk.tree(&long).parent().unwrap()).unwrap();
    fs::write(desk.tree(&long), "long").unwrap();
    fs::write(desk.tree("été 100%\n\\"), "odd").unwrap();
    fs::write(desk.tree(OsStr::from_bytes(b"\xff%FF")), "bytes").unwrap();
    fs::write(desk.tree("AUX"), "").unwrap();
    fs::write(desk.tree("aux"), "case").unwrap();
    fs::write(desk.tree("run"), "#!").unwrap();
    fs::set_permissions(desk.tree("run"), fs::Permissions::from_mode(0o4750)).unwrap();
    symlink(format!(".//{long}"), desk.tree("link")).unwrap();
    symlink("../run", desk.tree("empty/up")).unwrap();
    fs::set_permissions(desk.tree("empty"), fs::Permissions::from_mode(0o500)).unwrap();
    let report = desk.export();
    assert_eq!((report.odd_count, report.vanished), (0, 0));
    assert_eq!((report.bytes, fs::metadata(desk.archive()).unwrap().len()), (18, report.packed_bytes));
    assert_eq!(mode(desk.archive()), 0o600);

    let imported = desk.import().unwrap();
    assert_eq!((imported.files, imported.folders, imported.links), (6, 5, 2));
    assert_eq!((imported.head.facts.as_str(), imported.head.mantyx.as_str()), ("facts", crate::MANTYX));
    assert_eq!(snapshot(&desk.path("tree")), snapshot(&desk.staged("")));
    assert_eq!((mode(desk.staged("run")), mode(desk.staged("empty"))), (0o750, 0o500));
    let written = |path: PathBuf| fs::metadata(path).unwrap().mtime();
    for path in ["run", "empty", "aux"] {
        assert_eq!(written(desk.tree(path)), written(desk.staged(path)), "{path}");
    }
    assert_eq!(recognise::<String>(&desk.archive()).unwrap(), imported.head);
}

/// What is in a tree: names, kinds, permissions and contents.
fn snapshot(top: &Path) -> BTreeSet<(Vec<u8>, u32, Vec<u8>)> {
    let mut all = BTreeSet::new();
    let mut folders = vec![top.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            let found = fs::symlink_metadata(&entry).unwrap();
            let content = if found.is_symlink() {
                fs::read_link(&entry).unwrap().into_os_string().into_encoded_bytes()
            } else if found.is_dir() {
                folders.push(entry.clone());
                Vec::new()
            } else {
                fs::read(&entry).unwrap()
            };
            let name = entry.strip_prefix(top).unwrap().as_os_str().as_bytes().to_vec();
            all.insert((name, found.mode() & !0o7000, content));
        }
    }
    all
}

#[test]
fn files_and_bytes_have_their_place() {
    let desk = Desk::new();
    fs::write(desk.tree("db"), "rows").unwrap();
    symlink("db", desk.tree("link")).unwrap();
    let mut writer = desk.writer();
    writer.add_bytes("key", &[7; 32]).unwrap();
    writer.add_file(&desk.tree("db"), "store/mantyx.db").unwrap();
    writer.add_bytes("store/more", b"more").unwrap();
    for taken in [HEAD, DIGESTS, "key", "../key", "/key", ""] {
        assert!(writer.add_bytes(taken, b"").is_err(), "{taken}");
    }
    assert!(writer.add_file(&desk.tree("link"), "other").is_err(), "a link is not followed");
    writer.finish().unwrap();
    assert_eq!(desk.import().unwrap().files, 3);
    assert_eq!(fs::read(desk.path("staging/key")).unwrap(), [7; 32]);
    assert_eq!(mode(desk.path("staging/key")), 0o600);
    assert_eq!(fs::read(desk.path("staging/store/mantyx.db")).unwrap(), b"rows");
}

/// Limits that refuse what this Mantyx has written would be a trap.
#[test]
fn nothing_gets_as_small_as_a_bomb() {
    let desk = Desk::new();
    fs::write(desk.tree("log"), vec![b'a'; 8 << 20]).unwrap();
    let report = desk.export();
    assert!(report.bytes / report.packed_bytes < Limits::default().ratio / 2);
}

#[test]
fn holes_stay_holes_and_are_no_bomb() {
    let desk = Desk::new();
    let sparse = File::create(desk.tree("sparse")).unwrap();
    sparse.set_len(16 << 20).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&sparse, b"middle", 8 << 20).unwrap();
    desk.export();
    desk.import().unwrap();
    let found = fs::metadata(desk.staged("sparse")).unwrap();
    assert_eq!(found.len(), 16 << 20);
    assert!(found.blocks() < 1000, "{} blocks", found.blocks());
    assert!(fs::read(desk.tree("sparse")).unwrap() == fs::read(desk.staged("sparse")).unwrap());
}

#[test]
fn what_cannot_be_packed_is_said() {
    let desk = Desk::new();
    let deep: PathBuf = std::iter::repeat_n("d".repeat(200), 12).collect();
    fs::create_dir_all(desk.tree(deep)).unwrap();
    symlink("/etc/passwd", desk.tree("absolute")).unwrap();
    symlink("..", desk.tree("up")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(desk.tree("socket")).unwrap();
    let report = desk.export();
    let odd: BTreeSet<(String, Why)> = report.odd.into_iter().map(|Odd { name, why }| (name, why)).collect();
    let name = |path: &str| format!("apps/shop/data/{path}");
    assert!(
        odd.contains(&(name("absolute"), Why::LinkLeaves)) && odd.contains(&(name("up"), Why::LinkLeaves))
    );
    assert!(odd.contains(&(name("socket"), Why::Special)));
    assert!(odd.iter().any(|(_, why)| *why == Why::TooLong));
    assert_eq!(report.odd_count, 4);
    desk.import().unwrap();
    assert!(fs::symlink_metadata(desk.staged("absolute")).is_err());
}

/// One name of the file is the app's, and the file is not: unpacked it would be.
#[test]
fn what_belongs_to_somebody_else_is_left_out() {
    let desk = Desk::new();
    fs::write(desk.path("secret"), "secret").unwrap();
    fs::hard_link(desk.path("secret"), desk.tree("mine")).unwrap();
    let gives = mantyx_platform::identity::is_superuser();
    if gives {
        std::os::unix::fs::chown(desk.path("tree"), Some(65_534), None).unwrap();
    }
    let report = desk.export();
    assert_eq!((report.files, report.odd_count), if gives { (0, 1) } else { (1, 0) });
    assert!(report.odd.iter().all(|odd| odd.why == Why::Foreign));
}

/// The tool that everybody has reads it, and what it packs again is let in.
#[test]
fn gnu_tar_reads_and_writes_it_too() {
    let desk = Desk::new();
    let long = format!("{}/{}", "long".repeat(50), "name".repeat(60));
    fs::create_dir_all(desk.tree(&long).parent().unwrap()).unwrap();
    fs::write(desk.tree(&long), "long").unwrap();
    symlink(&long, desk.tree("link")).unwrap();
    desk.export();
    let tar = |arguments: &[&OsStr]| {
        let ran = std::process::Command::new("tar").args(arguments).output().unwrap();
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
        ran.stdout
    };
    let (archive, out) = (desk.archive(), desk.path("out"));
    fs::create_dir(&out).unwrap();
    let listed = tar(&["-tzf".as_ref(), archive.as_ref()]);
    tar(&["-xzf".as_ref(), archive.as_ref(), "-C".as_ref(), out.as_ref()]);
    assert_eq!(snapshot(&desk.path("tree")), snapshot(&out.join("apps/shop/data")));
    let names = desk.path("names");
    fs::write(&names, listed).unwrap();
    let form: [&OsStr; 3] = ["--format=gnu".as_ref(), "--no-recursion".as_ref(), "-T".as_ref()];
    let pack: [&OsStr; 4] = ["-czf".as_ref(), archive.as_ref(), "-C".as_ref(), out.as_ref()];
    tar(&[pack.as_slice(), form.as_slice(), &[names.as_ref()]].concat());
    desk.import().unwrap();
    assert_eq!(snapshot(&desk.path("tree")), snapshot(&desk.staged("")));
}

#[test]
fn a_file_that_grows_is_cut_to_what_it_was() {
    let desk = Desk::new();
    fs::write(desk.tree("log"), vec![b'x'; 1 << 20]).unwrap();
    let log = desk.tree("log");
    let grow = move |_| {
        let file = File::options().append(true).open(&log).unwrap();
        (&file).write_all(b"more").unwrap();
    };
    let at = DateTime::from_timestamp(0, 0).unwrap();
    let mut writer = Writer::create(&desk.archive(), at, &"facts", Watch::new(&GO_ON, grow)).unwrap();
    writer.add_folder(&desk.path("tree"), "apps/shop/data").unwrap();
    let report = writer.finish().unwrap();
    assert_eq!((report.odd_count, report.odd[0].why), (1, Why::Resized));
    assert_eq!(desk.import().unwrap().files, 1);
}

#[test]
fn an_export_is_there_whole_or_not_at_all() {
    let desk = Desk::new();
    fs::write(desk.tree("file"), vec![1; 1 << 20]).unwrap();
    let cancel = AtomicBool::new(false);
    let at = DateTime::from_timestamp(0, 0).unwrap();
    let tell = |bytes| cancel.store(bytes > 100_000, Ordering::Relaxed);
    fs::write(unfinished(&desk.archive()), "left by a crash").unwrap();
    let mut writer = Writer::create(&desk.archive(), at, &(), Watch::new(&cancel, tell)).unwrap();
    assert!(unfinished(&desk.archive()).exists());
    let error = writer.add_folder(&desk.path("tree"), "apps/shop/data").unwrap_err();
    assert_eq!(error.code(), Code::Cancelled);
    drop(writer);
    let left = fs::read_dir(desk.0.path()).unwrap().count();
    assert_eq!((left, desk.archive().exists()), (2, false), "the tree and the staging folder");
}

#[test]
fn an_import_that_is_cancelled_leaves_nothing() {
    let desk = Desk::new();
    for file in 0..40_u32 {
        let noise = (0..700_u32).flat_map(|at| Sha256::digest((file * 700 + at).to_le_bytes()));
        let noise: Vec<u8> = noise.collect();
        fs::write(desk.tree(file.to_string()), noise).unwrap();
    }
    desk.export();
    let cancel = AtomicBool::new(false);
    let tell = |bytes| cancel.store(bytes > 100_000, Ordering::Relaxed);
    let outcome = unpack::<String>(&desk.archive(), &desk.path("staging"), &RULES, Watch::new(&cancel, tell));
    assert_eq!(outcome.unwrap_err().code(), Code::Cancelled);
    assert_eq!(fs::read_dir(desk.path("staging")).unwrap().count(), 0);
}

#[test]
fn every_cut_is_noticed() {
    let desk = Desk::new();
    fs::write(desk.tree("file"), "some text").unwrap();
    desk.export();
    let whole = fs::read(desk.archive()).unwrap();
    for length in 0..whole.len() {
        fs::write(desk.archive(), &whole[..length]).unwrap();
        let code = desk.refused().code();
        assert!([Code::ArchiveCorrupt, Code::NotAnExport].contains(&code), "{length}: {code:?}");
    }
    fs::write(desk.archive(), [whole.as_slice(), b"more"].concat()).unwrap();
    assert_eq!(desk.refused().code(), Code::ArchiveCorrupt);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Whatever a tree is like, an archive of it is let in, and brings it back.
    #[test]
    fn trees_come_back(
        entries in prop::collection::btree_map(
            prop::collection::vec(prop::collection::vec(prop_oneof![any::<u8>(), Just(b'.'), Just(b'%')], 1..120), 1..4),
            (0..3_u8, 0..0o1000_u32, prop::collection::vec(any::<u8>(), 0..300)),
            0..12,
        ),
    ) {
        let desk = Desk::new();
        for (parts, (kind, mode, content)) in &entries {
            plant(&desk.path("tree"), parts, *kind, *mode, content);
        }
        let report = desk.export();
        prop_assert_eq!(report.odd_count, 0);
        desk.import().unwrap();
        prop_assert_eq!(snapshot(&desk.path("tree")), snapshot(&desk.staged("")));
    }

    /// However an archive is changed, it is refused or comes in as it was.
    #[test]
    fn bytes_that_change_are_noticed(at in any::<prop::sample::Index>(), with in 1..=255_u8) {
        let desk = Desk::new();
        fs::write(desk.tree("file"), "some text").unwrap();
        desk.export();
        let mut bytes = fs::read(desk.archive()).unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= with;
        fs::write(desk.archive(), bytes).unwrap();
        prop_assert!(desk.holds_together());
    }

    /// The same behind the check of the whole stream, which whoever changes an archive makes anew.
    #[test]
    fn entries_that_change_lead_nowhere(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let desk = Desk::new();
        fs::write(desk.tree("file"), "some text").unwrap();
        symlink("file", desk.tree("link")).unwrap();
        desk.export();
        let mut bytes = Vec::new();
        GzDecoder::new(File::open(desk.archive()).unwrap()).read_to_end(&mut bytes).unwrap();
        // Most of an archive is padding, of which every change is alike.
        let said: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at] != 0).collect();
        for (at, with) in changes {
            bytes[*at.get(&said)] = with;
        }
        let mut packer = GzEncoder::new(File::create(desk.archive()).unwrap(), Compression::fast());
        packer.write_all(&bytes).unwrap();
        packer.finish().unwrap();
        prop_assert!(desk.holds_together());
    }
}

/// Makes an entry of a generated tree, where the file system takes its name.
fn plant(top: &Path, parts: &[Vec<u8>], kind: u8, mode: u32, content: &[u8]) {
    let name = parts.join(&b'/');
    let path = top.join(OsStr::from_bytes(&name));
    if name::fault(&name).is_some() || fs::create_dir_all(path.parent().unwrap()).is_err() {
        return;
    }
    let planted = match kind {
        0 => fs::create_dir(&path),
        1 => fs::write(&path, content),
        _ => return symlink("some/where", &path).unwrap_or_default(),
    };
    if planted.is_ok() {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode | 0o700)).unwrap();
    }
}
