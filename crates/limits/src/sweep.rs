//! Groups that are left when everybody who knew of them is gone.
//!
//! A daemon that is killed and a monitor that is killed leave folders behind, which cost the kernel memory for ever. An
//! empty group may also be one that a monitor has just made, for an app that is about to enter. So whoever prepares a
//! group holds a lock on it (flock(2)), which the kernel lets go whatever becomes of the holder, and only a group
//! without one is removed.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use mantyx_core::ConfinementId;
use rustix::fs::{FlockOperation, Mode, OFlags, flock};

use crate::groups;

/// What the folders for the groups of executions begin with.
pub(crate) const PREFIX: &str = "mantyx-";

/// Keeps a folder from being swept away as long as the result is there.
pub(crate) fn hold(group: &Path) -> io::Result<OwnedFd> {
    lock(group, FlockOperation::NonBlockingLockShared)
}

/// Removes the empty groups of executions in a folder that nobody holds. What has a process in it stays.
pub(crate) fn sweep(folder: &Path) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    for entry in entries.filter(is_of_an_execution) {
        let group = entry.path();
        if groups::is_deserted(&group)
            && let Ok(_held) = lock(&group, FlockOperation::NonBlockingLockExclusive)
        {
            // Somebody may just have entered, and then the kernel refuses.
            let _ = groups::remove_tree(&group);
        }
    }
}

/// Removes the folder around a group, where that was the last in it and no daemon holds it.
pub(crate) fn remove_parent(group: &Path) {
    if let Some(folder) = group.parent()
        && folder.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(PREFIX))
        && let Ok(_held) = lock(folder, FlockOperation::NonBlockingLockExclusive)
    {
        let _ = fs::remove_dir(folder);
    }
}

fn is_of_an_execution(entry: &fs::DirEntry) -> bool {
    entry.file_name().to_str().is_some_and(|name| name.parse::<ConfinementId>().is_ok())
}

fn lock(group: &Path, operation: FlockOperation) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let folder = rustix::fs::open(group, flags, Mode::empty())?;
    flock(&folder, operation)?;
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    #[test]
    fn what_is_empty_and_nobodys_is_swept_away() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("mantyx-a");
        let group = || folder.join(ConfinementId::generate().to_string());
        let (left, held, other) = (group(), group(), folder.join("somebody"));
        for path in [&left.join("inner"), &held, &other] {
            fs::create_dir_all(path).unwrap();
        }
        let lock = hold(&held).unwrap();
        sweep(&folder);
        assert!(!left.exists() && held.exists() && other.exists());
        drop(lock);
        // A child that another test is about to start has it as long as it has not begun.
        let deadline = Instant::now() + Duration::from_secs(60);
        while held.exists() {
            assert!(Instant::now() < deadline, "it stays");
            sweep(&folder);
        }
    }

    #[test]
    fn the_last_one_takes_the_folder_along_when_it_is_ours() {
        let root = tempfile::tempdir().unwrap();
        for (name, stays) in [("mantyx-a", false), ("mantyx-b", true), ("mantyx-c", true), ("else", true)] {
            let folder = root.path().join(name);
            fs::create_dir(&folder).unwrap();
            if name == "mantyx-b" {
                fs::create_dir(folder.join("another")).unwrap();
            }
            let _daemon = (name == "mantyx-c").then(|| hold(&folder).unwrap());
            remove_parent(&folder.join("group"));
            assert_eq!(folder.exists(), stays, "{name}");
        }
    }
}
