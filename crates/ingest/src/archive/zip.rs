//! Zip archives, read by their central directory alone.
//!
//! A zip archive says everything twice, and two readers that believe different halves see different archives.
//! One is believed here: the directory at the end, with no byte of data used by two entries. What the entries'
//! own headers say is never looked at, so there is nothing to disagree about.

use std::collections::HashSet;
use std::io::{self, Read, Seek, SeekFrom};

use mantyx_core::{Code, Error, Result};
use zip::CompressionMethod;
use zip::read::{ZipArchive, ZipFileEntry};
use zip::result::ZipError;

use crate::entry::{EntryPath, refuse};
use crate::limits::{Counted, Limits, too_many_entries, unreadable};
use crate::unpack::{Content, Mode, Unpacker};

/// How many bytes of directory an entry may have on average. The directory is the one part that is kept in
/// memory, so it is read with a budget.
const DIRECTORY_ENTRY: u64 = 512;
/// Beside that, what finding the directory takes: a comment of 64 KiB, with room.
const DIRECTORY_EXTRA: u64 = 256 * 1024;

/// The type bits of a Unix mode (inode(7)).
const TYPE: u32 = 0o170_000;

/// Hands every entry to the unpacker.
pub(super) fn unpack<R: Read + Seek>(
    source: Counted<R>,
    name: &str,
    limits: &Limits,
    unpacker: &mut Unpacker<'_>,
) -> Result<()> {
    let (count, allowed) = (source.count(), source.allowed());
    allowed.set(limits.entries.saturating_mul(DIRECTORY_ENTRY).saturating_add(DIRECTORY_EXTRA));
    let mut archive = ZipArchive::new(source).map_err(|error| match allowed.get() {
        0 => too_many_entries(limits),
        _ => damaged(name, error),
    })?;
    allowed.set(u64::MAX);
    if archive.len() as u64 > limits.entries {
        return Err(too_many_entries(limits));
    }
    if archive.has_duplicate_names() {
        return Err(duplicate(archive));
    }
    check_entries(&archive, name)?;
    if archive.has_overlapping_entries().map_err(|error| damaged(name, error))? {
        return Err(Error::new(Code::ArchiveCorrupt, format!("Entries of `{name}` share their bytes"))
            .hint("Make the archive again: no tool for archives does this"));
    }
    count.set(0);
    (0..archive.len()).try_for_each(|index| unpack_entry(&mut archive, index, unpacker))
}

/// What can be refused before anything is written.
fn check_entries<R: Read + Seek>(archive: &ZipArchive<R>, name: &str) -> Result<()> {
    let directory = archive.metadata();
    for index in 0..directory.len() {
        let entry = directory.entry(index).map_err(|error| damaged(name, error))?;
        let shown = String::from_utf8_lossy(entry.name_raw());
        if entry.encrypted() {
            return Err(refuse(Code::ArchiveEncrypted, &shown, "is encrypted")
                .hint("Pack it again without a password"));
        }
        if !matches!(entry.compression(), CompressionMethod::Stored | CompressionMethod::Deflated) {
            let why = format!("is compressed with {:?}", entry.compression());
            return Err(refuse(Code::ArchiveCompression, &shown, &why)
                .hint("Pack it again with the usual method, deflate"));
        }
        if kind(&entry)? == EntryKind::File && mode(&entry) & 0o6000 != 0 {
            return Err(refuse(Code::EntrySetuid, &shown, "has a setuid or setgid bit"));
        }
    }
    Ok(())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum EntryKind {
    Folder,
    File,
    Symlink,
}

fn kind(entry: &ZipFileEntry<'_>) -> Result<EntryKind> {
    let shown = String::from_utf8_lossy(entry.name_raw());
    let ends_like_a_folder = entry.name_raw().ends_with(b"/");
    match mode(entry) & TYPE {
        _ if ends_like_a_folder && entry.size() > 0 => {
            Err(refuse(Code::ArchiveCorrupt, &shown, "is a folder with content"))
        }
        0o120_000 => Ok(EntryKind::Symlink),
        0o100_000 | 0 if ends_like_a_folder => Ok(EntryKind::Folder),
        0o100_000 | 0 => Ok(EntryKind::File),
        0o040_000 => Ok(EntryKind::Folder),
        _ => Err(refuse(Code::EntrySpecial, &shown, "is a device, a pipe or a socket")),
    }
}

/// The Unix mode as it is written. The `zip` crate has a method for it, but that leaves the setuid bits out.
/// From systems without one there is the folder bit of DOS at most (APPNOTE 4.4.15).
fn mode(entry: &ZipFileEntry<'_>) -> u32 {
    match entry.external_attributes() {
        dos @ 0..=0xffff if dos & 0x10 != 0 => 0o040_755,
        attributes => attributes >> 16,
    }
}

fn unpack_entry<R: Read + Seek>(
    archive: &mut ZipArchive<R>,
    index: usize,
    unpacker: &mut Unpacker<'_>,
) -> Result<()> {
    let directory = archive.metadata();
    let entry = directory.entry(index).map_err(|error| damaged("the archive", error))?;
    let Some(path) = unpacker.name(entry.name_raw())? else { return Ok(()) };
    let kind = kind(&entry)?;
    if kind == EntryKind::Folder {
        return unpacker.add(&path, Content::Folder);
    }
    let content = archive.by_index(index).map_err(|error| damaged_entry(&path, error))?;
    let mut bytes = Promised { inner: content, left: entry.size() };
    if kind == EntryKind::File {
        return unpacker.add(&path, Content::File { mode: Mode::of(mode(&entry)), bytes: &mut bytes });
    }
    let mut target = Vec::new();
    bytes.take(4096).read_to_end(&mut target).map_err(|error| damaged_entry(&path, error.into()))?;
    unpacker.add(&path, Content::Symlink { target: &target })
}

/// Content of which the directory has said how long it is: more or less of it is a lie.
struct Promised<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Promised<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        let wrong = || io::Error::new(io::ErrorKind::InvalidData, "its size is not the one that was said");
        self.left = self.left.checked_sub(read as u64).ok_or_else(wrong)?;
        if read == 0 && !buffer.is_empty() && self.left > 0 { Err(wrong()) } else { Ok(read) }
    }
}

/// Of two entries with one name only the last is kept by the reader: the directory is read again for the name.
fn duplicate<R: Read + Seek>(archive: ZipArchive<R>) -> Error {
    let start = archive.central_directory_start();
    let name = repeated(&mut archive.into_inner(), start).ok().flatten().unwrap_or_default();
    refuse(Code::EntryDuplicate, &String::from_utf8_lossy(&name), "is there twice")
}

fn repeated<R: Read + Seek>(source: &mut R, start: u64) -> io::Result<Option<Vec<u8>>> {
    /// A header of the central directory up to the name (APPNOTE 4.3.12).
    const HEADER: usize = 46;
    let mut seen = HashSet::new();
    source.seek(SeekFrom::Start(start))?;
    loop {
        let mut header = [0; HEADER];
        source.read_exact(&mut header)?;
        if !header.starts_with(b"PK\x01\x02") {
            return Ok(None);
        }
        let length = |at: usize| u64::from(u16::from_le_bytes([header[at], header[at + 1]]));
        let mut name = Vec::new();
        source.take(length(28)).read_to_end(&mut name)?;
        io::copy(&mut source.take(length(30) + length(32)), &mut io::sink())?;
        if !seen.insert(name.clone()) {
            return Ok(Some(name));
        }
    }
}

fn damaged_entry(path: &EntryPath, error: ZipError) -> Error {
    damaged(path.as_str(), error).entry(path.as_str())
}

fn damaged(name: &str, error: ZipError) -> Error {
    match error {
        ZipError::Io(error) => unreadable(name, error),
        other => unreadable(name, io::Error::new(io::ErrorKind::InvalidData, other)),
    }
}
