//! How much comes out of an archive, counted while it comes.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::rc::Rc;

use mantyx_core::{Code, Error, Result};
use sha2::{Digest, Sha256};

use super::Limits;
use super::packed::unreadable;
use crate::digest::{BLOCK, Sum};
use crate::name;

/// What all names may take in memory together, in bytes.
const MOST_NAMES: usize = 256 << 20;
/// Packed bytes that cost nothing: a small archive has any ratio, and readers read ahead.
const SLACK: u64 = 1 << 20;

pub(super) struct Meter<'a> {
    limits: &'a Limits,
    entries: u64,
    names: usize,
    /// What was written to the disk.
    written: u64,
    /// What of the archive was read for it.
    packed: Rc<Cell<u64>>,
    block: Vec<u8>,
}

impl<'a> Meter<'a> {
    pub(super) fn new(limits: &'a Limits, packed: Rc<Cell<u64>>) -> Self {
        Self { limits, entries: 0, names: 0, written: 0, packed, block: vec![0; BLOCK] }
    }

    /// Counts an entry.
    pub(super) fn entry(&mut self, name: &[u8]) -> Result<()> {
        self.entries += 1;
        self.names += name.len();
        if self.entries <= self.limits.entries && self.names <= MOST_NAMES {
            return Ok(());
        }
        let detail = format!("There are more than {} files and folders", self.limits.entries);
        Err(Error::new(Code::TooManyEntries, detail).entry(name::shown(name)))
    }

    /// Writes the content of a file, or stops at the first block that is too much. Blocks of zeros become holes, so
    /// that a file takes no more room than the one that was packed.
    pub(super) fn pour(&mut self, name: &[u8], from: &mut dyn Read, to: &File) -> Result<Sum> {
        let failed = |error| Error::io(format!("write `{}`", name::shown(name)), error);
        let (mut sum, mut at) = (Sha256::new(), 0);
        loop {
            let read = fill(from, &mut self.block).map_err(|error| unreadable(name, error))?;
            if read == 0 {
                to.set_len(at).map_err(failed)?;
                return Ok(sum.finalize().into());
            }
            let bytes = &self.block[..read];
            sum.update(bytes);
            if bytes.iter().any(|byte| *byte != 0) {
                self.written += read as u64;
                self.check(name)?;
                to.write_all_at(bytes, at).map_err(failed)?;
            }
            at += read as u64;
        }
    }

    fn check(&self, name: &[u8]) -> Result<()> {
        let Limits { total_bytes, ratio, .. } = self.limits;
        if self.written > *total_bytes {
            let detail = format!("All files together have more than {} MiB", total_bytes >> 20);
            return Err(Error::new(Code::TooManyBytes, detail)
                .hint("Make room on the disk, or export less")
                .entry(name::shown(name)));
        }
        if self.written > ratio.saturating_mul(self.packed.get().saturating_add(SLACK)) {
            let why = format!("unpacks to more than {ratio} times what it takes in the archive");
            return Err(name::refuse(Code::CompressionRatio, name, &why));
        }
        Ok(())
    }
}

/// Reads until a block is full or there is no more, so that the holes of a file are found where they were.
fn fill(from: &mut dyn Read, block: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < block.len() {
        match from.read(&mut block[filled..])? {
            0 => break,
            read => filled += read,
        }
    }
    Ok(filled)
}
