//! How everything that a process started is brought to an end.
//!
//! The monitor is the subreaper of its child (prctl(2)): whatever loses its parent, however often it forked and
//! whichever session it made, becomes a child of the monitor. So the descendants of the monitor are all there is,
//! and when the kernel says that it has no children, nothing is left. Where there are control groups, whatever is in
//! them is killed too, in one step even when it forks faster than anybody can look.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use mantyx_monitor::process::{self, Stat};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::limits::Limits;

/// Processes fork while they are killed, so it is done again, less and less often.
const FIRST_PAUSE: Duration = Duration::from_millis(2);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// A stop that is under way.
pub(crate) struct Stop {
    /// None is so far off that no clock shows it.
    due: Option<Instant>,
    pause: Duration,
    asked: Asked,
}

/// Who has been sent the signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// The process group of the main process.
    Group,
    /// The main process alone, or nobody.
    Main,
}

impl Stop {
    /// Everything may end by itself for this long.
    pub(crate) fn after(grace: Duration, asked: Asked) -> Self {
        Self { due: Instant::now().checked_add(grace), pause: FIRST_PAUSE, asked }
    }

    /// Who has been sent the signal.
    pub(crate) const fn asked(&self) -> Asked {
        self.asked
    }

    /// Leaves no more time than this.
    pub(crate) fn hurry(&mut self, grace: Duration) {
        self.due = [self.due, Instant::now().checked_add(grace)].into_iter().flatten().min();
    }

    /// When [`Stop::act`] has something to do.
    pub(crate) const fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Kills everything once the time is over.
    pub(crate) fn act(&mut self, now: Instant, limits: &Limits) {
        if self.due.is_some_and(|due| due <= now) {
            kill_groups();
            limits.kill_all();
            self.due = now.checked_add(self.pause);
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

/// Lets the main process, which must not have been waited for, die with a core dump (signal(7)).
pub(crate) fn abort(main: u32) {
    if let Some(main) = pid(main) {
        let _ = kill_process(main, Signal::ABORT);
    }
}

/// Signals what a main process left behind, but for the group `except`, which has had the signal.
pub(crate) fn signal_rest(number: i32, except: Option<u32>) {
    let mut rest = everything();
    rest.retain(|process| Some(process.group) != except);
    signal(&rest, named(number).unwrap_or(Signal::TERM));
}

/// The number of the signal that a stop begins with. One that is unknown must not turn a stop into a plain kill after
/// the grace, so SIGTERM takes its place, and a sentence says so.
pub(crate) fn first_signal(wanted: i32) -> (i32, Option<String>) {
    match named(wanted) {
        Ok(_) => (wanted, None),
        Err(reason) => {
            (Signal::TERM.as_raw(), Some(format!("{reason}: the process is asked to end by SIGTERM instead")))
        }
    }
}

/// Those that can be seen: what is missed is seen the next time.
fn everything() -> Vec<Stat> {
    process::descendants(std::process::id(), &process::all().unwrap_or_default())
}

/// One that has gone meanwhile is as good as signalled.
fn signal(processes: &[Stat], signal: Signal) {
    for process in processes.iter().filter(|process| !process.has_ended()) {
        let _ = process.id.signal(signal);
    }
}

fn pid(number: u32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(number).ok()?)
}

fn named(number: i32) -> Result<Signal, String> {
    Signal::from_named_raw(number).ok_or_else(|| format!("There is no signal {number}"))
}
