//! `/proc` as a folder that is opened once.

use std::fmt::Write as _;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::fs::{Mode, OFlags, RawDir, SeekFrom, open, openat, seek};
use rustix::io::pread;
use rustix::time::{ClockId, clock_gettime};

use super::stat::{ProcessId, Stat, number, time};

/// A line has 52 fields, most of them short.
const LINE: usize = 1024;
/// Holds about 300 names at a time.
const LISTING: usize = 8 << 10;

/// One process, looked at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Which.
    pub id: ProcessId,
    /// Its parent.
    pub parent: u32,
    /// The first 15 bytes of the name of its program.
    pub name: String,
    /// How long ago it began.
    pub age: Duration,
}

/// The process that has this pid now.
pub fn process(pid: u32) -> io::Result<Process> {
    let line = std::fs::read(format!("/proc/{pid}/stat"))?;
    let (stat, name) = Stat::parse(&line).ok_or(io::ErrorKind::InvalidData)?;
    let now = Duration::try_from(clock_gettime(ClockId::Boottime)).unwrap_or_default();
    Ok(Process {
        id: stat.id,
        parent: stat.parent,
        name: String::from_utf8_lossy(name).into_owned(),
        age: now.saturating_sub(time(stat.id.start_ticks)),
    })
}

/// Whether a process was started with this variable, as far as this user may see that.
#[must_use]
pub fn carries(pid: u32, name: &str, value: &str) -> bool {
    let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    let wanted = format!("{name}={value}");
    environment.split(|byte| *byte == 0).any(|variable| variable == wanted.as_bytes())
}

/// The folder, and what is used again for each reading.
pub(super) struct Proc {
    folder: OwnedFd,
    load: OwnedFd,
    listing: Vec<u8>,
    path: String,
}

impl Proc {
    pub(super) fn open() -> io::Result<Self> {
        let read = OFlags::RDONLY | OFlags::CLOEXEC;
        let folder = open("/proc", read | OFlags::DIRECTORY, Mode::empty())?;
        let load = openat(&folder, "loadavg", read, Mode::empty())?;
        Ok(Self { folder, load, listing: Vec::with_capacity(LISTING), path: String::new() })
    }

    /// The process or thread that was started last on the machine: the last field of `/proc/loadavg`.
    pub(super) fn newest(&self) -> Option<u32> {
        let mut line = [0; LINE];
        let length = pread(&self.load, &mut line, 0).ok()?;
        let last = line.get(..length)?.trim_ascii_end().rsplit(|byte| *byte == b' ').next()?;
        u32::try_from(number(last)?).ok()
    }

    /// The pids of all processes that can be seen, in order.
    pub(super) fn list(&mut self) -> io::Result<Vec<u32>> {
        seek(&self.folder, SeekFrom::Start(0))?;
        let mut entries = RawDir::new(&self.folder, self.listing.spare_capacity_mut());
        let mut pids = Vec::new();
        while let Some(entry) = entries.next() {
            let pid = number(entry?.file_name().to_bytes());
            pids.extend(pid.and_then(|pid| u32::try_from(pid).ok()));
        }
        pids.sort_unstable();
        Ok(pids)
    }

    /// What a process is now, and its file; `None` when it is gone.
    pub(super) fn read(&mut self, pid: u32) -> Option<(Stat, OwnedFd)> {
        self.path.clear();
        // Writing to a String cannot fail.
        let _ = write!(self.path, "{pid}/stat");
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let file = openat(&self.folder, self.path.as_str(), flags, Mode::empty()).ok()?;
        Some((read(&file)?, file))
    }

    /// The same for a process that was read before, from its file if that was kept.
    pub(super) fn read_again(&mut self, id: ProcessId, kept: Option<OwnedFd>) -> Option<(Stat, OwnedFd)> {
        match kept {
            Some(file) => Some((read(&file)?, file)),
            None => self.read(id.pid).filter(|(stat, _)| stat.id == id),
        }
    }
}

/// Reading from the beginning has the kernel write the line anew; of a process that is gone it says ESRCH.
fn read(file: impl AsFd) -> Option<Stat> {
    let mut line = [0; LINE];
    let length = pread(file, &mut line, 0).ok()?;
    Stat::parse(line.get(..length)?).map(|(stat, _)| stat)
}
