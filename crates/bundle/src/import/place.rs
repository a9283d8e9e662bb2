//! The only thing that writes: entries become files below one folder.
//!
//! The file system itself says when something is there twice or has no folder to be in: every file and folder is made
//! new, by its own name. Folders are closed to others until they get their modes, which is last of all.

use std::ffi::OsStr;
use std::fs::{DirBuilder, File, FileTimes, OpenOptions, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use mantyx_core::{Code, Error, Result};

use super::entries::Entry;
use crate::links;
use crate::name::{LONGEST, ancestors, parts, refuse, shown};

pub(super) struct Place<'a> {
    staging: &'a Path,
    trees: &'a [&'a str],
    folders: Vec<Folder>,
    /// Where a link is, and where it leads.
    links: Vec<(Vec<u8>, Vec<u8>)>,
}

struct Folder {
    path: PathBuf,
    mode: u32,
    modified: u64,
}

impl<'a> Place<'a> {
    pub(super) fn new(staging: &'a Path, trees: &'a [&'a str]) -> Self {
        Self { staging, trees, folders: Vec::new(), links: Vec::new() }
    }

    pub(super) fn folder(&mut self, entry: &Entry<'_>) -> Result<()> {
        let path = self.path(entry.name);
        DirBuilder::new().mode(0o700).create(&path).map_err(|error| misplaced(entry.name, error))?;
        self.folders.push(Folder { path, mode: entry.mode, modified: entry.modified });
        Ok(())
    }

    pub(super) fn file(&self, entry: &Entry<'_>) -> Result<File> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        options.open(self.path(entry.name)).map_err(|error| misplaced(entry.name, error))
    }

    pub(super) fn link(&mut self, entry: &Entry<'_>) -> Result<()> {
        let target = shown(entry.target);
        let wrong = |why: &str| {
            refuse(Code::EntrySymlink, entry.name, &format!("is a symbolic link to `{target}`, {why}"))
        };
        let depth = depth(entry.name, self.trees).ok_or_else(|| wrong("where no export has one"))?;
        let is_target = entry.target.len() <= LONGEST && !entry.target.contains(&0);
        if !is_target || !links::stays(depth, entry.target) {
            return Err(wrong("which may lead out of its folder"));
        }
        self.links.push((entry.name.to_owned(), entry.target.to_owned()));
        Ok(())
    }

    /// Makes the links, now that nothing is written any more, and gives folders their modes, the innermost first.
    /// Says how many there are of both.
    pub(super) fn finish(self) -> Result<(u64, u64)> {
        for (name, target) in &self.links {
            symlink(OsStr::from_bytes(target), self.path(name)).map_err(|error| misplaced(name, error))?;
        }
        for Folder { path, mode, modified } in self.folders.iter().rev() {
            File::open(path)
                .and_then(|folder| give(&folder, *mode, *modified))
                .map_err(|error| Error::io(format!("write `{}`", path.display()), error))?;
        }
        Ok((self.folders.len() as u64, self.links.len() as u64))
    }

    fn path(&self, name: &[u8]) -> PathBuf {
        self.staging.join(OsStr::from_bytes(name))
    }
}

/// Gives a file what is not its content.
pub(super) fn settle(file: &File, entry: &Entry<'_>) -> Result<()> {
    give(file, entry.mode, entry.modified)
        .map_err(|error| Error::io(format!("write `{}`", shown(entry.name)), error))
}

fn give(file: &File, mode: u32, modified: u64) -> io::Result<()> {
    // What no clock can say is as good as no time.
    if let Some(time) = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(modified)) {
        file.set_times(FileTimes::new().set_modified(time))?;
    }
    file.set_permissions(Permissions::from_mode(mode))
}

/// In how many folders of its tree an entry is, when it is in one.
fn depth(name: &[u8], trees: &[&str]) -> Option<usize> {
    let folders = ancestors(name).count();
    trees.iter().find_map(|tree| {
        let fits = |(part, wanted): (&[u8], &[u8])| wanted == b"*" || part == wanted;
        let tree_parts = parts(tree.as_bytes()).count();
        let is_in = tree_parts <= folders && parts(name).zip(parts(tree.as_bytes())).all(fits);
        is_in.then(|| folders - tree_parts)
    })
}

/// Why something cannot be made where its name says.
fn misplaced(name: &[u8], error: io::Error) -> Error {
    match error.kind() {
        ErrorKind::AlreadyExists => refuse(Code::EntryDuplicate, name, "is there twice"),
        ErrorKind::NotFound | ErrorKind::NotADirectory => {
            refuse(Code::ArchiveCorrupt, name, "is in no folder that comes before it")
        }
        _ => Error::io(format!("write `{}`", shown(name)), error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_is_known_by_its_form() {
        let trees = ["apps/*/data", "apps/*/releases/*"];
        let depth = |name: &str| depth(name.as_bytes(), &trees);
        assert_eq!(depth("apps/shop/data/link"), Some(0));
        assert_eq!(depth("apps/shop/data/a/b/link"), Some(2));
        assert_eq!(depth("apps/shop/releases/3/link"), Some(0));
        for nowhere in
            ["apps/shop/data", "apps/shop/releases/3", "apps/shop/link", "key", "other/shop/data/x"]
        {
            assert_eq!(depth(nowhere), None, "{nowhere}");
        }
    }
}
