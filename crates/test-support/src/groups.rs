//! The control groups that a daemon makes for its apps (cgroups(7)). They are no files of its root, so they are found
//! by the name that they have from it.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Where the kernel shows them.
const HIERARCHIES: &str = "/sys/fs/cgroup";
/// More levels than containers and services are nested in.
const DEPTH: usize = 8;

/// The groups of executions that a daemon on this root has, in every hierarchy. There are none where it may not make
/// any, or where systemd makes them.
#[must_use]
pub fn control_groups(root: &Path) -> Vec<PathBuf> {
    folders_of(root).iter().flat_map(|folder| folders_in(folder)).collect()
}

/// Removes the groups of a daemon that is gone for good, as far as nobody is in them.
pub(crate) fn remove_control_groups(root: &Path) {
    for folder in folders_of(root) {
        for group in folders_in(&folder).iter().chain([&folder]) {
            // One with a process in it stays, and is seen by who looks there.
            let _ = fs::remove_dir(group);
        }
    }
}

fn folders_of(root: &Path) -> Vec<PathBuf> {
    let Ok(found) = fs::metadata(root) else { return Vec::new() };
    let name = format!("mantyx-{:x}-{:x}", found.dev(), found.ino());
    let (mut level, mut matching) = (vec![PathBuf::from(HIERARCHIES)], Vec::new());
    for _ in 0..DEPTH {
        level = level.iter().flat_map(|folder| folders_in(folder)).collect();
        matching.extend(level.iter().filter(|folder| folder.ends_with(&name)).cloned());
    }
    matching
}

fn folders_in(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    folders.map(|entry| entry.path()).collect()
}
