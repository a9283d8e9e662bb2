//! Compressed segments that somebody looks for something in, unpacked into files that are only in memory.
//!
//! That is for a search from the end or in time, which is soon done, and only a few can be there at the same time,
//! however many are asked for: each takes as much memory as its text. Whoever reads on and on takes a `Text`.

use std::fs::File;
use std::io;
use std::ops::Deref;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::archive;

/// How many there are at the same time.
const AT_ONCE: usize = 2;

/// A segment that any place of can be read quickly. A compressed one takes memory as long as this lives.
#[derive(Clone, Debug)]
pub struct Unpacked {
    file: Arc<File>,
    _turn: Option<Arc<Turn>>,
}

/// The text of a compressed segment; it waits for its turn. Of one that is broken, what can be had.
pub(crate) fn unpack(compressed: &Path) -> io::Result<Unpacked> {
    let file = File::open(compressed)?;
    let turn = Turn::wait();
    Ok(Unpacked { file: Arc::new(archive::inflate(file)?), _turn: Some(Arc::new(turn)) })
}

impl From<Arc<File>> for Unpacked {
    fn from(file: Arc<File>) -> Self {
        Self { file, _turn: None }
    }
}

impl Deref for Unpacked {
    type Target = File;

    fn deref(&self) -> &File {
        &self.file
    }
}

static THERE: Mutex<usize> = Mutex::new(0);
static NEXT: Condvar = Condvar::new();

/// One of the few that are there.
#[derive(Debug)]
struct Turn;

impl Turn {
    fn wait() -> Self {
        let free = NEXT.wait_while(there(), |there| *there >= AT_ONCE);
        *free.unwrap_or_else(PoisonError::into_inner) += 1;
        Self
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        *there() -= 1;
        NEXT.notify_one();
    }
}

fn there() -> MutexGuard<'static, usize> {
    THERE.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::segment::Segment;
    use std::time::Duration;

    #[test]
    fn only_a_few_are_in_memory_at_the_same_time() {
        let folder = tempfile::tempdir().unwrap();
        let segment = Segment::new(folder.path().join("run.log"), 0);
        std::fs::write(segment.plain(), "2026-01-01T00:00:00Z stdout F one\n".repeat(1000)).unwrap();
        segment.compress(|| true).unwrap();
        let mut held: Vec<_> = (0..AT_ONCE).map(|_| segment.open().unwrap()).collect();
        let (opened, hear) = std::sync::mpsc::channel();
        let next = std::thread::spawn(move || opened.send(segment.open().unwrap().metadata().unwrap().len()));
        assert!(hear.recv_timeout(Duration::from_millis(50)).is_err(), "it waits for its turn");
        held.pop();
        assert_eq!(hear.recv_timeout(Duration::from_secs(120)).unwrap(), 34_000);
        next.join().unwrap().unwrap();
    }
}
