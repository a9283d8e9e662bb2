//! A confinement that is carried out, in the monitor.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::{fs, io};

use rustix::fs::{Mode, OFlags};
use rustix::io::{retry_on_intr, write};

use crate::apply::Terms;
use crate::confinement::{Confinement, Group, Keeper};
use crate::groups::{self, Groups, OutOfMemory};
use crate::{detect, sweep};

/// How often a group is made again whose folder goes away meanwhile.
const ATTEMPTS: u32 = 5;

/// The groups of an execution, made and open, so that its first process can enter them.
#[derive(Debug)]
pub struct Prepared {
    confinement: Confinement,
    terms: Terms,
    groups: Groups,
    entrances: Vec<OwnedFd>,
    /// What keeps the groups from being swept away before somebody is in them.
    holds: Vec<OwnedFd>,
    warnings: Vec<String>,
}

impl Confinement {
    /// Makes the groups and writes their settings. What fails is a warning: an app with fewer limits is better than
    /// none.
    #[must_use]
    pub fn prepare(self) -> Prepared {
        let mut prepared = Prepared {
            terms: self.terms(),
            groups: Groups::of(&self),
            confinement: self,
            entrances: Vec::new(),
            holds: Vec::new(),
            warnings: Vec::new(),
        };
        prepared.open();
        prepared.look_for_scope();
        prepared
    }

    /// Puts a process that waits for it into the groups, which somebody has prepared, and gives it niceness and score:
    /// one that looks at the app, and that no monitor starts. Says what could not be done. The limits of single
    /// processes it sets itself, by [`Confinement::in_shell`].
    ///
    /// It may take some milliseconds ([`Offer::warm_up`](crate::Offer::warm_up)).
    #[must_use]
    pub fn admit(&self, process: u32) -> Vec<String> {
        let mut failures = Vec::new();
        for group in &self.groups {
            if let Err(error) = groups::write(&group.path.join("cgroup.procs"), &process.to_string()) {
                failures.push(format!(
                    "The control group `{}` could not be entered: {error}",
                    group.path.display()
                ));
            }
        }
        failures.extend(Terms { limits: Vec::new(), ..self.terms() }.tell(process));
        failures
    }

    /// Gives the process that calls it the limits, niceness and score. It must be called before the process becomes an
    /// unprivileged user, and it allocates. What fails is found out by [`Prepared::confirm`].
    pub fn hold_self(&self) {
        self.terms().tell_self();
    }

    /// The limits of single processes as commands of a shell, which sets them for itself and what it starts: root
    /// without the right to rule resources may not do that from outside.
    #[must_use]
    pub fn in_shell(&self) -> String {
        self.process_limits.iter().map(|limit| limit.in_shell()).collect()
    }

    fn terms(&self) -> Terms {
        Terms {
            limits: self.process_limits.clone(),
            nice: self.nice,
            oom_score: self.oom_score.map(|score| score.to_string()),
        }
    }
}

impl Prepared {
    /// What could not be done, beyond what the plan said: a sentence each.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// What is carried out now.
    #[must_use]
    pub const fn confinement(&self) -> &Confinement {
        &self.confinement
    }

    /// The groups, for whoever wants to look at them.
    #[must_use]
    pub const fn groups(&self) -> &Groups {
        &self.groups
    }

    /// Puts the process that calls it into the groups. It must be called before the process becomes an unprivileged user.
    /// It allocates nothing and takes no lock, so it may also be called between the fork of a program with threads and
    /// exec (signal-safety(7)).
    ///
    /// A group that cannot be entered is an error, because a process outside would escape everything.
    pub fn enter(&self) -> io::Result<()> {
        for entrance in &self.entrances {
            retry_on_intr(|| write(entrance, b"0"))?;
        }
        Ok(())
    }

    /// From here on the groups hold whoever is in them to this. What fails is a warning, as in
    /// [`Confinement::prepare`]; single processes tell themselves ([`Confinement::hold_self`]).
    pub fn settle(&mut self, confinement: &Confinement) {
        let failures = self.adjust_groups(confinement);
        self.warnings.extend(failures);
        self.terms = confinement.terms();
    }

    /// Makes sure that the process which entered has everything, and says what it has not: a sentence each.
    #[must_use]
    pub fn confirm(&self, main_pid: u32) -> Vec<String> {
        self.terms.tell(main_pid)
    }

    /// Changes the limits of an app that runs, and says what could not be changed. Besides the processes in the
    /// groups it is for `others`, which the caller knows. Only what is different is told, because a process may have
    /// changed the rest by itself.
    pub fn adjust(&mut self, confinement: &Confinement, others: &[u32]) -> Vec<String> {
        let terms = confinement.terms();
        let changed = terms.changed_from(&self.terms);
        let mut failures = self.adjust_groups(confinement);
        let mut processes = self.groups.processes();
        processes.extend(others.iter().filter(|pid| !processes.contains(pid)).copied().collect::<Vec<_>>());
        for failure in processes.into_iter().flat_map(|process| changed.tell(process)) {
            if !failures.contains(&failure) {
                failures.push(failure);
            }
        }
        self.terms = terms;
        failures
    }

    /// The groups stay where they are; a daemon that lies elsewhere now plans others.
    fn adjust_groups(&mut self, confinement: &Confinement) -> Vec<String> {
        let mut failures = Vec::new();
        for group in &mut self.confinement.groups {
            let Some(planned) = confinement.groups.iter().find(|planned| planned.path == group.path) else {
                failures
                    .push(format!("The limits of `{}` are changed at the next start", group.path.display()));
                continue;
            };
            let is_new = |setting: &&_| !group.settings.contains(setting);
            if planned.settings.iter().any(|setting| is_new(&setting)) {
                failures.extend(set(planned));
                group.settings.clone_from(&planned.settings);
            }
        }
        let groups = std::mem::take(&mut self.confinement.groups);
        self.confinement = Confinement { groups, ..confinement.clone() };
        failures
    }

    /// Every process of the app, without the one that asks; nobody when there are no groups.
    #[must_use]
    pub fn processes(&self) -> Vec<u32> {
        self.groups.processes()
    }

    /// See [`Groups::out_of_memory`].
    #[must_use]
    pub fn out_of_memory(&self) -> Option<OutOfMemory> {
        self.groups.out_of_memory()
    }

    /// See [`Groups::peak_memory`].
    #[must_use]
    pub fn peak_memory(&self) -> Option<u64> {
        self.groups.peak_memory()
    }

    /// See [`Groups::kill_all`].
    pub fn kill_all(&self) -> Vec<u32> {
        self.groups.kill_all()
    }

    /// See [`Groups::remove`].
    pub fn remove(&self) -> io::Result<()> {
        self.groups.remove()
    }

    /// Systemd has made the groups of a scope, and the monitor is in them, or nothing is enforced at all.
    fn look_for_scope(&mut self) {
        let Some(scope) = &self.confinement.scope else { return };
        let me = std::process::id();
        if !self.confinement.groups.iter().any(|group| groups::members(&group.path).contains(&me)) {
            self.warnings.push(format!("`{}` is not there, so its limits are not enforced", scope.unit));
        }
    }

    fn open(&mut self) {
        for group in std::mem::take(&mut self.confinement.groups) {
            if group.keeper == Keeper::Mantyx
                && let Err(error) = self.open_group(&group)
            {
                self.warnings.push(format!(
                    "The control group `{}` could not be made, so its limits are not enforced: {error}",
                    group.path.display()
                ));
            } else {
                self.confinement.groups.push(group);
            }
        }
    }

    fn open_group(&mut self, group: &Group) -> io::Result<()> {
        make(group)?;
        self.entrances.push(entrance(&group.path)?);
        self.holds.extend(sweep::hold(&group.path));
        self.warnings.extend(set(group));
        Ok(())
    }
}

/// The folder around it was there when the daemon looked, but when that daemon has ended, whoever left it last may have
/// removed it, or may do so right now.
fn make(group: &Group) -> io::Result<()> {
    let mut result = make_once(group);
    for _ in 0..ATTEMPTS {
        match result {
            Err(error) if error.kind() == io::ErrorKind::NotFound => result = make_once(group),
            _ => break,
        }
    }
    result
}

fn make_once(group: &Group) -> io::Result<()> {
    if let Some(folder) = group.path.parent()
        && fs::create_dir(folder).is_ok()
    {
        // Version 2 hands controllers out only where somebody has asked for them.
        detect::enable(folder);
    }
    unless_there(fs::create_dir(&group.path))
}

fn unless_there(made: io::Result<()>) -> io::Result<()> {
    match made {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

fn entrance(path: &Path) -> io::Result<OwnedFd> {
    let file = path.join("cgroup.procs");
    Ok(rustix::fs::open(&file, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?)
}

/// Writes all settings of a group, and says which could not be written.
fn set(group: &Group) -> Vec<String> {
    let mut failures = Vec::new();
    for setting in &group.settings {
        if let Err(error) = groups::write(&group.path.join(&setting.file), &setting.value) {
            failures.push(format!(
                "`{}` of the control group could not be set to {}: {error}",
                setting.file, setting.value
            ));
        }
    }
    failures
}

#[cfg(test)]
mod tests;
