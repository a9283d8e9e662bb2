//! A file on its way: written beside its place under a name of its own, and given the real one when it is whole.

use std::ffi::{CStr, CString};
use std::fs::{File, Permissions};
use std::io::{self, Seek};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{AtFlags, Mode, OFlags, Stat, fstat, fsync, openat, renameat, unlinkat};
use rustix::io::{Errno, Result as SystemResult};

/// The mode of a file that was not there before.
pub(super) const NEW: u32 = 0o644;

/// Copies content to a name, in one step for whoever looks, and sees that it survives a power cut (rename(2)).
pub(super) fn put(folder: &OwnedFd, name: &CStr, content: &File, mode: u32) -> SystemResult<Stat> {
    let part = Part::create(folder)?;
    part.fill(content, mode).map_err(|error| errno(&error))?;
    part.persist(name)?;
    fsync(folder)?;
    fstat(&part.file)
}

/// A file that goes with this value, unless it was given its name.
struct Part<'a> {
    folder: &'a OwnedFd,
    name: CString,
    file: File,
}

impl<'a> Part<'a> {
    fn create(folder: &'a OwnedFd) -> SystemResult<Self> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        loop {
            let (process, count) = (std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
            let name = CString::new(format!(".mantyx-{process}-{count}")).map_err(|_| Errno::INVAL)?;
            match openat(folder, &name, flags, Mode::RUSR | Mode::WUSR) {
                Ok(file) => return Ok(Self { folder, name, file: file.into() }),
                // Left by another daemon that had the same number.
                Err(Errno::EXIST) => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn fill(&self, mut content: &File, mode: u32) -> io::Result<()> {
        content.rewind()?;
        io::copy(&mut content, &mut &self.file)?;
        self.file.set_permissions(Permissions::from_mode(mode))?;
        self.file.sync_all()
    }

    fn persist(&self, name: &CStr) -> SystemResult<()> {
        renameat(self.folder, &self.name, self.folder, name)
    }
}

impl Drop for Part<'_> {
    fn drop(&mut self) {
        // It has its name by now, or is of no use.
        let _ = unlinkat(self.folder, &self.name, AtFlags::empty());
    }
}

fn errno(error: &io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(Errno::IO)
}
