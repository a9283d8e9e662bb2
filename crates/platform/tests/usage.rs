//! Real trees of processes, each below a subreaper as every app has one.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a tree that cannot be made fails its test")]

use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use mantyx_platform::usage::{self, ProcessId, ProcessTrees, TreeUsage};
use rustix::process::{Pid, Signal, kill_process_group};
use rustix::time::{ClockId, clock_gettime};

/// Far longer than anything takes, also on a machine that is busy with something else.
const PATIENCE: Duration = Duration::from_secs(90);
const TICK: Duration = Duration::from_millis(20);

/// Becomes a subreaper, burns what does not count, starts what `main` does in a process of its own, and waits for
/// whatever ends. Everything is over after two minutes.
const REAPER: &str = r"
import ctypes, os, signal, time
PR_SET_CHILD_SUBREAPER = 36
assert ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
def burn(seconds):
    until = time.process_time() + seconds
    while time.process_time() < until: pass
def child(work):
    if os.fork() == 0:
        signal.alarm(120)
        work()
        os._exit(0)
reaper = os.getpid()
burn(0.5)
child(main)
while True: os.wait()
";

/// Forks twice; the last process makes a session of its own, burns time and holds memory as long as the reaper is
/// there.
const DAEMON: &str = r"
def last():
    os.setsid()
    held = bytearray(64 << 20)
    while os.path.exists(f'/proc/{reaper}'): burn(0.05)
def main():
    if os.fork() == 0:
        child(last)
        os._exit(0)
    os.wait()
    time.sleep(120)
";

/// Two children burn half a second each, one after the other, and are gone then.
const SHORT_LIVES: &str = r"
def main():
    for _ in range(2):
        child(lambda: burn(0.5))
        os.wait()
    time.sleep(120)
";

const CROWD: &str = r"
def main():
    for _ in range(99): child(lambda: time.sleep(120))
    time.sleep(120)
";

/// A process group that ends with this value. A session that one of them makes has to end by itself.
struct Reaper(Child);

impl Reaper {
    fn of(main: &str) -> Self {
        use std::os::unix::process::CommandExt as _;
        let mut python = Command::new("python3");
        python.args(["-c", &format!("{main}{REAPER}")]).stdin(Stdio::null()).process_group(0);
        Self(python.spawn().unwrap())
    }

    fn id(&self) -> ProcessId {
        usage::process(self.0.id()).unwrap().id
    }
}

impl Drop for Reaper {
    fn drop(&mut self) {
        let _ = kill_process_group(Pid::from_child(&self.0), Signal::KILL);
        let _ = self.0.wait();
    }
}

fn look(trees: &mut ProcessTrees, reaper: &Reaper) -> TreeUsage {
    trees.look(&[reaper.id()]).unwrap()[0].unwrap()
}

/// Looks until the tree is as it should be.
fn wait_for(trees: &mut ProcessTrees, reaper: &Reaper, wanted: impl Fn(&TreeUsage) -> bool) -> TreeUsage {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let tree = look(trees, reaper);
        if wanted(&tree) {
            return tree;
        }
        assert!(Instant::now() < deadline, "{tree:?}");
        sleep(TICK);
    }
}

#[test]
fn a_process_that_forked_twice_belongs_to_its_tree() {
    let (reaper, mut trees) = (Reaper::of(DAEMON), ProcessTrees::new().unwrap());
    let grown = wait_for(&mut trees, &reaper, |tree| tree.memory > 64 << 20 && tree.processes == 2);
    let busy = wait_for(&mut trees, &reaper, |tree| tree.cpu > grown.cpu + Duration::from_millis(200));
    // What the reaper itself used before it started the tree is no part of it.
    assert!(busy.memory < 256 << 20 && busy.processes == 2, "{busy:?}");
    assert_eq!(trees.look(&[reaper.id()]).unwrap().len(), 1);
}

#[test]
fn the_time_of_those_that_ended_stays_and_the_reapers_own_does_not_count() {
    let (reaper, mut trees) = (Reaper::of(SHORT_LIVES), ProcessTrees::new().unwrap());
    let mut before = wait_for(&mut trees, &reaper, |tree| tree.processes > 0).cpu;
    let last =
        wait_for(&mut trees, &reaper, |tree| tree.processes == 1 && tree.cpu >= Duration::from_millis(950));
    // The two burn a second together, and the reaper as much as one of them.
    assert!(last.cpu < Duration::from_millis(1450), "{last:?}");
    for _ in 0..3 {
        let now = look(&mut trees, &reaper).cpu;
        assert!(now >= before.max(last.cpu));
        before = now;
    }
}

#[test]
fn a_stranger_with_the_pid_of_a_root_is_no_root() {
    let (reaper, mut trees) = (Reaper::of(DAEMON), ProcessTrees::new().unwrap());
    let stranger = ProcessId { start_ticks: reaper.id().start_ticks + 1, ..reaper.id() };
    // Before that one of them may be ending.
    wait_for(&mut trees, &reaper, |tree| tree.memory > 64 << 20 && tree.processes == 2);
    let found = trees.look(&[stranger, reaper.id()]).unwrap();
    assert!(found[0].is_none() && found[1].is_some_and(|tree| tree.processes > 0), "{found:?}");
    let gone = reaper.id();
    drop(reaper);
    assert_eq!(trees.look(&[gone]).unwrap(), [None]);
}

/// Processor time of this thread: other tests and other programs do not count.
fn processor_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap()
}

fn cost(times: u32, mut work: impl FnMut()) -> Duration {
    let begun = processor_time();
    (0..times).for_each(|_| work());
    processor_time().saturating_sub(begun) / times
}

#[test]
fn a_hundred_processes_are_looked_at_at_once() {
    let (reaper, mut trees) = (Reaper::of(CROWD), ProcessTrees::new().unwrap());
    wait_for(&mut trees, &reaper, |tree| tree.processes == 100);
    let root = reaper.id();
    let look = cost(60, || assert_eq!(trees.look(&[root]).unwrap()[0].unwrap().processes, 100));
    let listed = || std::fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path().join("stat"));
    let plain = cost(60, || assert!(listed().filter_map(|path| std::fs::read(path).ok()).count() > 100));
    // Nothing else on the machine may start meanwhile for this one to be what it is called.
    let quiet = (0..60).map(|_| cost(1, || drop(trees.look(&[root])))).min().unwrap_or_default();
    println!(
        "a look at 100 processes: {look:?}, at rest {quiet:?}; reading every process on the machine: {plain:?}"
    );
}
