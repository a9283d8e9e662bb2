//! The bytes of an archive on their way out of it.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::rc::Rc;

use flate2::bufread::GzDecoder;
use mantyx_core::{Code, Error, Result};

use super::not_an_export;
use crate::Watch;
use crate::name;
use crate::watch::cancelled;

pub(super) const AGAIN: &str = "Copy the file again, or export again: it may have been cut short";
/// How every gzip stream begins (RFC 1952).
const MAGIC: [u8; 2] = [0x1f, 0x8b];
/// Read of the archive at once, in bytes.
const BLOCK: usize = 64 * 1024;

/// An archive that is read from its beginning to its end, while somebody looks on.
pub(super) struct Packed<'a> {
    inner: GzDecoder<BufReader<Watched<'a>>>,
    count: Rc<Cell<u64>>,
}

impl<'a> Packed<'a> {
    pub(super) fn open(archive: &Path, watch: Watch<'a>) -> Result<Self> {
        let failed = |error| Error::io(format!("read `{}`", archive.display()), error);
        let file = File::open(archive).map_err(failed)?;
        let count = Rc::<Cell<u64>>::default();
        let mut reader = BufReader::with_capacity(BLOCK, Watched { file, watch, count: Rc::clone(&count) });
        if reader.fill_buf().is_ok_and(|head| !head.starts_with(&MAGIC)) {
            return Err(not_an_export());
        }
        Ok(Self { inner: GzDecoder::new(reader), count })
    }

    /// How many bytes of the archive were read, shared with the reader.
    pub(super) fn count(&self) -> Rc<Cell<u64>> {
        Rc::clone(&self.count)
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.inner.get_ref().get_ref().watch.is_cancelled()
    }

    /// Behind the last entry there is nothing but padding, the check of the whole stream, and the end of the file.
    pub(super) fn check_end(&mut self) -> Result<()> {
        let mut buffer = vec![0; BLOCK];
        loop {
            match self.inner.read(&mut buffer).map_err(|error| unreadable(b"the archive", error))? {
                0 => break,
                read if buffer[..read].iter().all(|byte| *byte == 0) => {}
                _ => return Err(corrupt("goes on behind its end")),
            }
        }
        let rest = self.inner.get_mut().fill_buf().map_err(|error| unreadable(b"the archive", error))?;
        if rest.is_empty() { Ok(()) } else { Err(corrupt("goes on behind its end")) }
    }

    /// What was meant, when reading was ended from outside.
    pub(super) fn explain(&self, error: Error) -> Error {
        if self.is_cancelled() { cancelled() } else { error }
    }
}

impl Read for Packed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.inner.read(buffer)
    }
}

/// A file that somebody looks on while it is read.
struct Watched<'a> {
    file: File,
    watch: Watch<'a>,
    count: Rc<Cell<u64>>,
}

impl Read for Watched<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.count.set(self.count.get() + read as u64);
        self.watch.count(read)?;
        Ok(read)
    }
}

/// A fault of the machine while reading, or bytes that do not decode.
pub(super) fn unreadable(entry: &[u8], error: io::Error) -> Error {
    let shown = name::shown(entry);
    if error.raw_os_error().is_some() {
        return Error::io(format!("read `{shown}`"), error);
    }
    Error::new(Code::ArchiveCorrupt, format!("`{shown}` does not decode: {error}")).hint(AGAIN).because(error)
}

pub(super) fn corrupt(why: &str) -> Error {
    Error::new(Code::ArchiveCorrupt, format!("The archive {why}")).hint(AGAIN)
}
