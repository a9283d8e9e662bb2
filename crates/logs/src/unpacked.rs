//! Compressed segments that somebody reads, unpacked into files that are only in memory.
//!
//! All readers of a segment share one: a download may take hours, and there may be many. It is gone with the last of
//! them. Only a few segments are unpacked at the same time, however many are asked for.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};

use crate::archive;

/// How many are unpacked at the same time.
const AT_ONCE: usize = 4;

/// Which file it is: the device, the inode, and because numbers of inodes are used again, its length and age.
type Key = (u64, u64, u64, i64, i64);
/// Locked while it is being unpacked: whoever wants the same waits for it.
type Slot = Arc<Mutex<Weak<File>>>;

static UNPACKED: Mutex<BTreeMap<Key, Slot>> = Mutex::new(BTreeMap::new());

/// The text of a compressed segment. Of one that is broken, what can be had.
pub(crate) fn unpack(compressed: &Path) -> io::Result<Arc<File>> {
    let file = File::open(compressed)?;
    let slot = slot_of(&file)?;
    let mut unpacked = lock(&slot);
    if let Some(text) = unpacked.upgrade() {
        return Ok(text);
    }
    let _turn = Turn::wait();
    let text = Arc::new(archive::inflate(file)?);
    *unpacked = Arc::downgrade(&text);
    Ok(text)
}

fn slot_of(file: &File) -> io::Result<Slot> {
    let about = file.metadata()?;
    let key = (about.dev(), about.ino(), about.len(), about.mtime(), about.mtime_nsec());
    let mut all = lock(&UNPACKED);
    // What nobody reads any more is forgotten. One that is locked is held by somebody, so this waits for none.
    all.retain(|_, slot| Arc::strong_count(slot) > 1 || lock(slot).strong_count() > 0);
    Ok(Arc::clone(all.entry(key).or_default()))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

static UNDER_WAY: Mutex<usize> = Mutex::new(0);
static NEXT: Condvar = Condvar::new();

/// One of the few that unpack.
struct Turn;

impl Turn {
    fn wait() -> Self {
        let free = NEXT.wait_while(lock(&UNDER_WAY), |under_way| *under_way >= AT_ONCE);
        *free.unwrap_or_else(PoisonError::into_inner) += 1;
        Self
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        *lock(&UNDER_WAY) -= 1;
        NEXT.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::segment::Segment;

    #[test]
    fn readers_share_one_and_the_next_file_of_that_name_is_another() {
        let folder = tempfile::tempdir().unwrap();
        let segment = Segment::new(folder.path().join("run.log"), 0);
        let pack = |lines: &str| {
            std::fs::write(segment.plain(), lines.repeat(100)).unwrap();
            segment.compress(|| true).unwrap();
        };
        pack("2026-01-01T00:00:00Z stdout F one\n");
        let readers: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..16).map(|_| scope.spawn(|| segment.open().unwrap())).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(readers.iter().all(|reader| Arc::ptr_eq(reader, &readers[0])));
        pack("2026-01-01T00:00:00Z stdout F another\n");
        assert!(!Arc::ptr_eq(&segment.open().unwrap(), &readers[0]));
        assert_eq!(*lock(&UNDER_WAY), 0);
    }
}
