//! What a single process is told: limits, niceness, score. By itself before it becomes the app, and from outside while
//! it runs.

use std::fs;
use std::io;
use std::path::Path;

use rustix::io::Errno;
use rustix::process::{Pid, Resource as Kernel, Rlimit, prlimit, setpriority_process, setrlimit};

use crate::confinement::{ProcessLimit, Resource};
use crate::groups;

/// What a process is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Terms {
    pub(crate) limits: Vec<ProcessLimit>,
    pub(crate) nice: Option<i8>,
    /// As text, because that is what the kernel wants.
    pub(crate) oom_score: Option<String>,
}

impl Terms {
    /// Tells the process that calls it. What fails is found out by [`Terms::tell`].
    pub(crate) fn tell_self(&self) {
        for limit in &self.limits {
            let _ = setrlimit(limit.resource.of_kernel(), limit.of_kernel());
        }
        if let Some(nice) = self.nice {
            let _ = setpriority_process(None, i32::from(nice));
        }
        if let Some(score) = &self.oom_score {
            let _ = groups::write(Path::new("/proc/self/oom_score_adj"), score);
        }
    }

    /// Tells another process, and says what it could not be told. One that is gone needs no telling.
    pub(crate) fn tell(&self, process: u32) -> Vec<String> {
        let mut failures = Vec::new();
        let mut note = |what: &str, result: io::Result<()>| {
            if let Err(error) = result {
                failures.push(format!("{what} could not be given to the process: {error}"));
            }
        };
        let pid = i32::try_from(process).ok().and_then(Pid::from_raw);
        for limit in &self.limits {
            let result = prlimit(pid, limit.resource.of_kernel(), limit.of_kernel());
            // Root without the right to rule resources may not touch a process of somebody else, not even to tell it
            // what it has.
            if result.is_err() && is_held_to(process, limit) {
                continue;
            }
            note(limit.resource.in_words(), result.map(drop).map_err(io::Error::from));
        }
        if let Some(nice) = self.nice {
            note("The niceness", renice(process, nice));
        }
        if let Some(score) = &self.oom_score {
            let file = format!("/proc/{process}/oom_score_adj");
            note("The out-of-memory score", groups::write(Path::new(&file), score));
        }
        // What has ended refuses everything, in one way or another.
        if has_ended(process) { Vec::new() } else { failures }
    }

    /// What of these is not the same in others.
    pub(crate) fn changed_from(&self, before: &Self) -> Self {
        let is_new = |limit: &&ProcessLimit| !before.limits.contains(limit);
        Self {
            limits: self.limits.iter().filter(is_new).copied().collect(),
            nice: self.nice.filter(|_| self.nice != before.nice),
            oom_score: self.oom_score.clone().filter(|_| self.oom_score != before.oom_score),
        }
    }
}

/// Whether a process has this limit already (proc(5), `limits`).
fn is_held_to(process: u32, limit: &ProcessLimit) -> bool {
    let table = fs::read_to_string(format!("/proc/{process}/limits")).unwrap_or_default();
    let row = table.lines().find_map(|line| line.strip_prefix(limit.resource.in_table()));
    row.is_some_and(|row| {
        let mut numbers = row.split_ascii_whitespace().map(|number| number.parse::<u64>().ok());
        numbers.next() == Some(limit.soft) && numbers.next() == Some(limit.hard)
    })
}

/// Niceness belongs to each thread of a process (setpriority(2), "C library/kernel differences").
fn renice(process: u32, nice: i8) -> io::Result<()> {
    for thread in fs::read_dir(format!("/proc/{process}/task"))?.flatten() {
        let thread = thread.file_name().to_str().and_then(|name| name.parse().ok()).and_then(Pid::from_raw);
        if let Some(thread) = thread {
            setpriority_process(Some(thread), i32::from(nice)).or_else(unless_gone)?;
        }
    }
    Ok(())
}

fn unless_gone(error: Errno) -> io::Result<()> {
    if error == Errno::SRCH { Ok(()) } else { Err(error.into()) }
}

/// Whether a process is gone, or only an entry that its parent has not collected yet (proc(5), `stat`).
fn has_ended(process: u32) -> bool {
    let line = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let state = line.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
    state.is_none_or(|state| matches!(state, 'Z' | 'X'))
}

impl ProcessLimit {
    /// The soft limit has to be at most the hard one at any moment, whichever of them goes up or down.
    pub(crate) fn in_shell(self) -> String {
        let (option, unit) = self.resource.in_shell();
        let number =
            |limit: Option<u64>| limit.map_or("unlimited".to_owned(), |limit| (limit / unit).to_string());
        let (soft, hard) = (number(self.soft), number(self.hard));
        format!("ulimit -S -{option} {soft}; ulimit -H -{option} {hard}; ulimit -S -{option} {soft}; ")
    }

    const fn of_kernel(self) -> Rlimit {
        Rlimit { current: self.soft, maximum: self.hard }
    }
}

impl Resource {
    const fn of_kernel(self) -> Kernel {
        match self {
            Self::OpenFiles => Kernel::Nofile,
            Self::Data => Kernel::Data,
        }
    }

    /// As the table of the kernel calls it.
    const fn in_table(self) -> &'static str {
        match self {
            Self::OpenFiles => "Max open files",
            Self::Data => "Max data size",
        }
    }

    /// The option of `ulimit`, and what it counts in.
    const fn in_shell(self) -> (char, u64) {
        match self {
            Self::OpenFiles => ('n', 1),
            Self::Data => ('d', 1024),
        }
    }

    const fn in_words(self) -> &'static str {
        match self {
            Self::OpenFiles => "The limit of open files",
            Self::Data => "The limit of data",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_process_has_is_read_from_the_table() {
        let own = rustix::process::getrlimit(Kernel::Nofile);
        let limit = ProcessLimit { resource: Resource::OpenFiles, soft: own.current, hard: own.maximum };
        assert!(is_held_to(std::process::id(), &limit));
        assert!(!is_held_to(std::process::id(), &ProcessLimit { soft: Some(3), ..limit }));
        assert!(!is_held_to(u32::MAX, &limit));
    }
}
