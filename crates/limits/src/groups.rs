//! The groups of an execution that is under way: who is in them, what they used, and their end.

use std::collections::BTreeSet;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, io, thread};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open, pidfd_send_signal};

use crate::confinement::{Confinement, Group, Keeper};
use crate::sweep;

/// How often in a row everything is killed before the caller is asked to come again. With no new process possible
/// the second time finds nobody; the rest is for machines without the controller `pids`.
const ROUNDS: usize = 16;

/// Memory is charged in pieces, so a limit may be reached this many bytes below it (`MEMCG_CHARGE_BATCH`: 64 pages).
const CHARGE: u64 = 64 * 4096;

/// How long the kernel is given to let go of a group whose last process has just ended.
const PAUSES: [Duration; 6] = [
    Duration::ZERO,
    Duration::from_millis(1),
    Duration::from_millis(2),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(30),
];

/// The groups of one execution.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Groups(Vec<(PathBuf, Keeper)>);

/// Processes of an execution that the kernel killed because there was no memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfMemory {
    /// How many so far.
    pub kills: u64,
    /// Whose memory was short.
    pub shortage: Shortage,
}

/// Whose memory was short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shortage {
    /// The app's, by its limit.
    Limit,
    /// The machine's, or that of a group around Mantyx.
    Machine,
}

/// Kills everything that is in the groups of an execution whose monitor is gone, and returns who was still there.
/// To be called again until nobody is.
pub fn kill_group(confinement: &Confinement) -> Vec<u32> {
    Groups::of(confinement).kill_all()
}

impl Groups {
    /// The groups of a confinement that somebody prepared.
    #[must_use]
    pub fn of(confinement: &Confinement) -> Self {
        Self(confinement.groups.iter().map(|group: &Group| (group.path.clone(), group.keeper)).collect())
    }

    /// Whether there are none, so that nothing is known of the app as a whole.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Every process of the app, in order, without the one that asks.
    #[must_use]
    pub fn processes(&self) -> Vec<u32> {
        let mut pids: BTreeSet<u32> = self
            .0
            .iter()
            .flat_map(|(path, _)| with_inner(path))
            .flat_map(|folder| members(&folder))
            .collect();
        // Zero stands for processes that cannot be seen from this namespace.
        pids.remove(&0);
        pids.remove(&std::process::id());
        pids.into_iter().collect()
    }

    /// The most memory that all processes of the app held at once, in bytes, what the kernel keeps of their files
    /// included.
    #[must_use]
    pub fn peak_memory(&self) -> Option<u64> {
        self.number("memory.peak").or_else(|| self.number("memory.max_usage_in_bytes"))
    }

    /// How often the kernel killed for want of memory. None when no group counts that.
    #[must_use]
    pub fn out_of_memory(&self) -> Option<OutOfMemory> {
        let (kills, by_limit) = match self.field("memory.events", "oom_kill") {
            Some(kills) => (kills, self.field("memory.events", "oom").is_some_and(|times| times > 0)),
            None => (self.field("memory.oom_control", "oom_kill")?, self.limit_was_reached()),
        };
        let shortage = if by_limit { Shortage::Limit } else { Shortage::Machine };
        Some(OutOfMemory { kills, shortage })
    }

    /// Kills every process of the app, those included that fork meanwhile, and returns who was still there at the
    /// end: they are dying. It does not wait for that.
    pub fn kill_all(&self) -> Vec<u32> {
        let mut left = self.processes();
        if left.is_empty() {
            return left;
        }
        // From here on no process of the app can fork.
        self.write_first("pids.max", "0");
        if self.are_only_the_apps() && self.write_first("cgroup.kill", "1") {
            return self.processes();
        }
        for _ in 0..ROUNDS {
            let fresh = self.kill(&left);
            let now = self.processes();
            if now.iter().all(|pid| fresh.contains(pid)) {
                return now;
            }
            left = now;
        }
        left
    }

    /// Kills these, and says who was there. A pid may have gone to a stranger since it was read: only who is still in
    /// the groups after its descriptor was opened is meant.
    fn kill(&self, pids: &[u32]) -> Vec<u32> {
        let opened: Vec<Opened> = pids.iter().filter_map(|pid| Opened::of(*pid)).collect();
        let members = self.processes();
        let meant = opened.into_iter().filter(|process| members.contains(&process.number));
        meant.filter(|process| process.kill().is_ok()).map(|process| process.number).collect()
    }

    /// Removes what was made for the execution, and the folder that it lay in when it was the last there. An error means
    /// that a process of it hangs in the kernel, or that somebody else is in it.
    pub fn remove(&self) -> io::Result<()> {
        let mut result = Ok(());
        for (path, _) in self.0.iter().filter(|(_, keeper)| *keeper == Keeper::Mantyx) {
            result = remove_tree(path).and(result);
            sweep::remove_parent(path);
        }
        result
    }

    /// Version 1 says only how much there was. (`memory.failcnt` would say more, but newer kernels do not count it.)
    fn limit_was_reached(&self) -> bool {
        let limit = self.number("memory.limit_in_bytes");
        let peak = self.number("memory.max_usage_in_bytes");
        limit.zip(peak).is_some_and(|(limit, peak)| peak.saturating_add(CHARGE) >= limit)
    }

    fn are_only_the_apps(&self) -> bool {
        self.0.iter().all(|(_, keeper)| *keeper == Keeper::Mantyx)
    }

    /// Writes into the first group that has the file.
    fn write_first(&self, file: &str, value: &str) -> bool {
        self.0.iter().any(|(path, _)| write(&path.join(file), value).is_ok())
    }

    fn number(&self, file: &str) -> Option<u64> {
        self.0.iter().find_map(|(path, _)| fs::read_to_string(path.join(file)).ok()?.trim().parse().ok())
    }

    fn field(&self, file: &str, name: &str) -> Option<u64> {
        self.0.iter().find_map(|(path, _)| field(&fs::read_to_string(path.join(file)).ok()?, name))
    }
}

/// Lines of the form `oom_kill 3`.
fn field(text: &str, name: &str) -> Option<u64> {
    let words = text.lines().filter_map(|line| line.split_once(' '));
    words.into_iter().find(|(key, _)| *key == name)?.1.trim().parse().ok()
}

/// A group and the groups that the app made in it, outer ones first.
fn with_inner(path: &Path) -> Vec<PathBuf> {
    let mut all = vec![path.to_owned()];
    let mut next = 0;
    while let Some(folder) = all.get(next) {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        let inner: Vec<PathBuf> = folders.map(|entry| entry.path()).collect();
        all.extend(inner);
        next += 1;
    }
    all
}

/// Whether nobody is in a group and those in it.
pub(crate) fn is_deserted(group: &Path) -> bool {
    with_inner(group).iter().all(|folder| members(folder).is_empty())
}

/// Removes a group and those in it.
pub(crate) fn remove_tree(group: &Path) -> io::Result<()> {
    let mut result = Ok(());
    for folder in with_inner(group).iter().rev() {
        result = remove(folder).and(result);
    }
    result
}

/// The processes of one group.
pub(crate) fn members(folder: &Path) -> Vec<u32> {
    let text = fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
    text.lines().filter_map(|line| line.parse().ok()).collect()
}

/// A process, or whoever has its pid by now.
struct Opened {
    number: u32,
    pid: Pid,
    /// None where the kernel gives none (pidfd_open(2): before Linux 5.3, and in some containers).
    descriptor: Option<OwnedFd>,
}

impl Opened {
    fn of(number: u32) -> Option<Self> {
        let pid = Pid::from_raw(i32::try_from(number).ok()?)?;
        let descriptor = match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(descriptor) => Some(descriptor),
            Err(Errno::NOSYS | Errno::PERM) => None,
            Err(_) => return None,
        };
        Some(Self { number, pid, descriptor })
    }

    fn kill(&self) -> rustix::io::Result<()> {
        match &self.descriptor {
            Some(descriptor) => pidfd_send_signal(descriptor, Signal::KILL),
            None => kill_process(self.pid, Signal::KILL),
        }
    }
}

fn remove(folder: &Path) -> io::Result<()> {
    let mut result = Ok(());
    for pause in PAUSES {
        thread::sleep(pause);
        result = match fs::remove_dir(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result,
        };
        if result.is_ok() {
            break;
        }
    }
    result
}

/// Never makes a file: a group without it has no such setting.
pub(crate) fn write(file: &Path, value: &str) -> io::Result<()> {
    let file = rustix::fs::open(file, OFlags::WRONLY | OFlags::TRUNC | OFlags::CLOEXEC, Mode::empty())?;
    // In one call: the kernel takes each as a whole value.
    rustix::io::write(&file, value.as_bytes())?;
    Ok(())
}
