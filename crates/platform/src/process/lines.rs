//! Output cut into lines while it comes.

use tokio::io::{AsyncRead, AsyncReadExt};

/// A longer line is cut here, in bytes: a child that never ends its line must not fill the memory.
const LONGEST: usize = 64 * 1024;

/// Read at once, in bytes.
const CHUNK: usize = 16 * 1024;

/// Which of its two outputs a child wrote a line to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// One output, open until the last holder of it has closed it.
pub(super) struct Lines<R> {
    reader: Option<R>,
    buffer: Vec<u8>,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    pub(super) fn new(reader: Option<R>) -> Self {
        Self { reader, buffer: Vec::with_capacity(CHUNK) }
    }

    pub(super) fn is_open(&self) -> bool {
        self.reader.is_some()
    }

    /// Waits for more. Nothing is lost when the wait is called off.
    pub(super) async fn more(&mut self) {
        let Some(reader) = &mut self.reader else { return };
        if !matches!(reader.read_buf(&mut self.buffer).await, Ok(1..)) {
            self.reader = None;
        }
    }

    /// Hands over every line that is whole, and the rest too when no more can come.
    pub(super) fn take(&mut self, mut each: impl FnMut(&str)) {
        let mut start = 0;
        while let Some(line) = next(&self.buffer[start..], self.is_open()) {
            each(String::from_utf8_lossy(line.text).trim_end_matches('\r'));
            start += line.length;
        }
        self.buffer.drain(..start);
    }
}

struct Line<'a> {
    text: &'a [u8],
    length: usize,
}

fn next(bytes: &[u8], open: bool) -> Option<Line<'_>> {
    let end = bytes.iter().take(LONGEST).position(|byte| *byte == b'\n');
    match end {
        Some(end) => Some(Line { text: &bytes[..end], length: end + 1 }),
        None if bytes.len() >= LONGEST => Some(Line { text: &bytes[..LONGEST], length: LONGEST }),
        None if !open && !bytes.is_empty() => Some(Line { text: bytes, length: bytes.len() }),
        None => None,
    }
}
