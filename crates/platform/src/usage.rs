//! What trees of processes use: the processor time and the memory of everything that one process started.
//!
//! A look is one pass over `/proc` (proc(5)) for all trees at once. Looks are taken every few seconds for as long as
//! anything is alive, so they read no more than they must:
//!
//! - Where a process belongs is found out once. Who is outside every tree never gets into one, and who is inside
//!   never leaves, because the root of a tree is the subreaper of everything below it. Of strangers only the pids are
//!   listed after that.
//! - While no process is started on the machine and none of a tree ends, nobody is new, and no root has waited for
//!   anybody: then only those are read that do the work.
//! - The `stat` of a process of a tree stays open. Reading it again costs half of opening it, and a file that was
//!   opened for one process never tells of another that has its pid by now.
//! - At every sixtieth look, and whenever the roots are others, all of this is found out anew: should the pid of a
//!   stranger have gone to a process of a tree between two looks, it is taken for the stranger no longer than that.
//!
//! Processor time counts for a tree even when the process that used it has ended: the kernel adds it to whoever
//! waited for that process, in the end to the root. What the root uses itself does not count. The sum can fall: the
//! time of a process is lost when its parent ignores the end of its children. Memory is the sum of what is resident,
//! in which a page that processes share counts for each of them.

mod proc;
mod stat;

use std::collections::{HashMap, HashSet};
use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use proc::Proc;
pub use proc::{Process, carries, process};
pub use stat::ProcessId;
use stat::{Stat, bytes, time};

/// Every so many looks, nothing that earlier ones found out is relied on.
const THOROUGH: u32 = 60;
/// How many files stay open. Processes beyond that are opened at each look.
const KEPT_OPEN: usize = 512;

/// What everything below one process uses together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TreeUsage {
    /// Processor time since the tree began.
    pub cpu: Duration,
    /// Resident memory, in bytes.
    pub memory: u64,
    /// Processes that are alive.
    pub processes: u32,
}

/// Looks at trees of processes.
pub struct ProcessTrees {
    proc: Proc,
    looks: u32,
    /// The process that was started last on the machine when everybody's place was known.
    newest: Option<u32>,
    /// With the place of each in what a look returns.
    roots: HashMap<ProcessId, usize>,
    members: HashMap<u32, Member>,
    strangers: HashSet<u32>,
}

/// A process inside a tree; the root of one is among them.
struct Member {
    root: usize,
    is_root: bool,
    stat: Stat,
    file: Option<OwnedFd>,
}

/// Where a process belongs.
enum Place {
    Inside(usize),
    Outside,
    /// Its parent ended while it was looked at; the next look will tell.
    Unknown,
}

impl ProcessTrees {
    /// Has not looked at anything yet.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            proc: Proc::open()?,
            looks: 0,
            newest: None,
            roots: HashMap::new(),
            members: HashMap::new(),
            strangers: HashSet::new(),
        })
    }

    /// What is below each of these roots now; `None` for a root that is gone, which is noticed when what was below it
    /// ends. It is quickest while the roots stay the same, in the same order.
    pub fn look(&mut self, roots: &[ProcessId]) -> io::Result<Vec<Option<TreeUsage>>> {
        self.looks = self.looks.wrapping_add(1);
        if self.looks.is_multiple_of(THOROUGH) || !self.has(roots) {
            self.begin_anew(roots);
        }
        let newest = self.proc.newest();
        let nobody_began = newest.is_some() && newest == self.newest;
        let ended = self.read_members(|member| !member.is_root);
        if nobody_began && ended == 0 {
            return Ok(self.sum(roots));
        }
        self.read_members(|member| member.is_root);
        self.newest = newest;
        self.meet_others()?;
        Ok(self.sum(roots))
    }

    fn has(&self, roots: &[ProcessId]) -> bool {
        let same = |(index, root)| self.roots.get(root) == Some(&index);
        self.roots.len() == roots.len() && roots.iter().enumerate().all(same)
    }

    fn begin_anew(&mut self, roots: &[ProcessId]) {
        self.newest = None;
        self.roots = roots.iter().enumerate().map(|(index, root)| (*root, index)).collect();
        self.members.clear();
        self.strangers.clear();
    }

    /// Reads some of those again who are inside, lets go of those who have ended, and says how many these were.
    fn read_members(&mut self, some: impl Fn(&Member) -> bool) -> usize {
        let (before, proc) = (self.members.len(), &mut self.proc);
        let mut open = 0;
        self.members.retain(|_, member| {
            if some(member) {
                let Some((stat, file)) = proc.read_again(member.stat.id, member.file.take()) else {
                    return false;
                };
                member.stat = stat;
                member.file = Some(file).filter(|_| open < KEPT_OPEN);
            }
            open += usize::from(member.file.is_some());
            true
        });
        before - self.members.len()
    }

    /// Finds out where everybody belongs who was not met before.
    fn meet_others(&mut self) -> io::Result<()> {
        let mut listed = self.proc.list()?;
        self.strangers.retain(|pid| listed.binary_search(pid).is_ok());
        listed.retain(|pid| !self.members.contains_key(pid) && !self.strangers.contains(pid));
        let new: HashMap<u32, Stat> =
            listed.iter().filter_map(|pid| Some((*pid, self.proc.read(*pid)?.0))).collect();
        for stat in listed.iter().filter_map(|pid| new.get(pid)) {
            match self.place(stat, &new) {
                Place::Inside(root) => {
                    let is_root = self.roots.contains_key(&stat.id);
                    self.members.insert(stat.id.pid, Member { root, is_root, stat: *stat, file: None });
                }
                Place::Outside => {
                    self.strangers.insert(stat.id.pid);
                }
                Place::Unknown => self.newest = None,
            }
        }
        Ok(())
    }

    /// Goes up from a process to the first ancestor whose place is known.
    fn place(&self, process: &Stat, new: &HashMap<u32, Stat>) -> Place {
        let mut at = process;
        // Pids that were used again while they were read could form a ring.
        for _ in 0..=new.len() {
            if let Some(root) = self.roots.get(&at.id) {
                return Place::Inside(*root);
            }
            if let Some(parent) = self.members.get(&at.parent) {
                return Place::Inside(parent.root);
            }
            if at.parent == 0 || self.strangers.contains(&at.parent) {
                return Place::Outside;
            }
            let Some(parent) = new.get(&at.parent) else { return Place::Unknown };
            at = parent;
        }
        Place::Unknown
    }

    fn sum(&self, roots: &[ProcessId]) -> Vec<Option<TreeUsage>> {
        let is_there =
            |root: &ProcessId| self.members.get(&root.pid).is_some_and(|member| member.stat.id == *root);
        let mut trees: Vec<_> = roots.iter().map(|root| is_there(root).then(TreeUsage::default)).collect();
        for member in self.members.values() {
            let Some(Some(tree)) = trees.get_mut(member.root) else { continue };
            let stat = &member.stat;
            tree.cpu += time(stat.waited);
            if !member.is_root {
                tree.cpu += time(stat.own);
                tree.memory += bytes(stat.resident);
                tree.processes += u32::from(!stat.has_ended());
            }
        }
        trees
    }
}
