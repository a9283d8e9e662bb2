//! A folder that somebody else owns and may be writing to: looked into, and changed, with no more rights than its owner.
//!
//! Every step of a path is opened in the folder before it and no link is followed, so a path ends in the folder or
//! nowhere. A daemon that is root works as the owner meanwhile: what that user may not do the kernel refuses, and what is
//! made belongs to it. Nothing but folders and regular files is ever opened.

use std::ffi::{CStr, CString, OsString};
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use mantyx_core::{Code, Error, Identity, RelativePath, Result};
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, Stat, fstat, mkdirat, openat, statat, unlinkat};
use rustix::io::{Errno, Result as SystemResult};

use crate::reading::{Content, Facts, open_entry};
use crate::{folders, identity, tree};

mod listing;
mod part;

pub use listing::{Entry, Kind, Listing, Place};

/// Folders on the way to a new file, as a program of the owner would make them.
const FOLDER: Mode = Mode::from_raw_mode(0o755);

/// A folder with all that is in it.
#[derive(Debug)]
pub struct OwnedFolder {
    top: OwnedFd,
    /// As whom it is worked on; none when that is this process.
    owner: Option<Identity>,
    /// The name of that user.
    name: String,
}

/// What a path leads to.
#[derive(Debug)]
pub enum Found {
    /// Other entries.
    Folder,
    /// A regular file, opened for reading.
    File(File, Facts),
}

/// Whether folders on the way are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Missing {
    Refuse,
    Make,
}

/// How much is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removal {
    /// A file, a link or an empty folder.
    One,
    /// A folder with all that is in it, too.
    Tree,
}

impl OwnedFolder {
    /// Opens a folder, which may itself be named by a link, as when a person moved it to another disk; none when there is
    /// none.
    pub fn open(path: &Path) -> Result<Option<Self>> {
        let failed = |error: Errno| Error::io(format!("open `{}`", path.display()), error.into());
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let top = match openat(CWD, path, flags, Mode::empty()) {
            Ok(top) => top,
            Err(Errno::NOENT) => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        let found = fstat(&top).map_err(failed)?;
        let owner = identity::of_owner(found.st_uid, found.st_gid);
        let name = owner.name.clone();
        let owner = Some(owner).filter(|owner| identity::is_superuser() && owner.uid != identity::own().uid);
        Ok(Some(Self { top, owner, name }))
    }

    /// What is at a path.
    ///
    /// # Errors
    /// `not_found`, also for what is neither a folder nor a regular file: nothing else is opened.
    pub fn find(&self, path: &RelativePath) -> Result<Found> {
        identity::as_user(self.owner.as_ref(), || {
            let (folder, name) = self.folder_of(path)?;
            match open_entry(&folder, &name) {
                Ok((facts, Content::File(file))) => Ok(Found::File(file, Facts::of(facts))),
                Ok((_, other)) => Err(not_there(path).hint(format!("It is {}", word(&other)))),
                // What it says of a folder.
                Err(Errno::NOENT) => {
                    self.opened(path, tree::open_folder(&folder, &name)).map(|_| Found::Folder)
                }
                Err(error) => Err(self.refusal(path, error)),
            }
        })
    }

    /// What is in a folder, the top without a path: folders first, then by name, from behind a place on, and at most so
    /// many.
    pub fn list(&self, path: Option<&RelativePath>, after: Option<&Place>, most: usize) -> Result<Listing> {
        identity::as_user(self.owner.as_ref(), || {
            let folder = match path {
                Some(path) => self.folder(path)?,
                None => tree::open_folder(&self.top, c".").map_err(|error| self.refused_top(error))?,
            };
            listing::list(&folder, after, most).map_err(|error| match path {
                Some(path) => self.refusal(path, error),
                None => self.refused_top(error),
            })
        })
    }

    /// Puts content at a path in one step, in the place of the file that is there, and makes the folders on the way.
    /// Before any of it is asked whether what is there may be replaced. The mode of a file that is replaced stays. Answers
    /// what the system says about the new one.
    ///
    /// # Errors
    /// `illegal_state`, when something other than a regular file is in the way.
    pub fn write(
        &self,
        path: &RelativePath,
        content: &File,
        may: impl FnOnce(Option<&Facts>) -> Result<()> + Send,
    ) -> Result<Facts> {
        identity::as_user(self.owner.as_ref(), || {
            let (folder, name, before) = self.allowed(path, may)?;
            let mode = before.map_or(part::NEW, |facts| facts.mode() & 0o777);
            let put = part::put(&folder, &name, content, mode);
            put.map(Facts::of).map_err(|error| self.cannot_write(path, error))
        })
    }

    /// Removes what is at a path; a link goes itself. Before that it is asked whether it may go.
    ///
    /// # Errors
    /// `illegal_state` for a folder that is not empty, unless all of it is meant.
    pub fn remove(
        &self,
        path: &RelativePath,
        removal: Removal,
        may: impl FnOnce(&Facts) -> Result<()> + Send,
    ) -> Result<()> {
        identity::as_user(self.owner.as_ref(), || {
            let (folder, name) = self.folder_of(path)?;
            let found = statat(&folder, &name, AtFlags::SYMLINK_NOFOLLOW);
            let found = found.map_err(|error| self.refusal(path, error))?;
            may(&Facts::of(found))?;
            let removed = match (is_folder(&found), removal) {
                (true, Removal::Tree) => folders::remove_at(&folder, &name),
                (true, Removal::One) => unlinkat(&folder, &name, AtFlags::REMOVEDIR),
                (false, _) => unlinkat(&folder, &name, AtFlags::empty()),
            };
            removed.map_err(|error| self.refusal(path, error))
        })
    }

    /// Where a file goes, and what is there, once whoever was asked allows it. No folder is made for what is refused.
    fn allowed(
        &self,
        path: &RelativePath,
        may: impl FnOnce(Option<&Facts>) -> Result<()>,
    ) -> Result<(OwnedFd, CString, Option<Facts>)> {
        let (way, name) = names(path)?;
        let failed = |error| self.cannot_write(path, error);
        let folder = match self.walk(&way, Missing::Refuse) {
            Err(Errno::NOENT) => {
                may(None)?;
                let folder = self.walk(&way, Missing::Make).map_err(failed)?;
                let before = self.replaceable(path, &folder, &name)?.map(Facts::of);
                return Ok((folder, name, before));
            }
            walked => walked.map_err(failed)?,
        };
        let before = self.replaceable(path, &folder, &name)?.map(Facts::of);
        may(before.as_ref())?;
        Ok((folder, name, before))
    }

    /// What is there and could be replaced by a file.
    fn replaceable(&self, path: &RelativePath, folder: &OwnedFd, name: &CStr) -> Result<Option<Stat>> {
        match statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(found) if FileType::from_raw_mode(found.st_mode) == FileType::RegularFile => Ok(Some(found)),
            Ok(_) => Err(in_the_way(path)),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(self.cannot_write(path, error)),
        }
    }

    fn folder(&self, path: &RelativePath) -> Result<OwnedFd> {
        let (folder, name) = self.folder_of(path)?;
        self.opened(path, tree::open_folder(folder, &name))
    }

    fn opened(&self, path: &RelativePath, outcome: SystemResult<OwnedFd>) -> Result<OwnedFd> {
        outcome.map_err(|error| self.refusal(path, error))
    }

    /// The folder that a path ends in, and the last name of it.
    fn folder_of(&self, path: &RelativePath) -> Result<(OwnedFd, CString)> {
        let (way, name) = names(path)?;
        let folder = self.walk(&way, Missing::Refuse).map_err(|error| self.refusal(path, error))?;
        Ok((folder, name))
    }

    fn walk(&self, way: &[CString], missing: Missing) -> SystemResult<OwnedFd> {
        let top = tree::open_folder(&self.top, c".")?;
        way.iter().try_fold(top, |folder, name| step(&folder, name, missing))
    }

    /// Why something cannot be read or removed, for whoever asked.
    fn refusal(&self, path: &RelativePath, error: Errno) -> Error {
        match error {
            Errno::NOENT | Errno::NAMETOOLONG => not_there(path),
            Errno::NOTDIR | Errno::LOOP => {
                not_there(path).hint("Something on the way is no folder: links are not followed")
            }
            Errno::NOTEMPTY | Errno::EXIST => {
                Error::new(Code::IllegalState, format!("The folder `{path}` is not empty"))
                    .hint("Remove what is in it first, or ask for all of it")
            }
            Errno::ACCESS | Errno::PERM => self.denied(path),
            other => Error::io(format!("get to `{path}`"), other.into()),
        }
    }

    fn cannot_write(&self, path: &RelativePath, error: Errno) -> Error {
        match error {
            Errno::NOTDIR | Errno::LOOP | Errno::EXIST | Errno::ISDIR => in_the_way(path),
            Errno::NAMETOOLONG => Error::field("path", "A name in it is longer than the disk can keep"),
            Errno::ACCESS | Errno::PERM => self.denied(path),
            other => Error::io(format!("write `{path}`"), other.into()),
        }
    }

    fn denied(&self, path: &RelativePath) -> Error {
        Error::new(Code::IllegalState, format!("The user `{}` may not do that to `{path}`", self.name))
            .hint("It is the one that the app runs as: change the owner or the mode on the disk")
    }

    fn refused_top(&self, error: Errno) -> Error {
        Error::io(format!("list the folder of `{}`", self.name), error.into())
    }
}

fn step(folder: &OwnedFd, name: &CStr, missing: Missing) -> SystemResult<OwnedFd> {
    match tree::open_folder(folder, name) {
        Err(Errno::NOENT) if missing == Missing::Make => match mkdirat(folder, name, FOLDER) {
            // Somebody was quicker.
            Ok(()) | Err(Errno::EXIST) => tree::open_folder(folder, name),
            Err(error) => Err(error),
        },
        other => other,
    }
}

/// The folders on the way to what a path names, and its own name.
fn names(path: &RelativePath) -> Result<(Vec<CString>, CString)> {
    let mut names = path.as_str().split('/').map(c_name);
    let last = names.next_back().unwrap_or_else(|| c_name(""))?;
    Ok((names.collect::<Result<_>>()?, last))
}

fn c_name(name: &str) -> Result<CString> {
    CString::new(name).map_err(|_| Error::field("path", "It has a character that is not allowed"))
}

fn is_folder(found: &Stat) -> bool {
    FileType::from_raw_mode(found.st_mode) == FileType::Directory
}

fn not_there(path: &RelativePath) -> Error {
    Error::not_found("file", path)
}

fn in_the_way(path: &RelativePath) -> Error {
    Error::new(
        Code::IllegalState,
        format!("`{path}` cannot be written: something other than a file is in its place or on its way"),
    )
    .hint("Links are not followed, and folders are not replaced: remove it first, or choose another name")
}

fn word(content: &Content) -> &'static str {
    match content {
        Content::Link(_) => "a symbolic link, which is not followed",
        Content::Special => "a pipe, a socket or a device, which is not opened",
        Content::Folder | Content::File(_) => "no file",
    }
}

fn os_name(name: &CStr) -> OsString {
    OsString::from_vec(name.to_bytes().to_vec())
}

#[cfg(test)]
mod tests;
