//! The text of a segment, whichever form it has, for whoever reads it from one place on towards its end.
//!
//! A download may take hours, and there may be many. So a compressed segment is unpacked as it is read, and only what
//! was asked for last is kept of it: a reader takes some hundred KiB of memory, however large the segment is.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Utc};
use flate2::read::GzDecoder;

use crate::archive::is_broken;
use crate::lines::{ReadAt, length};
use crate::read::{Span, span};
use crate::unpacked::Unpacked;

/// How much is unpacked at once.
const CHUNK: usize = 64 * 1024;
/// How much of the compressed file is read at once.
const PACKED: usize = 16 * 1024;

/// The text of a segment. Clones share it; reading it backwards takes long when it is compressed.
#[derive(Clone, Debug)]
pub struct Text(Form);

#[derive(Clone, Debug)]
enum Form {
    Whole(Unpacked),
    Compressed(Arc<Mutex<Inflating>>),
}

impl Text {
    /// Of one that is broken it has what can be had.
    pub(crate) fn inflating(compressed: &Path) -> io::Result<Self> {
        let text = Inflating::new(Arc::new(File::open(compressed)?));
        Ok(Self(Form::Compressed(Arc::new(Mutex::new(text)))))
    }

    /// The part of it in which all records of a span of time are, as [`span()`] finds it. Of a compressed one that is
    /// all of it, since no place in it is found quickly.
    pub fn span(&self, since: Option<DateTime<Utc>>, until: Option<DateTime<Utc>>) -> io::Result<Span> {
        match &self.0 {
            Form::Whole(file) => span(file, since, until),
            Form::Compressed(_) => Ok(Span::ALL),
        }
    }

    /// Whether it is unpacked only as it is read.
    #[cfg(feature = "follow")]
    pub(crate) fn is_compressed(&self) -> bool {
        matches!(self.0, Form::Compressed(_))
    }

    /// Its length, as far as that is known.
    #[cfg(feature = "follow")]
    pub(crate) fn known_length(&self) -> io::Result<Option<u64>> {
        match &self.0 {
            Form::Whole(file) => file.metadata().map(|about| Some(about.len())),
            Form::Compressed(text) => Ok(lock(text).length()),
        }
    }
}

impl From<Unpacked> for Text {
    fn from(file: Unpacked) -> Self {
        Self(Form::Whole(file))
    }
}

impl From<Arc<File>> for Text {
    fn from(file: Arc<File>) -> Self {
        Unpacked::from(file).into()
    }
}

impl ReadAt for Text {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        match &self.0 {
            Form::Whole(file) => file.read_at(buffer, offset),
            Form::Compressed(text) => lock(text).read_at(buffer, offset),
        }
    }
}

fn lock(text: &Mutex<Inflating>) -> std::sync::MutexGuard<'_, Inflating> {
    text.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A compressed file that is being read.
#[derive(Debug)]
struct Inflating {
    file: Arc<File>,
    decoder: GzDecoder<BufReader<Arc<File>>>,
    /// What was unpacked and not passed over.
    window: Vec<u8>,
    /// Where that begins in the text.
    start: u64,
    ended: bool,
}

impl Inflating {
    fn new(file: Arc<File>) -> Self {
        let decoder = GzDecoder::new(BufReader::with_capacity(PACKED, Arc::clone(&file)));
        Self { file, decoder, window: Vec::new(), start: 0, ended: false }
    }

    #[cfg(feature = "follow")]
    fn length(&self) -> Option<u64> {
        self.ended.then(|| self.start + length(self.window.len()))
    }

    fn read_at(&mut self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        if offset < self.start {
            self.file.rewind()?;
            *self = Self::new(Arc::clone(&self.file));
        }
        loop {
            self.pass_over(offset);
            let there = self.start == offset && self.window.len() >= buffer.len();
            if there || self.ended {
                break;
            }
            self.unpack()?;
        }
        let behind = if self.start == offset { self.window.as_slice() } else { &[] };
        let filled = behind.len().min(buffer.len());
        buffer[..filled].copy_from_slice(&behind[..filled]);
        Ok(filled)
    }

    /// What lies before it is not asked for again.
    fn pass_over(&mut self, offset: u64) {
        let passed = usize::try_from(offset - self.start).unwrap_or(usize::MAX).min(self.window.len());
        self.window.drain(..passed);
        self.start += length(passed);
    }

    fn unpack(&mut self) -> io::Result<()> {
        let before = self.window.len();
        self.window.resize(before + CHUNK, 0);
        let unpacked = self.decoder.read(&mut self.window[before..]);
        self.window.truncate(before + unpacked.as_ref().copied().unwrap_or_default());
        match unpacked {
            Ok(unpacked) => self.ended = unpacked == 0,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if is_broken(&error) => self.ended = true,
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::segment::Segment;

    fn numbers() -> (tempfile::TempDir, Vec<u8>, Text) {
        let folder = tempfile::tempdir().unwrap();
        let segment = Segment::new(folder.path().join("run.log"), 0);
        let line = |n: u32| format!("2026-01-01T00:00:00.000000000Z stdout F {n}\n");
        let text: String = (0..100_000).map(line).collect();
        std::fs::write(segment.plain(), &text).unwrap();
        segment.compress(|| true).unwrap();
        let compressed = Text::inflating(&segment.compressed()).unwrap();
        (folder, text.into_bytes(), compressed)
    }

    fn read(text: &Text, offset: usize, size: usize) -> Vec<u8> {
        let mut buffer = vec![0; size];
        let filled = text.read_at(&mut buffer, length(offset)).unwrap();
        buffer.truncate(filled);
        buffer
    }

    #[test]
    fn any_place_is_read_as_if_it_were_not_compressed() {
        let (_folder, plain, text) = numbers();
        let end = plain.len();
        for (offset, size) in
            [(0, 10), (5, 300_000), (5, 10), (0, 3), (2_000_000, 70_000), (end - 5, 99), (end, 9), (7, 7)]
        {
            assert_eq!(read(&text, offset, size), plain[offset..end.min(offset + size)], "{offset}");
        }
        assert!(read(&text, end + 1, 9).is_empty());
    }

    #[test]
    fn however_long_the_text_little_of_it_is_in_memory() {
        let (_folder, plain, text) = numbers();
        for offset in (0..plain.len()).step_by(100_000) {
            assert_eq!(read(&text, offset, 1000)[..], plain[offset..plain.len().min(offset + 1000)]);
            let Form::Compressed(inflating) = &text.0 else { panic!("it is compressed") };
            let held = lock(inflating).window.capacity();
            assert!(held <= 4 * CHUNK, "{held} bytes of {}", plain.len());
        }
    }

    #[test]
    fn of_a_broken_one_there_is_what_can_be_had() {
        let (folder, plain, _) = numbers();
        let path = folder.path().join("run.log.gz");
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
        let had = read(&Text::inflating(&path).unwrap(), 0, plain.len());
        assert!(had.len() > 100_000 && plain.starts_with(&had), "{}", had.len());
    }
}
