//! Ends every process that a fixture started, directly or not. Apps and their monitors outlive the daemon by design,
//! so they are looked for: each of them names the fixture's folder in its arguments or its environment.

use std::fs;
use std::path::Path;

use rustix::process::{Pid, Signal, kill_process};

/// More rounds than a tree of processes has levels that could start something while it is being ended.
const ROUNDS: usize = 50;

/// Ends everything that mentions this folder, which must be a temporary one of a fixture.
pub(crate) fn end_all_that_mention(folder: &Path) {
    for _ in 0..ROUNDS {
        let left = processes_that_mention(folder);
        if left.is_empty() {
            return;
        }
        for pid in left {
            // It may have ended by itself in the meantime.
            let _ = kill_process(pid, Signal::KILL);
        }
        std::thread::yield_now();
    }
}

/// Those that are alive and not this one.
fn processes_that_mention(folder: &Path) -> Vec<Pid> {
    let needle = folder.as_os_str().as_encoded_bytes();
    let own = std::process::id();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| *pid != own && mentions(*pid, needle))
        .filter_map(|pid| Pid::from_raw(i32::try_from(pid).ok()?))
        .collect()
}

/// Whether the folder stands in its arguments or its environment; a zombie has neither.
fn mentions(pid: u32, needle: &[u8]) -> bool {
    ["cmdline", "environ"].iter().any(|file| {
        let bytes = fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
        bytes.windows(needle.len()).any(|window| window == needle)
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::Command;

    use super::*;

    #[test]
    fn ends_those_of_the_folder_and_no_others() {
        let (own, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let sleep = |folder: &Path| {
            Command::new("sleep").arg("60").env_clear().env("APP_DATA_DIR", folder).spawn().unwrap()
        };
        let (mut ended, mut spared) = (sleep(own.path()), sleep(other.path()));
        end_all_that_mention(own.path());
        assert_eq!(ended.wait().unwrap().signal(), Some(9));
        assert_eq!(spared.try_wait().unwrap(), None);
        spared.kill().unwrap();
        spared.wait().unwrap();
    }
}
