//! One at a time renames and removes segments: the monitor that writes a log, its compressor, and the daemon's sweep.
//!
//! The lock is on the folder (flock(2)), so it needs no file of its own and is gone with whoever held it. It is held
//! for a few calls that only change names, never while a segment is read or written.
//!
//! Beside it, whoever writes a segment has a lock on that file as long as it is open. So nobody compresses or removes
//! it, even who believes that its process is gone.

use std::fs::File;
use std::io;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::segment::folder_of;

/// Who cannot have it in this time does something else first, and comes back.
const PATIENCE: Duration = Duration::from_millis(500);
/// How long between two attempts.
const PAUSE: Duration = Duration::from_millis(2);

/// The folder of a log belongs to whoever has this.
pub(crate) struct Lock {
    _folder: File,
}

impl Lock {
    /// Waits for it, but not for long: that is an error of the kind `WouldBlock`.
    pub(crate) fn of(log: &Path) -> io::Result<Self> {
        let folder = File::open(folder_of(log.parent().unwrap_or(Path::new(""))))?;
        let begun = Instant::now();
        loop {
            match flock(&folder, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Self { _folder: folder }),
                Err(Errno::WOULDBLOCK | Errno::INTR) if begun.elapsed() < PATIENCE => thread::sleep(PAUSE),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Lets others know that this file is written to. A file system that has no locks leaves that to their care.
pub(crate) fn claim(file: &File) {
    let _ = flock(file, FlockOperation::NonBlockingLockShared);
}

/// Whether anybody writes to the file, through whatever descriptor but this one.
pub(crate) fn is_claimed(file: &File) -> bool {
    flock(file, FlockOperation::NonBlockingLockExclusive) == Err(Errno::WOULDBLOCK)
}
