//! What the machine offers, seen once when the daemon starts.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mantyx_core::LimitMechanism;

/// What the machine offers to hold an app to its limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    pub(crate) mechanism: LimitMechanism,
    pub(crate) controllers: Controllers,
    pub(crate) standing: Standing,
    pub(crate) gate: Option<Gate>,
    pub(crate) holds: Holds,
}

/// What keeps the folders for the groups of executions there, however often the last app in them ends.
#[derive(Clone, Debug, Default)]
pub(crate) struct Holds(#[expect(dead_code, reason = "it is there to be dropped")] Arc<[OwnedFd]>);

impl From<Vec<OwnedFd>> for Holds {
    fn from(holds: Vec<OwnedFd>) -> Self {
        Self(holds.into())
    }
}

/// It says nothing about what is offered.
impl PartialEq for Holds {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Holds {}

/// Where the daemon itself is, so that it can be put there once more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Gate {
    /// `cgroup.procs` of its group in one of the hierarchies.
    pub(crate) file: PathBuf,
    /// What `/proc/self/cgroup` said when this was so.
    pub(crate) membership: String,
}

/// What is enforced for everything that an app started together. Where it is not, [`plan`](crate::plan()) says in a
/// warning what is done instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Enforced {
    /// Memory.
    pub memory: bool,
    /// Processor time.
    pub cpu: bool,
    /// The number of processes and threads.
    pub processes: bool,
}

/// The controllers that can be used, each with the folder that takes a group for each execution.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Controllers {
    pub(crate) memory: Option<MemoryController>,
    pub(crate) cpu: Option<PathBuf>,
    pub(crate) processes: Option<PathBuf>,
}

/// The controller of memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MemoryController {
    pub(crate) folder: PathBuf,
    pub(crate) swap: Swap,
}

/// How a limit of memory is kept from being evaded by swapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Swap {
    /// Version 2: `memory.swap.max`.
    Own,
    /// Version 1: `memory.memsw.limit_in_bytes`.
    WithMemory,
    /// Version 1 without accounting of swap: `memory.swappiness`.
    Swappiness,
    /// There is no file for it, so the kernel was built without swap.
    None,
}

/// What the daemon itself has, and hands down unless something else is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    /// How many open files a process may be given; none is any number.
    pub(crate) most_open_files: Option<u64>,
    /// The hard limit of open files that the daemon was started with.
    pub(crate) open_files: Option<u64>,
    /// The hard limit of data that the daemon was started with.
    pub(crate) data: Option<u64>,
    /// Its niceness, and whether it may go below it.
    pub(crate) nice: Level<i8>,
    /// Its score, and whether it may go below it.
    pub(crate) oom_score: Level<i16>,
}

/// Where the daemon stands on a scale on which everybody may go up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Level<T> {
    pub(crate) own: T,
    /// The lowest that it may give to an app.
    pub(crate) least: T,
}

impl Offer {
    /// An offer of nothing but limits of single processes.
    #[must_use]
    pub fn rlimits() -> Self {
        Self {
            mechanism: LimitMechanism::Rlimits,
            controllers: Controllers::default(),
            standing: Standing::look(),
            gate: None,
            holds: Holds::default(),
        }
    }

    /// By what means an app is held to its limits.
    #[must_use]
    pub const fn mechanism(&self) -> LimitMechanism {
        self.mechanism
    }

    /// What is enforced for the whole tree of an app's processes.
    #[must_use]
    pub const fn enforced(&self) -> Enforced {
        Enforced {
            memory: self.controllers.memory.is_some(),
            cpu: self.controllers.cpu.is_some(),
            processes: self.controllers.processes.is_some(),
        }
    }

    /// Gets the kernel ready to let a process into a group soon. It may take as long as that would, so it is called
    /// in a thread of its own, as early as a start is foreseen, and need not be waited for.
    ///
    /// Before the first of several moves between groups the kernel waits until every processor has seen that moves
    /// are coming (an RCU grace period, for `cgroup_threadgroup_rwsem` in kernel/cgroup/cgroup.c): some milliseconds,
    /// which an app that nobody waits for in its groups would spend before its first instruction. Moving the daemon to where it is has the same effect.
    pub fn warm_up(&self) {
        if let Some(gate) = &self.gate
            // Somebody may have moved the daemon meanwhile, and it is not for us to undo that.
            && std::fs::read_to_string("/proc/self/cgroup").is_ok_and(|now| now == gate.membership)
        {
            // It only saves time.
            let _ = crate::groups::write(&gate.file, "0");
        }
    }

    /// Removes the folders that the groups of executions lay in, where none is left in them. Nothing can be planned
    /// with this offer afterwards.
    pub fn release(self) {
        for folder in self.own_folders() {
            // It is still in use, or was removed as the folder of another controller.
            let _ = std::fs::remove_dir(folder);
        }
    }

    /// The folders for the groups of executions, as far as systemd does not keep them.
    pub(crate) fn own_folders(&self) -> Vec<&Path> {
        if self.mechanism == LimitMechanism::Systemd {
            return Vec::new();
        }
        let Controllers { memory, cpu, processes } = &self.controllers;
        let memory = memory.as_ref().map(|memory| &memory.folder);
        memory.into_iter().chain(cpu).chain(processes).map(PathBuf::as_path).collect()
    }
}
