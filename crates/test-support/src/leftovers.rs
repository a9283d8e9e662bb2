//! Ends every process that a fixture started, directly or not. Apps and their monitors outlive the daemon by design,
//! so they are looked for: each of them names the fixture's folder in its arguments or its environment.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::aloud::say;

/// How long what was killed may take to be gone. On a busy machine the kernel does not get to it at once.
const DEADLINE: Duration = Duration::from_secs(30);

/// Between two looks: a look reads all of `/proc`, and the killed need the processor too.
const PAUSE: Duration = Duration::from_millis(5);

/// Ends everything that mentions this folder, which must be a temporary one of a fixture.
pub(crate) fn end_all_that_mention(folder: &Path) {
    let start = Instant::now();
    loop {
        let left = processes_of(folder);
        if left.is_empty() {
            return;
        }
        for (pid, _) in left.iter().filter(|(_, belonging)| *belonging == Belonging::Own) {
            // It may have ended by itself in the meantime.
            let _ = kill_process(*pid, Signal::KILL);
        }
        if start.elapsed() > DEADLINE {
            return left.iter().for_each(|(pid, _)| say(&still_there(*pid, folder)));
        }
        thread::sleep(PAUSE);
    }
}

/// Whose a process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Belonging {
    /// It names the folder.
    Own,
    /// It is just becoming another program, and names nothing yet.
    Unknown,
    /// It does not name the folder.
    Foreign,
}

/// Those that are alive, not this one, and not known to be somebody else's.
fn processes_of(folder: &Path) -> Vec<(Pid, Belonging)> {
    let needle = folder.as_os_str().as_encoded_bytes();
    let own = std::process::id();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| *pid != own)
        .map(|pid| (pid, belonging(pid, needle)))
        .filter(|(_, belonging)| *belonging != Belonging::Foreign)
        .filter_map(|(pid, belonging)| Some((Pid::from_raw(i32::try_from(pid).ok()?)?, belonging)))
        .collect()
}

/// Whether the folder stands in its arguments or its environment. Both are empty for a moment within execve(2). They
/// always are for a zombie and for a thread of the kernel, which have no memory that they could lie in.
fn belonging(pid: u32, needle: &[u8]) -> Belonging {
    let read = |file: &str| fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
    let (arguments, environment) = (read("cmdline"), read("environ"));
    let mentions = |bytes: &[u8]| bytes.windows(needle.len()).any(|window| window == needle);
    if mentions(&arguments) || mentions(&environment) {
        return Belonging::Own;
    }
    let has_memory = || read("statm").first().is_some_and(|digit| *digit != b'0');
    if arguments.is_empty() && has_memory() { Belonging::Unknown } else { Belonging::Foreign }
}

fn still_there(pid: Pid, folder: &Path) -> String {
    let pid = pid.as_raw_nonzero();
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let line = String::from_utf8_lossy(&line).replace('\0', " ");
    format!("Process {pid} of `{}` could not be ended within {DEADLINE:?}: {line}", folder.display())
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::{Child, Command};

    use super::*;
    use crate::wait::{PATIENCE, wait_until};

    #[tokio::test]
    async fn ends_those_of_the_folder_and_no_others() {
        let (own, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (mut ended, mut spared) = (sleep_in(own.path()).await, sleep_in(other.path()).await);
        end_all_that_mention(own.path());
        assert_eq!(ended.wait().unwrap().signal(), Some(9));
        assert_eq!(spared.try_wait().unwrap(), None);
        spared.kill().unwrap();
        spared.wait().unwrap();
    }

    #[tokio::test]
    async fn a_zombie_is_nobodys() {
        let folder = tempfile::tempdir().unwrap();
        let needle = folder.path().as_os_str().as_encoded_bytes();
        let mut zombie = sleep_in(folder.path()).await;
        zombie.kill().unwrap();
        wait_until("it to have no memory any more", PATIENCE, async || {
            (belonging(zombie.id(), needle) == Belonging::Foreign).then_some(())
        })
        .await;
        assert!(fs::exists(format!("/proc/{}", zombie.id())).unwrap());
        end_all_that_mention(folder.path());
        zombie.wait().unwrap();
    }

    /// A process that has got as far as to name a folder.
    async fn sleep_in(folder: &Path) -> Child {
        let mut command = Command::new("sleep");
        let process = command.arg("60").env_clear().env("APP_DATA_DIR", folder).spawn().unwrap();
        let needle = folder.as_os_str().as_encoded_bytes();
        wait_until("its environment", PATIENCE, async || {
            (belonging(process.id(), needle) == Belonging::Own).then_some(())
        })
        .await;
        process
    }
}
