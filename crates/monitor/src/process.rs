//! What `/proc` says of processes (proc(5)).
//!
//! A pid is used again after its process is gone. Within one boot a pid together with the start time of its
//! process is not, and the boot has an id. Whoever keeps a pid for later keeps all three.

use std::collections::HashSet;
use std::{fs, io};

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};

/// One process that cannot be taken for another of the same boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ProcessId {
    /// The number that the kernel gave it.
    pub pid: u32,
    /// When it began, in clock ticks since boot.
    pub start_ticks: u64,
}

/// One line of `/proc/<pid>/stat`, as far as Mantyx needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// The process.
    pub id: ProcessId,
    /// `R`, `S`, … and `Z` for one that has ended and was not waited for.
    pub state: char,
    /// Its parent.
    pub parent: u32,
    /// Its process group.
    pub group: u32,
    /// Its session.
    pub session: u32,
}

impl ProcessId {
    /// The process that has this pid now.
    pub fn of(pid: u32) -> io::Result<Self> {
        stat(pid).map(|stat| stat.id)
    }

    /// Sends it a signal, and never to another that has its pid by now: the descriptor is of whoever has it when it is
    /// looked at again (pidfd_open(2)).
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw).ok_or(io::ErrorKind::NotFound)?;
        let process = pidfd_open(pid, PidfdFlags::empty());
        if !self.is_alive() {
            return Err(io::ErrorKind::NotFound.into());
        }
        match process {
            Ok(process) => Ok(pidfd_send_signal(&process, signal)?),
            // Not known before Linux 5.3, and forbidden in some containers.
            Err(Errno::NOSYS | Errno::PERM) => Ok(kill_process(pid, signal)?),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether it still runs. One that has ended and was not waited for does not.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        stat(self.pid).is_ok_and(|now| now.id == *self && !now.has_ended())
    }
}

impl Stat {
    /// Whether it is only an entry that its parent has not collected yet.
    #[must_use]
    pub const fn has_ended(&self) -> bool {
        matches!(self.state, 'Z' | 'X')
    }

    /// Reads a line. The name may hold spaces and brackets, so everything before the last bracket is skipped.
    fn parse(pid: u32, line: &str) -> Option<Self> {
        let fields: Vec<&str> = line.rsplit_once(')')?.1.split_ascii_whitespace().collect();
        Some(Self {
            id: ProcessId { pid, start_ticks: fields.get(19)?.parse().ok()? },
            state: fields.first()?.chars().next()?,
            parent: fields.get(1)?.parse().ok()?,
            group: fields.get(2)?.parse().ok()?,
            session: fields.get(3)?.parse().ok()?,
        })
    }
}

/// What the kernel says of one process.
pub fn stat(pid: u32) -> io::Result<Stat> {
    let line = fs::read(format!("/proc/{pid}/stat"))?;
    Stat::parse(pid, &String::from_utf8_lossy(&line)).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// Every process that can be seen. Those that end meanwhile are left out.
///
/// # Errors
/// Where not all of them can be looked at, as without a free descriptor: whoever is not seen may live all the same.
pub fn all() -> io::Result<Vec<Stat>> {
    let mut all = Vec::new();
    for entry in fs::read_dir("/proc")? {
        if let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse().ok())
            && let Some(stat) = unless_gone(stat(pid))?
        {
            all.push(stat);
        }
    }
    Ok(all)
}

/// Whether a process was started with this variable in its environment, `NAME=value`. One that is gone, or that belongs
/// to somebody whose processes are not ours to look at, was not.
pub fn carries(pid: u32, variable: &str) -> io::Result<bool> {
    let environment = unless_gone(fs::read(format!("/proc/{pid}/environ")))?.unwrap_or_default();
    Ok(environment.split(|byte| *byte == 0).any(|other| other == variable.as_bytes()))
}

/// What was read of a process, if that is still there and may be looked at.
fn unless_gone<T>(read: io::Result<T>) -> io::Result<Option<T>> {
    let is_gone = |error: &io::Error| {
        let gone = [Errno::NOENT, Errno::SRCH, Errno::ACCESS, Errno::PERM];
        Errno::from_io_error(error).is_some_and(|errno| gone.contains(&errno))
    };
    match read {
        Err(error) if is_gone(&error) => Ok(None),
        read => read.map(Some),
    }
}

/// The children of a process, their children, and so on, without the process itself; parents come first.
#[must_use]
pub fn descendants(of: u32, among: &[Stat]) -> Vec<Stat> {
    let mut found: Vec<Stat> = Vec::new();
    let mut known = HashSet::from([of]);
    loop {
        let fresh: Vec<Stat> = among
            .iter()
            .filter(|p| known.contains(&p.parent) && !known.contains(&p.id.pid))
            .copied()
            .collect();
        if fresh.is_empty() {
            return found;
        }
        known.extend(fresh.iter().map(|p| p.id.pid));
        found.extend(fresh);
    }
}

/// The id of this boot of the machine.
pub fn boot_id() -> io::Result<String> {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").map(|text| text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(pid: u32, parent: u32) -> Stat {
        Stat { id: ProcessId { pid, start_ticks: 1 }, state: 'S', parent, group: pid, session: pid }
    }

    #[test]
    fn a_name_may_look_like_anything() {
        let line = "7 (a) Z 1 (b) S 3 4 5 0 -1 0 0 0 0 0 1 2 0 0 20 0 1 0 4711 0";
        let stat = Stat::parse(7, line).unwrap();
        assert_eq!(stat.id, ProcessId { pid: 7, start_ticks: 4711 });
        assert_eq!((stat.state, stat.parent, stat.group, stat.session), ('S', 3, 4, 5));
        assert_eq!(Stat::parse(7, "7 (short) S 3"), None);
    }

    #[test]
    fn this_process_is_alive_and_its_pid_at_another_time_is_not() {
        let me = ProcessId::of(std::process::id()).unwrap();
        assert!(me.is_alive());
        assert!(!ProcessId { start_ticks: me.start_ticks + 1, ..me }.is_alive());
        assert!(all().unwrap().iter().any(|p| p.id == me));
        assert!(me.signal(Signal::CONT).is_ok());
        let other = ProcessId { start_ticks: me.start_ticks + 1, ..me };
        assert_eq!(other.signal(Signal::KILL).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert!(carries(me.pid, &format!("PATH={}", std::env::var("PATH").unwrap())).unwrap());
        assert!(!carries(me.pid, "PATH=").unwrap() && !carries(u32::MAX, "PATH=").unwrap());
    }

    #[test]
    fn descendants_are_all_generations_and_nobody_else() {
        let among = [process(30, 20), process(1, 0), process(20, 10), process(21, 10), process(40, 1)];
        let pids: Vec<u32> = descendants(10, &among).iter().map(|p| p.id.pid).collect();
        assert_eq!(pids, [20, 21, 30]);
    }
}
