//! Tar archives, packed or not, in one pass.
//!
//! Entries are taken raw: the extensions that give the next entry a long name are read here with a limit of
//! their own, because they are as long as they say and end up in memory.

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

use mantyx_core::{Code, Error, Result};
use tar::{Archive, Entry, EntryType};

use crate::entry::{EntryPath, refuse};
use crate::limits::{Counted, Limits, too_many_bytes, unreadable};
use crate::unpack::{Content, Mode, Unpacker};

/// The longest extension, in bytes: names are at most 4096, but pax has other attributes beside them.
const LONGEST_EXTENSION: u64 = 64 * 1024;
/// How many extensions may stand before one entry.
const MOST_EXTENSIONS: u32 = 4;
/// What an entry takes beside its content: its header, its extensions with theirs, and padding.
const OVERHEAD: u64 = 4 * 1024;

/// Hands every entry to the unpacker.
pub(super) fn unpack(
    source: impl Read,
    name: &str,
    limits: &Limits,
    unpacker: &mut Unpacker<'_>,
) -> Result<()> {
    let whole = limits.total_bytes.saturating_add(limits.entries.saturating_mul(OVERHEAD));
    let source = Ending { inner: Counted::new(source, whole), reached: Rc::default() };
    let (allowed, reached) = (source.inner.allowed(), Rc::clone(&source.reached));
    let mut archive = Archive::new(source);
    let outcome = unpack_entries(&mut archive, name, unpacker).and_then(|()| {
        if reached.get() { Err(cut_short(name)) } else { check_rest(archive.into_inner(), name) }
    });
    // What is skipped is not metered by the unpacker, so that this limit may be the first to be reached.
    outcome.map_err(|error| if allowed.get() == 0 { too_many_bytes(limits) } else { error })
}

fn unpack_entries<R: Read>(archive: &mut Archive<R>, name: &str, unpacker: &mut Unpacker<'_>) -> Result<()> {
    let mut extensions = Extensions::default();
    for entry in archive.entries().map_err(|error| unreadable(name, error))?.raw(true) {
        let mut entry = entry.map_err(|error| unreadable(name, error))?;
        match entry.header().entry_type() {
            EntryType::GNULongName => extensions.path = Some(extension(&mut entry, &mut extensions.count)?),
            EntryType::GNULongLink => extensions.link = Some(extension(&mut entry, &mut extensions.count)?),
            EntryType::XHeader => {
                let bytes = extension(&mut entry, &mut extensions.count)?;
                extensions.read_pax(&bytes, name)?;
            }
            // Only comments are of use to all entries: git writes the commit's id.
            EntryType::XGlobalHeader => {}
            _ => unpack_entry(entry, std::mem::take(&mut extensions), unpacker)?,
        }
    }
    if extensions.count > 0 { Err(cut_short(name)) } else { Ok(()) }
}

/// What was said in front of an entry.
#[derive(Default)]
struct Extensions {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<u64>,
    sparse: bool,
    count: u32,
}

impl Extensions {
    fn read_pax(&mut self, bytes: &[u8], name: &str) -> Result<()> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let (record, behind) =
                pax_record(rest).ok_or_else(|| unreadable(name, io::ErrorKind::InvalidData.into()))?;
            rest = behind;
            match record {
                (b"path", value) => self.path = Some(value.to_vec()),
                (b"linkpath", value) => self.link = Some(value.to_vec()),
                (b"size", value) => self.size = Some(number(value).unwrap_or(u64::MAX)),
                (key, _) if key.starts_with(b"GNU.sparse.") => self.sparse = true,
                _ => {}
            }
        }
        Ok(())
    }
}

/// A key and its value.
type PaxRecord<'a> = (&'a [u8], &'a [u8]);

/// One record `<length> <key>=<value>\n` and what is behind it. The length counts everything, so that a value may
/// have line ends in it (POSIX pax, Extended Header): the iterator of the `tar` crate cuts such values in two.
fn pax_record(bytes: &[u8]) -> Option<(PaxRecord<'_>, &[u8])> {
    let blank = bytes.iter().position(|byte| *byte == b' ')?;
    let length = usize::try_from(number(&bytes[..blank])?).ok()?;
    let record = bytes.get(blank + 1..length)?.strip_suffix(b"\n")?;
    let equals = record.iter().position(|byte| *byte == b'=')?;
    Some(((&record[..equals], &record[equals + 1..]), &bytes[length..]))
}

fn number(digits: &[u8]) -> Option<u64> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

fn extension<R: Read>(entry: &mut Entry<'_, R>, count: &mut u32) -> Result<Vec<u8>> {
    let shown = String::from_utf8_lossy(&entry.header().path_bytes()).into_owned();
    *count += 1;
    if entry.size() > LONGEST_EXTENSION || *count > MOST_EXTENSIONS {
        return Err(refuse(Code::EntryName, &shown, "gives the next entry more attributes than any needs"));
    }
    let mut bytes = Vec::new();
    entry.read_to_end(&mut bytes).map_err(|error| unreadable(&shown, error).entry(&shown))?;
    while bytes.last() == Some(&0) {
        bytes.pop();
    }
    Ok(bytes)
}

fn unpack_entry<R: Read>(
    mut entry: Entry<'_, R>,
    extensions: Extensions,
    unpacker: &mut Unpacker<'_>,
) -> Result<()> {
    let raw = extensions.path.unwrap_or_else(|| entry.header().path_bytes().into_owned());
    let Some(path) = unpacker.name(&raw)? else { return Ok(()) };
    let header = entry.header();
    let kind = header.entry_type();
    let mode = header.mode().map_err(|error| unreadable(path.as_str(), error).entry(path.as_str()))?;
    check(&path, &entry, mode, extensions.size, extensions.sparse)?;
    let link = || extensions.link.or_else(|| header.link_name_bytes().map(Into::into)).unwrap_or_default();
    match kind {
        EntryType::Directory => unpacker.add(&path, Content::Folder),
        // Archives of before 1988 have no type for folders.
        EntryType::Regular if raw.ends_with(b"/") => unpacker.add(&path, Content::Folder),
        EntryType::Symlink => unpacker.add(&path, Content::Symlink { target: &link() }),
        EntryType::Link => unpacker.add(&path, Content::Hardlink { target: &link() }),
        _ => {
            let left = entry.size();
            let mut bytes = Whole { inner: &mut entry, left };
            unpacker.add(&path, Content::File { mode: Mode::of(mode), bytes: &mut bytes })
        }
    }
}

fn check<R: Read>(
    path: &EntryPath,
    entry: &Entry<'_, R>,
    mode: u32,
    size: Option<u64>,
    sparse: bool,
) -> Result<()> {
    let name = path.as_str();
    let kind = entry.header().entry_type();
    let is_file = matches!(kind, EntryType::Regular | EntryType::Continuous);
    let is_known = is_file || matches!(kind, EntryType::Directory | EntryType::Symlink | EntryType::Link);
    if sparse || kind == EntryType::GNUSparse {
        return Err(refuse(Code::EntrySpecial, name, "is a sparse file").hint("Pack it without `--sparse`"));
    }
    if !is_known {
        return Err(refuse(
            Code::EntrySpecial,
            name,
            "is a device, a pipe or something else that is no file",
        ));
    }
    // On a folder the bit only says whose group new files get, and folders get their permissions from Mantyx.
    if is_file && mode & 0o6000 != 0 {
        return Err(refuse(Code::EntrySetuid, name, "has a setuid or setgid bit"));
    }
    // Sizes that the header has no room for are beyond every limit; any other disagreement is a trick.
    if size.is_some_and(|size| size != entry.size()) {
        return Err(refuse(Code::ArchiveCorrupt, name, "has two sizes"));
    }
    Ok(())
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
        if read == 0 && self.left > 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(read) }
    }
}

/// A reader that remembers whether its end was reached: before the end mark of the archive that is too early.
struct Ending<R> {
    inner: R,
    reached: Rc<Cell<bool>>,
}

impl<R: Read> Read for Ending<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        if read == 0 && !buffer.is_empty() {
            self.reached.set(true);
        }
        Ok(read)
    }
}

/// Behind the end mark there is nothing but padding, and what packs it must end well too.
fn check_rest(mut rest: impl Read, name: &str) -> Result<()> {
    let mut buffer = [0; 8192];
    loop {
        match rest.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(read) if buffer[..read].iter().all(|byte| *byte == 0) => {}
            Ok(_) => {
                let detail = format!("`{name}` goes on behind its end");
                return Err(Error::new(Code::ArchiveCorrupt, detail).hint("Pack everything into one archive"));
            }
            Err(error) => return Err(unreadable(name, error)),
        }
    }
}

fn cut_short(name: &str) -> Error {
    unreadable(name, io::ErrorKind::UnexpectedEof.into())
}
