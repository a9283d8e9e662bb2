//! Who looks on while many bytes are written or read, and may call it off.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use mantyx_core::{Code, Error, Result};

/// Is told how far it is, and asked whether to go on, between any two blocks.
pub struct Watch<'a> {
    cancel: &'a AtomicBool,
    tell: Box<dyn FnMut(u64) + 'a>,
    bytes: u64,
}

impl<'a> Watch<'a> {
    /// `tell` gets how many bytes have been read so far: of all files for an export, of the archive for an import.
    /// It is called for each block, so it must not take long.
    pub fn new(cancel: &'a AtomicBool, tell: impl FnMut(u64) + 'a) -> Self {
        Self { cancel, tell: Box::new(tell), bytes: 0 }
    }

    /// Counts what was read, or ends the reading.
    pub(crate) fn count(&mut self, bytes: usize) -> io::Result<()> {
        if self.is_cancelled() {
            return Err(io::Error::other("cancelled"));
        }
        self.bytes += bytes as u64;
        (self.tell)(self.bytes);
        Ok(())
    }

    pub(crate) fn check(&self) -> Result<()> {
        if self.is_cancelled() { Err(cancelled()) } else { Ok(()) }
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancel.load(Ordering::Relaxed)
    }
}

pub(crate) fn cancelled() -> Error {
    Error::new(Code::Cancelled, "It was cancelled")
}
