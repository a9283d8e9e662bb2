//! From what an app may use to what the kernel is told. Nothing is done here.

use std::path::{Path, PathBuf};

use mantyx_core::{ConfinementId, Cores, LimitMechanism, Limits};

use crate::confinement::{Confinement, Group, Keeper, ProcessLimit, Resource, Setting, SystemdScope};
use crate::offer::{Level, MemoryController, Offer, Swap};
use crate::weight;

/// In microseconds; the kernel's own default, and short enough that an app at its limit still answers.
const PERIOD: u64 = 100_000;

/// The kernel takes no smaller share of a period, in microseconds.
const LEAST_QUOTA: u64 = 1000;

/// The soft limit of open files that programs expect: those which use select(2) break above it.
const USUAL_OPEN_FILES: u64 = 1024;

/// What a monitor has itself, where it is in the scope of its app: the loop, the pump of the log, and what compresses
/// old logs.
const THREADS_OF_MONITOR: u64 = 3;

/// The slice of all apps under systemd, so that a person can limit them together.
pub(crate) const SLICE: &str = "mantyx.slice";

/// Decides how an execution is held to its limits. Groups are planned also when there is no limit: they tell all
/// processes of the app, its memory, and whether it ran out of it.
#[must_use]
pub fn plan(limits: &Limits, offer: &Offer, id: ConfinementId) -> Confinement {
    let mut plan = Planning { limits, offer, warnings: Vec::new() };
    let nice = plan.nice();
    let oom_score = plan.oom_score();
    let process_limits = plan.process_limits();
    plan.warn_of_groups();
    Confinement {
        mechanism: offer.mechanism,
        groups: plan.groups(id, nice),
        scope: plan.scope(id, nice),
        process_limits,
        nice: Some(nice),
        oom_score: Some(oom_score),
        warnings: plan.warnings,
    }
}

struct Planning<'a> {
    limits: &'a Limits,
    offer: &'a Offer,
    warnings: Vec<String>,
}

impl Planning<'_> {
    fn nice(&mut self) -> i8 {
        let level = self.offer.standing.nice;
        let given = level.give(self.limits.nice);
        if let Some(wanted) = self.limits.nice
            && wanted != given
        {
            self.warnings.push(format!(
                "The niceness of {wanted} is not given: it is below {given}, and Mantyx may not lower it"
            ));
        }
        given
    }

    fn oom_score(&mut self) -> i16 {
        let level = self.offer.standing.oom_score;
        let given = level.give(self.limits.oom_score);
        if let Some(wanted) = self.limits.oom_score
            && wanted != given
        {
            self.warnings.push(format!(
                "The out-of-memory score of {wanted} is not given: it is below {given}, and Mantyx may not lower it"
            ));
        }
        given
    }

    fn process_limits(&mut self) -> Vec<ProcessLimit> {
        vec![self.open_files(), self.data()]
    }

    /// Always set, because the daemon has raised its own.
    fn open_files(&mut self) -> ProcessLimit {
        let standing = self.offer.standing;
        let Some(wanted) = self.limits.open_files.map(u64::from) else {
            let soft = standing.open_files.map_or(USUAL_OPEN_FILES, |hard| hard.min(USUAL_OPEN_FILES));
            return ProcessLimit {
                resource: Resource::OpenFiles,
                soft: Some(soft),
                hard: standing.open_files,
            };
        };
        let given = standing.most_open_files.map_or(wanted, |most| wanted.min(most));
        if given < wanted {
            self.warnings.push(format!(
                "The limit of {wanted} open files is {given} instead: this machine allows no more"
            ));
        }
        ProcessLimit { resource: Resource::OpenFiles, soft: Some(given), hard: Some(given) }
    }

    /// Where no group counts memory. The hard limit stays, so that the soft one can be lifted while the app runs.
    fn data(&self) -> ProcessLimit {
        let hard = self.offer.standing.data;
        let approximation = self.limits.memory.filter(|_| self.offer.controllers.memory.is_none());
        let soft = approximation.map(|bytes| hard.map_or(bytes, |hard| bytes.min(hard)));
        ProcessLimit { resource: Resource::Data, soft: soft.or(hard), hard }
    }

    /// What only groups can enforce, where there is no group for it.
    fn warn_of_groups(&mut self) {
        let enforced = self.offer.enforced();
        if let Some(bytes) = self.limits.memory.filter(|_| !enforced.memory) {
            let why = self.why("memory");
            self.warnings.push(format!(
                "The limit of {} of memory is only approximated: {why}, so each process of the app by itself may hold \
                 that much data",
                in_words(bytes)
            ));
        }
        if let Some(cores) = self.limits.cpu.filter(|_| !enforced.cpu) {
            let (count, why) = (processors(cores), self.why("cpu"));
            self.warnings.push(format!("The limit of {count} is not enforced: {why}"));
        }
        if let Some(count) = self.limits.processes.filter(|_| !enforced.processes) {
            // RLIMIT_NPROC counts all processes of a user, those of other apps too, so it is no help.
            let (noun, why) = (if count == 1 { "process" } else { "processes" }, self.why("pids"));
            self.warnings.push(format!("The limit of {count} {noun} is not enforced: {why}"));
        }
    }

    fn why(&self, controller: &str) -> String {
        match self.offer.mechanism {
            LimitMechanism::Rlimits => "this machine offers no control groups".to_owned(),
            _ => format!("this machine offers no control groups with the controller `{controller}`"),
        }
    }

    fn groups(&self, id: ConfinementId, nice: i8) -> Vec<Group> {
        let controllers = &self.offer.controllers;
        let mut groups = Vec::new();
        if let Some(memory) = &controllers.memory {
            self.add(&mut groups, &memory.folder, id, self.memory(memory));
        }
        if let Some(folder) = &controllers.cpu {
            self.add(&mut groups, folder, id, self.cpu(nice));
        }
        if let Some(folder) = &controllers.processes {
            let most = self.limits.processes.map_or_else(|| "max".to_owned(), |count| count.to_string());
            self.add(&mut groups, folder, id, vec![Setting::new("pids.max", most)]);
        }
        groups
    }

    /// Several controllers may share a hierarchy, and then they share the group.
    fn add(&self, groups: &mut Vec<Group>, folder: &Path, id: ConfinementId, settings: Vec<Setting>) {
        let (keeper, path) = match self.offer.mechanism {
            LimitMechanism::Systemd => (Keeper::Systemd, folder.join(unit(id))),
            _ => (Keeper::Mantyx, folder.join(id.to_string())),
        };
        // Systemd would write over it.
        let settings = if keeper == Keeper::Systemd { Vec::new() } else { settings };
        match groups.iter_mut().find(|group: &&mut Group| group.path == path) {
            Some(group) => group.settings.extend(settings),
            None => groups.push(Group { path, keeper, settings }),
        }
    }

    fn memory(&self, controller: &MemoryController) -> Vec<Setting> {
        let bytes = self.limits.memory;
        let or = |none: &str| bytes.map_or_else(|| none.to_owned(), |bytes| bytes.to_string());
        let when_limited =
            |limited: &'static str, free: &'static str| if bytes.is_some() { limited } else { free };
        if self.offer.mechanism == LimitMechanism::CgroupV2 {
            let mut settings = vec![Setting::new("memory.max", or("max"))];
            if controller.swap == Swap::Own {
                settings.push(Setting::new("memory.swap.max", when_limited("0", "max")));
            }
            return settings;
        }
        let limit = Setting::new("memory.limit_in_bytes", or("-1"));
        let both = |value: String| Setting::new("memory.memsw.limit_in_bytes", value);
        match controller.swap {
            // The sum is never below the memory, so it goes out of the way first.
            Swap::WithMemory => vec![both("-1".to_owned()), limit, both(or("-1"))],
            Swap::Swappiness => vec![limit, Setting::new("memory.swappiness", when_limited("0", "60"))],
            Swap::Own | Swap::None => vec![limit],
        }
    }

    fn cpu(&self, nice: i8) -> Vec<Setting> {
        let quota =
            self.limits.cpu.map(|cores| (u64::from(cores.thousandths()) * PERIOD / 1000).max(LEAST_QUOTA));
        if self.offer.mechanism == LimitMechanism::CgroupV2 {
            let quota = quota.map_or_else(|| "max".to_owned(), |quota| quota.to_string());
            let quota = Setting::new("cpu.max", format!("{quota} {PERIOD}"));
            return vec![quota, Setting::new("cpu.weight", weight::weight(nice))];
        }
        let quota = quota.map_or_else(|| "-1".to_owned(), |quota| quota.to_string());
        vec![
            Setting::new("cpu.cfs_period_us", PERIOD),
            Setting::new("cpu.cfs_quota_us", quota),
            Setting::new("cpu.shares", weight::shares(nice)),
        ]
    }

    fn scope(&self, id: ConfinementId, nice: i8) -> Option<SystemdScope> {
        (self.offer.mechanism == LimitMechanism::Systemd).then(|| SystemdScope {
            unit: unit(id).display().to_string(),
            slice: SLICE.to_owned(),
            description: format!("Mantyx execution {id}"),
            memory: self.limits.memory,
            cpu: self.limits.cpu.map(|cores| u64::from(cores.thousandths()) * 1000),
            weight: weight::weight(nice),
            tasks: self.limits.processes.map(|count| u64::from(count) + THREADS_OF_MONITOR),
        })
    }
}

impl<T: Copy + Ord + Default> Level<T> {
    /// What an app gets. What protects the daemon is not handed down: an app that wants nothing gets nothing better
    /// than usual.
    fn give(self, wanted: Option<T>) -> T {
        wanted.unwrap_or_else(|| self.own.max(T::default())).max(self.least)
    }
}

fn unit(id: ConfinementId) -> PathBuf {
    PathBuf::from(format!("mantyx-{id}.scope"))
}

fn processors(cores: Cores) -> String {
    let noun = if cores == Cores::from_thousandths(1000) { "processor" } else { "processors" };
    format!("{} {noun}", cores.as_f64())
}

/// A number of bytes as a person would say it, without rounding.
fn in_words(bytes: u64) -> String {
    let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    let whole = units.iter().find(|(shift, _)| bytes >= 1 << shift && bytes.trailing_zeros() >= *shift);
    whole.map_or_else(|| format!("{bytes} bytes"), |(shift, unit)| format!("{} {unit}", bytes >> shift))
}

#[cfg(test)]
mod tests;
