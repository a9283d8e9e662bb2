//! Taking the oldest lines of a log away, and saying so where they were.
//!
//! The first segment is always there: once its lines are gone, it holds one that says how much is missing. So a
//! reader sees that first, and a writer that is started again can tell an old log from a new one.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use chrono::Utc;

use crate::archive;
use crate::lines::ReadAt;
use crate::lock::{Lock, is_claimed};
use crate::read::first_moment;
use crate::record::{Completeness, Record, Stream};
use crate::segment::Segment;

/// What every remark of Mantyx in a log begins with.
const REMARK: &str = "[mantyx] ";
/// What the remark says behind the number of bytes.
const SAID: &str = " bytes of older lines were removed to keep within the limits";
/// A file that is longer holds no such remark alone.
const LONGEST: usize = 256;
/// The same of one that an earlier Mantyx compressed.
const LONGEST_COMPRESSED: u64 = 512;

/// Removes all segments from `from` through `through`, which must be finished ones. How many bytes of text are
/// missing is said in the first segment.
pub fn remove_oldest(log: &Path, from: u32, through: u32) -> io::Result<()> {
    let _lock = Lock::of(log)?;
    let removed = (from..=through).map(|number| Segment::new(log, number));
    removed.clone().try_for_each(|segment| refuse_active(&segment))?;
    let bytes: u64 = removed.clone().map(|segment| text_size(&segment)).sum();
    let earlier = removed_before(log);
    // The remark itself is no line of the app.
    let own = if earlier.is_some() && from == 0 { text_size(&Segment::new(log, 0)) } else { 0 };
    let remark = remark(log, through, earlier.unwrap_or_default() + bytes.saturating_sub(own));
    let said = say(log, &remark);
    // A full disk has room for the remark once they are gone. The first one must not stay as it is: with a gap
    // behind it and no remark, it would hide what comes later.
    for segment in removed.filter(|segment| segment.number() > 0 || said.is_err()) {
        segment.remove()?;
    }
    said.or_else(|_| say(log, &remark))
}

/// Removes these segments of a log that is over, and says nothing.
pub fn remove_segments(log: &Path, numbers: &[u32]) -> io::Result<()> {
    let _lock = Lock::of(log)?;
    let removed = numbers.iter().map(|number| Segment::new(log, *number));
    removed.clone().try_for_each(|segment| refuse_active(&segment))?;
    removed.clone().try_for_each(|segment| segment.remove())
}

/// Somebody may believe that a log is over, and its writer lives. That is an error of the kind `ResourceBusy`.
fn refuse_active(segment: &Segment) -> io::Result<()> {
    match fs::File::open(segment.plain()) {
        Ok(file) if is_claimed(&file) => Err(io::ErrorKind::ResourceBusy.into()),
        _ => Ok(()),
    }
}

/// How many bytes the log says are missing at its beginning, whichever form that has.
pub(crate) fn removed_before(log: &Path) -> Option<u64> {
    let first = Segment::new(log, 0);
    match fs::File::open(first.plain()) {
        Ok(file) => removed_in(&file),
        // Nothing is unpacked that cannot be one.
        Err(_) if fs::metadata(first.compressed()).ok()?.len() > LONGEST_COMPRESSED => None,
        Err(_) => removed_in(&first.text().ok()?),
    }
}

/// How many bytes a first segment says are missing, when it says so.
pub(crate) fn removed_in(text: &impl ReadAt) -> Option<u64> {
    let mut line = [0; LONGEST + 1];
    let size = text.read_at(&mut line, 0).ok().filter(|size| *size <= LONGEST)?;
    let text = Record::parse(&line[..size])?.text;
    let text = std::str::from_utf8(&text).ok()?.strip_prefix(REMARK)?;
    text.strip_suffix(SAID)?.parse().ok()
}

/// The line that says so. It stands where the next lines begin, also in time.
fn remark(log: &Path, through: u32, bytes: u64) -> Vec<u8> {
    let next = Segment::new(log, through + 1).open();
    let next = next.ok().and_then(|file| first_moment(&file).ok().flatten());
    let (at, text) = (next.unwrap_or_else(Utc::now), format!("{REMARK}{bytes}{SAID}").into_bytes());
    let mut line = Vec::new();
    Record { at, stream: Stream::Stderr, completeness: Completeness::Full, text }.encode(&mut line);
    line
}

/// The first segment becomes the remark, in one step.
fn say(log: &Path, remark: &[u8]) -> io::Result<()> {
    let first = Segment::new(log, 0);
    let new = first.replacement();
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o640).open(&new)?;
    if let Err(error) = file.write_all(remark).and_then(|()| fs::rename(&new, log)) {
        let _ = fs::remove_file(&new);
        return Err(error);
    }
    match fs::remove_file(first.compressed()) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn text_size(segment: &Segment) -> u64 {
    let plain = fs::metadata(segment.plain()).map(|file| file.len());
    plain.or_else(|_| archive::text_size(&segment.compressed())).unwrap_or_default()
}
