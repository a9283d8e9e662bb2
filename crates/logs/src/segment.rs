//! The files of one log.
//!
//! A log is known by the path of its first segment, `<name>.log`; the others are `<name>.1.log`, `<name>.2.log` and
//! so on. The highest one is written to. Nothing is ever renamed to another number, so a reader reads a segment to
//! its end, and when the next one is there by then, it goes on in that: nothing comes in between.
//!
//! Older segments are compressed: `<name>.<n>.log.gz` appears whole, then the plain file goes. Whoever has the plain
//! one open reads on in it.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::archive;
use crate::removal;
use crate::text::Text;
use crate::unpacked::{Unpacked, unpack};

/// A place in a log: between two lines, or at an end of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The number of the segment.
    pub segment: u32,
    /// Bytes from its beginning, as if it were not compressed.
    pub offset: u64,
}

/// One file of a log, plain or compressed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Segment {
    log: PathBuf,
    number: u32,
}

impl Segment {
    /// The segment of this number; the log is named by the path of its first one. It need not be there.
    pub fn new(log: impl Into<PathBuf>, number: u32) -> Self {
        Self { log: log.into(), number }
    }

    /// Its place in the order.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.number
    }

    /// The path that the log is known by.
    #[must_use]
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Where it is as long as it is not compressed.
    #[must_use]
    pub fn plain(&self) -> PathBuf {
        match self.number {
            0 => self.log.clone(),
            number => self.log.with_extension(format!("{number}.log")),
        }
    }

    /// Where it is when it is compressed.
    #[must_use]
    pub fn compressed(&self) -> PathBuf {
        let mut path = OsString::from(self.plain());
        path.push(".gz");
        path.into()
    }

    /// Where it is while it is being compressed. It is hidden, so nobody takes it for a log. Whoever was killed in
    /// the middle leaves it.
    pub(crate) fn unfinished(&self) -> PathBuf {
        self.hidden("part")
    }

    /// Where the line that takes its place is written first.
    pub(crate) fn replacement(&self) -> PathBuf {
        self.hidden("remark")
    }

    fn hidden(&self, what: &str) -> PathBuf {
        let plain = self.plain();
        let name = plain.file_name().unwrap_or_default().to_string_lossy();
        plain.with_file_name(format!(".{name}.{what}"))
    }

    /// Opens its text, whichever form it has, to look for something in it. Compressed text is unpacked into memory, of
    /// which only a little is there for that: this may wait for others, and is to be let go soon.
    pub fn open(&self) -> io::Result<Unpacked> {
        match File::open(self.plain()) {
            // The compressed one is there before the plain one goes.
            Err(error) if error.kind() == io::ErrorKind::NotFound => unpack(&self.compressed()),
            opened => opened.map(|file| Arc::new(file).into()),
        }
    }

    /// Opens its text, whichever form it has, to read it towards its end, however long that takes.
    pub fn text(&self) -> io::Result<Text> {
        match File::open(self.plain()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Text::inflating(&self.compressed()),
            opened => opened.map(|file| Arc::new(file).into()),
        }
    }

    /// Whether it holds no lines of its own, only how many of them were removed.
    #[must_use]
    pub fn is_remark(&self) -> bool {
        self.number == 0 && removal::removed_before(&self.log).is_some()
    }

    /// Whether the segments that come behind it may begin with a number that is not the next one. The oldest go
    /// first, so then it is gone itself, or says what is gone; of a compressed one that is not known at a glance.
    pub(crate) fn gap_may_follow(&self) -> bool {
        match self.number {
            0 => !self.plain().exists() || self.is_remark(),
            _ => !self.exists(),
        }
    }

    /// Whether it is there.
    #[must_use]
    pub fn exists(&self) -> bool {
        self.plain().exists() || self.compressed().exists()
    }

    /// The bytes that it takes on the disk; none when it is not there.
    #[must_use]
    pub fn disk_size(&self) -> u64 {
        let size = |path: PathBuf| fs::metadata(path).map_or(0, |file| file.len());
        size(self.plain()) + size(self.compressed())
    }

    /// The earliest and the latest moment of its records, when that is known without reading it: only of one that
    /// is compressed.
    #[must_use]
    pub fn moments(&self) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
        if self.plain().exists() { None } else { archive::moments(&self.compressed()) }
    }

    /// Compresses it, unless `go_on` says no at some time. It must not be written to any more.
    pub fn compress(&self, go_on: impl Fn() -> bool) -> io::Result<()> {
        archive::compress(self, go_on)
    }

    /// Removes it and what was to become of it. What is not there is fine.
    pub(crate) fn remove(&self) -> io::Result<()> {
        for path in [self.unfinished(), self.replacement(), self.plain(), self.compressed()] {
            match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}

/// The segments of a log that are there, the oldest first. A log that is not there has none.
pub fn segments(log: impl AsRef<Path>) -> io::Result<Vec<Segment>> {
    let log = log.as_ref();
    let first = Segment::new(log, 0);
    // Most logs have one segment, and their folder may have very many files.
    if !Segment::new(log, 1).exists() && !first.gap_may_follow() {
        return Ok(vec![first]);
    }
    let (Some(folder), Some(stem)) = (log.parent(), log.file_stem().and_then(|stem| stem.to_str())) else {
        return Ok(Vec::new());
    };
    let numbers = segments_in(folder_of(folder))?.remove(stem).unwrap_or_default();
    Ok(numbers.into_iter().map(|number| Segment::new(log, number)).collect())
}

/// The numbers of the segments of all logs in a folder, by the names of the logs without `.log`. A folder that is
/// not there has none.
pub fn segments_in(folder: impl AsRef<Path>) -> io::Result<BTreeMap<String, BTreeSet<u32>>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        entries => entries?,
    };
    let mut logs: BTreeMap<String, BTreeSet<u32>> = BTreeMap::new();
    for entry in entries {
        let name = entry?.file_name();
        if let Some((stem, number)) = name.to_str().and_then(parse_name) {
            logs.entry(stem.to_owned()).or_default().insert(number);
        }
    }
    Ok(logs)
}

/// An empty path is the current folder.
pub(crate) fn folder_of(folder: &Path) -> &Path {
    if folder.as_os_str().is_empty() { Path::new(".") } else { folder }
}

/// The name of the log and the number, of the name of a file. Hidden files are none of ours.
fn parse_name(name: &str) -> Option<(&str, u32)> {
    let plain = name.strip_suffix(".gz").unwrap_or(name);
    let stem = plain.strip_suffix(".log").filter(|stem| !stem.starts_with('.'))?;
    let numbered = stem.rsplit_once('.').and_then(|(stem, number)| Some((stem, number.parse().ok()?)));
    Some(numbered.unwrap_or((stem, 0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_to_segments_and_back() {
        let segment = |number| Segment::new("logs/run.log", number);
        assert_eq!(segment(0).plain(), Path::new("logs/run.log"));
        assert_eq!(segment(12).plain(), Path::new("logs/run.12.log"));
        assert_eq!(segment(0).compressed(), Path::new("logs/run.log.gz"));
        for (name, parsed) in [
            ("run.log", Some(("run", 0))),
            ("run.12.log", Some(("run", 12))),
            ("run.12.log.gz", Some(("run", 12))),
            ("a.b.log", Some(("a.b", 0))),
            (".run.log.part", None),
            (".run.log", None),
            ("run.txt", None),
        ] {
            assert_eq!(parse_name(name), parsed, "{name}");
        }
    }
}
