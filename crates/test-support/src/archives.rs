//! Archives, good and hostile, written byte by byte so that they can say what no honest tool would.
//!
//! The same corpus is used against the unpacker alone and against a running Mantyx.

use std::io::Write;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder};
use mantyx_core::Code;
use tar::EntryType;

mod tar_builder;
mod zip_builder;

pub use tar_builder::TarBuilder;
pub use zip_builder::{ZipBuilder, ZipEntry};

/// An archive that must be refused.
#[derive(Clone, Debug)]
pub struct Hostile {
    /// What is wrong with it.
    pub name: &'static str,
    /// What the upload is called.
    pub file_name: &'static str,
    /// All of it.
    pub bytes: Vec<u8>,
    /// How it must be refused.
    pub code: Code,
    /// The entry that must be named, where there is one.
    pub entry: Option<&'static str>,
}

/// A program that does nothing wrong; every hostile archive has it too, so that nothing else is missing.
const MAIN: (&str, &str) = ("main.py", "print('hello')\n");

/// A zip archive of text files.
#[must_use]
pub fn zip(files: &[(&str, &str)]) -> Vec<u8> {
    files.iter().fold(ZipBuilder::default(), |zip, (name, text)| zip.file(name, text.as_bytes())).build()
}

/// A tar archive of text files.
#[must_use]
pub fn tar(files: &[(&str, &str)]) -> Vec<u8> {
    files.iter().fold(TarBuilder::default(), |tar, (name, text)| tar.file(name, text.as_bytes())).build()
}

/// A tar archive of text files, packed with gzip.
#[must_use]
pub fn tar_gz(files: &[(&str, &str)]) -> Vec<u8> {
    gzip(&tar(files))
}

/// Packs bytes with gzip.
#[must_use]
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    let _ = encoder.write_all(bytes);
    encoder.finish().unwrap_or_default()
}

/// Every hostile archive.
#[must_use]
pub fn corpus() -> Vec<Hostile> {
    let mut all = zip_names();
    all.extend(zip_kinds());
    all.extend(zip_damage());
    all.extend(tar_names());
    all.extend(tar_kinds());
    all.extend(tar_damage());
    all.extend(bombs());
    all.extend(other_formats());
    all
}

fn hostile(
    name: &'static str,
    file_name: &'static str,
    bytes: Vec<u8>,
    code: Code,
    entry: Option<&'static str>,
) -> Hostile {
    Hostile { name, file_name, bytes, code, entry }
}

/// Names that must be refused in any format.
const NAMES: [(&str, &str, Code); 8] = [
    ("traversal", "../../evil.py", Code::EntryTraversal),
    ("absolute", "/tmp/evil.py", Code::EntryAbsolute),
    ("drive letter", "C:/evil.py", Code::EntryAbsolute),
    ("control character", "evil\u{7}.py", Code::EntryName),
    ("reserved name", "pkg/aux.py", Code::EntryName),
    ("duplicate", "main.py", Code::EntryDuplicate),
    ("case collision", "MAIN.py", Code::EntryCaseCollision),
    ("file as folder", "main.py/evil.py", Code::EntryDuplicate),
];

fn with_main() -> ZipBuilder {
    ZipBuilder::default().file(MAIN.0, MAIN.1.as_bytes())
}

fn tar_with_main() -> TarBuilder {
    TarBuilder::default().file(MAIN.0, MAIN.1.as_bytes())
}

fn zip_names() -> Vec<Hostile> {
    let mut all: Vec<Hostile> = NAMES
        .iter()
        .map(|(name, entry, code)| {
            hostile(name, "app.zip", with_main().file(entry, b"x").build(), *code, Some(entry))
        })
        .collect();
    let raw = |raw: Vec<u8>| with_main().entry(&ZipEntry::new(raw, b"x")).build();
    all.push(hostile("not UTF-8", "app.zip", raw(b"caf\xe9.py".to_vec()), Code::EntryName, None));
    all.push(hostile("NUL", "app.zip", raw(b"a.py\0.txt".to_vec()), Code::EntryName, None));
    all.push(hostile("too long", "app.zip", raw([b'a'; 300].to_vec()), Code::EntryName, None));
    all
}

fn tar_names() -> Vec<Hostile> {
    let tar = |entry: &str| tar_with_main().file(entry, b"x").build();
    let mut all: Vec<Hostile> = NAMES
        .iter()
        .map(|(name, entry, code)| hostile(name, "app.tar.gz", gzip(&tar(entry)), *code, Some(entry)))
        .collect();
    let raw = |raw: &[u8]| tar_with_main().entry(raw, EntryType::Regular, 0o644, b"", b"x").build();
    all.push(hostile("not UTF-8", "app.tar", raw(b"caf\xe9.py"), Code::EntryName, None));
    all.push(hostile("too long", "app.tar", raw(&[b'a'; 300]), Code::EntryName, None));
    all
}

fn zip_kinds() -> Vec<Hostile> {
    let of = |entries: &[ZipEntry]| entries.iter().fold(with_main(), ZipBuilder::entry).build();
    let link = |name: &str, target: &str| ZipEntry::new(name, target.as_bytes()).mode(0o120_777);
    let mode = |mode: u32| of(&[ZipEntry::new("odd", b"").mode(mode)]);
    let encrypted = ZipEntry { flags: 0x0801, ..ZipEntry::new("secret.py", b"twelve bytes") };
    let lzma = ZipEntry { method: 14, ..ZipEntry::new("packed.py", b"x") };
    let through = [link("out", "."), ZipEntry::new("out/evil.py", b"x")];
    let chain = [link("a/b/c", "../.."), link("out", "a/b/c/../../x")];
    vec![
        hostile("symlink out", "app.zip", of(&[link("out", "../../etc")]), Code::EntrySymlink, Some("out")),
        hostile(
            "absolute symlink",
            "app.zip",
            of(&[link("out", "/etc/passwd")]),
            Code::EntrySymlink,
            Some("out"),
        ),
        hostile("write through a symlink", "app.zip", of(&through), Code::EntrySymlink, Some("out/evil.py")),
        hostile("chain of symlinks", "app.zip", of(&chain), Code::EntrySymlink, Some("out")),
        hostile("device", "app.zip", mode(0o020_666), Code::EntrySpecial, Some("odd")),
        hostile("FIFO", "app.zip", mode(0o010_644), Code::EntrySpecial, Some("odd")),
        hostile("setuid", "app.zip", mode(0o104_755), Code::EntrySetuid, Some("odd")),
        hostile("encrypted", "app.zip", of(&[encrypted]), Code::ArchiveEncrypted, Some("secret.py")),
        hostile("unknown method", "app.zip", of(&[lzma]), Code::ArchiveCompression, Some("packed.py")),
    ]
}

fn tar_kinds() -> Vec<Hostile> {
    let link = |kind, target: &str| gzip(&tar_with_main().link("out", kind, target).build());
    let odd = |kind, mode| gzip(&tar_with_main().entry(b"odd", kind, mode, b"", b"").build());
    let through = tar_with_main().link("out", EntryType::Symlink, ".").file("out/evil.py", b"x").build();
    let linked =
        tar_with_main().link("a", EntryType::Symlink, "/etc/passwd").link("out", EntryType::Link, "a");
    let symlink = |target| link(EntryType::Symlink, target);
    let hardlink = |target| link(EntryType::Link, target);
    vec![
        hostile("symlink out", "app.tar.gz", symlink("../etc"), Code::EntrySymlink, Some("out")),
        hostile("absolute symlink", "app.tar.gz", symlink("/etc"), Code::EntrySymlink, Some("out")),
        hostile("write through a symlink", "app.tar", through, Code::EntrySymlink, Some("out/evil.py")),
        hostile(
            "hard link out",
            "app.tar.gz",
            hardlink("../../etc/passwd"),
            Code::EntryHardlink,
            Some("out"),
        ),
        hostile(
            "absolute hard link",
            "app.tar.gz",
            hardlink("/etc/passwd"),
            Code::EntryHardlink,
            Some("out"),
        ),
        hostile("hard link to nothing", "app.tar.gz", hardlink("other"), Code::EntryHardlink, Some("out")),
        hostile("hard link to a symlink", "app.tar", linked.build(), Code::EntryHardlink, Some("out")),
        hostile("device", "app.tar.gz", odd(EntryType::Char, 0o644), Code::EntrySpecial, Some("odd")),
        hostile("block device", "app.tar.gz", odd(EntryType::Block, 0o644), Code::EntrySpecial, Some("odd")),
        hostile("FIFO", "app.tar.gz", odd(EntryType::Fifo, 0o644), Code::EntrySpecial, Some("odd")),
        hostile("setuid", "app.tar.gz", odd(EntryType::Regular, 0o4755), Code::EntrySetuid, Some("odd")),
        hostile("setgid", "app.tar.gz", odd(EntryType::Regular, 0o2755), Code::EntrySetuid, Some("odd")),
        hostile("sparse", "app.tar.gz", odd(EntryType::GNUSparse, 0o644), Code::EntrySpecial, Some("odd")),
    ]
}

fn zip_damage() -> Vec<Hostile> {
    let good = zip(&[MAIN, ("lib.py", "x = 1\n")]);
    let liar = ZipEntry { size: 3, ..ZipEntry::new("liar.py", b"longer than that") };
    let wrong = ZipEntry { crc: 1, ..ZipEntry::new("wrong.py", b"x") };
    let overlap = ZipEntry { shares: true, ..ZipEntry::new("again.py", MAIN.1.as_bytes()) };
    let of = |entry: &ZipEntry| with_main().entry(entry).build();
    vec![
        hostile("truncated", "app.zip", good[..good.len() - 30].to_vec(), Code::ArchiveCorrupt, None),
        hostile("size that lies", "app.zip", of(&liar), Code::ArchiveCorrupt, Some("liar.py")),
        hostile("wrong checksum", "app.zip", of(&wrong), Code::ArchiveCorrupt, Some("wrong.py")),
        hostile("overlap", "app.zip", of(&overlap), Code::ArchiveCorrupt, None),
        hostile("empty", "app.zip", zip(&[]), Code::ArchiveEmpty, None),
        hostile("no entrypoint", "app.zip", zip(&[("README.md", "# Hello")]), Code::NoEntrypoint, None),
    ]
}

fn tar_damage() -> Vec<Hostile> {
    let (plain, packed) = (tar(&[MAIN]), tar_gz(&[MAIN]));
    let garbage = [packed.as_slice(), b"garbage"].concat();
    let second = gzip(&[plain.as_slice(), plain.as_slice()].concat());
    vec![
        hostile("truncated", "app.tar", plain[..plain.len() - 1024].to_vec(), Code::ArchiveCorrupt, None),
        hostile("truncated content", "app.tar", plain[..520].to_vec(), Code::ArchiveCorrupt, Some(MAIN.0)),
        hostile("truncated", "app.tar.gz", packed[..packed.len() - 6].to_vec(), Code::ArchiveCorrupt, None),
        hostile("garbage behind", "app.tar.gz", garbage, Code::ArchiveCorrupt, None),
        hostile("second archive behind", "app.tar.gz", second, Code::ArchiveCorrupt, None),
        hostile("empty", "app.tar.gz", tar_gz(&[]), Code::ArchiveEmpty, None),
        hostile("no entrypoint", "app.tar.gz", tar_gz(&[("README.md", "# Hello")]), Code::NoEntrypoint, None),
    ]
}

fn bombs() -> Vec<Hostile> {
    let zeros = vec![0; 6 << 20];
    let nested = nested_bomb();
    let zip_of = |name: &str, bytes: &[u8]| with_main().file(name, bytes).build();
    let tar_of = |name: &str, bytes: &[u8]| gzip(&tar_with_main().file(name, bytes).build());
    let count = 20_001;
    let names = || (0..count).map(|number| format!("f{number}.py"));
    let many_zip = names().fold(with_main(), |zip, name| zip.file(&name, b"")).build();
    let many_tar = names().fold(tar_with_main(), |tar, name| tar.file(&name, b"")).build();
    vec![
        hostile("bomb by ratio", "app.zip", zip_of("zeros", &zeros), Code::CompressionRatio, Some("zeros")),
        hostile(
            "bomb by ratio",
            "app.tar.gz",
            tar_of("zeros", &zeros),
            Code::CompressionRatio,
            Some("zeros"),
        ),
        hostile("nested bomb", "app.zip", zip_of("in.zip", &nested), Code::CompressionRatio, Some("in.zip")),
        hostile(
            "nested bomb",
            "app.tar.gz",
            tar_of("in.zip", &nested),
            Code::CompressionRatio,
            Some("in.zip"),
        ),
        hostile("bomb by count", "app.zip", many_zip, Code::TooManyEntries, None),
        hostile("bomb by count", "app.tar.gz", gzip(&many_tar), Code::TooManyEntries, None),
    ]
}

/// A zip archive of a few megabytes with eight gigabytes of zeros: a packed megabyte ends at a byte, so that it can
/// be repeated as it is.
fn nested_bomb() -> Vec<u8> {
    let mut megabyte = DeflateEncoder::new(Vec::new(), Compression::default());
    let _ = megabyte.write_all(&vec![0; 1 << 20]).and_then(|()| megabyte.flush());
    let mut packed = megabyte.get_ref().repeat(8192);
    packed.extend(END_OF_DEFLATE);
    with_main().entry(&ZipEntry { packed, size: u32::MAX, method: 8, ..ZipEntry::new("zeros", b"") }).build()
}

/// An empty last block (RFC 1951, 3.2.6).
const END_OF_DEFLATE: [u8; 2] = [3, 0];

fn other_formats() -> Vec<Hostile> {
    vec![
        hostile("wrong magic", "app.zip", b"This is no archive at all.\n".to_vec(), Code::NotAnArchive, None),
        hostile("wrong magic", "app.tar.gz", gzip(b"A text, packed."), Code::NotAnArchive, None),
        hostile("no bytes", "app.zip", Vec::new(), Code::ArchiveEmpty, None),
        hostile("bzip2", "app.tar.bz2", b"BZh91AY&SY".to_vec(), Code::ArchiveCompression, None),
        hostile("xz", "app.tar.xz", b"\xfd7zXZ\0\0\x04".to_vec(), Code::ArchiveCompression, None),
        hostile("zstd", "app.tar.zst", b"\x28\xb5\x2f\xfd\x04\0".to_vec(), Code::ArchiveCompression, None),
        hostile("7z", "app.7z", b"7z\xbc\xaf\x27\x1c\0\x04".to_vec(), Code::UnsupportedType, None),
        hostile("RAR", "app.rar", b"Rar!\x1a\x07\x01\0".to_vec(), Code::UnsupportedType, None),
    ]
}
