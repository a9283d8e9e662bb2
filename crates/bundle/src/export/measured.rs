//! A file that is as long as its header says, whatever becomes of it meanwhile.

use std::io::{self, Read};

use sha2::{Digest, Sha256};

use super::FileDigest;
use crate::Watch;

/// Reads so many bytes and no more, with zeros for those that are gone, and takes their digest.
pub(super) struct Measured<'w, 'a, R> {
    inner: R,
    size: u64,
    read: u64,
    is_short: bool,
    sum: Sha256,
    watch: &'w mut Watch<'a>,
}

impl<'w, 'a, R: Read> Measured<'w, 'a, R> {
    pub(super) fn new(inner: R, size: u64, watch: &'w mut Watch<'a>) -> Self {
        Self { inner, size, read: 0, is_short: false, sum: Sha256::new(), watch }
    }

    /// Whether there are fewer bytes than were expected, or more.
    pub(super) fn has_changed(&mut self) -> bool {
        self.is_short || !matches!(self.inner.read(&mut [0]), Ok(0))
    }

    pub(super) fn digest(self) -> FileDigest {
        FileDigest { sha256: hex::encode(self.sum.finalize()), bytes: self.read }
    }

    fn fill(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = if self.is_short { 0 } else { self.inner.read(buffer)? };
        if read > 0 {
            return Ok(read);
        }
        self.is_short = true;
        buffer.fill(0);
        Ok(buffer.len())
    }
}

impl<R: Read> Read for Measured<'_, '_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.size - self.read).unwrap_or(usize::MAX).min(buffer.len());
        if left == 0 {
            return Ok(0);
        }
        let read = self.fill(&mut buffer[..left])?;
        self.watch.count(read)?;
        self.sum.update(&buffer[..read]);
        self.read += read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicBool;

    fn packed(bytes: &[u8], size: u64) -> (Vec<u8>, bool, u64) {
        let go_on = AtomicBool::new(false);
        let mut told = 0;
        let mut watch = Watch::new(&go_on, |bytes| told = bytes);
        let mut measured = Measured::new(bytes, size, &mut watch);
        let mut all = Vec::new();
        measured.read_to_end(&mut all).unwrap();
        let has_changed = measured.has_changed();
        assert_eq!(measured.digest().sha256, hex::encode(Sha256::digest(&all)));
        drop(watch);
        (all, has_changed, told)
    }

    #[test]
    fn it_is_as_long_as_was_said() {
        assert_eq!(packed(b"four", 4), (b"four".to_vec(), false, 4));
        assert_eq!(packed(b"four", 6), (b"four\0\0".to_vec(), true, 6));
        assert_eq!(packed(b"four", 2), (b"fo".to_vec(), true, 2));
        assert_eq!(packed(b"", 0), (Vec::new(), false, 0));
    }
}
