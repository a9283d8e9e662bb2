//! Entries of a tar archive, whose names are written as they are.
//!
//! The `tar` crate would read a name as a path first, which is another name for some. A name that is too long for its
//! header goes before it, in the way of GNU tar.

use std::io::{self, Read, Write};

use tar::{Builder, EntryType, Header};

/// The longest name that a header has room for.
const ROOM: usize = 100;

/// What of a file is kept beside its name and its content.
#[derive(Clone, Copy)]
pub(super) struct Attributes {
    pub(super) mode: u32,
    /// Seconds since 1970.
    pub(super) modified: u64,
}

pub(super) struct Tape<W: Write> {
    builder: Builder<W>,
    /// Whether the last entry ended where it should. Behind one that did not, nothing can be read.
    is_whole: bool,
}

impl<W: Write> Tape<W> {
    pub(super) fn new(inner: W) -> Self {
        Self { builder: Builder::new(inner), is_whole: true }
    }

    pub(super) fn folder(&mut self, name: &[u8], attributes: Attributes) -> io::Result<()> {
        let name = [name, b"/"].concat();
        self.entry(header(EntryType::Directory, attributes), &name, &mut io::empty())
    }

    /// A file of exactly this size.
    pub(super) fn file(
        &mut self,
        name: &[u8],
        attributes: Attributes,
        size: u64,
        content: &mut dyn Read,
    ) -> io::Result<()> {
        let mut header = header(EntryType::Regular, attributes);
        header.set_size(size);
        self.entry(header, name, content)
    }

    pub(super) fn link(&mut self, name: &[u8], attributes: Attributes, target: &[u8]) -> io::Result<()> {
        let mut header = header(EntryType::Symlink, attributes);
        self.long(EntryType::GNULongLink, target)?;
        put(&mut header.as_old_mut().linkname, target);
        self.entry(header, name, &mut io::empty())
    }

    /// Ends the archive.
    pub(super) fn finish(self) -> io::Result<W> {
        if !self.is_whole {
            return Err(io::Error::other("an entry was not packed to its end"));
        }
        self.builder.into_inner()
    }

    fn entry(&mut self, mut header: Header, name: &[u8], content: &mut dyn Read) -> io::Result<()> {
        self.long(EntryType::GNULongName, name)?;
        put(&mut header.as_old_mut().name, name);
        self.append(header, content)
    }

    fn append(&mut self, mut header: Header, content: impl Read) -> io::Result<()> {
        header.set_cksum();
        let was_whole = std::mem::replace(&mut self.is_whole, false);
        self.builder.append(&header, content)?;
        self.is_whole = was_whole;
        Ok(())
    }

    /// Says in front of an entry what its header has no room for.
    fn long(&mut self, kind: EntryType, text: &[u8]) -> io::Result<()> {
        if text.len() <= ROOM {
            return Ok(());
        }
        let mut header = header(kind, Attributes { mode: 0o644, modified: 0 });
        put(&mut header.as_old_mut().name, b"././@LongLink");
        header.set_size(text.len() as u64 + 1);
        self.append(header, text.chain([0].as_slice()))
    }
}

fn header(kind: EntryType, attributes: Attributes) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(attributes.mode);
    header.set_mtime(attributes.modified);
    header.set_size(0);
    header.set_uid(0);
    header.set_gid(0);
    header
}

fn put(field: &mut [u8; ROOM], text: &[u8]) {
    let kept = &text[..text.len().min(ROOM)];
    field[..kept.len()].copy_from_slice(kept);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_packed_whole_never_becomes_an_archive() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::ErrorKind::UnexpectedEof.into())
            }
        }
        let attributes = Attributes { mode: 0o644, modified: 0 };
        let mut tape = Tape::new(Vec::new());
        assert!(tape.file(b"broken", attributes, 4, &mut Broken).is_err());
        tape.file(b"whole", attributes, 4, &mut b"text".as_slice()).unwrap();
        assert!(tape.finish().is_err());
    }
}
