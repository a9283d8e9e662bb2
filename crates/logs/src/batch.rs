//! Whole records or none: the bytes on their way to the file.
//!
//! A full disk cuts a write(2) anywhere. What was cut in the middle is taken back, and when even that fails it is
//! tried again before the next write, so that a reader never sees half a record followed by another.

use std::fs::File;
use std::io::{self, Write};

/// Encoded records up to this many bytes are written at once: few system calls, and little memory.
const ENOUGH: usize = 64 * 1024;
/// What is kept of that memory at rest.
const SMALL: usize = 4 * 1024;

/// A file that can be shortened.
pub(crate) trait Sink: Write {
    /// Takes the last `bytes` away.
    fn cut(&mut self, bytes: u64) -> io::Result<()>;
}

impl Sink for File {
    fn cut(&mut self, bytes: u64) -> io::Result<()> {
        // The length is asked for each time: somebody may have emptied the file meanwhile.
        let length = self.metadata()?.len();
        self.set_len(length.saturating_sub(bytes))
    }
}

/// How the file ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// With a whole record, or it is empty.
    Whole,
    /// With so many bytes of ours that are no whole record.
    Torn(u64),
    /// With a line that somebody else left unfinished.
    Open,
}

/// Encoded records and the file that they go to.
pub(crate) struct Batch<S> {
    sink: S,
    end: End,
    bytes: Vec<u8>,
    error: Option<io::Error>,
    dropped: u64,
    /// How much the file has, as far as we know.
    size: u64,
}

impl<S: Sink> Batch<S> {
    /// Writes behind what the file has already.
    pub(crate) fn new(sink: S, end: End, size: u64) -> Self {
        Self { sink, end, bytes: Vec::new(), error: None, dropped: 0, size }
    }

    /// How many bytes the file has, once what waits is written.
    pub(crate) fn size(&self) -> u64 {
        self.size + u64::try_from(self.bytes.len()).unwrap_or_default()
    }

    /// Whether the file ends with a whole record and nothing waits to be written.
    pub(crate) fn is_settled(&self) -> bool {
        self.end == End::Whole && self.bytes.is_empty()
    }

    /// Goes on in another file, which is empty. The one before must be settled.
    pub(crate) fn change(&mut self, sink: S) {
        (self.sink, self.size) = (sink, 0);
    }

    /// Whether it holds memory that only a burst needs.
    pub(crate) fn is_large(&self) -> bool {
        self.bytes.capacity() > SMALL
    }

    /// Gives memory back that a burst needed.
    pub(crate) fn shrink(&mut self) {
        self.bytes.shrink_to(SMALL);
    }

    /// Lets one whole record be appended. An error is kept until the next [`Batch::write`].
    pub(crate) fn push(&mut self, encode: impl FnOnce(&mut Vec<u8>)) {
        encode(&mut self.bytes);
        if self.bytes.len() >= ENOUGH {
            self.drain();
        }
    }

    /// Writes what is there, and tells the first error since the last call.
    pub(crate) fn write(&mut self) -> io::Result<()> {
        self.drain();
        self.error.take().map_or(Ok(()), Err)
    }

    /// How many records were dropped since the last call.
    pub(crate) fn take_dropped(&mut self) -> u64 {
        std::mem::take(&mut self.dropped)
    }

    /// Writes what is there, and keeps an error until the next [`Batch::write`].
    pub(crate) fn drain(&mut self) {
        if self.bytes.is_empty() {
            return;
        }
        let mut written = 0;
        let result = self.mend().and_then(|()| write_all(&mut self.sink, &self.bytes, &mut written));
        self.size += u64::try_from(written).unwrap_or_default();
        if let Err(error) = result {
            self.give_up(written);
            self.error.get_or_insert(error);
        }
        self.bytes.clear();
    }

    /// Counts what did not get through and takes half a record back.
    fn give_up(&mut self, written: usize) {
        let whole = memchr::memrchr(b'\n', &self.bytes[..written]).map_or(0, |newline| newline + 1);
        let lost = memchr::memchr_iter(b'\n', &self.bytes[whole..]).count();
        self.dropped += u64::try_from(lost).unwrap_or(u64::MAX);
        if written > whole {
            self.end = End::Torn(u64::try_from(written - whole).unwrap_or(u64::MAX));
            // When this fails too, the next write begins with it.
            let _ = self.mend();
        }
    }

    fn mend(&mut self) -> io::Result<()> {
        match self.end {
            End::Whole => {}
            End::Torn(bytes) => {
                self.sink.cut(bytes)?;
                self.size = self.size.saturating_sub(bytes);
            }
            End::Open => self.sink.write_all(b"\n")?,
        }
        self.end = End::Whole;
        Ok(())
    }
}

/// As `Write::write_all`, but it says how far it came.
fn write_all(sink: &mut impl Write, bytes: &[u8], written: &mut usize) -> io::Result<()> {
    while *written < bytes.len() {
        match sink.write(&bytes[*written..]) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => *written += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A disk with so much room, where cutting may fail too.
    struct Disk {
        bytes: Vec<u8>,
        room: usize,
        cuts: bool,
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let count = bytes.len().min(self.room - self.bytes.len());
            if count == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.bytes.extend_from_slice(&bytes[..count]);
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Sink for Disk {
        fn cut(&mut self, bytes: u64) -> io::Result<()> {
            if !self.cuts {
                return Err(io::ErrorKind::Other.into());
            }
            let length = self.bytes.len() - usize::try_from(bytes).unwrap();
            self.bytes.truncate(length);
            Ok(())
        }
    }

    fn batch(room: usize, cuts: bool) -> Batch<Disk> {
        Batch::new(Disk { bytes: Vec::new(), room, cuts }, End::Whole, 0)
    }

    fn push(batch: &mut Batch<Disk>, lines: &[&str]) -> io::Result<()> {
        for line in lines {
            batch.push(|out| out.extend_from_slice(line.as_bytes()));
        }
        batch.write()
    }

    #[test]
    fn a_full_disk_leaves_whole_records_and_heals() {
        let mut batch = batch(10, true);
        let error = push(&mut batch, &["one1\n", "two2\n", "three\n", "four\n"]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert_eq!(batch.sink.bytes, b"one1\ntwo2\n");
        assert_eq!(batch.take_dropped(), 2);
        batch.sink.room = 15;
        push(&mut batch, &["five\n"]).unwrap();
        assert_eq!(batch.sink.bytes, b"one1\ntwo2\nfive\n");
        assert_eq!(batch.take_dropped(), 0);
    }

    #[test]
    fn half_a_record_is_taken_back_later_if_not_at_once() {
        let mut batch = batch(7, false);
        assert!(push(&mut batch, &["one1\n", "two2\n"]).is_err());
        assert_eq!(batch.sink.bytes, b"one1\ntw");
        assert!(push(&mut batch, &["three\n"]).is_err());
        assert_eq!(batch.take_dropped(), 2);
        batch.sink.cuts = true;
        batch.sink.room = 99;
        push(&mut batch, &["four\n"]).unwrap();
        assert_eq!(batch.sink.bytes, b"one1\nfour\n");
    }
}
