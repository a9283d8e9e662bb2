//! What becomes of old logs: compressed, and removed when they are too old or all of them are too much.
//!
//! [`plan`] decides, purely; the sweep looks at all logs and does what it says: when the daemon starts, every few
//! hours, and when they have become too much. In between only those are measured that were written to: when an
//! execution or an operation has changed, and now and then, as [`Standing::look_again_in`] says.
//!
//! A log that is written to never loses its active segment, whatever the limits are; its segments are compressed by who
//! writes it.

mod ledger;
mod sweep;

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use mantyx_logs::Segment;

/// A log whose last segment was written to so short a time ago counts as live: its execution may have begun after
/// it was asked which ones live.
const FRESH: Duration = Duration::from_secs(60);
/// Segments of logs that are over are compressed when they are so old and so large.
const COMPRESSED_AFTER: Duration = Duration::from_secs(3600);
const COMPRESSED_FROM: u64 = 64 * 1024;

/// How often the logs are looked at when they are close to their limit, when they could come to it, and when not. The
/// first is also the least time between two looks.
pub(super) const CLOSE: Duration = Duration::from_secs(60);
const POSSIBLE: Duration = Duration::from_secs(600);
pub(super) const FAR: Duration = Duration::from_secs(3600);

/// When it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moment {
    /// By the clock that files are stamped with: what may still be written to is told by it.
    pub(super) shown: SystemTime,
    /// As far as the clock is believed: what is too old is told by it.
    pub(super) believed: SystemTime,
}

/// How long logs are kept, and how much of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limits {
    /// Segments that were last written to longer ago go.
    pub(super) retention: Duration,
    /// The most bytes of all logs together.
    pub(super) total_size: u64,
}

/// Whether a log is still written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Writer {
    /// Its execution or operation is alive.
    Alive,
    /// Nobody writes to it any more.
    Gone,
}

/// A log as it lies on the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LogOnDisk {
    /// The path of its first segment.
    pub(super) path: PathBuf,
    pub(super) writer: Writer,
    /// In order, at least one.
    pub(super) segments: Vec<SegmentOnDisk>,
}

/// A segment as it lies on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SegmentOnDisk {
    pub(super) number: u32,
    pub(super) size: u64,
    /// When it was last written to.
    pub(super) modified: SystemTime,
    pub(super) form: Form,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Plain,
    Compressed,
    /// It says only how much was removed.
    Remark,
}

/// What is to be done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) removals: Vec<Removal>,
    /// Segments that stay, smaller.
    pub(super) compressed: Vec<Segment>,
    /// How many bytes the removals free.
    pub(super) freed: u64,
}

/// What goes of one log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Removal {
    /// All of its segments.
    Whole(PathBuf, Vec<u32>),
    /// Its oldest segments, from one through another.
    Oldest(PathBuf, u32, u32),
}

/// What is to be done with these logs now. Too much becomes a little less than may be, so that it is not too much again
/// at once.
pub(super) fn plan(logs: &[LogOnDisk], now: Moment, limits: Limits) -> Plan {
    let mut cuts: Vec<Cut> = logs.iter().map(|log| Cut::by_age(log, now, limits.retention)).collect();
    let mut size: u64 = logs.iter().zip(&cuts).map(|(log, cut)| cut.kept(log)).sum();
    let room = if size > limits.total_size { limits.total_size / 20 } else { 0 };
    for (_, log, index) in oldest_first(logs) {
        if size <= limits.total_size - room {
            break;
        }
        let next = Cut(index + 1);
        if next.0 > cuts[log].0 && next.0 <= removable(&logs[log], now.shown) {
            size -= cuts[log].kept(&logs[log]) - next.kept(&logs[log]);
            cuts[log] = next;
        }
    }
    let cut = || logs.iter().zip(&cuts);
    Plan {
        removals: cut().filter_map(|(log, cut)| removal(log, *cut)).collect(),
        compressed: cut().flat_map(|(log, cut)| compressed(log, *cut, now.shown)).collect(),
        freed: cut().map(|(log, cut)| Cut(0).kept(log) - cut.kept(log)).sum(),
    }
}

/// How much there is, of the most that there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    /// The bytes of all logs.
    pub(super) size: u64,
    /// How many more the logs may have that are written to, by their own limit.
    pub(super) growth: u64,
}

impl Standing {
    /// When to look again, if nothing ends before. Nobody says how much is written meanwhile.
    pub(super) fn look_again_in(self, limits: Limits) -> Duration {
        match () {
            () if self.size >= limits.total_size / 5 * 4 => CLOSE,
            () if self.size.saturating_add(self.growth) > limits.total_size => POSSIBLE,
            () => FAR,
        }
    }
}

/// All segments of all logs by age, each as its age, the index of its log and its own.
fn oldest_first(logs: &[LogOnDisk]) -> Vec<(SystemTime, usize, usize)> {
    let all = logs.iter().enumerate().flat_map(|(log, on_disk)| {
        on_disk.segments.iter().enumerate().map(move |(index, segment)| (segment.modified, log, index))
    });
    let mut all: Vec<_> = all.collect();
    all.sort_unstable();
    all
}

/// How many of a log's segments go, counted from the oldest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cut(usize);

impl Cut {
    /// All up to the last one that is too old: what is before it in the log is older, whatever its file says.
    fn by_age(log: &LogOnDisk, now: Moment, retention: Duration) -> Self {
        let old = log.segments.iter().rposition(|segment| age(segment, now.believed) > retention);
        Self(old.map_or(0, |index| index + 1).min(removable(log, now.shown)))
    }

    fn kept(self, log: &LogOnDisk) -> u64 {
        log.segments[self.0..].iter().map(|segment| segment.size).sum()
    }
}

/// How many of a log's segments may go.
fn removable(log: &LogOnDisk, now: SystemTime) -> usize {
    let fresh = log.segments.last().is_some_and(|segment| is_fresh(segment, now));
    let active = usize::from(fresh || log.writer == Writer::Alive);
    log.segments.len() - active.min(log.segments.len())
}

/// A file from far in the future was written before the clock was set back, and not a moment ago.
fn is_fresh(segment: &SegmentOnDisk, now: SystemTime) -> bool {
    let apart = now.duration_since(segment.modified).unwrap_or_else(|ahead| ahead.duration());
    apart < FRESH
}

/// A file from the future is new.
fn age(segment: &SegmentOnDisk, now: SystemTime) -> Duration {
    now.duration_since(segment.modified).unwrap_or_default()
}

fn removal(log: &LogOnDisk, cut: Cut) -> Option<Removal> {
    let (gone, kept) = log.segments.split_at(cut.0);
    match (gone, kept) {
        (gone, []) => {
            Some(Removal::Whole(log.path.clone(), gone.iter().map(|segment| segment.number).collect()))
        }
        ([], _) => None,
        // The remark of an earlier removal is no reason for another one.
        ([only], _) if only.form == Form::Remark => None,
        ([first, ..], _) => {
            let last = gone.last().unwrap_or(first);
            Some(Removal::Oldest(log.path.clone(), first.number, last.number))
        }
    }
}

fn compressed(log: &LogOnDisk, cut: Cut, now: SystemTime) -> impl Iterator<Item = Segment> {
    let kept = log.segments[cut.0..].iter().filter(move |segment| is_compressible(segment, now));
    let kept = kept.filter(|_| log.writer == Writer::Gone);
    kept.map(|segment| Segment::new(log.path.clone(), segment.number))
}

fn is_compressible(segment: &SegmentOnDisk, now: SystemTime) -> bool {
    segment.form == Form::Plain && segment.size >= COMPRESSED_FROM && age(segment, now) >= COMPRESSED_AFTER
}

#[cfg(test)]
mod tests;
