//! How much a source may be, enforced while it is read.

use std::cell::Cell;
use std::io::{self, BufRead, Read, Seek, SeekFrom, Write};
use std::rc::Rc;

use mantyx_core::{Code, Error, Result};

/// What a source may unpack to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// All files together, in bytes.
    pub total_bytes: u64,
    /// One file, in bytes.
    pub file_bytes: u64,
    /// Files, folders and links, those that are only implied by a longer path included.
    pub entries: u64,
    /// How many bytes one packed byte may become.
    pub ratio: u64,
}

impl Default for Limits {
    /// A gibibyte, 20,000 entries, and a ratio that text reaches but source code does not.
    fn default() -> Self {
        Self { total_bytes: 1 << 30, file_bytes: 1 << 30, entries: 20_000, ratio: 200 }
    }
}

/// Packed bytes that cost nothing: small files of blanks have any ratio, and readers read ahead.
const SLACK: u64 = 16 * 1024;

/// Copied at once, in bytes.
const CHUNK: usize = 64 * 1024;

impl Limits {
    /// Whether this much may come out of so many packed bytes.
    pub(crate) fn allows_ratio(&self, bytes: u64, packed: u64) -> bool {
        bytes <= self.ratio.saturating_mul(packed.saturating_add(SLACK))
    }
}

/// Counts what has come out of a source so far.
pub(crate) struct Meter<'a> {
    limits: &'a Limits,
    entries: u64,
    /// Everything that was written.
    bytes: u64,
    /// What of it came out of packed bytes.
    unpacked: u64,
    /// How many packed bytes were used up, where the source is packed.
    packed: Option<Rc<Cell<u64>>>,
    buffer: Vec<u8>,
}

/// Whether bytes come out of fewer bytes, and how many of these were used up before.
#[derive(Clone, Copy)]
enum Density {
    Packed { before: u64 },
    Plain,
}

impl<'a> Meter<'a> {
    pub(crate) fn new(limits: &'a Limits, packed: Option<Rc<Cell<u64>>>) -> Self {
        Self { limits, entries: 0, bytes: 0, unpacked: 0, packed, buffer: vec![0; CHUNK] }
    }

    /// Counts entries, of which `name` is the last.
    pub(crate) fn entries(&mut self, count: u64, name: &str) -> Result<()> {
        self.entries += count;
        if self.entries > self.limits.entries {
            Err(too_many_entries(self.limits).entry(name))
        } else {
            Ok(())
        }
    }

    /// Copies one file of the source to its end, or stops at the first byte that is too much.
    pub(crate) fn copy(&mut self, name: &str, from: &mut dyn Read, to: &mut dyn Write) -> Result<()> {
        let density = match &self.packed {
            Some(packed) => Density::Packed { before: packed.get() },
            None => Density::Plain,
        };
        self.pour(name, from, to, density)
    }

    /// Copies a file that is there already: it is no denser for being there again, but it takes room again.
    pub(crate) fn copy_within(&mut self, name: &str, from: &mut dyn Read, to: &mut dyn Write) -> Result<()> {
        self.pour(name, from, to, Density::Plain)
    }

    fn pour(&mut self, name: &str, from: &mut dyn Read, to: &mut dyn Write, density: Density) -> Result<()> {
        let mut length = 0;
        loop {
            let read = match from.read(&mut self.buffer) {
                Ok(0) => return Ok(()),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(unreadable(name, error).entry(name)),
            };
            length += read as u64;
            self.bytes += read as u64;
            self.check_size(name, length)?;
            if let Density::Packed { before } = density {
                self.unpacked += read as u64;
                self.check_density(name, length, before)?;
            }
            to.write_all(&self.buffer[..read])
                .map_err(|error| Error::io(format!("write `{name}`"), error))?;
        }
    }

    fn check_size(&self, name: &str, length: u64) -> Result<()> {
        if length > self.limits.file_bytes {
            let detail = format!("`{name}` has more than {}", size(self.limits.file_bytes));
            return Err(Error::new(Code::EntryTooLarge, detail).hint(LEAVE_OUT).entry(name));
        }
        let fits = self.bytes <= self.limits.total_bytes;
        if fits { Ok(()) } else { Err(too_many_bytes(self.limits).entry(name)) }
    }

    /// The file by itself, so that a bomb cannot hide among stored files, and everything so far.
    fn check_density(&self, name: &str, length: u64, before: u64) -> Result<()> {
        let now = self.packed.as_ref().map_or(0, |packed| packed.get());
        let file = self.limits.allows_ratio(length, now.saturating_sub(before));
        let whole = self.limits.allows_ratio(self.unpacked, now);
        if file && whole { Ok(()) } else { Err(too_dense(self.limits, name)) }
    }
}

const LEAVE_OUT: &str = "Leave out what is not source: environments, data, build results";

pub(crate) fn too_many_entries(limits: &Limits) -> Error {
    let detail = format!("There are more than {} files and folders", limits.entries);
    Error::new(Code::TooManyEntries, detail).hint(LEAVE_OUT)
}

pub(crate) fn too_many_bytes(limits: &Limits) -> Error {
    let detail = format!("All files together have more than {}", size(limits.total_bytes));
    Error::new(Code::TooManyBytes, detail).hint(LEAVE_OUT)
}

pub(crate) fn too_dense(limits: &Limits, name: &str) -> Error {
    let detail = format!("`{name}` unpacks to more than {} times what it takes in the archive", limits.ratio);
    Error::new(Code::CompressionRatio, detail).hint("No source does; leave it out").entry(name)
}

/// A fault of the machine while reading, or bytes that do not decode.
pub(crate) fn unreadable(name: &str, error: io::Error) -> Error {
    if error.raw_os_error().is_some() {
        return Error::io(format!("read `{name}`"), error);
    }
    Error::new(Code::ArchiveCorrupt, format!("`{name}` does not decode: {error}"))
        .hint("Make the archive again, or upload it again: it may have been cut short")
        .because(error)
}

/// Bytes as people write them.
fn size(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} bytes"),
        1024..0x10_0000 => format!("{} KiB", bytes >> 10),
        _ => format!("{} MiB", bytes >> 20),
    }
}

/// A reader that tells how much was read, and ends with an error when it is more than allowed.
pub(crate) struct Counted<R> {
    inner: R,
    count: Rc<Cell<u64>>,
    allowed: Rc<Cell<u64>>,
}

impl<R> Counted<R> {
    pub(crate) fn new(inner: R, allowed: u64) -> Self {
        Self { inner, count: Rc::default(), allowed: Rc::new(Cell::new(allowed)) }
    }

    /// The count, shared with the reader.
    pub(crate) fn count(&self) -> Rc<Cell<u64>> {
        Rc::clone(&self.count)
    }

    /// What is still allowed, shared with the reader.
    pub(crate) fn allowed(&self) -> Rc<Cell<u64>> {
        Rc::clone(&self.allowed)
    }

    fn spend(&self, read: usize) -> io::Result<usize> {
        self.count.set(self.count.get() + read as u64);
        let left = self.allowed.get().checked_sub(read as u64);
        self.allowed.set(left.unwrap_or(0));
        if left.is_some() { Ok(read) } else { Err(io::Error::other("more is read than is allowed")) }
    }
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.spend(read)
    }
}

impl<R: BufRead> BufRead for Counted<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.inner.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.count.set(self.count.get() + amount as u64);
        self.inner.consume(amount);
    }
}

impl<R: Seek> Seek for Counted<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.inner.seek(to)
    }
}
