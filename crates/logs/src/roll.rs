//! Which segment of a log is written to: beginning the next one, removing the oldest ones, compressing old ones.
//!
//! None of this may cost a line. A segment that cannot be begun, because the disk is full or there are no
//! descriptors, is tried again later, and the old one is written to until then.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use crate::batch::Batch;
use crate::compressor::Compressor;
use crate::lock;
use crate::read::first_moment;
use crate::removal::remove_oldest;
use crate::rotation::Rotation;
use crate::segment::{Segment, segments};

/// How long no segment may have been begun before old ones are compressed: not while a burst lasts.
const QUIET: Duration = Duration::from_secs(5);
/// How often compressing is looked after.
const LOOK: Duration = Duration::from_secs(1);
/// How long between two attempts to begin a segment.
const RETRY: Duration = Duration::from_secs(1);

/// The segments of a log that is written to.
pub(crate) struct Roll {
    log: PathBuf,
    rotation: Rotation,
    /// The number of the active segment.
    active: u32,
    /// When its first line was written; not known while there is none.
    begun: Option<SystemTime>,
    /// The lowest number that may have lines left.
    oldest: u32,
    /// When a segment was last begun, or could not be.
    turned: Option<Instant>,
    failed: Option<Instant>,
    /// All below this number are compressed.
    compressed: u32,
    compressor: Compressor,
}

impl Roll {
    pub(crate) fn new(log: &Path, rotation: Rotation, file: &File, active: u32) -> Self {
        let begun = first_moment(file).ok().flatten().map(SystemTime::from);
        let (turned, compressed) = ((active > 0).then(Instant::now), 0);
        let (failed, compressor) = (None, Compressor::default());
        Self { log: log.into(), rotation, active, begun, oldest: 0, turned, failed, compressed, compressor }
    }

    /// Begins the next segment when it is time to.
    pub(crate) fn turn(&mut self, batch: &mut Batch<File>, at: SystemTime) {
        let begun = *self.begun.get_or_insert(at);
        let old = at.duration_since(begun).is_ok_and(|age| age >= self.rotation.segment_age);
        let full = batch.size() >= self.rotation.full_segment();
        let retried = self.failed.is_none_or(|failed| failed.elapsed() >= RETRY);
        if !(full || old && batch.size() > 0) || !retried {
            return;
        }
        batch.drain();
        if !batch.is_settled() {
            return;
        }
        // The disk is for the burst. What it is in the middle of minds what is removed meanwhile.
        self.compressor.stop();
        match begin(&Segment::new(&self.log, self.active + 1)) {
            Ok(file) => {
                batch.change(file);
                (self.active, self.begun) = (self.active + 1, Some(at));
                (self.turned, self.failed) = (Some(Instant::now()), None);
                self.cap();
            }
            Err(_) => self.failed = Some(Instant::now()),
        }
    }

    /// Removes as many of the oldest as makes room for a full active one.
    fn cap(&mut self) {
        let room = self.rotation.total_size.saturating_sub(self.rotation.full_segment());
        let finished = || (self.oldest..self.active).map(|number| Segment::new(&self.log, number));
        let mut size: u64 = finished().map(|segment| segment.disk_size()).sum();
        let mut through = None;
        for segment in finished() {
            if size <= room {
                break;
            }
            size -= segment.disk_size().min(size);
            through = Some(segment.number());
        }
        // What cannot be removed now is looked at again with the next segment.
        if let Some(through) = through
            && remove_oldest(&self.log, self.oldest, through).is_ok()
        {
            self.oldest = through + 1;
        }
    }

    /// How long until there is something to do about old segments. The newest finished one stays plain for its
    /// readers.
    pub(crate) fn compression_in(&self) -> Option<Duration> {
        if self.compressor.is_busy() {
            return Some(LOOK);
        }
        let due = self.compressed + 1 < self.active;
        due.then(|| self.turned.map_or(QUIET, |turned| QUIET.saturating_sub(turned.elapsed())))
    }

    /// Begins to compress, if it is time to.
    pub(crate) fn compress(&mut self) {
        self.compressor.look();
        if self.compression_in() == Some(Duration::ZERO) {
            self.compress_now();
        }
    }

    fn compress_now(&mut self) {
        let old: Vec<Segment> = segments(&self.log).unwrap_or_default();
        let old = old.into_iter().filter(|segment| segment.number() + 1 < self.active);
        self.compressor.start(old.filter(|segment| segment.plain().exists()).collect());
        // Those that it is stopped in are found again after the next segment.
        self.compressed = self.active.saturating_sub(1);
    }
}

fn begin(segment: &Segment) -> io::Result<File> {
    let file =
        OpenOptions::new().read(true).append(true).create_new(true).mode(0o640).open(segment.plain())?;
    lock::claim(&file);
    Ok(file)
}
