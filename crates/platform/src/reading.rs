//! A tree of files, read while somebody may be changing it.
//!
//! The superuser reads what an app may be writing to at that very moment. So each entry is opened without following a
//! link, and what is said of it is said of what was opened: nobody can put a link, a pipe or another's file in its
//! place between a look and the reading. What is gone by then is counted and passed by.

use std::ffi::{CStr, CString, OsStr};
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use mantyx_core::{Error, Result};
use rustix::fs::{CWD, FileType, Mode, OFlags, Stat, Timespec, Timestamps, fstat, open, openat, readlinkat};
use rustix::io::{Errno, Result as SystemResult};

use crate::tree::{self, Visitor};

/// What a tree is told to.
pub trait Reader {
    /// An entry, a folder before all that is in it. The first one is the tree itself.
    fn meet(&mut self, met: Met<'_>) -> Result<Next>;

    /// A folder that was entered, after all that is in it.
    fn leave(&mut self, _path: &Path, _facts: &Facts) -> Result<()> {
        Ok(())
    }
}

/// Whether the reader wants to see what is in a folder. Of other entries nothing follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Into it.
    Enter,
    /// Past it.
    PassBy,
}

/// An entry of a tree.
#[derive(Debug)]
pub struct Met<'a> {
    /// Where it is in the tree; empty for the tree itself.
    pub path: &'a Path,
    /// What the system says about it.
    pub facts: Facts,
    /// What is in it.
    pub content: Content,
}

impl Met<'_> {
    /// Its name in the folder that it is in.
    #[must_use]
    pub fn name(&self) -> &OsStr {
        let path = self.path.as_os_str().as_bytes();
        OsStr::from_bytes(path.rsplit(|byte| *byte == b'/').next().unwrap_or_default())
    }
}

/// What an entry has in it.
#[derive(Debug)]
pub enum Content {
    /// Other entries.
    Folder,
    /// Bytes, of what has been opened for reading.
    File(File),
    /// The target of a symbolic link, as it is written there.
    Link(Vec<u8>),
    /// Nothing that could be kept: a socket, a pipe or a device.
    Special,
}

/// What the system says about an entry (stat(2)).
#[derive(Clone, Debug)]
pub struct Facts(Stat);

impl Facts {
    pub(crate) fn of(found: Stat) -> Self {
        Self(found)
    }

    /// What is different once it was written to, or another took its place: by length, by which file it is, and by
    /// times. The time of the last write is not enough: whoever may write may set it, too, and a copy often takes it
    /// along. The time of the last change nobody sets (inode(7)).
    #[must_use]
    pub fn mark(&self) -> String {
        let found = &self.0;
        let written = (found.st_mtime, found.st_mtime_nsec);
        let changed = (found.st_ctime, found.st_ctime_nsec);
        format!(
            "{:x}-{:x}-{:x}.{:x}-{:x}.{:x}",
            found.st_ino, found.st_size, written.0, written.1, changed.0, changed.1
        )
    }

    /// Its permissions, with setuid, setgid and sticky bits.
    #[must_use]
    pub fn mode(&self) -> u32 {
        self.0.st_mode & 0o7777
    }

    /// Its length in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        u64::try_from(self.0.st_size).unwrap_or_default()
    }

    /// The second in which it was written to, since 1970.
    #[must_use]
    pub fn modified(&self) -> u64 {
        u64::try_from(self.0.st_mtime).unwrap_or_default()
    }

    /// The number of the user whose it is.
    #[must_use]
    pub fn owner(&self) -> u32 {
        self.0.st_uid
    }

    /// How many names it has.
    #[must_use]
    pub fn names(&self) -> u64 {
        #[allow(clippy::useless_conversion, reason = "it is narrower on some machines")]
        u64::from(self.0.st_nlink)
    }

    pub(crate) fn group(&self) -> u32 {
        self.0.st_gid
    }

    pub(crate) fn times(&self) -> Timestamps {
        let at = |seconds, nanoseconds| Timespec { tv_sec: seconds, tv_nsec: nanoseconds };
        #[allow(clippy::cast_possible_wrap, reason = "nanoseconds of a second are less than a billion")]
        let nanoseconds = (self.0.st_atime_nsec as i64, self.0.st_mtime_nsec as i64);
        Timestamps {
            last_access: at(self.0.st_atime, nanoseconds.0),
            last_modification: at(self.0.st_mtime, nanoseconds.1),
        }
    }
}

/// Reads a tree, and says how many entries were gone before they could be read. The tree itself may be named by a
/// link, as when a person moved it to another disk; no other link is followed.
pub fn read(top: &Path, reader: &mut dyn Reader) -> Result<u64> {
    let mut reading = Reading { path: Vec::new(), reader, refused: None, vanished: 0 };
    let walked = reading.begin(top).and_then(|folder| tree::walk(folder, &mut reading));
    if let Some(refused) = reading.refused {
        return Err(refused);
    }
    let place = top.join(OsStr::from_bytes(&reading.path));
    walked.map_err(|error| Error::io(format!("read `{}`", place.display()), error.into()))?;
    Ok(reading.vanished)
}

/// Opens one file, which is not followed when it is a link.
///
/// # Errors
/// `internal`, when it is a folder, or none that could be read.
pub fn open_file(path: &Path) -> Result<(File, Facts)> {
    let failed = |error: Errno| Error::io(format!("read `{}`", path.display()), error.into());
    let name = CString::new(path.as_os_str().as_bytes()).map_err(|_| failed(Errno::INVAL))?;
    match open_entry(CWD, &name).map_err(failed)? {
        (found, Content::File(file)) => Ok((file, Facts(found))),
        _ => Err(failed(Errno::INVAL)),
    }
}

struct Reading<'a> {
    /// Where the walk is, from the top.
    path: Vec<u8>,
    reader: &'a mut dyn Reader,
    /// Why the reader does not want to go on.
    refused: Option<Error>,
    vanished: u64,
}

/// Ends a walk for a reason that is kept.
const REFUSED: Errno = Errno::CANCELED;
/// Has a walk go on behind a folder.
const PASSED_BY: Errno = Errno::NOENT;

impl Reading<'_> {
    fn begin(&mut self, top: &Path) -> SystemResult<OwnedFd> {
        let held = openat(CWD, top, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
        let folder = tree::open_folder(held, c".")?;
        self.meet(Facts(fstat(&folder)?), Content::Folder)?;
        Ok(folder)
    }

    fn meet(&mut self, facts: Facts, content: Content) -> SystemResult<Next> {
        let path = Path::new(OsStr::from_bytes(&self.path));
        self.reader.meet(Met { path, facts, content }).map_err(|error| self.refuse(error))
    }

    fn refuse(&mut self, error: Error) -> Errno {
        self.refused = Some(error);
        REFUSED
    }

    fn push(&mut self, name: &CStr) -> usize {
        let before = self.path.len();
        if before > 0 {
            self.path.push(b'/');
        }
        self.path.extend_from_slice(name.to_bytes());
        before
    }

    /// What is gone is counted; of anything else that fails the path is kept for the message.
    fn count_gone<T>(&mut self, outcome: SystemResult<T>) -> SystemResult<T> {
        if matches!(outcome, Err(Errno::NOENT)) {
            self.vanished += 1;
        }
        outcome
    }
}

impl Visitor for Reading<'_> {
    fn enter(&mut self, parent: BorrowedFd<'_>, name: &CStr) -> SystemResult<OwnedFd> {
        let opened = match tree::open_folder(parent, name) {
            // Something else took its name, and is met as that.
            Err(error @ (Errno::NOTDIR | Errno::LOOP)) => return Err(error),
            other => other.and_then(|folder| Ok((fstat(&folder)?, folder))),
        };
        let before = self.push(name);
        let (stat, folder) =
            self.count_gone(opened).inspect_err(|error| forget(&mut self.path, before, *error))?;
        match self.meet(Facts(stat), Content::Folder)? {
            Next::Enter => Ok(folder),
            Next::PassBy => {
                self.path.truncate(before);
                Err(PASSED_BY)
            }
        }
    }

    fn file(&mut self, parent: BorrowedFd<'_>, name: &CStr) -> SystemResult<()> {
        let before = self.push(name);
        let opened = self.count_gone(open_entry(parent, name));
        let (stat, content) = opened.inspect_err(|error| forget(&mut self.path, before, *error))?;
        self.meet(Facts(stat), content)?;
        self.path.truncate(before);
        Ok(())
    }

    fn leave(&mut self, folder: BorrowedFd<'_>, place: Option<(BorrowedFd<'_>, &CStr)>) -> SystemResult<()> {
        let facts = Facts(fstat(folder)?);
        let path = Path::new(OsStr::from_bytes(&self.path));
        self.reader.leave(path, &facts).map_err(|error| self.refuse(error))?;
        if let Some((_, name)) = place {
            let name = name.to_bytes().len();
            self.path.truncate(self.path.len().saturating_sub(name + 1));
        }
        Ok(())
    }
}

/// A walk goes on behind what is gone, and ends at what fails.
fn forget(path: &mut Vec<u8>, before: usize, error: Errno) {
    if error == Errno::NOENT {
        path.truncate(before);
    }
}

/// Opens what is no folder, as far as it can be read.
pub(crate) fn open_entry(parent: impl AsFd, name: &CStr) -> SystemResult<(Stat, Content)> {
    let held = tree::hold(parent, name)?;
    let found = fstat(&held)?;
    let content = match FileType::from_raw_mode(found.st_mode) {
        FileType::RegularFile => Content::File(open_held(&held)?),
        FileType::Symlink => Content::Link(readlinkat(&held, c"", Vec::new())?.into_bytes()),
        // It was listed as something else: what it was is gone.
        FileType::Directory => return Err(Errno::NOENT),
        _ => Content::Special,
    };
    Ok((found, content))
}

/// Opens the very file that is held, which is known to be neither a pipe nor a device: to open one can wait, or do.
fn open_held(held: &OwnedFd) -> SystemResult<File> {
    open(by_descriptor(held), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).map(File::from)
}

/// A path that leads to what is open, whatever names it has by now (proc_pid_fd(5)).
pub(crate) fn by_descriptor(file: impl AsFd) -> String {
    format!("/proc/self/fd/{}", file.as_fd().as_raw_fd())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::tests::{DEEP, nest, quick_place};
    use std::fs;
    use std::io::Read;
    use std::os::unix::fs::symlink;
    use std::path::PathBuf;

    /// Remembers what it is told, and changes the tree at a certain entry.
    #[derive(Default)]
    struct Story {
        told: Vec<String>,
        at: Option<(PathBuf, Box<dyn Fn() -> Next>)>,
    }

    impl Reader for Story {
        fn meet(&mut self, met: Met<'_>) -> Result<Next> {
            let what = match met.content {
                Content::Folder => "folder".to_owned(),
                Content::File(mut file) => {
                    let mut text = String::new();
                    file.read_to_string(&mut text).unwrap();
                    text
                }
                Content::Link(target) => format!("-> {}", String::from_utf8_lossy(&target)),
                Content::Special => "special".to_owned(),
            };
            self.told.push(format!("{}: {what}", met.path.display()));
            match &self.at {
                Some((path, change)) if path == met.path => Ok(change()),
                _ => Ok(Next::Enter),
            }
        }

        fn leave(&mut self, path: &Path, _: &Facts) -> Result<()> {
            self.told.push(format!("{}: left", path.display()));
            Ok(())
        }
    }

    impl Story {
        fn of(top: &Path, path: &str, change: impl Fn() -> Next + 'static) -> (Vec<String>, u64) {
            let mut story = Self { told: Vec::new(), at: Some((path.into(), Box::new(change))) };
            let vanished = read(top, &mut story).unwrap();
            (story.told, vanished)
        }
    }

    #[test]
    fn a_tree_is_told_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("a/b")).unwrap();
        fs::write(folder.path().join("a/file"), "text").unwrap();
        symlink("/etc", folder.path().join("a/b/link")).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(folder.path().join("a/b/socket")).unwrap();
        let (mut told, vanished) = Story::of(folder.path(), "", || Next::Enter);
        assert_eq!((told.first().unwrap().as_str(), told.last().unwrap().as_str()), (": folder", ": left"));
        told.sort_unstable();
        let all = [
            ": folder",
            ": left",
            "a/b/link: -> /etc",
            "a/b/socket: special",
            "a/b: folder",
            "a/b: left",
            "a/file: text",
            "a: folder",
            "a: left",
        ];
        assert_eq!((told.as_slice(), vanished), (all.map(str::to_owned).as_slice(), 0));
        let (told, _) = Story::of(folder.path(), "a", || Next::PassBy);
        assert_eq!(told, [": folder", "a: folder", ": left"]);
    }

    #[test]
    fn a_folder_that_becomes_a_link_leads_nowhere() {
        let place = tempfile::tempdir().unwrap();
        let (top, outside) = (place.path().join("top"), place.path().join("outside"));
        fs::create_dir_all(top.join("a")).unwrap();
        fs::create_dir_all(&outside).unwrap();
        fs::write(outside.join("secret"), "secret").unwrap();
        fs::write(top.join("first"), "").unwrap();
        let (swapped, target) = (top.join("a"), outside.clone());
        let (told, _) = Story::of(&top, "first", move || {
            fs::remove_dir(&swapped).unwrap();
            symlink(&target, &swapped).unwrap();
            Next::Enter
        });
        assert!(told.contains(&format!("a: -> {}", outside.display())), "{told:?}");
        assert!(!told.iter().any(|line| line.contains("secret")), "{told:?}");
    }

    #[test]
    fn what_vanishes_is_counted_and_a_named_top_is_followed() {
        let place = tempfile::tempdir().unwrap();
        let top = place.path().join("top");
        fs::create_dir_all(top.join("gone/far")).unwrap();
        fs::write(top.join("first"), "").unwrap();
        symlink(&top, place.path().join("data")).unwrap();
        let gone = top.join("gone");
        let (told, vanished) = Story::of(&place.path().join("data"), "first", move || {
            fs::remove_dir_all(&gone).unwrap();
            Next::Enter
        });
        assert_eq!((told.len(), vanished), (3, 1), "{told:?}");
        assert!(read(&top.join("first"), &mut Story::default()).is_err());
    }

    /// The length of the longest path.
    struct Longest(usize);

    impl Reader for Longest {
        fn meet(&mut self, met: Met<'_>) -> Result<Next> {
            self.0 = self.0.max(met.path.as_os_str().len());
            Ok(Next::Enter)
        }
    }

    #[test]
    fn a_tree_may_be_as_deep_as_it_likes() {
        let place = quick_place();
        let top = place.path().join("top");
        nest(&top, DEEP);
        let mut longest = Longest(0);
        assert_eq!(read(&top, &mut longest).unwrap(), 0);
        assert_eq!(longest.0, 2 * DEEP + 4);
        crate::folders::remove(&top).unwrap();
    }
}
