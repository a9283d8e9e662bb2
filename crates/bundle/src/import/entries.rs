//! The entries of an archive, of the kinds that an export has.
//!
//! They are taken raw: the names that go before an entry are read here with a limit of their own, because they are as
//! long as they say and end up in memory.

use std::io::{self, Read};

use mantyx_core::{Code, Result};
use tar::{Archive, EntryType, Header};

use super::packed::{Packed, unreadable};
use crate::name::{LONGEST, refuse};

/// An entry, without its content.
pub(super) struct Entry<'a> {
    pub(super) name: &'a [u8],
    pub(super) kind: Kind,
    /// Of its permissions what is kept.
    pub(super) mode: u32,
    /// When it was written to, in seconds since 1970.
    pub(super) modified: u64,
    /// How long it is, in bytes.
    pub(super) size: u64,
    /// Where a link leads.
    pub(super) target: &'a [u8],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Folder,
    File,
    Link,
}

/// Takes entries in the order in which they come.
pub(super) trait Taker {
    fn take(&mut self, entry: &Entry<'_>, content: &mut dyn Read) -> Result<()>;
}

/// Reads an archive to its end.
pub(super) fn read(packed: &mut Packed<'_>, taker: &mut dyn Taker) -> Result<()> {
    let outcome = read_all(&mut *packed, taker).and_then(|()| packed.check_end());
    outcome.map_err(|error| packed.explain(error))
}

fn read_all(source: &mut Packed<'_>, taker: &mut dyn Taker) -> Result<()> {
    let failed = |error| unreadable(b"the archive", error);
    let mut archive = Archive::new(source);
    let mut long = Long::default();
    for entry in archive.entries().map_err(failed)?.raw(true) {
        let mut entry = entry.map_err(failed)?;
        match entry.header().entry_type() {
            EntryType::GNULongName => long.name = Some(long_text(&mut entry, long.name.is_some())?),
            EntryType::GNULongLink => long.link = Some(long_text(&mut entry, long.link.is_some())?),
            _ => {
                let header = entry.header().clone();
                let size = entry.size();
                take(
                    &header,
                    std::mem::take(&mut long),
                    &mut Whole { inner: &mut entry, left: size },
                    taker,
                )?;
            }
        }
    }
    if long.is_none() { Ok(()) } else { Err(failed(io::ErrorKind::UnexpectedEof.into())) }
}

/// What was said in front of an entry.
#[derive(Default)]
struct Long {
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
}

impl Long {
    fn is_none(&self) -> bool {
        self.name.is_none() && self.link.is_none()
    }
}

fn long_text<R: Read>(entry: &mut tar::Entry<'_, R>, is_second: bool) -> Result<Vec<u8>> {
    let size = entry.size();
    if is_second || size > LONGEST as u64 + 1 {
        return Err(refuse(Code::EntryName, &entry.header().path_bytes(), "has a name that is too long"));
    }
    let mut text = Vec::new();
    let mut whole = Whole { inner: entry, left: size };
    whole.read_to_end(&mut text).map_err(|error| unreadable(b"the archive", error))?;
    if text.last() == Some(&0) {
        text.pop();
    }
    Ok(text)
}

fn take(header: &Header, long: Long, content: &mut Whole<impl Read>, taker: &mut dyn Taker) -> Result<()> {
    let name = long.name.unwrap_or_else(|| header.path_bytes().into_owned());
    let kind = kind(header.entry_type(), &name)?;
    let target = long.link.or_else(|| header.link_name_bytes().map(Into::into)).unwrap_or_default();
    let failed = |error| unreadable(&name, error);
    let mode = header.mode().map_err(failed)?;
    if kind == Kind::File && mode & 0o6000 != 0 {
        return Err(refuse(Code::EntrySetuid, &name, "has a setuid or setgid bit"));
    }
    if kind != Kind::File && content.left > 0 {
        return Err(refuse(Code::ArchiveCorrupt, &name, "has content, which only files have"));
    }
    let entry = Entry {
        // A folder is told by its kind.
        name: if kind == Kind::Folder { name.strip_suffix(b"/").unwrap_or(&name) } else { &name },
        kind,
        mode: mode & 0o777,
        modified: header.mtime().map_err(failed)?,
        size: content.left,
        target: &target,
    };
    taker.take(&entry, content)?;
    // Content of which nobody took all would be read as the next header.
    if content.left == 0 { Ok(()) } else { Err(failed(io::ErrorKind::UnexpectedEof.into())) }
}

fn kind(found: EntryType, name: &[u8]) -> Result<Kind> {
    match found {
        EntryType::Regular => Ok(Kind::File),
        EntryType::Directory => Ok(Kind::Folder),
        EntryType::Symlink => Ok(Kind::Link),
        EntryType::Link => Err(refuse(Code::EntryHardlink, name, "is a hard link, which no export has")),
        _ => Err(refuse(Code::EntrySpecial, name, "is of a kind that no export has")),
    }
}

/// Content of which the header has said how long it is: less of it means that the archive was cut short.
struct Whole<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Whole<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.left = self.left.saturating_sub(read as u64);
        if read == 0 && self.left > 0 && !buffer.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(read)
    }
}
