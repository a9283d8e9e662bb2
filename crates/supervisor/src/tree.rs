//! What is left of an execution whose monitor is gone, and how it is brought to an end.
//!
//! A monitor owns its processes, so it always knows them. Without it they have to be found: the main process by its
//! pid and start time, what is below it or in its session, and whatever carries the id of the execution in its
//! environment, however often it forked. A stranger who has a pid of theirs now is never among them.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use mantyx_core::ExecutionId;
use mantyx_limits::{self as limits, Groups};
use mantyx_monitor::process::{self, ProcessId, Stat};
use mantyx_monitor::{EXECUTION_VARIABLE, Record, RunFolder};
use rustix::process::Signal;
use tokio::time::{Instant, sleep};

use crate::context::blocking;

/// Processes may fork while they are killed, so it is done again, less and less often.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);
/// Only a process that hangs in the kernel takes longer to die.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long until one that hangs is looked at again.
const AGAIN: Duration = Duration::from_secs(5);

/// Processes that do not die.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Survivors(Vec<u32>);

impl fmt::Display for Survivors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str(
                "Its monitor is gone, and what is left of it cannot be seen now: it is started again only when it is \
                 known to be gone",
            );
        }
        let pids: Vec<String> = self.0.iter().map(u32::to_string).collect();
        write!(
            f,
            "Its monitor is gone, and what is left of it cannot be ended (process {}): it hangs in the kernel, and is \
             started again only when it is gone",
            pids.join(", ")
        )
    }
}

/// Kills whatever is left of an execution, its monitor included, and waits until it is gone, however long that takes:
/// beside a process that hangs no other may be started. Who hangs is told.
pub(crate) async fn end_at_last(
    folder: &Arc<RunFolder>,
    execution: ExecutionId,
    tell: impl Fn(&Survivors) + Send,
) {
    while let Err(survivors) = end(folder, execution).await {
        tracing::error!(%execution, "{survivors}");
        tell(&survivors);
        sleep(AGAIN).await;
    }
}

/// Kills whatever is left of an execution, its monitor included, and waits for a while until it is gone.
pub(crate) async fn end(folder: &Arc<RunFolder>, execution: ExecutionId) -> Result<(), Survivors> {
    let read = move |folder: &RunFolder| folder.record(execution);
    let record = blocking(folder, read).await.ok().flatten().filter(of_this_boot).map(Arc::new);
    let (deadline, mut pause) = (Instant::now() + PATIENCE, FIRST_PAUSE);
    loop {
        let record = record.clone();
        let left = blocking(folder, move |_| sweep(execution, record.as_deref())).await;
        match left {
            Ok(left) if left.is_empty() => return Ok(()),
            Ok(left) if Instant::now() > deadline => return Err(Survivors(left)),
            // Who cannot be seen may live.
            Err(error) if Instant::now() > deadline => {
                tracing::error!(%error, %execution, "what is left of an execution cannot be seen");
                return Err(Survivors(Vec::new()));
            }
            _ => {}
        }
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Kills whatever is left, and says who that was.
fn sweep(execution: ExecutionId, record: Option<&Record>) -> io::Result<Vec<u32>> {
    let left = left_of(execution, record)?;
    left.iter().for_each(kill);
    match record {
        Some(record) if left.is_empty() => remove_groups(record),
        Some(record) => kill_groups(record),
        None => {}
    }
    Ok(left.iter().map(|process| process.id.pid).collect())
}

/// What threw its environment away and left its session is still in its groups.
fn kill_groups(record: &Record) {
    record.plan.confinement.iter().for_each(|confinement| drop(limits::kill_group(confinement)));
}

/// The groups of an execution of which nothing is left.
fn remove_groups(record: &Record) {
    if let Some(confinement) = &record.plan.confinement
        && let Err(error) = Groups::of(confinement).remove()
    {
        tracing::debug!(%error, execution = %record.plan.execution, "control groups stay");
    }
}

/// Pids of another boot mean nothing.
fn of_this_boot(record: &Record) -> bool {
    process::boot_id().is_ok_and(|boot| boot == record.boot_id)
}

fn left_of(execution: ExecutionId, record: Option<&Record>) -> io::Result<Vec<Stat>> {
    let all = process::all()?;
    let monitor = record.map(|record| record.monitor);
    let main = record.and_then(|record| record.main).map(|main| main.id);
    let family = main.map(|main| family(main, &all)).unwrap_or_default();
    let marker = format!("{EXECUTION_VARIABLE}={execution}");
    let confined: Vec<u32> = record
        .and_then(|record| record.plan.confinement.as_ref())
        .map(|confinement| Groups::of(confinement).processes())
        .unwrap_or_default();
    let is_known = |p: &Stat| Some(p.id) == monitor || family.contains(&p.id) || confined.contains(&p.id.pid);
    let mut left = Vec::new();
    for process in all.iter().filter(|p| !p.has_ended() && p.id.pid != std::process::id()) {
        if is_known(process) || process::carries(process.id.pid, &marker)? {
            left.push(*process);
        }
    }
    Ok(left)
}

/// The main process, what is below it, and what is in the session that it made. When its pid has gone to somebody
/// else, which the kernel allows only after its session has ended, there is none of this.
fn family(main: ProcessId, all: &[Stat]) -> Vec<ProcessId> {
    if all.iter().any(|p| p.id.pid == main.pid && p.id != main) {
        return Vec::new();
    }
    let of_session = all.iter().filter(|p| p.session == main.pid).copied();
    process::descendants(main.pid, all).into_iter().chain(of_session).map(|p| p.id).collect()
}

fn kill(process: &Stat) {
    if let Err(error) = process.id.signal(Signal::KILL) {
        tracing::debug!(%error, ?process, "a process could not be killed");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(pid: u32, start_ticks: u64, parent: u32, session: u32) -> Stat {
        Stat { id: ProcessId { pid, start_ticks }, state: 'S', parent, group: session, session }
    }

    #[test]
    fn a_family_is_found_without_its_head() {
        let main = ProcessId { pid: 10, start_ticks: 5 };
        let all = [process(11, 6, 1, 10), process(12, 7, 11, 12), process(99, 1, 1, 99)];
        assert_eq!(family(main, &all), [ProcessId { pid: 11, start_ticks: 6 }]);
    }

    #[test]
    fn who_hangs_is_named() {
        let said = Survivors(vec![7, 12]).to_string();
        assert!(said.contains("(process 7, 12)"), "{said}");
    }

    #[test]
    fn a_pid_that_went_to_a_stranger_has_no_family() {
        let main = ProcessId { pid: 10, start_ticks: 5 };
        assert_eq!(family(main, &[process(10, 50, 1, 10), process(11, 51, 10, 10)]), []);
    }
}
