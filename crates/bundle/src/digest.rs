//! What is in a file or a tree, as a number that nobody can aim at.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use mantyx_core::{Error, Result};
use mantyx_platform::reading::{self, Content, Met, Next, Reader};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::watch::cancelled;

/// SHA-256 (FIPS 180-4).
pub(crate) type Sum = [u8; 32];

/// Read at once, in bytes.
pub(crate) const BLOCK: usize = 64 * 1024;

/// What a tree has in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Files, without folders and symbolic links.
    pub files: u64,
    /// Their lengths in bytes.
    pub bytes: u64,
    /// SHA-256 over all names, kinds, executable bits and contents, as hexadecimal digits.
    pub sha256: String,
}

/// Tallies a tree. It depends on nothing but what is in the tree: not on the order of its folders, times or owners.
pub(crate) fn tally(tree: &Path, cancel: &AtomicBool) -> Result<Tally> {
    let mut all = All { cancel, lines: BTreeMap::new(), files: 0, bytes: 0 };
    reading::read(tree, &mut all)?;
    let mut sum = Sha256::new();
    for (path, line) in &all.lines {
        sum.update((path.len() as u64).to_le_bytes());
        sum.update(path);
        sum.update(line);
    }
    Ok(Tally { files: all.files, bytes: all.bytes, sha256: hex::encode(sum.finalize()) })
}

/// What is said of each entry, by its path.
struct All<'a> {
    cancel: &'a AtomicBool,
    lines: BTreeMap<Vec<u8>, Vec<u8>>,
    files: u64,
    bytes: u64,
}

impl Reader for All<'_> {
    fn meet(&mut self, met: Met<'_>) -> Result<Next> {
        let line = match met.content {
            Content::Folder => vec![b'd'],
            Content::Link(target) => [b"l".as_slice(), &Sha256::digest(target)].concat(),
            Content::Special => return Ok(Next::PassBy),
            Content::File(file) => {
                let (sum, bytes) = self.file(met.path, &file)?;
                self.files += 1;
                self.bytes += bytes;
                let kind = if met.facts.mode() & 0o111 == 0 { b"f" } else { b"x" };
                [kind.as_slice(), &sum].concat()
            }
        };
        self.lines.insert(met.path.as_os_str().as_bytes().to_owned(), line);
        Ok(Next::Enter)
    }
}

impl All<'_> {
    fn file(&self, path: &Path, file: &File) -> Result<(Sum, u64)> {
        sum(file, self.cancel).map_err(|error| {
            if self.cancel.load(Ordering::Relaxed) {
                return cancelled();
            }
            Error::io(format!("read `{}`", path.display()), error)
        })
    }
}

fn sum(mut file: &File, cancel: &AtomicBool) -> io::Result<(Sum, u64)> {
    let (mut sum, mut bytes, mut block) = (Sha256::new(), 0, vec![0; BLOCK]);
    loop {
        if cancel.load(Ordering::Relaxed) {
            return Err(io::Error::other("cancelled"));
        }
        match file.read(&mut block)? {
            0 => return Ok((sum.finalize().into(), bytes)),
            read => {
                sum.update(&block[..read]);
                bytes += read as u64;
            }
        }
    }
}
