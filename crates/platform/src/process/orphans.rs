//! Children that outlive the daemon, which was killed before it could end them.
//!
//! Two things are known of them: the group that a child led, and a variable that was handed down to everything that
//! the child started. A group may outlive its leader and a process may leave its group, but neither changes what a
//! process was started with; a process may have thrown its variables away, but is then still in the group.

use std::io;

use mantyx_core::{Error, Result};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::usage::{self, ProcessId};

/// How often is looked for more: what is about to be killed may start others meanwhile.
const ROUNDS: usize = 20;

/// This boot of the machine: pids and start times mean nothing in another (random(4)).
pub fn boot_id() -> Result<String> {
    let read = std::fs::read_to_string("/proc/sys/kernel/random/boot_id");
    read.map(|id| id.trim().to_owned()).map_err(|error| Error::io("read which boot this is", error))
}

/// Kills the group that a process leads, if that is still the same process.
pub fn end_group(leader: ProcessId) -> Result<()> {
    if !usage::process(leader.pid).is_ok_and(|found| found.id == leader) {
        return Ok(());
    }
    let Some(group) = pid(leader.pid) else { return Ok(()) };
    forgiving(kill_process_group(group, Signal::KILL), "end a group of processes")
}

/// Kills every process that was started with this variable, as far as this user may see that.
pub fn end_carriers(name: &str, value: &str) -> Result<()> {
    for _ in 0..ROUNDS {
        let carriers = carriers(name, value)?;
        if carriers.is_empty() {
            break;
        }
        for carrier in carriers {
            forgiving(kill_process(carrier, Signal::KILL), "end a process")?;
        }
    }
    Ok(())
}

/// Never this process itself, which a test may have started with such a variable.
fn carriers(name: &str, value: &str) -> Result<Vec<Pid>> {
    let failed = |error: io::Error| Error::io("list the processes of this machine", error);
    let entries = std::fs::read_dir("/proc").map_err(failed)?;
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let others = pids.filter(|pid: &u32| *pid != std::process::id());
    Ok(others.filter(|pid| usage::carries(*pid, name, value)).filter_map(pid).collect())
}

fn pid(number: u32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(number).ok()?)
}

/// What is gone already needs no end.
fn forgiving(done: rustix::io::Result<()>, doing: &str) -> Result<()> {
    match done {
        Err(rustix::io::Errno::SRCH) | Ok(()) => Ok(()),
        Err(error) => Err(Error::io(doing, error.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::{CommandExt, ExitStatusExt};
    use std::process::{Child, Command};

    fn sleeper() -> Command {
        let mut command = Command::new("/bin/sleep");
        command.arg("600").process_group(0);
        command
    }

    fn killed(mut child: Child) -> bool {
        child.wait().unwrap().signal() == Some(9)
    }

    #[test]
    fn only_the_very_process_is_ended() {
        let child = sleeper().spawn().unwrap();
        let id = usage::process(child.id()).unwrap().id;
        end_group(ProcessId { start_ticks: id.start_ticks + 1, ..id }).unwrap();
        assert!(usage::process(child.id()).is_ok_and(|found| found.id == id));
        end_group(id).unwrap();
        assert!(killed(child));
        end_group(id).unwrap();
    }

    #[test]
    fn whoever_carries_the_variable_is_ended_wherever_it_went() {
        let value = format!("orphan-{}", std::process::id());
        let (marked, other) =
            (sleeper().env("MANTYX_TEST", &value).spawn().unwrap(), sleeper().spawn().unwrap());
        let before = usage::process(other.id()).unwrap().id;
        // Until the kernel has exchanged the program, the variables are those of this test.
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
        while !usage::carries(marked.id(), "MANTYX_TEST", &value) {
            assert!(std::time::Instant::now() < deadline);
            std::thread::yield_now();
        }
        end_carriers("MANTYX_TEST", &value).unwrap();
        assert!(killed(marked));
        assert!(usage::process(other.id()).is_ok_and(|found| found.id == before));
        end_group(before).unwrap();
        assert!(killed(other));
    }

    #[test]
    fn a_boot_has_a_name() {
        assert_eq!(boot_id().unwrap().len(), 36);
    }
}
