//! Trees made again, of hard links or as copies, while somebody may be writing to the first one.

use std::ffi::OsStr;
use std::fs::{DirBuilder, File};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use mantyx_core::{Code, Error, Result};
use rustix::fs::{
    AtFlags, CWD, Gid, Mode, OFlags, Uid, chownat, fchmod, fchown, futimens, linkat, mkdirat, openat,
    symlinkat, utimensat,
};
use rustix::io::Errno;

use crate::identity::is_superuser;
use crate::reading::{self, Content, Facts, Met, Next, Reader, by_descriptor};
use crate::tree::Trail;

use super::content::copy_content;

/// What became of a tree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Copied {
    /// Files, linked or copied.
    pub files: u64,
    /// Those of them that are a second name of the first file.
    pub linked: u64,
    /// Folders, the tree itself included.
    pub folders: u64,
    /// Symbolic links.
    pub links: u64,
    /// The lengths of all files in bytes.
    pub bytes: u64,
    /// Sockets, pipes and devices, which are left out.
    pub left_out: u64,
    /// What was gone before it could be read.
    pub vanished: u64,
}

/// Makes a tree of hard links to the files of another, with folders and symbolic links of its own. A file that cannot
/// have one more name there is copied. It is for trees to which nobody writes: what is written to one of the two is
/// written to both.
///
/// `to` is there whole afterwards, or not at all.
pub fn link_tree(from: &Path, to: &Path) -> Result<Copied> {
    make(from, to, How::Link)
}

/// Copies a tree with its modes, times and symbolic links, and with its owners when the superuser does. Holes stay
/// holes, several names of one file become several files, and no file of the copy is setuid or setgid. The copy is as
/// long as a file was when it was opened: who appends without end is not waited for.
///
/// `to` is there whole afterwards, or not at all, as when `cancel` is set in the meantime.
pub fn copy_tree(from: &Path, to: &Path, cancel: &AtomicBool) -> Result<Copied> {
    make(from, to, How::Copy(cancel))
}

#[derive(Clone, Copy)]
enum How<'a> {
    Link,
    Copy(&'a AtomicBool),
}

fn make(from: &Path, to: &Path, how: How<'_>) -> Result<Copied> {
    let failed = |error| Error::io(format!("make the folder `{}`", to.display()), error);
    DirBuilder::new().mode(0o700).create(to).map_err(failed)?;
    let owners = if is_superuser() { Owners::Keep } else { Owners::Own };
    let mut copier = Copier { to, way: Trail::default(), how, owners, copied: Copied::default() };
    let made = reading::read(from, &mut copier);
    let vanished = made.inspect_err(|_| {
        if let Err(error) = super::remove(to) {
            tracing::warn!(?error, "a part of a copy stays");
        }
    })?;
    Ok(Copied { vanished: copier.copied.vanished + vanished, ..copier.copied })
}

/// To whom copies belong.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Owners {
    Keep,
    Own,
}

struct Copier<'a> {
    to: &'a Path,
    /// Where in the copy the walk is. It is written to by what is open: a path may be longer than a path can be.
    way: Trail,
    how: How<'a>,
    owners: Owners,
    copied: Copied,
}

impl Reader for Copier<'_> {
    fn meet(&mut self, met: Met<'_>) -> Result<Next> {
        if let How::Copy(cancel) = self.how {
            check(cancel)?;
        }
        let path = met.path.to_owned();
        self.add(met).map_err(|error| self.failed(&path, error))?;
        Ok(Next::Enter)
    }

    fn leave(&mut self, path: &Path, facts: &Facts) -> Result<()> {
        let folder = self.way.go_up().map_err(|error| self.failed(path, error.into()))?;
        // Only now: nobody else may look in before, and each name that is added changes the time.
        self.settle(folder, facts, facts.mode()).map_err(|error| self.failed(path, error))
    }
}

impl Copier<'_> {
    fn failed(&self, path: &Path, error: io::Error) -> Error {
        // Nothing else says so here: the standard library tries again what a signal has interrupted.
        if error.kind() == io::ErrorKind::Interrupted {
            return cancelled();
        }
        Error::io(format!("write `{}`", self.to.join(path).display()), error)
    }

    fn add(&mut self, met: Met<'_>) -> io::Result<()> {
        match &met.content {
            Content::Folder => self.add_folder(&met),
            Content::File(file) => self.add_file(met.name(), file, &met.facts),
            Content::Link(target) => self.add_link(met.name(), target, &met.facts),
            Content::Special => {
                self.copied.left_out += 1;
                Ok(())
            }
        }
    }

    fn add_folder(&mut self, met: &Met<'_>) -> io::Result<()> {
        let folder = if met.path.as_os_str().is_empty() {
            open_folder(CWD, self.to.as_os_str())?
        } else {
            mkdirat(self.way.last()?, met.name(), Mode::RWXU)?;
            open_folder(self.way.last()?, met.name())?
        };
        self.copied.folders += 1;
        Ok(self.way.go_down(folder)?)
    }

    fn add_file(&mut self, name: &OsStr, file: &File, facts: &Facts) -> io::Result<()> {
        let done = match self.how {
            How::Link => match link(file, &self.way, name) {
                Ok(()) => {
                    self.copied.linked += 1;
                    Ok(facts.size())
                }
                // Another file system, one without such links, no further name, or another's file (link(2)).
                Err(Errno::XDEV | Errno::MLINK | Errno::PERM | Errno::OPNOTSUPP) => {
                    self.copy(name, file, facts, &AtomicBool::new(false))
                }
                Err(Errno::NOENT) => {
                    self.copied.vanished += 1;
                    return Ok(());
                }
                Err(error) => Err(error.into()),
            },
            How::Copy(cancel) => self.copy(name, file, facts, cancel),
        };
        self.copied.bytes += done?;
        self.copied.files += 1;
        Ok(())
    }

    fn copy(&self, name: &OsStr, from: &File, facts: &Facts, cancel: &AtomicBool) -> io::Result<u64> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let to = File::from(openat(self.way.last()?, name, flags, Mode::RUSR | Mode::WUSR)?);
        let length = copy_content(from, &to, facts.size(), cancel)?;
        self.settle(&to, facts, facts.mode() & 0o1777)?;
        Ok(length)
    }

    fn add_link(&mut self, name: &OsStr, target: &[u8], facts: &Facts) -> io::Result<()> {
        let folder = self.way.last()?;
        symlinkat(target, folder, name)?;
        if self.owners == Owners::Keep {
            let (user, group) = owner(facts);
            chownat(folder, name, Some(user), Some(group), AtFlags::SYMLINK_NOFOLLOW)?;
        }
        utimensat(folder, name, &facts.times(), AtFlags::SYMLINK_NOFOLLOW)?;
        self.copied.links += 1;
        Ok(())
    }

    /// Gives a copy what is not its content. The owner goes first, since that takes bits of the mode away.
    fn settle(&self, copy: impl AsFd, facts: &Facts, mode: u32) -> io::Result<()> {
        if self.owners == Owners::Keep {
            let (user, group) = owner(facts);
            fchown(&copy, Some(user), Some(group))?;
        }
        fchmod(&copy, Mode::from_raw_mode(mode))?;
        Ok(futimens(&copy, &facts.times())?)
    }
}

fn owner(facts: &Facts) -> (Uid, Gid) {
    (Uid::from_raw(facts.owner()), Gid::from_raw(facts.group()))
}

fn open_folder(parent: impl AsFd, name: &OsStr) -> rustix::io::Result<OwnedFd> {
    openat(parent, name, OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
}

/// Gives the very file that is open one more name.
fn link(file: &File, way: &Trail, name: &OsStr) -> rustix::io::Result<()> {
    linkat(CWD, by_descriptor(file), way.last()?, name, AtFlags::SYMLINK_FOLLOW)
}

fn check(cancel: &AtomicBool) -> Result<()> {
    if cancel.load(Ordering::Relaxed) { Err(cancelled()) } else { Ok(()) }
}

fn cancelled() -> Error {
    Error::new(Code::Cancelled, "The copy was cancelled")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::folders::{make_read_only, remove};
    use crate::identity::resolve;
    use crate::tree::tests::{DEEP, nest, quick_place};
    use std::fs::{self, FileTimes, Permissions};
    use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
    use std::path::PathBuf;
    use std::time::{Duration, SystemTime};

    static GO_ON: AtomicBool = AtomicBool::new(false);

    /// A place, and a tree in it with one of everything.
    fn tree() -> (tempfile::TempDir, PathBuf, PathBuf) {
        let place = tempfile::tempdir().unwrap();
        let (from, to) = (place.path().join("from"), place.path().join("to"));
        fs::create_dir_all(from.join("pkg/empty")).unwrap();
        fs::write(from.join("main.py"), "print()").unwrap();
        fs::write(from.join("pkg/run"), "#!").unwrap();
        fs::set_permissions(from.join("pkg/run"), Permissions::from_mode(0o750)).unwrap();
        symlink("/nowhere", from.join("pkg/link")).unwrap();
        let old = SystemTime::UNIX_EPOCH + Duration::from_millis(1_234_567_890_123);
        let file = File::options().write(true).open(from.join("main.py")).unwrap();
        file.set_times(FileTimes::new().set_modified(old)).unwrap();
        (place, from, to)
    }

    fn facts(path: &Path) -> (u32, u32, i64, i64) {
        let found = fs::symlink_metadata(path).unwrap();
        (found.mode(), found.uid(), found.mtime(), found.mtime_nsec())
    }

    const ALL: [&str; 6] = ["", "main.py", "pkg", "pkg/run", "pkg/link", "pkg/empty"];

    #[test]
    fn links_share_their_files_and_nothing_else() {
        let (_place, from, to) = tree();
        make_read_only(&from).unwrap();
        let copied = link_tree(&from, &to).unwrap();
        let all = Copied { files: 2, linked: 2, folders: 3, links: 1, bytes: 9, ..Copied::default() };
        assert_eq!(copied, all);
        for path in ALL {
            assert_eq!(facts(&from.join(path)), facts(&to.join(path)), "{path}");
        }
        let number = |path: PathBuf| fs::symlink_metadata(path).unwrap().ino();
        assert_eq!(number(from.join("pkg/run")), number(to.join("pkg/run")));
        assert_ne!(number(from.join("pkg/empty")), number(to.join("pkg/empty")));
        for path in [&to, &from] {
            remove(path).unwrap();
        }
    }

    #[test]
    fn where_no_link_can_lead_the_file_is_copied() {
        let (_place, from, _) = tree();
        let elsewhere = quick_place();
        let to = elsewhere.path().join("to");
        let same = fs::metadata(&from).unwrap().dev() == fs::metadata(elsewhere.path()).unwrap().dev();
        let copied = link_tree(&from, &to).unwrap();
        assert_eq!((copied.files, copied.linked), (2, if same { 2 } else { 0 }));
        assert_eq!(fs::read(to.join("main.py")).unwrap(), b"print()");
    }

    #[test]
    fn a_copy_has_modes_times_and_owners_of_its_own_files() {
        let (_place, from, to) = tree();
        fs::set_permissions(from.join("main.py"), Permissions::from_mode(0o6755)).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(from.join("socket")).unwrap();
        if is_superuser() {
            let nobody = resolve("nobody", &[]).unwrap();
            for path in ["", "pkg/run"] {
                chown(from.join(path), Some(nobody.uid), Some(nobody.gid)).unwrap();
            }
            std::os::unix::fs::lchown(from.join("pkg/link"), Some(nobody.uid), None).unwrap();
        }
        let copied = copy_tree(&from, &to, &GO_ON).unwrap();
        assert_eq!((copied.files, copied.links, copied.left_out, copied.linked), (2, 1, 1, 0));
        for path in ALL.into_iter().filter(|path| *path != "main.py") {
            assert_eq!(facts(&from.join(path)), facts(&to.join(path)), "{path}");
        }
        assert_eq!(facts(&to.join("main.py")).0 & 0o7777, 0o755);
        assert_eq!(facts(&to.join("main.py")).2, 1_234_567_890);
        fs::write(to.join("main.py"), "other").unwrap();
        assert_eq!(fs::read(from.join("main.py")).unwrap(), b"print()");
    }

    #[test]
    fn holes_stay_holes() {
        let (_place, from, to) = tree();
        let sparse = File::create(from.join("sparse")).unwrap();
        sparse.set_len(1 << 40).unwrap();
        rustix::io::pwrite(&sparse, b"middle", 1 << 39).unwrap();
        let copied = copy_tree(&from, &to, &GO_ON).unwrap();
        assert_eq!(copied.bytes, (1 << 40) + 9);
        let copy = File::open(to.join("sparse")).unwrap();
        let mut middle = [0; 7];
        rustix::io::pread(&copy, &mut middle, 1 << 39).unwrap();
        assert_eq!(&middle, b"middle\0");
        let found = copy.metadata().unwrap();
        assert_eq!(found.len(), 1 << 40);
        assert!(found.blocks() < 1000, "{} blocks", found.blocks());
    }

    #[test]
    fn what_fails_or_is_cancelled_leaves_nothing() {
        let (_place, from, to) = tree();
        let cancelled = copy_tree(&from, &to, &AtomicBool::new(true)).unwrap_err();
        assert_eq!(cancelled.code(), Code::Cancelled);
        assert!(!to.exists());
        assert!(copy_tree(&from.join("missing"), &to, &GO_ON).is_err());
        assert!(!to.exists());
        fs::create_dir(&to).unwrap();
        fs::write(to.join("mine"), "").unwrap();
        assert!(link_tree(&from, &to).is_err(), "what is there is not touched");
        assert!(to.join("mine").exists());
    }

    /// Replaces a folder by a link to somewhere else and back, as fast as it can, while it is copied.
    #[test]
    fn a_copy_never_leaves_the_tree() {
        let (place, from, to) = tree();
        let (aside, outside) = (from.join("aside"), place.path().join("outside"));
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("run"), "secret").unwrap();
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    fs::rename(from.join("pkg"), &aside).unwrap();
                    symlink(&outside, from.join("pkg")).unwrap();
                    fs::remove_file(from.join("pkg")).unwrap();
                    fs::rename(&aside, from.join("pkg")).unwrap();
                }
            });
            for _ in 0..200 {
                if copy_tree(&from, &to, &GO_ON).is_ok() {
                    let copied = fs::symlink_metadata(to.join("pkg"));
                    let is_link = copied.is_ok_and(|found| found.file_type().is_symlink());
                    assert!(is_link || fs::read(to.join("pkg/run")).map_or(true, |text| text == b"#!"));
                    remove(&to).unwrap();
                }
            }
            done.store(true, Ordering::Relaxed);
        });
    }

    #[test]
    fn a_tree_may_be_as_deep_as_it_likes() {
        let place = quick_place();
        let (from, to, linked) = (place.path().join("a"), place.path().join("b"), place.path().join("c"));
        nest(&from, DEEP);
        let copied = copy_tree(&from, &to, &GO_ON).unwrap();
        assert_eq!((copied.files, copied.folders), (1, DEEP as u64 + 1));
        assert_eq!(link_tree(&to, &linked).unwrap().linked, 1);
        for path in [from, to, linked] {
            remove(&path).unwrap();
        }
    }
}
