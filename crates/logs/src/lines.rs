//! Finding whole lines in a large file without reading all of it.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// How much is read at once. Several of the longest records fit.
const BLOCK: usize = 64 * 1024;

/// How much of a line is looked at for what stands before its text, which is some forty bytes.
const HEAD: usize = 256;

/// What can be read from any place on.
pub(crate) trait ReadAt {
    /// Reads from an offset until the buffer is full or the text ends, and tells how much it was.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
}

impl ReadAt for File {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match FileExt::read_at(self, &mut buffer[filled..], offset + length(filled)) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }
}

/// A length in memory as a length in a file.
pub(crate) fn length(bytes: usize) -> u64 {
    bytes as u64
}

/// A length in a file as a length in memory.
fn in_memory(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

/// The offset behind the last line break: what follows it is not finished.
pub(crate) fn whole_end(file: &File) -> io::Result<u64> {
    let mut end = file.metadata()?.len();
    let mut block = vec![0; BLOCK];
    while end > 0 {
        let start = end.saturating_sub(length(BLOCK));
        let filled = ReadAt::read_at(file, &mut block, start)?;
        let before_end = filled.min(in_memory(end - start));
        if let Some(newline) = memchr::memrchr(b'\n', &block[..before_end]) {
            return Ok(start + length(newline) + 1);
        }
        end = start;
    }
    Ok(0)
}

/// How many lines end between two offsets.
#[cfg(feature = "follow")]
pub(crate) fn count_lines(file: &File, mut from: u64, to: u64) -> io::Result<u64> {
    let (mut lines, mut block) = (0, vec![0; BLOCK]);
    while from < to {
        let size = in_memory(to - from).min(BLOCK);
        let filled = ReadAt::read_at(file, &mut block[..size], from)?;
        if filled == 0 {
            break;
        }
        lines += length(memchr::memchr_iter(b'\n', &block[..filled]).count());
        from += length(filled);
    }
    Ok(lines)
}

/// Walks from an offset that is behind a line break towards another, line by line. It holds one block, however long
/// a line is.
pub(crate) struct LinesBackwards<'a> {
    file: &'a File,
    /// The start of the first line, where it ends.
    floor: u64,
    /// Behind the line break of the line that comes next.
    end: u64,
    /// Where `block` begins in the file.
    start: u64,
    /// A part of the file and, behind it, room for the head of a line that begins at its very end.
    block: Vec<u8>,
}

impl<'a> LinesBackwards<'a> {
    pub(crate) fn new(file: &'a File, floor: u64, end: u64) -> Self {
        Self { file, floor, end, start: end, block: Vec::new() }
    }

    /// Where the line before begins, and its head, or `None` when there is none.
    pub(crate) fn next(&mut self) -> io::Result<Option<(u64, &[u8])>> {
        if self.end <= self.floor {
            return Ok(None);
        }
        let end = self.end;
        let start = self.start_of_line()?;
        self.end = start;
        let longest = in_memory(end - start).min(HEAD);
        let from = self.within(start).min(self.block.len());
        let to = (from + longest).min(self.block.len());
        Ok(Some((start, &self.block[from..to])))
    }

    /// Behind the line break before the last one.
    fn start_of_line(&mut self) -> io::Result<u64> {
        let mut end = self.end - 1;
        while end > self.floor {
            if self.start >= end {
                self.read_before(end)?;
            }
            let searched = self.within(end).min(self.block.len());
            if let Some(newline) = memchr::memrchr(b'\n', &self.block[..searched]) {
                return Ok(self.start + length(newline) + 1);
            }
            end = self.start;
        }
        if self.start > self.floor {
            // A lone line break that is the first line.
            self.read_before(self.end)?;
        }
        Ok(self.floor)
    }

    fn read_before(&mut self, end: u64) -> io::Result<()> {
        self.start = end.saturating_sub(length(BLOCK)).max(self.floor);
        self.block.resize(in_memory(end - self.start) + HEAD, 0);
        let filled = ReadAt::read_at(self.file, &mut self.block, self.start)?;
        self.block.truncate(filled);
        Ok(())
    }

    /// An offset in the file as one in the block.
    fn within(&self, offset: u64) -> usize {
        in_memory(offset - self.start)
    }
}

/// A line and where it is.
pub(crate) struct Line {
    /// Where it begins.
    pub(crate) start: u64,
    /// Behind its line break.
    pub(crate) end: u64,
    /// Its beginning, at least as much as a record needs before its text.
    pub(crate) bytes: Vec<u8>,
}

/// The first whole line that begins at `from` or later and before `end`, which is the end of a line.
pub(crate) fn line_from(file: &impl ReadAt, from: u64, end: u64) -> io::Result<Option<Line>> {
    let start = if from == 0 { 0 } else { behind_break(file, from - 1, end)? };
    if start >= end {
        return Ok(None);
    }
    let mut bytes = vec![0; HEAD];
    let filled = file.read_at(&mut bytes, start)?;
    bytes.truncate(filled);
    let end = match memchr::memchr(b'\n', &bytes) {
        Some(newline) => {
            bytes.truncate(newline);
            start + length(newline) + 1
        }
        None => behind_break(file, start + length(filled), end)?,
    };
    Ok(Some(Line { start, end, bytes }))
}

/// The offset behind the first line break at `from` or later, or `end`.
fn behind_break(file: &impl ReadAt, mut from: u64, end: u64) -> io::Result<u64> {
    let mut block = [0; 4096];
    while from < end {
        let filled = file.read_at(&mut block, from)?;
        if let Some(newline) = memchr::memchr(b'\n', &block[..filled]) {
            return Ok((from + length(newline) + 1).min(end));
        }
        if filled == 0 {
            break;
        }
        from += length(filled);
    }
    Ok(end)
}
