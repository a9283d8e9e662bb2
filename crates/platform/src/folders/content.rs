//! The bytes of a file, copied with its holes.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{SeekFrom as Place, ftruncate, seek};
use rustix::io::Errno;

/// Copied between two looks at whether to go on, in bytes.
const PIECE: u64 = 64 << 20;

/// Copies so many bytes, or fewer where there are no more, but no holes. The standard library has the kernel do it
/// where it can, which on some file systems shares the blocks (copy_file_range(2)). One that is cancelled says that it
/// was interrupted, as nothing else here does.
pub(super) fn copy_content(
    mut from: &File,
    mut to: &File,
    size: u64,
    cancel: &AtomicBool,
) -> io::Result<u64> {
    let mut at = 0;
    while let Some((start, end)) = next_data(from, at, size)? {
        from.seek(SeekFrom::Start(start))?;
        to.seek(SeekFrom::Start(start))?;
        at = start;
        while at < end {
            if cancel.load(Ordering::Relaxed) {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let copied = io::copy(&mut from.take(PIECE.min(end - at)), &mut to)?;
            at += copied;
            if copied == 0 {
                // It has become shorter.
                break;
            }
        }
        if at < end {
            break;
        }
    }
    let length = size.min(from.metadata()?.len());
    ftruncate(to, length)?;
    Ok(length)
}

/// Where the next bytes that are no hole begin and end, before `size` (lseek(2)).
fn next_data(file: &File, at: u64, size: u64) -> io::Result<Option<(u64, u64)>> {
    if at >= size {
        return Ok(None);
    }
    match seek(file, Place::Data(at)) {
        Ok(start) if start < size => {
            let end = seek(file, Place::Hole(start))?;
            Ok(Some((start, end.min(size))))
        }
        Ok(_) | Err(Errno::NXIO) => Ok(None),
        // A file system that knows of no holes.
        Err(Errno::INVAL | Errno::OPNOTSUPP) => Ok(Some((at, size))),
        Err(error) => Err(error.into()),
    }
}
