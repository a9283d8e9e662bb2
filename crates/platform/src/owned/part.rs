//! A file on its way: written without a name, and given the one that it is for when it is whole.
//!
//! A daemon that is killed meanwhile leaves nothing in somebody else's folder. Where the file system has no files without
//! a name it is written beside its place under a name of its own, which then may stay.

use std::ffi::{CStr, CString};
use std::fs::{File, Permissions};
use std::io::{self, Seek};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, Stat, fstat, fsync, linkat, openat, renameat, unlinkat};
use rustix::io::{Errno, Result as SystemResult};

use crate::reading::by_descriptor;

/// The mode of a file that was not there before.
pub(super) const NEW: u32 = 0o644;

/// The mode of a file that is not whole.
const UNFINISHED: Mode = Mode::RUSR.union(Mode::WUSR);

/// Copies content to a name, in one step for whoever looks, and sees that it survives a power cut (rename(2)).
pub(super) fn put(folder: &OwnedFd, name: &CStr, content: &File, mode: u32) -> SystemResult<Stat> {
    let mut part = Part::create(folder)?;
    part.fill(content, mode).map_err(|error| errno(&error))?;
    part.persist(name)?;
    fsync(folder)?;
    fstat(&part.file)
}

/// A file that goes with this value, unless it was given its name.
struct Part<'a> {
    folder: &'a OwnedFd,
    file: File,
    /// What it is called until then, if it has a name at all.
    name: Option<CString>,
}

impl<'a> Part<'a> {
    fn create(folder: &'a OwnedFd) -> SystemResult<Self> {
        match Self::unnamed(folder) {
            // What is said of it by file systems, and by kernels, that do not know it (open(2)).
            Err(Errno::OPNOTSUPP | Errno::ISDIR) => Self::named(folder),
            other => other,
        }
    }

    fn unnamed(folder: &'a OwnedFd) -> SystemResult<Self> {
        let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
        let file = openat(folder, c".", flags, UNFINISHED)?.into();
        Ok(Self { folder, file, name: None })
    }

    fn named(folder: &'a OwnedFd) -> SystemResult<Self> {
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let (name, file) = under_own_name(|name| openat(folder, name, flags, UNFINISHED))?;
        Ok(Self { folder, file: file.into(), name: Some(name) })
    }

    fn fill(&self, mut content: &File, mode: u32) -> io::Result<()> {
        content.rewind()?;
        io::copy(&mut content, &mut &self.file)?;
        self.file.set_permissions(Permissions::from_mode(mode))?;
        self.file.sync_all()
    }

    /// A name is given in the place of another only by renaming, so what has none gets one of its own first.
    fn persist(&mut self, name: &CStr) -> SystemResult<()> {
        let own = match self.name.take() {
            Some(own) => own,
            None => self.link()?,
        };
        renameat(self.folder, self.name.insert(own).as_c_str(), self.folder, name)
    }

    fn link(&self) -> SystemResult<CString> {
        let file = by_descriptor(&self.file);
        let link = |name: &CStr| linkat(CWD, file.as_str(), self.folder, name, AtFlags::SYMLINK_FOLLOW);
        under_own_name(link).map(|(name, ())| name)
    }
}

impl Drop for Part<'_> {
    fn drop(&mut self) {
        if let Some(name) = &self.name {
            // It has its real name by now, or is of no use.
            let _ = unlinkat(self.folder, name, AtFlags::empty());
        }
    }
}

/// Does something under a name that nobody else has.
fn under_own_name<T>(mut act: impl FnMut(&CStr) -> SystemResult<T>) -> SystemResult<(CString, T)> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    loop {
        let (process, count) = (std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let name = CString::new(format!(".mantyx-{process}-{count}")).map_err(|_| Errno::INVAL)?;
        match act(&name) {
            Ok(done) => return Ok((name, done)),
            // Left by another daemon that had the same number.
            Err(Errno::EXIST) => {}
            Err(error) => return Err(error),
        }
    }
}

fn errno(error: &io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(Errno::IO)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree;
    use std::fs;
    use std::io::Write;

    #[test]
    fn a_file_on_its_way_has_no_name_where_it_needs_none_and_none_stays() {
        let place = tempfile::tempdir().unwrap();
        let folder = tree::open_folder(CWD, &CString::new(place.path().to_str().unwrap()).unwrap()).unwrap();
        let names = || fs::read_dir(place.path()).unwrap().count();
        let mut content = tempfile::tempfile().unwrap();
        content.write_all(b"new").unwrap();
        for make in [Part::create, Part::named] {
            fs::write(place.path().join("file"), "old").unwrap();
            let mut part = make(&folder).unwrap();
            part.fill(&content, NEW).unwrap();
            assert_eq!(names(), 1 + usize::from(part.name.is_some()));
            drop(make(&folder).unwrap());
            part.persist(c"file").unwrap();
            drop(part);
            assert_eq!(fs::read_to_string(place.path().join("file")).unwrap(), "new");
            assert_eq!(names(), 1);
        }
    }

    #[test]
    fn what_gets_no_name_leaves_none() {
        let place = tempfile::tempdir().unwrap();
        let folder = tree::open_folder(CWD, &CString::new(place.path().to_str().unwrap()).unwrap()).unwrap();
        fs::create_dir(place.path().join("taken")).unwrap();
        let content = tempfile::tempfile().unwrap();
        assert_eq!(put(&folder, c"taken", &content, NEW).unwrap_err(), Errno::ISDIR);
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1);
    }
}
