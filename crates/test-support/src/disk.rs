//! Disks of their own for tests that fill one.
//!
//! Root mounts them. Who is not root, or root that may not mount anything, as in a container, does it in a namespace of
//! its own (`unshare(1)`), in which the test is run once more: what is mounted there is seen there only.

use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::geteuid;

/// Says, in a namespace, whose it is.
const INSIDE: &str = "_MANTYX_TEST_DISKS";

/// A file system in memory. It goes when this does.
pub(crate) struct SmallDisk {
    folder: PathBuf,
}

impl SmallDisk {
    /// Mounts one that has so many megabytes on an empty folder.
    pub(crate) fn mount(folder: &Path, megabytes: u32) -> Self {
        assert!(mount(folder, megabytes), "no disk can be mounted here: run the test by `with_disks`");
        Self { folder: folder.to_owned() }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a daemon that has just ended may still be let go of.
        let _ = Command::new("umount").arg("--lazy").arg(&self.folder).status();
    }
}

/// Tells a story that mounts disks, here or, where that is not allowed, in a namespace of its own. `test` is its full
/// name: `faults::sagas::update::survives_full_disks`.
pub async fn with_disks(test: &str, story: impl Future<Output = ()>) {
    if can_mount() {
        return story.await;
    }
    assert!(owner_of_the_namespace().is_none(), "no disk can be mounted in a namespace of its own either");
    let program = std::env::current_exe().expect("a test knows its own program");
    let mut again = Command::new("unshare");
    again.args(["--user", "--map-root-user", "--mount", "--kill-child"]).arg(program).args(["--exact", test]);
    let told = again.arg("--nocapture").env(INSIDE, geteuid().as_raw().to_string()).status();
    assert!(
        told.as_ref().is_ok_and(std::process::ExitStatus::success),
        "the test failed in a namespace of its own, or there may be none: {told:?}"
    );
}

/// Who has begun the test, where this is its second run in a namespace. That has one user, which is root there.
pub(crate) fn owner_of_the_namespace() -> Option<String> {
    std::env::var(INSIDE).ok()
}

fn can_mount() -> bool {
    if !geteuid().is_root() {
        return false;
    }
    let probe = tempfile::tempdir().expect("a temporary folder");
    mount(probe.path(), 1) && {
        drop(SmallDisk { folder: probe.path().to_owned() });
        true
    }
}

fn mount(folder: &Path, megabytes: u32) -> bool {
    let options = format!("size={megabytes}m,mode=0755");
    let mut mount = Command::new("mount");
    mount.args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(folder);
    mount.status().is_ok_and(|status| status.success())
}
