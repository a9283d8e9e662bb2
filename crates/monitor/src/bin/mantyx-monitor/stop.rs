//! How everything that a process started is brought to an end.
//!
//! The monitor is the subreaper of its child (prctl(2)): whatever loses its parent, however often it forked and
//! whichever session it made, becomes a child of the monitor. So the descendants of the monitor are all there is,
//! and when the kernel says that it has no children, nothing is left.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use mantyx_monitor::process::{self, Stat};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// Processes fork while they are killed, so it is done again, less and less often.
const FIRST_PAUSE: Duration = Duration::from_millis(2);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// A stop that is under way.
pub(crate) struct Stop {
    due: Instant,
    pause: Duration,
}

impl Stop {
    /// Everything may end by itself for this long.
    pub(crate) fn after(grace: Duration) -> Self {
        Self { due: Instant::now() + grace, pause: FIRST_PAUSE }
    }

    /// Leaves no more time than this.
    pub(crate) fn hurry(&mut self, grace: Duration) {
        self.due = self.due.min(Instant::now() + grace);
    }

    /// How long until [`Stop::act`] has something to do.
    pub(crate) fn remaining(&self) -> Duration {
        self.due.saturating_duration_since(Instant::now())
    }

    /// Kills everything once the time is over.
    pub(crate) fn act(&mut self) {
        if self.remaining().is_zero() {
            kill_groups();
            self.due = Instant::now() + self.pause;
            self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        }
    }
}

/// Kills whole groups: the kernel does that in one step, and no fork slips through, however many there are. Every
/// group of a descendant holds descendants only, because the child began with a session of its own.
fn kill_groups() {
    let all = everything();
    let groups: HashSet<u32> = all.iter().filter(|p| !p.has_ended()).map(|p| p.group).collect();
    for group in groups.into_iter().filter_map(pid) {
        let _ = kill_process_group(group, Signal::KILL);
    }
}

/// Signals the process group of the main process, which must not have been waited for.
pub(crate) fn signal_group(main: u32, number: i32) -> Result<(), String> {
    let signal = named(number)?;
    let group = pid(main).ok_or("There is no process")?;
    kill_process_group(group, signal).map_err(|error| format!("The signal could not be sent: {error}"))
}

/// Signals what a main process left behind, but for the group `except`, which has had the signal.
pub(crate) fn signal_rest(number: i32, except: Option<u32>) {
    let mut rest = everything();
    rest.retain(|process| Some(process.group) != except);
    if let Ok(named) = named(number) {
        signal(&rest, named);
    }
}

fn everything() -> Vec<Stat> {
    process::descendants(std::process::id(), &process::all())
}

/// One that has gone meanwhile is as good as signalled.
fn signal(processes: &[Stat], signal: Signal) {
    for process in processes.iter().filter(|process| !process.has_ended()) {
        if let Some(pid) = pid(process.id.pid) {
            let _ = kill_process(pid, signal);
        }
    }
}

fn pid(number: u32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(number).ok()?)
}

fn named(number: i32) -> Result<Signal, String> {
    Signal::from_named_raw(number).ok_or_else(|| format!("There is no signal {number}"))
}
