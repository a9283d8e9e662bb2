//! Archives that no Mantyx made: each trick is refused with its own code, and nothing of it is left.

use super::*;
use crate::export::FileDigest;
use tar::{Builder, EntryType, Header};

/// An entry that somebody made up.
struct Fake {
    kind: EntryType,
    name: String,
    mode: u32,
    target: String,
    bytes: Vec<u8>,
}

fn fake(kind: EntryType, name: &str, mode: u32) -> Fake {
    Fake { kind, name: name.to_owned(), mode, target: String::new(), bytes: Vec::new() }
}

fn file(name: &str) -> Fake {
    fake(EntryType::Regular, name, 0o644)
}

fn folder(name: &str) -> Fake {
    fake(EntryType::Directory, name, 0o755)
}

/// A link that lies in the folder where one may be.
fn link(name: &str, target: &str) -> Fake {
    Fake { target: target.to_owned(), ..fake(EntryType::Symlink, &format!("apps/a/data/{name}"), 0o777) }
}

impl Fake {
    fn with(self, bytes: &[u8]) -> Self {
        Self { bytes: bytes.to_owned(), ..self }
    }

    fn to(self, target: &str) -> Self {
        Self { target: target.to_owned(), ..self }
    }
}

const TREE: [&str; 3] = ["apps", "apps/a", "apps/a/data"];

fn in_tree(entries: Vec<Fake>) -> Vec<Fake> {
    TREE.map(folder).into_iter().chain(entries).collect()
}

/// An archive that somebody made up.
struct Forgery {
    builder: Builder<GzEncoder<File>>,
    digests: Digests,
}

impl Forgery {
    fn new(desk: &Desk) -> Self {
        let packer = GzEncoder::new(File::create(desk.archive()).unwrap(), Compression::fast());
        Self { builder: Builder::new(packer), digests: Digests::default() }
    }

    /// One that begins as it should.
    fn headed(desk: &Desk) -> Self {
        let mut forgery = Self::new(desk);
        let head = br#"{"format":1,"mantyx":"0.1.0","made_at":"2026-11-20T17:11:46Z","facts":"f"}"#;
        forgery.add(&file(HEAD).with(head));
        forgery
    }

    /// Adds an entry, and the digest of a file.
    fn add(&mut self, entry: &Fake) {
        if entry.kind == EntryType::Regular {
            let sha256 = hex::encode(Sha256::digest(&entry.bytes));
            let digest = FileDigest { sha256, bytes: entry.bytes.len() as u64 };
            self.digests.files.insert(entry.name.clone(), digest);
        }
        self.add_unlisted(entry);
    }

    fn add_all(&mut self, entries: &[Fake]) {
        for entry in entries {
            self.add(entry);
        }
    }

    fn add_unlisted(&mut self, entry: &Fake) {
        let mut header = Header::new_gnu();
        header.set_entry_type(entry.kind);
        header.set_mode(entry.mode);
        header.set_size(entry.bytes.len() as u64);
        header.set_mtime(0);
        let old = header.as_old_mut();
        old.name[..entry.name.len()].copy_from_slice(entry.name.as_bytes());
        old.linkname[..entry.target.len()].copy_from_slice(entry.target.as_bytes());
        header.set_cksum();
        self.builder.append(&header, entry.bytes.as_slice()).unwrap();
    }

    fn end(mut self) {
        let digests = serde_json::to_vec(&self.digests).unwrap();
        self.add_unlisted(&file(DIGESTS).with(&digests));
        self.builder.into_inner().unwrap().finish().unwrap();
    }
}

/// What becomes of an archive with these entries in it.
fn refused(entries: &[Fake]) -> Code {
    let desk = Desk::new();
    let mut forgery = Forgery::headed(&desk);
    forgery.add_all(entries);
    forgery.end();
    desk.refused().code()
}

#[test]
fn what_is_no_export_is_said() {
    let desk = Desk::new();
    fs::write(desk.archive(), "PK\u{3}\u{4}").unwrap();
    assert_eq!(desk.refused().code(), Code::NotAnExport);
    let mut other = Forgery::new(&desk);
    other.add(&file("main.py"));
    other.end();
    assert_eq!(desk.refused().code(), Code::NotAnExport);
    assert_eq!(recognise::<String>(&desk.archive()).unwrap_err().code(), Code::NotAnExport);
    let mut newer = Forgery::new(&desk);
    newer.add(&file(HEAD).with(br#"{"format":7,"mantyx":"3.2.1"}"#));
    newer.end();
    let refused = desk.refused();
    assert_eq!(refused.code(), Code::UnknownFormat);
    assert!(refused.detail().contains("format 7 of Mantyx 3.2.1"), "{refused}");
}

#[test]
fn what_is_as_it_should_be_is_let_in() {
    let desk = Desk::new();
    let mut forgery = Forgery::headed(&desk);
    forgery.add_all(&in_tree(vec![link("x", "y"), file("apps/a/data/y")]));
    forgery.end();
    let imported = desk.import().unwrap();
    assert_eq!((imported.files, imported.folders, imported.links), (1, 3, 1));
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    let long = |bytes: &[u8]| fake(EntryType::GNULongName, "x", 0o644).with(bytes);
    for (entry, code) in [
        (file("../x"), Code::EntryTraversal),
        (file("a/../../x"), Code::EntryTraversal),
        (file("/tmp/x"), Code::EntryAbsolute),
        (file("./x"), Code::EntryName),
        (file("a//x"), Code::EntryName),
        (file("a/b"), Code::ArchiveCorrupt),
        (folder("a/b"), Code::ArchiveCorrupt),
        (folder(""), Code::EntryName),
        (file(HEAD), Code::EntryDuplicate),
    ] {
        assert_eq!(refused(std::slice::from_ref(&entry)), code, "{}", entry.name);
    }
    for (bytes, code) in [
        (vec![b'a'; 5000], Code::EntryName),
        (b"a\0b\0".to_vec(), Code::EntryName),
        (b"../x\0".to_vec(), Code::EntryTraversal),
    ] {
        assert_eq!(refused(&[long(&bytes), file("y")]), code, "{}", bytes.escape_ascii());
    }
    assert_eq!(refused(&[long(b"a"), long(b"b"), file("y")]), Code::EntryName);
}

#[test]
fn nothing_is_twice() {
    for (first, second, code) in [
        (file("x"), file("x"), Code::EntryDuplicate),
        (folder("x"), folder("x"), Code::EntryDuplicate),
        (folder("x"), file("x"), Code::EntryDuplicate),
        (file("x"), folder("x"), Code::EntryDuplicate),
        (file("x"), file("x/y"), Code::ArchiveCorrupt),
        (file(DIGESTS).with(br#"{"files":{}}"#), file("x"), Code::ArchiveCorrupt),
    ] {
        let what = format!("{} {}", first.name, second.name);
        assert_eq!(refused(&[first, second]), code, "{what}");
    }
}

#[test]
fn what_an_export_does_not_have_is_refused() {
    for (entry, code) in [
        (fake(EntryType::Char, "x", 0o666), Code::EntrySpecial),
        (fake(EntryType::Fifo, "x", 0o666), Code::EntrySpecial),
        (fake(EntryType::GNUSparse, "x", 0o666), Code::EntrySpecial),
        (fake(EntryType::XHeader, "x", 0o666).with(b"20 path=../../../x\n"), Code::EntrySpecial),
        (fake(EntryType::Link, "x", 0o644).to("/etc/passwd"), Code::EntryHardlink),
        (fake(EntryType::Regular, "x", 0o4755), Code::EntrySetuid),
        (fake(EntryType::Regular, "x", 0o2755), Code::EntrySetuid),
        (folder("x").with(b"content"), Code::ArchiveCorrupt),
        (fake(EntryType::Symlink, "key", 0o777).to("other"), Code::EntrySymlink),
    ] {
        assert_eq!(refused(std::slice::from_ref(&entry)), code, "{:?}", entry.kind);
    }
}

#[test]
fn links_stay_in_their_tree_and_lead_nothing_astray() {
    for (target, name) in [("../y", "x"), ("/etc", "x"), ("", "x"), ("y/../../../z", "x"), ("..", "x")] {
        assert_eq!(refused(&in_tree(vec![link(name, target)])), Code::EntrySymlink, "{target}");
    }
    let through = || in_tree(vec![link("x", "."), file("apps/a/data/x/y")]);
    assert_eq!(refused(&through()), Code::ArchiveCorrupt);
    for second in [file("apps/a/data/x"), folder("apps/a/data/x"), link("x", "z")] {
        let entries = in_tree(vec![link("x", "y"), second]);
        assert_eq!(refused(&entries), Code::EntryDuplicate);
    }
}

#[test]
fn digests_are_held_against_what_came_out() {
    let tampers: [fn(&mut Forgery); 4] = [
        |forgery| forgery.digests.files.clear(),
        |forgery| forgery.digests.files.values_mut().for_each(|digest| digest.bytes += 1),
        |forgery| forgery.digests.files.values_mut().for_each(|digest| digest.sha256 = "00".repeat(32)),
        |forgery| {
            let digest = forgery.digests.files["x"].clone();
            forgery.digests.files.insert("missing".to_owned(), digest);
        },
    ];
    for tamper in tampers {
        let desk = Desk::new();
        let mut forgery = Forgery::headed(&desk);
        forgery.add(&file("x").with(b"text"));
        tamper(&mut forgery);
        forgery.end();
        assert_eq!(desk.refused().code(), Code::ArchiveCorrupt);
    }
}

#[test]
fn limits_hold_for_what_is_read() {
    let many: Vec<Fake> = (0..1001).map(|number| file(&number.to_string())).collect();
    assert_eq!(refused(&many), Code::TooManyEntries);
    let bomb = file("bomb").with(&vec![b'a'; 12 << 20]);
    assert_eq!(refused(&[bomb]), Code::CompressionRatio);
    let desk = Desk::new();
    fs::write(desk.tree("large"), vec![b'a'; 1 << 20]).unwrap();
    desk.export();
    let limits = Limits { total_bytes: 1 << 19, ..RULES.limits };
    let rules = Rules { limits, ..RULES };
    let error = unpack::<String>(&desk.archive(), &desk.path("staging"), &rules, watch()).unwrap_err();
    assert_eq!(error.code(), Code::TooManyBytes);
}
