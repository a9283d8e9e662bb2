//! Trees that change hands.
//!
//! The superuser gives away what an app may be writing to at that very moment. So nothing is named twice: each entry
//! is opened without following a link, looked at, and given by what was opened. What did not belong to the previous
//! owner, such as another user's file that was linked in, stays with whom it belongs to.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use mantyx_core::{Error, Identity, Result};
use rustix::fs::{AtFlags, CWD, FileType, Gid, Mode, OFlags, Uid, chownat, fstat, openat};
use rustix::io::Result as SystemResult;

use crate::tree::{self, Visitor};

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
    let found = fstat(&top)?;
    if found.st_uid == to.uid {
        return Ok(());
    }
    let mut gift = Gift { from: found.st_uid, uid: Uid::from_raw(to.uid), gid: Gid::from_raw(to.gid) };
    if FileType::from_raw_mode(found.st_mode) != FileType::Directory {
        return gift.give(top);
    }
    let folder = tree::open_folder(&top, c".")?;
    tree::walk(folder, &mut gift)
}

impl Gift {
    fn give(&self, entry: impl AsFd) -> SystemResult<()> {
        if fstat(&entry)?.st_uid != self.from {
            return Ok(());
        }
        chownat(entry, c"", Some(self.uid), Some(self.gid), AtFlags::EMPTY_PATH)
    }
}

impl Visitor for Gift {
    fn file(&mut self, parent: BorrowedFd<'_>, name: &CStr) -> SystemResult<()> {
        self.give(tree::hold(parent, name)?)
    }

    /// What is in a folder goes before the folder itself.
    fn leave(&mut self, folder: BorrowedFd<'_>, _: Option<(BorrowedFd<'_>, &CStr)>) -> SystemResult<()> {
        self.give(folder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{is_superuser, own, resolve};
    use crate::tree::tests::{DEEP, nest, quick_place};
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

    #[test]
    fn a_tree_may_be_as_deep_as_it_likes() {
        let folder = quick_place();
        let data = folder.path().join("data");
        nest(&data, DEEP);
        if is_superuser() {
            give(&data, &resolve("nobody", &[]).unwrap()).unwrap();
            assert_ne!((owner(&data), owner(&data.join("d/d/d"))), (0, 0));
        } else {
            assert!(give(&data, &resolve("root", &[]).unwrap()).is_err());
        }
        crate::folders::remove(&data).unwrap();
    }
}
