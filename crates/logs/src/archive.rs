//! Segments as gzip files (RFC 1952), which `zcat` and `zgrep` read.
//!
//! The comment of the gzip header holds the earliest and the latest moment of the records, so that a search in time
//! passes over a segment without unpacking it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use flate2::read::GzDecoder;
use flate2::{Compression, GzBuilder};
use rustix::fs::{FlockOperation, MemfdFlags, flock};
use rustix::io::Errno;

use crate::lock::{Lock, is_claimed};
use crate::removal::removed_in;
use crate::segment::Segment;
use crate::stamp::Stamp;

/// How much is done between two looks at whether to go on.
const BLOCK: usize = 64 * 1024;

pub(crate) fn compress(segment: &Segment, go_on: impl Fn() -> bool) -> io::Result<()> {
    let mut file = File::open(segment.plain())?;
    if removed_in(&file).is_some() {
        // Whoever looks for it must find it at once, and it is small already.
        return Ok(());
    }
    let Some(moments) = measure(&mut file, &go_on)? else { return Ok(()) };
    file.seek(SeekFrom::Start(0))?;
    let Some(part) = Part::create(segment)? else { return Ok(()) };
    let done = match write(&mut file, &part.file, &moments, &go_on) {
        Ok(true) => part.take_the_place(segment, &mut file),
        abandoned => abandoned,
    };
    if !matches!(done, Ok(true)) {
        let _ = fs::remove_file(&part.path);
    }
    done.map(drop)
}

/// What will be the compressed segment. Whoever was killed in the middle leaves it, and the next one takes it.
struct Part {
    file: File,
    path: PathBuf,
}

impl Part {
    /// `None` when somebody else is at it.
    fn create(segment: &Segment) -> io::Result<Option<Self>> {
        let path = segment.unfinished();
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o640).open(&path)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) => return Ok(None),
            locked => locked?,
        }
        // Between opening and locking it may have become the segment.
        if !is_at(&file, &path)? {
            return Ok(None);
        }
        file.set_len(0)?;
        Ok(Some(Self { file, path }))
    }

    /// Unless the segment is another one by now than the one that was read, or gone: then it must not come back. Nor
    /// when somebody writes to it still.
    fn take_the_place(&self, segment: &Segment, read: &mut File) -> io::Result<bool> {
        let _lock = Lock::of(segment.log())?;
        let plain = segment.plain();
        let is_the_same = is_at(read, &plain)? && read.metadata()?.len() == read.stream_position()?;
        if !is_the_same || !is_at(&self.file, &self.path)? || is_claimed(read) {
            return Ok(false);
        }
        fs::rename(&self.path, segment.compressed())?;
        fs::remove_file(plain)?;
        Ok(true)
    }
}

/// Whether the file has this name (still).
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        there => {
            let (there, file) = (there?, file.metadata()?);
            Ok((there.dev(), there.ino()) == (file.dev(), file.ino()))
        }
    }
}

/// Whether all of it was written, and is safe on the disk.
fn write(file: &mut File, out: &File, moments: &Moments, go_on: &impl Fn() -> bool) -> io::Result<bool> {
    let mut gzip = GzBuilder::new().comment(moments.comment()).write(out, Compression::default());
    let whole = blocks(file, go_on, |block| io::Write::write_all(&mut gzip, block))?;
    if whole {
        let out = gzip.finish()?;
        // It is as old as what is in it.
        out.set_modified(file.metadata()?.modified()?)?;
        // The plain file goes afterwards: a power cut must not leave neither.
        out.sync_all()?;
    }
    Ok(whole)
}

/// Hands a file out block by block, and tells whether it was all of it.
fn blocks(
    file: &mut File,
    go_on: &impl Fn() -> bool,
    mut take: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<bool> {
    let mut block = vec![0; BLOCK];
    loop {
        if !go_on() {
            return Ok(false);
        }
        match file.read(&mut block)? {
            0 => return Ok(true),
            read => take(&block[..read])?,
        }
    }
}

/// The edges of what a segment holds in time, as they are written.
#[derive(Default)]
struct Moments {
    edges: Option<([u8; Stamp::LENGTH], [u8; Stamp::LENGTH])>,
    /// The beginning of a line whose stamp goes on in the next block.
    begun: Vec<u8>,
}

/// Reads all of a file; `None` when it was told to stop.
fn measure(file: &mut File, go_on: &impl Fn() -> bool) -> io::Result<Option<Moments>> {
    let mut moments = Moments::default();
    let mut begins = true;
    let whole = blocks(file, go_on, |block| {
        for piece in block.split_inclusive(|byte| *byte == b'\n') {
            if begins || !moments.begun.is_empty() {
                moments.take(piece);
            }
            begins = piece.last() == Some(&b'\n');
            if begins {
                moments.begun.clear();
            }
        }
        Ok(())
    })?;
    Ok(whole.then_some(moments))
}

impl Moments {
    /// Our own stamps have one width, so that they are in order as text.
    fn take(&mut self, piece: &[u8]) {
        let missing = Stamp::LENGTH - self.begun.len();
        self.begun.extend_from_slice(&piece[..piece.len().min(missing)]);
        let Ok(stamp) = <[u8; Stamp::LENGTH]>::try_from(self.begun.as_slice()) else { return };
        self.begun.clear();
        if stamp[10] == b'T' && stamp.last() == Some(&b'Z') {
            let (first, last) = self.edges.get_or_insert((stamp, stamp));
            *first = stamp.min(*first);
            *last = stamp.max(*last);
        }
    }

    fn comment(&self) -> Vec<u8> {
        self.edges.map(|(first, last)| [&first[..], b" ", &last[..]].concat()).unwrap_or_default()
    }
}

/// What [`Moments`] has written, when both are moments.
pub(crate) fn moments(compressed: &Path) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
    let decoder = GzDecoder::new(BufReader::with_capacity(512, File::open(compressed).ok()?));
    let comment = std::str::from_utf8(decoder.header()?.comment()?).ok()?;
    let (first, last) = comment.split_once(' ')?;
    let moment = |text| DateTime::parse_from_rfc3339(text).ok().map(|at| at.to_utc());
    Some((moment(first)?, moment(last)?))
}

/// The text of a compressed segment in a file that is only in memory. Of one that is broken, what can be had.
pub(crate) fn inflate(compressed: File) -> io::Result<File> {
    let mut decoder = GzDecoder::new(BufReader::with_capacity(BLOCK, compressed));
    let mut text = File::from(rustix::fs::memfd_create("log", MemfdFlags::CLOEXEC)?);
    match io::copy(&mut decoder, &mut text) {
        Ok(_) => {}
        Err(error) if is_broken(&error) => {}
        Err(error) => return Err(error),
    }
    Ok(text)
}

pub(crate) fn is_broken(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidData, InvalidInput, UnexpectedEof};
    matches!(error.kind(), InvalidData | InvalidInput | UnexpectedEof)
}

/// The length of the text, which the last four bytes of the file say (modulo 2^32).
pub(crate) fn text_size(compressed: &Path) -> io::Result<u64> {
    let file = File::open(compressed)?;
    let mut size = [0; 4];
    file.read_exact_at(&mut size, file.metadata()?.len().saturating_sub(4))?;
    Ok(u32::from_le_bytes(size).into())
}
