//! Trees of files: made private, measured, frozen, moved and removed.
//!
//! Nothing here follows a symbolic link: a link in an app's tree is a file like another, never a way out.

use std::fs::{self, DirBuilder, Metadata, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use mantyx_core::{Error, Result};

use crate::atomic::sync_folder;

/// Write permission for the owner, the group and everybody (chmod(2)).
const WRITE: u32 = 0o222;
/// Everything that the owner needs to change what is in a folder.
const OWNER: u32 = 0o700;

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
    let first = remove_once(path);
    let outcome = match first {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            make_writable(path).and_then(|()| remove_once(path))
        }
        other => other,
    };
    outcome.map_err(|error| Error::io(format!("remove `{}`", path.display()), error))
}

fn remove_once(path: &Path) -> io::Result<()> {
    let outcome = match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match outcome {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Names can only be removed from folders that the owner may write to and search.
fn make_writable(path: &Path) -> io::Result<()> {
    let metadata = fs::symlink_metadata(path)?;
    if !metadata.is_dir() {
        return Ok(());
    }
    add_mode(path, &metadata, OWNER)?;
    for entry in fs::read_dir(path)? {
        make_writable(&entry?.path())?;
    }
    Ok(())
}

/// Moves a tree to a name on the same file system that is free, in one step (rename(2)).
pub fn rename(from: &Path, to: &Path) -> Result<()> {
    let failed = |error| Error::io(format!("move `{}` to `{}`", from.display(), to.display()), error);
    if fs::symlink_metadata(to).is_ok() {
        return Err(failed(io::Error::from(ErrorKind::AlreadyExists)));
    }
    let metadata = fs::symlink_metadata(from).map_err(failed)?;
    // A folder that changes its parent is itself written to, since it holds `..`: a frozen one needs a moment.
    if metadata.is_dir() {
        add_mode(from, &metadata, OWNER).map_err(failed)?;
    }
    let moved = fs::rename(from, to);
    if metadata.is_dir() {
        let place = if moved.is_ok() { to } else { from };
        fs::set_permissions(place, metadata.permissions()).map_err(failed)?;
    }
    moved.map_err(failed)?;
    to.parent().into_iter().chain(from.parent()).try_for_each(sync_folder)
}

/// Takes write permission from every file and folder of a tree, and from everybody.
pub fn make_read_only(path: &Path) -> Result<()> {
    walk(path, &mut |path, metadata| {
        if metadata.is_symlink() {
            return Ok(());
        }
        let mode = metadata.permissions().mode();
        if mode & WRITE == 0 {
            Ok(())
        } else {
            fs::set_permissions(path, Permissions::from_mode(mode & !WRITE))
        }
    })
    .map_err(|error| Error::io(format!("make `{}` read-only", path.display()), error))
}

/// Lets everybody read a tree, and execute what its owner can, whatever the mask that it was made with.
pub fn make_readable(path: &Path) -> Result<()> {
    walk(path, &mut |path, metadata| {
        if metadata.is_symlink() {
            return Ok(());
        }
        let executable = metadata.is_dir() || metadata.permissions().mode() & 0o100 != 0;
        add_mode(path, metadata, if executable { 0o555 } else { 0o444 })
    })
    .map_err(|error| Error::io(format!("make `{}` readable", path.display()), error))
}

/// The sizes of all files of a tree in bytes, as `ls` shows them.
pub fn size(path: &Path) -> Result<u64> {
    let mut total = 0;
    walk(path, &mut |_, metadata| {
        total += if metadata.is_dir() { 0 } else { metadata.len() };
        Ok(())
    })
    .map_err(|error| Error::io(format!("measure `{}`", path.display()), error))?;
    Ok(total)
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

fn add_mode(path: &Path, metadata: &Metadata, bits: u32) -> io::Result<()> {
    let mode = metadata.permissions().mode();
    if mode & bits == bits { Ok(()) } else { fs::set_permissions(path, Permissions::from_mode(mode | bits)) }
}

/// Visits everything in a tree, what is in a folder before the folder itself.
fn walk(path: &Path, visit: &mut impl FnMut(&Path, &Metadata) -> io::Result<()>) -> io::Result<()> {
    let metadata = fs::symlink_metadata(path)?;
    if metadata.is_dir() {
        for entry in fs::read_dir(path)? {
            walk(&entry?.path(), visit)?;
        }
    }
    visit(path, &metadata)
}

#[cfg(test)]
mod tests {
    use super::*;
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
}
