//! Trees that change hands.
//!
//! The superuser gives away what an app may be writing to at that very moment. So nothing is named twice: each entry
//! is opened without following a link, looked at, and given by what was opened. What did not belong to the previous
//! owner, such as another user's file that was linked in, stays with whom it belongs to.

use std::ffi::CStr;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use mantyx_core::{Error, Identity, Result};
use rustix::fs::{AtFlags, CWD, Dir, FileType, Gid, Mode, OFlags, Uid, chownat, fstat, openat};
use rustix::io::{Errno, Result as SystemResult};

/// From whom, and to whom.
struct Gift {
    from: u32,
    uid: Uid,
    gid: Gid,
}

/// Gives a tree, and everything in it that belonged to the same user, to another.
///
/// One that belongs to them already is left as it is: the tree itself is given last, so that what was interrupted is
/// done again. The tree itself may be named by a link, as when a person moved it to another disk.
pub fn give(path: &Path, to: &Identity) -> Result<()> {
    give_tree(path, to).map_err(|error| {
        Error::io(format!("give `{}` to the user `{}`", path.display(), to.name), error.into())
    })
}

fn give_tree(path: &Path, to: &Identity) -> SystemResult<()> {
    let top = openat(CWD, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
    let from = fstat(&top)?.st_uid;
    if from == to.uid {
        return Ok(());
    }
    let gift = Gift { from, uid: Uid::from_raw(to.uid), gid: Gid::from_raw(to.gid) };
    give_entry(&top, &gift)
}

/// What is in a folder goes before the folder itself.
fn give_entry(entry: &OwnedFd, gift: &Gift) -> SystemResult<()> {
    let found = fstat(entry)?;
    if FileType::from_raw_mode(found.st_mode) == FileType::Directory {
        let readable = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = openat(entry, c".", readable, Mode::empty())?;
        for inner in Dir::read_from(&folder)? {
            let inner = inner?;
            if ![c".", c".."].contains(&inner.file_name()) {
                give_named(&folder, inner.file_name(), gift)?;
            }
        }
    }
    if found.st_uid != gift.from {
        return Ok(());
    }
    chownat(entry, c"", Some(gift.uid), Some(gift.gid), AtFlags::EMPTY_PATH)
}

fn give_named(folder: impl AsFd, name: &CStr, gift: &Gift) -> SystemResult<()> {
    match openat(folder, name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty()) {
        Ok(entry) => give_entry(&entry, gift),
        // Somebody was quicker to remove it.
        Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{is_superuser, own, resolve};
    use std::fs;
    use std::os::unix::fs::{MetadataExt, chown, symlink};

    fn owner(path: &Path) -> u32 {
        fs::symlink_metadata(path).unwrap().uid()
    }

    #[test]
    fn a_tree_changes_hands_and_nothing_beyond_it_does() {
        let folder = tempfile::tempdir().unwrap();
        let (data, outside) = (folder.path().join("data"), folder.path().join("outside"));
        fs::create_dir_all(data.join("home/.cache")).unwrap();
        fs::write(&outside, "secret").unwrap();
        fs::write(data.join("home/.cache/file"), "").unwrap();
        symlink(&outside, data.join("link")).unwrap();
        symlink(folder.path(), data.join("home/up")).unwrap();
        if !is_superuser() {
            give(&data, &own()).unwrap();
            let refused = give(&data, &resolve("root", &[]).unwrap()).unwrap_err();
            assert!(refused.detail().contains("`root`"), "{refused}");
            return;
        }
        let (nobody, daemon) = (resolve("nobody", &[]).unwrap(), resolve("daemon", &[]).unwrap());
        fs::hard_link(&outside, data.join("linked")).unwrap();
        chown(&outside, Some(daemon.uid), None).unwrap();
        give(&data, &nobody).unwrap();
        for given in ["", "link", "home", "home/up", "home/.cache", "home/.cache/file"] {
            assert_eq!(owner(&data.join(given)), nobody.uid, "{given}");
        }
        assert_eq!((owner(folder.path()), owner(&outside)), (0, daemon.uid));
        give(&data, &own()).unwrap();
        assert_eq!(owner(&data.join("home/.cache/file")), 0);
    }

    #[test]
    fn what_was_interrupted_is_done_again() {
        if !is_superuser() {
            assert!(give(Path::new("/"), &own()).is_err(), "only the superuser gives away");
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let (half, rest) = (folder.path().join("half"), folder.path().join("rest"));
        fs::write(&half, "").unwrap();
        fs::write(&rest, "").unwrap();
        let nobody = resolve("nobody", &[]).unwrap();
        give(&half, &nobody).unwrap();
        give(folder.path(), &nobody).unwrap();
        assert_eq!((owner(&half), owner(&rest), owner(folder.path())), (nobody.uid, nobody.uid, nobody.uid));
    }
}
