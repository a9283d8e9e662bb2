//! Taking the oldest lines of a log away, and saying so where they were.
//!
//! The first segment is always there: once its lines are gone, it holds one that says how much is missing. So a
//! reader sees that first, and a writer that is started again can tell an old log from a new one.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use chrono::{DateTime, Utc};

use crate::archive;
use crate::read::first_moment;
use crate::record::{Completeness, Record, Stream};
use crate::segment::Segment;

/// What every remark of Mantyx in a log begins with.
const REMARK: &str = "[mantyx] ";
/// What the remark says behind the number of bytes.
const SAID: &str = " bytes of older lines were removed to keep within the limits";
/// A file that is longer holds no such remark alone.
const LONGEST: usize = 256;

/// Removes all segments from `from` through `through`, which must be finished ones. How many bytes of text are
/// missing is said in the first segment.
pub fn remove_oldest(log: &Path, from: u32, through: u32) -> io::Result<()> {
    let removed = (from..=through).map(|number| Segment::new(log, number));
    let bytes: u64 = removed.clone().map(|segment| text_size(&segment)).sum();
    let earlier = removed_before(log);
    // The remark itself is no line of the app.
    let own = if earlier.is_some() && from == 0 { text_size(&Segment::new(log, 0)) } else { 0 };
    let said = say(log, through, earlier.unwrap_or_default() + bytes - own);
    for segment in removed.filter(|segment| segment.number() > 0) {
        segment.remove()?;
    }
    said
}

/// How many bytes the log says are missing at its beginning.
pub(crate) fn removed_before(log: &Path) -> Option<u64> {
    removed_in(&fs::File::open(log).ok()?)
}

/// How many bytes a first segment says are missing, when it says so.
pub(crate) fn removed_in(file: &fs::File) -> Option<u64> {
    let size = usize::try_from(file.metadata().ok()?.len()).ok().filter(|size| *size <= LONGEST)?;
    let mut line = vec![0; size];
    file.read_exact_at(&mut line, 0).ok()?;
    let text = Record::parse(&line)?.text;
    let text = std::str::from_utf8(&text).ok()?.strip_prefix(REMARK)?;
    text.strip_suffix(SAID)?.parse().ok()
}

/// The first segment becomes the remark, in one step.
fn say(log: &Path, through: u32, bytes: u64) -> io::Result<()> {
    let text = format!("{REMARK}{bytes}{SAID}").into_bytes();
    let at = moment_behind(log, through);
    let mut line = Vec::new();
    Record { at, stream: Stream::Stderr, completeness: Completeness::Full, text }.encode(&mut line);
    let first = Segment::new(log, 0);
    let part = first.unfinished();
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o640).open(&part)?;
    if let Err(error) = file.write_all(&line).and_then(|()| fs::rename(&part, log)) {
        let _ = fs::remove_file(&part);
        return Err(error);
    }
    match fs::remove_file(first.compressed()) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The remark stands where the next lines begin, also in time.
fn moment_behind(log: &Path, through: u32) -> DateTime<Utc> {
    let next = Segment::new(log, through + 1).open();
    next.ok().and_then(|file| first_moment(&file).ok().flatten()).unwrap_or_else(Utc::now)
}

fn text_size(segment: &Segment) -> u64 {
    let plain = fs::metadata(segment.plain()).map(|file| file.len());
    plain.or_else(|_| archive::text_size(&segment.compressed())).unwrap_or_default()
}
