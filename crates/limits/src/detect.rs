//! Looking at what the machine offers: once, when the daemon starts.
//!
//! A group is believed to work when the folder for the groups of executions could be made and its files are there.
//! Nothing else is certain: permissions, delegation, and containers all look alike from afar.

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use mantyx_core::LimitMechanism;
use rustix::process::{Resource, getpriority_process, getrlimit};

use crate::hierarchy::{Hierarchy, Version};
use crate::offer::{Controllers, Gate, Holds, Level, MemoryController, Offer, Standing, Swap};
use crate::plan::SLICE;
use crate::sweep::{self, PREFIX};

/// The bits of capabilities(7) that matter.
const CAP_SYS_NICE: u32 = 23;
const CAP_SYS_RESOURCE: u32 = 24;

/// Where the system bus listens (DBUS_SYSTEM_BUS_ADDRESS aside, which is for tests of D-Bus itself).
const SYSTEM_BUS: [&str; 2] = ["/run/dbus/system_bus_socket", "/var/run/dbus/system_bus_socket"];

/// How often a folder is made that goes away again.
const ATTEMPTS: u32 = 5;

/// Everything that the offer depends on.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    pub(crate) mountinfo: String,
    pub(crate) membership: String,
    pub(crate) manager: Manager,
    pub(crate) standing: Standing,
}

/// Who manages the services of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manager {
    /// Systemd, and it would do what this daemon asks.
    Systemd,
    /// Somebody else, or nobody that can be asked.
    Other,
}

impl Offer {
    /// Looks at what the machine offers. `name` is a short word that no other Mantyx on this machine has; the groups
    /// of executions are made in `mantyx-<name>` below the daemon's own group. What an earlier daemon of this name left
    /// there empty is removed.
    #[must_use]
    pub fn detect(name: &str) -> Self {
        Self::of(&Machine::look(), name)
    }

    /// The same without systemd, for when it is there but does not do what it is asked.
    #[must_use]
    pub fn detect_direct(name: &str) -> Self {
        Self::of(&Machine { manager: Manager::Other, ..Machine::look() }, name)
    }

    pub(crate) fn of(machine: &Machine, name: &str) -> Self {
        let hierarchies = Hierarchy::all(&machine.mountinfo, &machine.membership);
        let mut folders = Folders { name: format!("{PREFIX}{name}"), holds: Vec::new() };
        let found = match machine.manager {
            Manager::Systemd => Some((LimitMechanism::Systemd, of_systemd(&hierarchies))),
            Manager::Other => direct(&hierarchies, &mut folders),
        };
        let (mechanism, controllers) = found.unwrap_or((LimitMechanism::Rlimits, Controllers::default()));
        let gate = Gate::find(&hierarchies, machine, mechanism);
        let holds = Holds::from(folders.holds);
        let offer = Self { mechanism, controllers, standing: machine.standing, gate, holds };
        offer.own_folders().into_iter().for_each(sweep::sweep);
        offer
    }
}

/// The folders for the groups of executions, as far as they were made.
struct Folders {
    /// What each is called.
    name: String,
    /// What keeps them there.
    holds: Vec<OwnedFd>,
}

/// Version 2 where it can do at least as much as version 1.
fn direct(hierarchies: &[Hierarchy], folders: &mut Folders) -> Option<(LimitMechanism, Controllers)> {
    let unified = hierarchies.iter().find(|hierarchy| hierarchy.version == Version::Two);
    let second = unified.and_then(|unified| version_2(unified, folders)).unwrap_or_default();
    if second.count() == 3 {
        return Some((LimitMechanism::CgroupV2, second));
    }
    let first = version_1(hierarchies, folders);
    match (second.count(), first.count()) {
        (0, 0) => None,
        (second_count, first_count) if second_count >= first_count => {
            Some((LimitMechanism::CgroupV2, second))
        }
        _ => Some((LimitMechanism::CgroupV1, first)),
    }
}

impl Controllers {
    fn count(&self) -> u8 {
        u8::from(self.memory.is_some()) + u8::from(self.cpu.is_some()) + u8::from(self.processes.is_some())
    }
}

/// What systemd will make groups with. It makes them itself, so there is nothing to try.
fn of_systemd(hierarchies: &[Hierarchy]) -> Controllers {
    let folder = |controller: &str| {
        hierarchies.iter().find(|hierarchy| match hierarchy.version {
            Version::One(_) => hierarchy.has(controller),
            Version::Two => {
                words(&hierarchy.mount.join("cgroup.controllers")).iter().any(|word| word == controller)
            }
        })
    };
    let place = |controller: &str| folder(controller).map(|hierarchy| hierarchy.mount.join(SLICE));
    Controllers {
        memory: place("memory").map(|folder| MemoryController { folder, swap: Swap::None }),
        cpu: place("cpu"),
        processes: place("pids"),
    }
}

/// The nearest group, from the daemon's own upwards, that lets groups with controllers be made in it. A group with
/// processes in it hands out no controllers, unless it is the first of all ("no internal processes", cgroups(7)), so
/// this is often the one above.
fn version_2(unified: &Hierarchy, folders: &mut Folders) -> Option<Controllers> {
    let mut candidates = unified.own.ancestors().take_while(|path| path.starts_with(&unified.mount));
    candidates.find_map(|base| version_2_in(base, folders))
}

fn version_2_in(base: &Path, folders: &mut Folders) -> Option<Controllers> {
    enable(base);
    let handed_out = words(&base.join("cgroup.subtree_control"));
    if !["memory", "cpu", "pids"].iter().any(|controller| handed_out.iter().any(|word| word == controller)) {
        return None;
    }
    let folder = folders.make(base)?;
    enable(&folder);
    let handed_out = words(&folder.join("cgroup.subtree_control"));
    let place = |controller: &str| handed_out.iter().any(|word| word == controller).then(|| folder.clone());
    let swap = if folder.join("memory.swap.max").exists() { Swap::Own } else { Swap::None };
    let memory = place("memory").map(|folder| MemoryController { folder, swap });
    let controllers = Controllers { memory, cpu: place("cpu"), processes: place("pids") };
    (controllers.count() > 0).then_some(controllers)
}

/// Hands controllers out, one by one because each may be missing or refused by itself.
pub(crate) fn enable(group: &Path) {
    let file = group.join("cgroup.subtree_control");
    let (offered, already) = (words(&group.join("cgroup.controllers")), words(&file));
    for controller in ["memory", "cpu", "pids"] {
        let has = |words: &[String]| words.iter().any(|word| word == controller);
        if has(&offered) && !has(&already) {
            // What came of it is read afterwards.
            let opened = fs::OpenOptions::new().append(true).open(&file);
            let _ = opened.and_then(|mut file| file.write_all(format!("+{controller}").as_bytes()));
        }
    }
}

/// Each controller may be mounted or not, and in a hierarchy of its own or with others.
fn version_1(hierarchies: &[Hierarchy], folders: &mut Folders) -> Controllers {
    let mut place = |controller: &str, file: &str| {
        let hierarchy = hierarchies.iter().find(|hierarchy| hierarchy.has(controller))?;
        folders.make(&hierarchy.own).filter(|folder| folder.join(file).exists())
    };
    let memory = place("memory", "memory.limit_in_bytes").map(|folder| {
        let has = |file: &str| folder.join(file).exists();
        let swap = match (has("memory.memsw.limit_in_bytes"), has("memory.swappiness")) {
            (true, _) => Swap::WithMemory,
            (false, true) => Swap::Swappiness,
            (false, false) => Swap::None,
        };
        MemoryController { folder, swap }
    });
    Controllers { memory, cpu: place("cpu", "cpu.cfs_quota_us"), processes: place("pids", "pids.max") }
}

impl Folders {
    /// Makes a folder for the groups of executions; whoever may do that may do the rest.
    fn make(&mut self, base: &Path) -> Option<PathBuf> {
        let folder = base.join(&self.name);
        for _ in 0..ATTEMPTS {
            match fs::create_dir(&folder) {
                Err(error) if error.kind() != ErrorKind::AlreadyExists => return None,
                _ => {}
            }
            match sweep::hold(&folder) {
                // The last app of an earlier daemon has just ended, and its monitor tidied up.
                Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::WouldBlock) => {}
                held => {
                    self.holds.extend(held);
                    break;
                }
            }
        }
        Some(folder)
    }
}

fn words(file: &Path) -> Vec<String> {
    let text = fs::read_to_string(file).unwrap_or_default();
    text.split_ascii_whitespace().map(str::to_owned).collect()
}

impl Gate {
    /// In a hierarchy where it is certain that this process is where it seems to be.
    fn find(hierarchies: &[Hierarchy], machine: &Machine, mechanism: LimitMechanism) -> Option<Self> {
        let direct = matches!(mechanism, LimitMechanism::CgroupV1 | LimitMechanism::CgroupV2);
        let me = std::process::id().to_string();
        let mut files = hierarchies.iter().map(|hierarchy| hierarchy.own.join("cgroup.procs"));
        let file = files.find(|file| direct && words(file).contains(&me))?;
        Some(Self { file, membership: machine.membership.clone() })
    }
}

impl Machine {
    fn look() -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        Self {
            mountinfo: read("/proc/self/mountinfo"),
            membership: read("/proc/self/cgroup"),
            manager: Manager::look(),
            standing: Standing::look(),
        }
    }
}

impl Manager {
    /// Systemd makes scopes for root only; others would be asked for a password by polkit.
    fn look() -> Self {
        let runs = Path::new("/run/systemd/system").is_dir();
        let answers = || SYSTEM_BUS.iter().any(|socket| UnixStream::connect(socket).is_ok());
        if runs && rustix::process::geteuid().is_root() && answers() { Self::Systemd } else { Self::Other }
    }
}

impl Standing {
    pub(crate) fn look() -> Self {
        let capabilities = capabilities(&fs::read_to_string("/proc/self/status").unwrap_or_default());
        let may = |capability: u32| capabilities >> capability & 1 == 1;
        // The daemon raises its soft limit only, so the hard one is still what it was started with.
        let open_files = getrlimit(Resource::Nofile).maximum;
        let most: Option<u64> = number("/proc/sys/fs/nr_open");
        let nice =
            getpriority_process(None).ok().and_then(|nice| i8::try_from(nice).ok()).unwrap_or_default();
        let oom_score = number("/proc/self/oom_score_adj").unwrap_or_default();
        let (raises, score) = (may(CAP_SYS_RESOURCE), may(CAP_SYS_RESOURCE));
        Self {
            most_open_files: if raises { most.or(open_files) } else { open_files },
            open_files,
            data: getrlimit(Resource::Data).maximum,
            nice: Level { own: nice, least: if may(CAP_SYS_NICE) { -20 } else { nice } },
            oom_score: Level { own: oom_score, least: if score { -1000 } else { oom_score } },
        }
    }
}

fn number<T: std::str::FromStr>(file: &str) -> Option<T> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

/// The effective capabilities in `/proc/self/status`.
fn capabilities(status: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    line.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests;
