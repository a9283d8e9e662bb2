//! A walk through a tree of files, however deep it is.
//!
//! What an app made may be deeper than a stack, longer than a path can be (`PATH_MAX`) and nested further than files
//! can be open, and it may change while somebody walks through it. So the way down is a list on the heap, everything
//! is named from the open folder that it lies in, no link is followed, and at most [`OPEN`] folders are open at once.
//! The way back up is `..`, which is taken only where it leads to the very folder that the way down came from.

use std::collections::VecDeque;
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{
    AtFlags, CWD, Dir, DirEntry, FileType, Mode, OFlags, RawMode, Stat, chmod, fstat, openat, statat,
};
use rustix::io::{Errno, Result};

/// How many folders are open at once. Those further up are opened again on the way back.
const OPEN: usize = 32;

/// What is done with what a walk meets. Of what is gone by then nothing is said.
pub(crate) trait Visitor {
    /// Opens a folder, before anything in it is met.
    fn enter(&mut self, parent: BorrowedFd<'_>, name: &CStr) -> Result<OwnedFd> {
        open_folder(parent, name)
    }

    /// Anything that is no folder.
    fn file(&mut self, parent: BorrowedFd<'_>, name: &CStr) -> Result<()>;

    /// A folder, after everything in it; and where it lies, unless it is the top of the tree.
    fn leave(&mut self, folder: BorrowedFd<'_>, place: Option<(BorrowedFd<'_>, &CStr)>) -> Result<()>;
}

/// Visits everything at a path, which is not followed when it is a link.
pub(crate) fn visit(path: &Path, visitor: &mut impl Visitor) -> Result<()> {
    let name = CString::new(path.as_os_str().as_bytes()).map_err(|_| Errno::INVAL)?;
    visit_at(CWD, &name, visitor)
}

/// The same for a name in an open folder.
pub(crate) fn visit_at(parent: BorrowedFd<'_>, name: &CStr, visitor: &mut impl Visitor) -> Result<()> {
    match visitor.enter(parent, name) {
        Ok(top) => walk(top, visitor),
        Err(Errno::NOTDIR | Errno::LOOP) => visitor.file(parent, name),
        Err(error) => Err(error),
    }
}

/// Visits everything in an open folder, and the folder itself at last.
pub(crate) fn walk(top: OwnedFd, visitor: &mut impl Visitor) -> Result<()> {
    let mut way = Way::default();
    way.go_down(CString::default(), top, visitor)?;
    while let Some(here) = way.places.last_mut() {
        match here.folders.pop() {
            Some(name) => way.enter(name, visitor)?,
            None => way.go_up(visitor)?,
        }
    }
    Ok(())
}

/// Opens a folder to read it.
pub(crate) fn open_folder(parent: impl AsFd, name: &CStr) -> Result<OwnedFd> {
    openat(
        parent,
        name,
        OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC,
        Mode::empty(),
    )
}

/// Holds on to whatever has a name, without reading it: a link is held itself.
pub(crate) fn hold(parent: impl AsFd, name: &CStr) -> Result<OwnedFd> {
    openat(parent, name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
}

/// Changes the mode of something that is open or held. A link has none.
pub(crate) fn change_mode(file: impl AsFd, change: impl FnOnce(&Stat) -> RawMode) -> Result<()> {
    let found = fstat(&file)?;
    let wanted = change(&found);
    if is_link(&found) || wanted == found.st_mode {
        return Ok(());
    }
    // fchmod(2) takes nothing that is only held, and fchmodat(2) would name it once more; this leads to what is open.
    chmod(format!("/proc/self/fd/{}", file.as_fd().as_raw_fd()), Mode::from_raw_mode(wanted))
}

fn is_link(found: &Stat) -> bool {
    FileType::from_raw_mode(found.st_mode) == FileType::Symlink
}

/// From the top of a tree to where a walk is.
#[derive(Default)]
struct Way {
    /// Every folder on it, the top first.
    places: Vec<Place>,
    trail: Trail,
}

/// A folder on the way.
struct Place {
    /// Its name in the one above.
    name: CString,
    /// The folders in it that are still to be visited.
    folders: Vec<CString>,
}

impl Way {
    /// Into a folder of the one where the walk is.
    fn enter(&mut self, name: CString, visitor: &mut impl Visitor) -> Result<()> {
        let here = self.trail.last()?;
        match visitor.enter(here, &name) {
            Ok(folder) => self.go_down(name, folder, visitor),
            // It was replaced since it was listed.
            Err(Errno::NOTDIR | Errno::LOOP) => unless_gone(visitor.file(here, &name)),
            other => unless_gone(other.map(drop)),
        }
    }

    /// Visits the files of a folder on the way into it.
    fn go_down(&mut self, name: CString, folder: OwnedFd, visitor: &mut impl Visitor) -> Result<()> {
        let folders = list(folder.as_fd(), visitor)?;
        self.places.push(Place { name, folders });
        self.trail.go_down(folder)
    }

    /// Out of a folder in which nothing is left to visit.
    fn go_up(&mut self, visitor: &mut impl Visitor) -> Result<()> {
        let Some(left) = self.places.pop() else { return Ok(()) };
        let folder = self.trail.go_up()?;
        if self.places.is_empty() {
            return visitor.leave(folder.as_fd(), None);
        }
        unless_gone(visitor.leave(folder.as_fd(), Some((self.trail.last()?, &left.name))))
    }
}

/// The folders from the top of a tree to one in it, of which only the last ones are open.
#[derive(Default)]
pub(crate) struct Trail {
    /// By what each is known again: its file system and its number there.
    ids: Vec<(u64, u64)>,
    open: VecDeque<OwnedFd>,
}

impl Trail {
    /// Into a folder of the last one, or to the top.
    pub(crate) fn go_down(&mut self, folder: OwnedFd) -> Result<()> {
        self.ids.push(id(&folder)?);
        self.open.push_back(folder);
        if self.open.len() > OPEN {
            self.open.pop_front();
        }
        Ok(())
    }

    /// Out of the last folder, which is given back.
    pub(crate) fn go_up(&mut self) -> Result<OwnedFd> {
        self.ids.pop();
        let left = self.open.pop_back().ok_or(Errno::STALE)?;
        if let (true, Some(above)) = (self.open.is_empty(), self.ids.last()) {
            self.open.push_back(open_above(&left, *above)?);
        }
        Ok(left)
    }

    /// Where it ends.
    pub(crate) fn last(&self) -> Result<BorrowedFd<'_>> {
        self.open.back().map(OwnedFd::as_fd).ok_or(Errno::STALE)
    }
}

/// The folder above, as long as it is the one that is known. Who moves a folder while it is walked through must not
/// lead the walk to somewhere else.
fn open_above(folder: &OwnedFd, known: (u64, u64)) -> Result<OwnedFd> {
    let above = open_folder(folder, c"..")?;
    if id(&above)? == known { Ok(above) } else { Err(Errno::STALE) }
}

fn id(folder: &OwnedFd) -> Result<(u64, u64)> {
    fstat(folder).map(|found| (found.st_dev, found.st_ino))
}

/// Visits the files of a folder, and says which folders are in it.
fn list(folder: BorrowedFd<'_>, visitor: &mut impl Visitor) -> Result<Vec<CString>> {
    let mut folders = Vec::new();
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if [c".", c".."].contains(&name) {
            continue;
        }
        match kind(folder, &entry) {
            Ok(FileType::Directory) => folders.push(name.to_owned()),
            Ok(_) => unless_gone(visitor.file(folder, name))?,
            Err(error) => unless_gone(Err(error))?,
        }
    }
    Ok(folders)
}

/// What an entry is. Not every file system says so in its folders (readdir(3)).
pub(crate) fn kind(folder: impl AsFd, entry: &DirEntry) -> Result<FileType> {
    match entry.file_type() {
        FileType::Unknown => {
            let found = statat(folder, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW)?;
            Ok(FileType::from_raw_mode(found.st_mode))
        }
        known => Ok(known),
    }
}

/// Somebody was quicker to remove it.
fn unless_gone(outcome: Result<()>) -> Result<()> {
    match outcome {
        Err(Errno::NOENT) => Ok(()),
        other => other,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use rustix::fs::{mkdirat, renameat};

    /// How deep an app can nest folders in a moment: neither a stack nor a path reaches there.
    pub(crate) const DEEP: usize = 20_000;

    /// Where so many folders are made in a moment: in memory, if there is such a place.
    pub(crate) fn quick_place() -> tempfile::TempDir {
        tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
    }

    /// Folders in each other, a file in the last of them.
    pub(crate) fn nest(top: &Path, depth: usize) {
        std::fs::create_dir(top).unwrap();
        let mut folder = open_folder(CWD, &CString::new(top.as_os_str().as_bytes()).unwrap()).unwrap();
        for _ in 0..depth {
            mkdirat(&folder, c"d", Mode::from_raw_mode(0o755)).unwrap();
            folder = open_folder(&folder, c"d").unwrap();
        }
        let file =
            openat(&folder, c"file", OFlags::CREATE | OFlags::WRONLY, Mode::from_raw_mode(0o644)).unwrap();
        rustix::io::write(&file, b"seven..").unwrap();
    }

    /// Counts, and remembers the largest descriptor that it was shown.
    #[derive(Default)]
    struct Count {
        files: usize,
        folders: usize,
        descriptor: i32,
    }

    impl Visitor for Count {
        fn file(&mut self, _: BorrowedFd<'_>, _: &CStr) -> Result<()> {
            self.files += 1;
            Ok(())
        }

        fn leave(&mut self, folder: BorrowedFd<'_>, _: Option<(BorrowedFd<'_>, &CStr)>) -> Result<()> {
            self.folders += 1;
            self.descriptor = self.descriptor.max(folder.as_raw_fd());
            Ok(())
        }
    }

    #[test]
    fn a_walk_is_bounded_by_no_depth_and_few_descriptors() {
        let place = quick_place();
        let top = place.path().join("top");
        nest(&top, DEEP);
        let mut count = Count::default();
        visit(&top, &mut count).unwrap();
        assert_eq!((count.files, count.folders), (1, DEEP + 1));
        assert!(count.descriptor < 1000, "descriptor {}", count.descriptor);
        crate::folders::remove(&top).unwrap();
    }

    /// Moves a folder away as soon as the walk is below it.
    struct Mover<'a> {
        moved: bool,
        from: &'a Path,
        to: &'a Path,
        left: usize,
    }

    impl Visitor for Mover<'_> {
        fn file(&mut self, _: BorrowedFd<'_>, _: &CStr) -> Result<()> {
            Ok(())
        }

        fn leave(&mut self, _: BorrowedFd<'_>, _: Option<(BorrowedFd<'_>, &CStr)>) -> Result<()> {
            if !self.moved {
                renameat(CWD, self.from, CWD, self.to)?;
                self.moved = true;
            }
            self.left += 1;
            Ok(())
        }
    }

    #[test]
    fn a_folder_that_is_moved_does_not_lead_a_walk_astray() {
        let place = tempfile::tempdir().unwrap();
        let (top, to) = (place.path().join("top"), place.path().join("elsewhere"));
        nest(&top, 3 * OPEN);
        let from = (0..OPEN).fold(top.clone(), |path, _| path.join("d"));
        let mut mover = Mover { moved: false, from: &from, to: &to, left: 0 };
        assert_eq!(visit(&top, &mut mover), Err(Errno::STALE));
        assert_eq!(mover.left, 2 * OPEN);
    }
}
