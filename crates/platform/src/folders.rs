//! Trees of files: made private, measured, frozen, made again, moved and removed.
//!
//! Nothing here follows a symbolic link: a link in an app's tree is a file like another, never a way out. Nor does it
//! matter how deep a tree is, as long as an app could make it.

use std::ffi::CStr;
use std::fs::{self, DirBuilder, Permissions};
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use mantyx_core::{Error, Result};
use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, RawMode, Stat, fstat, openat, renameat, rmdir, statat, unlinkat,
};
use rustix::io::{Errno, Result as SystemResult};

use crate::atomic::sync_folder;
use crate::tree::{self, Visitor};

mod content;
mod copy;

pub use copy::{Copied, copy_tree, link_tree};

/// Write permission for the owner, the group and everybody (chmod(2)).
const WRITE: RawMode = 0o222;
/// Everything that the owner needs to change what is in a folder.
const OWNER: RawMode = 0o700;

/// Makes a folder and those above it. It gets exactly this mode, whatever the umask; one that is there stays as it
/// is, because its mode may be somebody's wish, and it may be a link to what is not ours.
pub fn create(path: &Path, mode: u32) -> Result<()> {
    let failed = |error| Error::io(format!("make the folder `{}`", path.display()), error);
    if path.is_dir() {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(mode).create(path).map_err(failed)?;
    fs::set_permissions(path, Permissions::from_mode(mode)).map_err(failed)
}

/// Removes a tree, a file or a link, also where folders are read-only. What is not there is fine.
pub fn remove(path: &Path) -> Result<()> {
    match tree::visit(path, &mut Remove).and_then(|()| rmdir(path)) {
        Err(Errno::NOENT) => Ok(()),
        // What should be a folder above it is none: then it is not there either.
        Err(Errno::NOTDIR) if fs::symlink_metadata(path).is_err() => Ok(()),
        other => other.map_err(|error| Error::io(format!("remove `{}`", path.display()), error.into())),
    }
}

/// The same for a folder in one that is open.
pub(crate) fn remove_at(parent: impl AsFd, name: &CStr) -> SystemResult<()> {
    tree::visit_at(parent.as_fd(), name, &mut Remove)?;
    unlinkat(parent, name, AtFlags::REMOVEDIR)
}

/// Removes what it meets.
struct Remove;

impl Visitor for Remove {
    /// Names can only be removed from folders that the owner may write to and search.
    fn enter(&mut self, parent: BorrowedFd<'_>, name: &CStr) -> SystemResult<OwnedFd> {
        let opened = match tree::open_folder(parent, name) {
            Err(Errno::ACCESS) => {
                add_mode(tree::hold(parent, name)?, OWNER)?;
                tree::open_folder(parent, name)
            }
            other => other,
        };
        let folder = opened?;
        // Who does not own it may have the right to all the same.
        match add_mode(&folder, OWNER) {
            Ok(()) | Err(Errno::PERM) => Ok(folder),
            Err(error) => Err(error),
        }
    }

    fn file(&mut self, parent: BorrowedFd<'_>, name: &CStr) -> SystemResult<()> {
        unlinkat(parent, name, AtFlags::empty())
    }

    fn leave(&mut self, _: BorrowedFd<'_>, place: Option<(BorrowedFd<'_>, &CStr)>) -> SystemResult<()> {
        place.map_or(Ok(()), |(parent, name)| unlinkat(parent, name, AtFlags::REMOVEDIR))
    }
}

/// Moves a tree to a name on the same file system that is free, in one step (rename(2)).
pub fn rename(from: &Path, to: &Path) -> Result<()> {
    let failed = |error| Error::io(format!("move `{}` to `{}`", from.display(), to.display()), error);
    if fs::symlink_metadata(to).is_ok() {
        return Err(failed(io::Error::from(ErrorKind::AlreadyExists)));
    }
    rename_frozen(from, to).map_err(|error| failed(error.into()))?;
    to.parent().into_iter().chain(from.parent()).try_for_each(sync_folder)
}

/// A folder that changes its parent is itself written to, since it holds `..`: a frozen one needs a moment.
fn rename_frozen(from: &Path, to: &Path) -> SystemResult<()> {
    let moving = openat(CWD, from, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
    let before = fstat(&moving)?;
    let is_folder = FileType::from_raw_mode(before.st_mode) == FileType::Directory;
    if is_folder {
        add_mode(&moving, OWNER)?;
    }
    let moved = renameat(CWD, from, CWD, to);
    if is_folder {
        tree::change_mode(&moving, |_| before.st_mode)?;
    }
    moved
}

/// Takes write permission from every file and folder of a tree, and from everybody.
pub fn make_read_only(path: &Path) -> Result<()> {
    tree::visit(path, &mut ChangeModes(|found| found.st_mode & !WRITE))
        .map_err(|error| Error::io(format!("make `{}` read-only", path.display()), error.into()))
}

/// Lets everybody read a tree, and execute what its owner can, whatever the mask that it was made with.
pub fn make_readable(path: &Path) -> Result<()> {
    tree::visit(path, &mut ChangeModes(readable))
        .map_err(|error| Error::io(format!("make `{}` readable", path.display()), error.into()))
}

fn readable(found: &Stat) -> RawMode {
    let is_folder = FileType::from_raw_mode(found.st_mode) == FileType::Directory;
    found.st_mode | if is_folder || found.st_mode & 0o100 != 0 { 0o555 } else { 0o444 }
}

/// Gives everything that it meets the mode that follows from what it is.
struct ChangeModes(fn(&Stat) -> RawMode);

impl Visitor for ChangeModes {
    fn file(&mut self, parent: BorrowedFd<'_>, name: &CStr) -> SystemResult<()> {
        tree::change_mode(tree::hold(parent, name)?, self.0)
    }

    fn leave(&mut self, folder: BorrowedFd<'_>, _: Option<(BorrowedFd<'_>, &CStr)>) -> SystemResult<()> {
        tree::change_mode(folder, self.0)
    }
}

/// The sizes of all files of a tree in bytes, as `ls` shows them.
pub fn size(path: &Path) -> Result<u64> {
    let mut size = Size(0);
    tree::visit(path, &mut size)
        .map_err(|error| Error::io(format!("measure `{}`", path.display()), error.into()))?;
    Ok(size.0)
}

/// Adds up the sizes of the files that it meets.
struct Size(u64);

impl Visitor for Size {
    fn file(&mut self, parent: BorrowedFd<'_>, name: &CStr) -> SystemResult<()> {
        let found = statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)?;
        self.0 = self.0.saturating_add(u64::try_from(found.st_size).unwrap_or_default());
        Ok(())
    }

    fn leave(&mut self, _: BorrowedFd<'_>, _: Option<(BorrowedFd<'_>, &CStr)>) -> SystemResult<()> {
        Ok(())
    }
}

/// Makes a symbolic link point somewhere else in one step: at no moment is there none.
pub fn link_current(link: &Path, target: &Path) -> Result<()> {
    let failed = |error| Error::io(format!("link `{}` to `{}`", link.display(), target.display()), error);
    let temporary = beside(link);
    remove(&temporary)?;
    std::os::unix::fs::symlink(target, &temporary).map_err(failed)?;
    fs::rename(&temporary, link).map_err(|error| {
        let _ = fs::remove_file(&temporary);
        failed(error)
    })
}

/// A name that a crash may leave behind and the next call takes over. One app has one operation at a time, so
/// nobody else uses it.
fn beside(link: &Path) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(link.file_name().unwrap_or_default());
    name.push(".new");
    link.with_file_name(name)
}

fn add_mode(file: impl AsFd, bits: RawMode) -> SystemResult<()> {
    tree::change_mode(file, |found| found.st_mode | bits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::tests::{DEEP, nest, quick_place};
    use std::os::unix::fs::symlink;

    fn tree() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("release");
        create(&root.join("pkg"), 0o755).unwrap();
        fs::write(root.join("main.py"), "print()").unwrap();
        fs::write(root.join("pkg/__init__.py"), "").unwrap();
        symlink("main.py", root.join("link.py")).unwrap();
        (folder, root)
    }

    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn frozen_trees_are_moved_and_removed() {
        let (folder, root) = tree();
        make_read_only(&root).unwrap();
        assert_eq!(mode(&root), 0o555);
        assert_eq!(mode(&root.join("main.py")) & WRITE, 0);
        let moved = folder.path().join("trash");
        rename(&root, &moved).unwrap();
        assert_eq!(mode(&moved), 0o555);
        assert!(!root.exists());
        remove(&moved).unwrap();
        assert!(!moved.exists());
        remove(&moved).unwrap();
    }

    #[test]
    fn what_a_mask_closed_is_opened() {
        let (_folder, root) = tree();
        let (script, module) = (root.join("main.py"), root.join("pkg/__init__.py"));
        for (path, mode) in [(&script, 0o700), (&module, 0o600), (&root.join("pkg"), 0o700)] {
            fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        }
        make_readable(&root).unwrap();
        assert_eq!((mode(&script), mode(&module), mode(&root.join("pkg"))), (0o755, 0o644, 0o755));
    }

    #[test]
    fn removing_a_link_spares_what_it_points_to() {
        let (folder, root) = tree();
        let link = folder.path().join("app");
        symlink(&root, &link).unwrap();
        remove(&link).unwrap();
        assert!(root.join("main.py").exists());
    }

    #[test]
    fn a_move_never_replaces() {
        let (folder, root) = tree();
        let taken = folder.path().join("taken");
        fs::create_dir(&taken).unwrap();
        assert!(rename(&root, &taken).is_err());
        assert!(root.exists());
    }

    #[test]
    fn a_link_switches() {
        let (folder, root) = tree();
        let link = folder.path().join("app");
        for target in ["releases/1", "releases/2"] {
            link_current(&link, Path::new(target)).unwrap();
            assert_eq!(fs::read_link(&link).unwrap(), Path::new(target));
        }
        fs::create_dir(folder.path().join("taken")).unwrap();
        assert!(link_current(&folder.path().join("taken"), &root).is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
    }

    #[test]
    fn links_count_as_themselves() {
        let (_folder, root) = tree();
        assert_eq!(size(&root).unwrap(), 7 + 7);
    }

    #[test]
    fn a_tree_may_be_as_deep_as_it_likes() {
        let folder = quick_place();
        let (top, moved) = (folder.path().join("top"), folder.path().join("moved"));
        nest(&top, DEEP);
        assert_eq!(size(&top).unwrap(), 7);
        make_read_only(&top).unwrap();
        assert_eq!((mode(&top), mode(&top.join("d/d/d"))), (0o555, 0o555));
        make_readable(&top).unwrap();
        rename(&top, &moved).unwrap();
        remove(&moved).unwrap();
        assert!(!moved.exists());
    }

    #[test]
    fn what_nobody_may_enter_is_removed_by_whom_it_belongs_to() {
        let (_folder, root) = tree();
        for closed in [root.join("pkg"), root.clone()] {
            fs::set_permissions(closed, Permissions::from_mode(0o000)).unwrap();
        }
        remove(&root).unwrap();
        assert!(fs::symlink_metadata(&root).is_err());
    }
}
