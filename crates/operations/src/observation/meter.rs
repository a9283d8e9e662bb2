//! From executions to their trees of processes, and from two looks at a tree to what it used in between.
//!
//! The tree of an execution is everything below its monitor, which is the parent of its main process. A pid alone
//! proves nothing: the parent must be called as monitors are, and the process must have begun when the execution did,
//! or, should the clock have been set since, carry the id of the execution.
//!
//! What an execution used after the last look at it, all of it when it was too short for any, is known once it has
//! ended: its record says how much it was in all. The next look tells it.

mod remainder;

use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, Instant};

use chrono::{TimeDelta, Utc};
use mantyx_api_types::AppUsage;
use mantyx_core::{AppId, Error, ExecutionId, InstanceId, Result, Timestamp};
use mantyx_platform::usage::{self, Process, ProcessId, ProcessTrees, TreeUsage};
use mantyx_registry::tables::executions::{Execution, Spent};
use mantyx_settings::variables;

use remainder::Remainder;

/// The kernel keeps so many bytes of the name of a program.
const NAME_BYTES: usize = 15;
/// A process is as old as the row of its execution says, give or take this.
const SAME_MOMENT: TimeDelta = TimeDelta::seconds(10);
/// The kernel counts hundredths of a second: of a shorter time nothing can be said.
const SHORTEST: Duration = Duration::from_secs(1);
/// What a process used since it began says nothing of now when it is older.
const LONGEST: Duration = Duration::from_secs(30);

/// What one app uses.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Looked {
    pub(crate) instance: InstanceId,
    pub(crate) app: AppId,
    /// Processor time since the look before.
    pub(crate) used: Duration,
    /// How long that is.
    pub(crate) span: Duration,
    /// The same as a number of processors.
    pub(crate) cpu: f64,
    /// Bytes.
    pub(crate) memory: u64,
    /// None when everything that it did in that time is over.
    pub(crate) processes: u32,
}

impl Looked {
    /// An app of which nothing was seen yet.
    fn nothing(instance: InstanceId, app: AppId) -> Self {
        let none = Duration::ZERO;
        Self { instance, app, used: none, span: none, cpu: 0.0, memory: 0, processes: 0 }
    }

    /// As listeners are told what is used now, by what is alive.
    pub(crate) fn usage(&self) -> Option<AppUsage> {
        let Self { app, cpu, memory, processes, .. } = *self;
        (processes > 0).then_some(AppUsage { app, cpu, memory, processes })
    }
}

/// Looks at what the executions use that are alive.
pub(crate) struct Meter {
    processes: ProcessTrees,
    monitor: String,
    /// How many processors there are: nobody uses more. A process that ends while it is looked at may be counted
    /// twice, as itself and with its parent; this is what comes of it at most.
    processors: u32,
    trees: Vec<Tree>,
    /// What has ended since the last look.
    remainders: Vec<Remainder>,
    looked_at: Instant,
}

/// An execution that is alive.
struct Tree {
    execution: ExecutionId,
    instance: InstanceId,
    app: AppId,
    /// None while it is no process yet.
    main: Option<u32>,
    started_at: Timestamp,
    root: Option<Root>,
}

/// The monitor of an execution.
struct Root {
    id: ProcessId,
    /// When the main process began.
    began: Instant,
    /// What the tree had used at the last look, and the memory that it had.
    seen: Option<(Duration, u64)>,
}

impl Meter {
    /// Looks at nothing yet.
    pub(crate) fn new(monitor_program: &Path, processors: u32) -> Result<Self> {
        let processes = ProcessTrees::new().map_err(|error| Error::io("open `/proc`", error))?;
        let name = monitor_program.file_name().unwrap_or_default().to_string_lossy();
        Ok(Self {
            processes,
            monitor: name.chars().take(NAME_BYTES).collect(),
            processors,
            trees: Vec::new(),
            remainders: Vec::new(),
            looked_at: Instant::now(),
        })
    }

    /// The executions that are followed.
    pub(crate) fn followed(&self) -> Vec<ExecutionId> {
        self.trees.iter().map(|tree| tree.execution).collect()
    }

    /// These executions are alive, and no others; these have ended of which the end was not known yet.
    pub(crate) fn follow(&mut self, alive: &[Execution], ended: &[Spent]) {
        let mut before: HashMap<ExecutionId, Tree> =
            self.trees.drain(..).map(|tree| (tree.execution, tree)).collect();
        let remainders = ended.iter().filter_map(|spent| Remainder::of(spent, before.get(&spent.id.0)));
        self.remainders.extend(remainders);
        let mut follow = |row: &Execution| {
            let known = before.remove(&row.id.0).filter(|tree| tree.main.is_some());
            known.unwrap_or_else(|| Tree::of(row))
        };
        self.trees = alive.iter().map(&mut follow).collect();
    }

    /// What each app uses of which something can be said.
    pub(crate) fn look(&mut self) -> Result<Vec<Looked>> {
        self.trees.iter_mut().for_each(|tree| tree.find(&self.monitor));
        let roots: Vec<ProcessId> =
            self.trees.iter().filter_map(|tree| Some(tree.root.as_ref()?.id)).collect();
        let found = self.processes.look(&roots).map_err(|error| Error::io("read `/proc`", error))?;
        let (now, before) = (Instant::now(), self.looked_at);
        self.looked_at = now;
        let mut apps: HashMap<InstanceId, Looked> = HashMap::new();
        let with_root = self.trees.iter_mut().filter(|tree| tree.root.is_some());
        for (tree, usage) in with_root.zip(found) {
            let Some(usage) = usage else {
                tree.root = None;
                continue;
            };
            if let Some((used, span)) = tree.used(usage, before, now) {
                add(&mut apps, tree, usage, used.min(span.saturating_mul(self.processors)), span);
            }
        }
        let since = now.saturating_duration_since(before);
        remainder::add(&mut apps, std::mem::take(&mut self.remainders), since, self.processors);
        Ok(apps.into_values().collect())
    }
}

impl Tree {
    fn of(row: &Execution) -> Self {
        Self {
            execution: row.id.0,
            instance: row.instance_id.0,
            app: row.app_id.0,
            main: row.pid.and_then(|pid| u32::try_from(pid).ok()),
            started_at: row.started_at,
            root: None,
        }
    }

    /// Looks for its monitor, unless that is known.
    fn find(&mut self, monitor_name: &str) {
        let Some(pid) = self.main.filter(|_| self.root.is_none()) else { return };
        let Ok(main) = usage::process(pid) else { return };
        let Ok(monitor) = usage::process(main.parent) else { return };
        if monitor.name == monitor_name && self.is_main(pid, &main) {
            let now = Instant::now();
            let began = now.checked_sub(main.age).unwrap_or(now);
            self.root = Some(Root { id: monitor.id, began, seen: None });
        }
    }

    fn is_main(&self, pid: u32, process: &Process) -> bool {
        let age = TimeDelta::from_std(process.age).unwrap_or(TimeDelta::MAX);
        let began = Utc::now().checked_sub_signed(age).unwrap_or_default();
        (began - self.started_at).abs() <= SAME_MOMENT
            || usage::carries(pid, variables::EXECUTION_ID, &self.execution.to_string())
    }

    /// The processor time that it used since the look before, or since it began, and how long that is; `None` when it
    /// is too short to say, or when nobody looked before and it began long ago.
    ///
    /// The sum of a tree falls when time is lost with a process that nobody waited for: then nothing is known to
    /// have been used.
    fn used(&mut self, usage: TreeUsage, before: Instant, now: Instant) -> Option<(Duration, Duration)> {
        let root = self.root.as_mut()?;
        let age = now.saturating_duration_since(root.began);
        let (known, span) = match root.seen {
            Some((known, _)) => (known, now.saturating_duration_since(before)),
            None if age < SHORTEST => return None,
            None => (Duration::ZERO, age),
        };
        let first = root.seen.replace((usage.cpu, usage.memory)).is_none();
        (!first || age <= LONGEST).then(|| (usage.cpu.saturating_sub(known), span))
    }
}

/// An app can have several runs at once.
fn add(
    apps: &mut HashMap<InstanceId, Looked>,
    tree: &Tree,
    usage: TreeUsage,
    used: Duration,
    span: Duration,
) {
    let (instance, app) = (tree.instance, tree.app);
    let looked = apps.entry(instance).or_insert(Looked::nothing(instance, app));
    looked.used += used;
    looked.span = looked.span.max(span);
    looked.cpu += used.as_secs_f64() / span.as_secs_f64();
    looked.memory += usage.memory;
    looked.processes += usage.processes;
}

#[cfg(test)]
mod tests;
