//! The lines of the program in the files of a supervisor, whatever that has written around them: stamps, frames,
//! rotated and compressed files.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read as _, Seek as _, SeekFrom};
use std::path::Path;

use anyhow::{Context as _, Result};
use flate2::read::MultiGzDecoder;

use crate::workspace;

/// Every line of the program is `line 0000000042 xxx…`.
const MARK: &[u8] = b"line ";
/// How many digits the number has.
const DIGITS: usize = 10;
/// More than the longest line with everything around it.
const TAIL: u64 = 1024;

/// How many lines there are.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// All of them.
    pub(super) all: usize,
    /// Each counted once.
    pub(super) distinct: usize,
}

impl Tally {
    /// Counts the lines from 1 to `expected` in all files below a folder.
    pub(super) fn of(folder: &Path, expected: usize) -> Result<Self> {
        let mut seen = vec![false; expected];
        let mut tally = Self::default();
        for file in workspace::files_below(folder)? {
            for number in numbers(open(&file)?) {
                let place = number.wrapping_sub(1);
                if let Some(seen) = seen.get_mut(place) {
                    tally.all += 1;
                    tally.distinct += usize::from(!std::mem::replace(seen, true));
                }
            }
        }
        Ok(tally)
    }
}

/// Whether the last line is at the end of any file. A file that is compressed has been left behind.
pub(super) fn has_last(folder: &Path, last: usize) -> Result<bool> {
    let mark = format!("line {last:0DIGITS$} ").into_bytes();
    let files = workspace::files_below(folder)?;
    let ends_so = |file: &Path| {
        let end = end_of(file).unwrap_or_default();
        // With its line break: only then has all of it arrived.
        let found = end.windows(mark.len()).rposition(|window| window == mark.as_slice());
        found.is_some_and(|place| end[place..].contains(&b'\n'))
    };
    Ok(files.iter().any(|file| ends_so(file)))
}

/// The size of all files together.
pub(super) fn size(folder: &Path) -> Result<u64> {
    let files = workspace::files_below(folder)?;
    // One that is rotated away meanwhile counts the next time.
    Ok(files.iter().filter_map(|file| Some(fs::metadata(file).ok()?.len())).sum())
}

fn end_of(file: &Path) -> Result<Vec<u8>> {
    let mut file = File::open(file)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
    let mut end = Vec::new();
    file.take(TAIL).read_to_end(&mut end)?;
    Ok(end)
}

fn open(path: &Path) -> Result<Box<dyn BufRead>> {
    let file = match File::open(path) {
        Ok(file) => file,
        // A socket or a pipe of the supervisor.
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::NXIO.raw_os_error()) => {
            return Ok(Box::new(std::io::empty()));
        }
        Err(error) => return Err(error).with_context(|| format!("Could not read `{}`", path.display())),
    };
    let compressed = path.extension().is_some_and(|kind| kind == "gz");
    Ok(if compressed {
        Box::new(BufReader::new(MultiGzDecoder::new(file)))
    } else {
        Box::new(BufReader::new(file))
    })
}

/// The numbers of the program's lines in a text.
fn numbers(mut text: impl BufRead) -> impl Iterator<Item = usize> {
    let mut line = Vec::new();
    std::iter::from_fn(move || {
        loop {
            line.clear();
            // What cannot be read any further is missing, and counted so.
            if text.read_until(b'\n', &mut line).unwrap_or(0) == 0 {
                return None;
            }
            if let Some(number) = number_in(&line) {
                return Some(number);
            }
        }
    })
}

fn number_in(line: &[u8]) -> Option<usize> {
    let place = line.windows(MARK.len()).position(|window| window == MARK)? + MARK.len();
    std::str::from_utf8(line.get(place..place + DIGITS)?).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    #[test]
    fn lines_are_found_in_whatever_is_around_them() {
        assert_eq!(number_in(b"line 0000000042 xxx\n"), Some(42));
        assert_eq!(number_in(b"2026-01-01T00:00:00.000000001Z stdout F line 0000000007 xxx\n"), Some(7));
        assert_eq!(number_in(b"line up\n"), None);
        assert_eq!(number_in(b"line 00000000"), None);
    }

    #[test]
    fn all_files_count_and_each_line_once() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("out.log"), "line 0000000003 x\nline 0000000004 x\n").unwrap();
        let old = File::create(folder.path().join("out.log.1.gz")).unwrap();
        let mut encoder = GzEncoder::new(old, Compression::fast());
        encoder.write_all(b"line 0000000001 x\nline 0000000003 x\nline 0000000009 x\n").unwrap();
        encoder.finish().unwrap();
        assert_eq!(Tally::of(folder.path(), 4).unwrap(), Tally { all: 4, distinct: 3 });
        assert!(size(folder.path()).unwrap() > 36);
    }

    #[test]
    fn the_last_line_has_arrived_with_its_line_break() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.log");
        let has = |text: String| {
            fs::write(&path, text).unwrap();
            has_last(folder.path(), 4).unwrap()
        };
        let before = "line 0000000003 x\n".repeat(1000);
        assert!(has(format!("{before}line 0000000004 x\n")));
        assert!(!has(format!("{before}line 0000000004 x")));
        assert!(!has(before));
    }
}
