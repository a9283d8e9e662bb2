//! What `/proc` says of processes (proc(5)): who descends from whom, their memory, their processor time.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use anyhow::{Context as _, Result};
use rustix::process::{Pid, Signal, kill_process};

/// A process and its parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Kin {
    pid: u32,
    parent: u32,
}

/// Everything that descends from a process, itself excluded, zombies too.
pub(crate) fn descendants(ancestor: u32) -> Result<BTreeSet<u32>> {
    Ok(below(&everybody()?, &[ancestor]))
}

/// Kills them; one that has just ended is no longer there.
pub(crate) fn kill(pids: &BTreeSet<u32>) {
    for pid in pids.iter().filter_map(|pid| Pid::from_raw(i32::try_from(*pid).ok()?)) {
        let _ = kill_process(pid, Signal::KILL);
    }
}

/// The processes of a supervisor: everything below this benchmark, which adopts what daemonises itself, but for
/// the services and what they have started.
pub(crate) fn supervising(services: &[u32]) -> Result<Vec<u32>> {
    let everybody = everybody()?;
    let mut ours = below(&everybody, &[std::process::id()]);
    let theirs = below(&everybody, services);
    ours.retain(|pid| !services.contains(pid) && !theirs.contains(pid));
    Ok(ours.into_iter().collect())
}

/// Whether there is such a process, and it has not ended.
pub(crate) fn is_alive(pid: u32) -> bool {
    let state = |stat: &str| stat.rsplit_once(") ")?.1.chars().next();
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"));
    stat.is_ok_and(|stat| !matches!(state(&stat), None | Some('Z' | 'X')))
}

/// The proportional memory of processes in bytes, by the name of their program: a page that is shared by n processes
/// counts as an n-th in each.
pub(crate) fn proportional_memory(pids: &[u32]) -> BTreeMap<String, u64> {
    let mut parts: BTreeMap<String, u64> = BTreeMap::new();
    for pid in pids {
        // One that has just ended has no memory.
        let Ok(text) = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")) else { continue };
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        *parts.entry(name.trim().to_owned()).or_default() += kilobytes(&text, "Pss:").unwrap_or(0) * 1024;
    }
    parts
}

/// From here on the peak of a process is counted anew.
pub(crate) fn forget_peak(pids: &[u32]) {
    for pid in pids {
        // An old kernel cannot: then the peak is that of its whole life, which is no smaller.
        let _ = fs::write(format!("/proc/{pid}/clear_refs"), "5");
    }
}

/// The largest resident sizes of processes in bytes, added up.
pub(crate) fn peak_memory(pids: &[u32]) -> u64 {
    let peak = |pid: &u32| {
        let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        kilobytes(&text, "VmHWM:").map(|size| size * 1024)
    };
    pids.iter().filter_map(peak).sum()
}

/// The processor time that each thread of these processes has used, in seconds and to the nanosecond. What
/// `/proc/<pid>/stat` says of a whole process is in hundredths of a second: too coarse for one at rest.
pub(crate) fn processor_times(pids: &[u32]) -> BTreeMap<u32, f64> {
    let time = |task: fs::DirEntry| {
        let thread = task.file_name().to_str()?.parse().ok()?;
        Some((thread, on_processor(&fs::read_to_string(task.path().join("schedstat")).ok()?)?))
    };
    let tasks = pids.iter().filter_map(|pid| fs::read_dir(format!("/proc/{pid}/task")).ok());
    tasks.flatten().flatten().filter_map(time).collect()
}

/// What was used between two such observations. A thread that came in between counts whole; one that has gone does
/// not, since a thread that a pool lets go of has slept until then.
pub(crate) fn used_between(before: &BTreeMap<u32, f64>, after: &BTreeMap<u32, f64>) -> f64 {
    after.iter().map(|(thread, time)| time - before.get(thread).unwrap_or(&0.0)).sum()
}

/// The first number of `schedstat`: nanoseconds on a processor.
fn on_processor(text: &str) -> Option<f64> {
    Some(text.split_whitespace().next()?.parse::<f64>().ok()? / 1e9)
}

fn kilobytes(text: &str, field: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(field)?.split_whitespace().next()?.parse().ok())
}

fn everybody() -> Result<Vec<Kin>> {
    let entries = fs::read_dir("/proc").context("Could not read `/proc`")?;
    let stat = |entry: fs::DirEntry| fs::read_to_string(entry.path().join("stat")).ok();
    Ok(entries.flatten().filter_map(|entry| kin(&stat(entry)?)).collect())
}

/// `pid (name) state parent …`, where the name may have spaces and parentheses.
fn kin(stat: &str) -> Option<Kin> {
    let (head, tail) = (stat.split_once('(')?.0, stat.rsplit_once(')')?.1);
    Some(Kin { pid: head.trim().parse().ok()?, parent: tail.split_whitespace().nth(1)?.parse().ok()? })
}

fn below(everybody: &[Kin], ancestors: &[u32]) -> BTreeSet<u32> {
    let mut found = BTreeSet::new();
    let mut generation = ancestors.to_vec();
    while let Some(parent) = generation.pop() {
        let children = everybody.iter().filter(|kin| kin.parent == parent).map(|kin| kin.pid);
        generation.extend(children.filter(|child| found.insert(*child)));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_look_like_anything() {
        assert_eq!(kin("42 (a) b (c)) S 7 42 42 0"), Some(Kin { pid: 42, parent: 7 }));
        assert_eq!(kin("nonsense"), None);
    }

    #[test]
    fn kinship_goes_all_the_way_down() {
        let kin = |pid, parent| Kin { pid, parent };
        let everybody = [kin(2, 1), kin(3, 2), kin(4, 3), kin(5, 1)];
        assert_eq!(below(&everybody, &[2]), BTreeSet::from([3, 4]));
        assert_eq!(below(&everybody, &[4]), BTreeSet::new());
    }

    #[test]
    fn sizes_and_times_are_read_from_their_fields() {
        let rollup = "00400000-7fff [rollup]\nRss:    1752 kB\nPss:     495 kB\nPss_Dirty:  112 kB\n";
        assert_eq!(kilobytes(rollup, "Pss:"), Some(495));
        assert_eq!(kilobytes(rollup, "VmHWM:"), None);
        assert_eq!(on_processor("2500000000 17 3\n"), Some(2.5));
    }

    #[test]
    fn threads_may_come_and_go_meanwhile() {
        let (before, after) = (BTreeMap::from([(1, 2.0), (2, 9.0)]), BTreeMap::from([(1, 2.5), (3, 0.25)]));
        assert!((used_between(&before, &after) - 0.75).abs() < 1e-9);
    }

    #[test]
    fn this_process_has_memory_time_and_children() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let (me, id) = (std::process::id(), child.id());
        let family = descendants(me).unwrap();
        let (rest, service) = (supervising(&[]).unwrap(), supervising(&[id]).unwrap());
        let lived = is_alive(id);
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(lived && !is_alive(id));
        assert!(family.contains(&id) && rest.contains(&id) && !service.contains(&id));
        assert!(proportional_memory(&[me]).values().sum::<u64>() > 100_000);
        assert!(peak_memory(&[me]) > 100_000 && processor_times(&[me]).values().sum::<f64>() > 0.0);
    }
}
