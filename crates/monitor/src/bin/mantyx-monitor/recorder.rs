//! Writing the record again while the app runs.
//!
//! The disk may be stuck, and the loop must not be: a thread that lives as long as there is something to write waits
//! for it. On a disk that is full the record stays as it was, and the groups in it are still the right ones.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use mantyx_monitor::{Record, RunFolder};

/// How long the loop waits, so that as a rule the record is there when the daemon is answered.
const PATIENCE: Duration = Duration::from_millis(500);
/// Plenty for one record.
const STACK: usize = 128 * 1024;

/// Writes the record, one after the other.
pub(crate) struct Recorder {
    folder: PathBuf,
    desk: Arc<Mutex<Desk>>,
}

/// What is to be written.
#[derive(Default)]
struct Desk {
    /// The latest; those before it are of no use any more.
    next: Option<Record>,
    writer: Writer,
}

/// Whether somebody is writing.
#[derive(Default, PartialEq, Eq)]
enum Writer {
    #[default]
    Away,
    Busy,
}

impl Recorder {
    /// Writes into this run folder.
    pub(crate) fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), desk: Arc::default() }
    }

    /// Writes a record, or leaves it to a thread when that takes too long.
    pub(crate) fn write(&self, record: &Record) {
        {
            let mut desk = open(&self.desk);
            desk.next = Some(record.clone());
            if std::mem::replace(&mut desk.writer, Writer::Busy) == Writer::Busy {
                // It comes to this one when the disk answers.
                return;
            }
        }
        let (done, written) = mpsc::channel();
        if self.begin(done).is_ok() {
            let _ = written.recv_timeout(PATIENCE);
        } else {
            // There is no room for a thread, and the next time there may be.
            *open(&self.desk) = Desk::default();
        }
    }

    fn begin(&self, done: Sender<()>) -> std::io::Result<()> {
        let (folder, desk) = (self.folder.clone(), Arc::clone(&self.desk));
        let run = move || {
            while let Some(record) = take(&desk) {
                let _ = RunFolder::open(&folder).and_then(|folder| folder.write_record(&record));
            }
            // Nobody hears it who has lost patience.
            let _ = done.send(());
        };
        thread::Builder::new().name("record".into()).stack_size(STACK).spawn(run).map(drop)
    }
}

/// The next record. Without one the writer goes.
fn take(desk: &Mutex<Desk>) -> Option<Record> {
    let mut desk = open(desk);
    let next = desk.next.take();
    if next.is_none() {
        desk.writer = Writer::Away;
    }
    next
}

fn open(desk: &Mutex<Desk>) -> MutexGuard<'_, Desk> {
    desk.lock().unwrap_or_else(PoisonError::into_inner)
}
