//! The files of a release, for whoever wants to look at them.
//!
//! What is looked at is a tree that an app may have had its hands in: it is opened part by part, and no link is
//! followed, so that no path leads out of it.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use mantyx_core::{Error, RelativePath, Result};
use mantyx_platform::reading::{self, Content, Met, Next, Reader};
use rustix::fs::{CWD, Mode, OFlags, openat, readlinkat};
use rustix::io::Errno;

/// A file or a link of a tree. Folders are only named in paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where it is, with `/` between the parts.
    pub path: String,
    /// How long its content is.
    pub bytes: u64,
    /// What it is.
    pub kind: EntryKind,
    /// Whether it may be executed.
    pub executable: bool,
}

/// What an [`Entry`] is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A file.
    File,
    /// A symbolic link.
    Link {
        /// What it leads to, as it is written there.
        target: String,
    },
}

/// A file as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileContent {
    /// What it is. Of a link there is nothing to read.
    pub entry: Entry,
    /// Its content from the beginning.
    pub bytes: Vec<u8>,
    /// Whether there is more of it.
    pub truncated: bool,
}

/// Every file and link below a folder, sorted by path.
pub fn entries(folder: &Path) -> Result<Vec<Entry>> {
    let mut lister = Lister(Vec::new());
    reading::read(folder, &mut lister)?;
    let mut found = lister.0;
    found.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

/// Writes down what it meets.
struct Lister(Vec<Entry>);

impl Reader for Lister {
    fn meet(&mut self, met: Met<'_>) -> Result<Next> {
        let kind = match met.content {
            Content::File(_) => EntryKind::File,
            Content::Link(target) => {
                EntryKind::Link { target: String::from_utf8_lossy(&target).into_owned() }
            }
            Content::Folder | Content::Special => return Ok(Next::Enter),
        };
        self.0.push(entry(&met.path.to_string_lossy(), met.facts.size(), met.facts.mode(), kind));
        Ok(Next::Enter)
    }
}

/// Reads a file below a folder, up to so many bytes. No link is followed, neither on the way nor at its end.
///
/// # Errors
/// `not_found` where there is no file, or only one behind a link.
pub fn read_file(folder: &Path, path: &RelativePath, most: u64) -> Result<FileContent> {
    let failed = |error| Error::io(format!("read `{path}`"), error);
    let opened = match open(folder, path.as_str()) {
        Err(Errno::NOENT | Errno::NOTDIR | Errno::NAMETOOLONG) => {
            return Err(Error::not_found("file", path).hint("What is behind a link is read where it is"));
        }
        other => other.map_err(|error| failed(error.into()))?,
    };
    let mut file = match opened {
        Opened::File(file) => file,
        Opened::Link(target) => return Ok(link(path, target)),
        Opened::Other => {
            return Err(Error::not_found("file", path).hint("It is a folder: name a file in it"));
        }
    };
    let metadata = file.metadata().map_err(failed)?;
    let mut bytes = Vec::new();
    file.by_ref().take(most).read_to_end(&mut bytes).map_err(failed)?;
    let entry = entry(path.as_str(), metadata.len(), metadata.permissions().mode(), EntryKind::File);
    let truncated = entry.bytes > bytes.len() as u64;
    Ok(FileContent { entry, bytes, truncated })
}

fn link(path: &RelativePath, target: String) -> FileContent {
    let entry = entry(path.as_str(), target.len() as u64, 0, EntryKind::Link { target });
    FileContent { entry, bytes: Vec::new(), truncated: false }
}

/// What is at a path.
pub(crate) enum Opened {
    File(File),
    Link(String),
    /// A folder, or something that no source has.
    Other,
}

/// Opens what is at a path below a folder. The folder itself may be reached through links.
pub(crate) fn open(folder: &Path, path: &str) -> Result<Opened, Errno> {
    let way = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut here: OwnedFd = openat(CWD, folder, way, Mode::empty())?;
    let (above, name) = path.rsplit_once('/').unwrap_or(("", path));
    for part in above.split('/').filter(|part| !part.is_empty()) {
        here = openat(&here, part, way | OFlags::NOFOLLOW, Mode::empty())?;
    }
    // Nobody waits for whoever should write into a pipe.
    let read = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    match openat(&here, name, read, Mode::empty()) {
        Ok(file) => {
            let file = File::from(file);
            let is_file = file.metadata().is_ok_and(|metadata| metadata.is_file());
            Ok(if is_file { Opened::File(file) } else { Opened::Other })
        }
        Err(Errno::LOOP) => {
            let target = readlinkat(&here, name, Vec::new())?;
            Ok(Opened::Link(target.to_string_lossy().into_owned()))
        }
        Err(Errno::NXIO) => Ok(Opened::Other),
        Err(error) => Err(error),
    }
}

fn entry(path: &str, bytes: u64, mode: u32, kind: EntryKind) -> Entry {
    let executable = kind == EntryKind::File && mode & 0o111 != 0;
    Entry { path: path.to_owned(), bytes, kind, executable }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mantyx_core::Code;
    use std::fs;
    use std::os::unix::fs::symlink;

    fn tree() -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("secret"), "s3cret").unwrap();
        let root = folder.path().join("release");
        fs::create_dir_all(root.join("pkg/empty")).unwrap();
        fs::write(root.join("main.py"), "print()").unwrap();
        fs::write(root.join("pkg/run"), "x").unwrap();
        fs::set_permissions(root.join("pkg/run"), fs::Permissions::from_mode(0o755)).unwrap();
        symlink("../secret", root.join("out")).unwrap();
        symlink("..", root.join("up")).unwrap();
        symlink("main.py", root.join("pkg/in")).unwrap();
        (folder, root)
    }

    fn read(root: &Path, path: &str, most: u64) -> Result<FileContent> {
        read_file(root, &RelativePath::parse(path).unwrap(), most)
    }

    #[test]
    fn every_file_is_listed_once() {
        let (_folder, root) = tree();
        let found = entries(&root).unwrap();
        let shown: Vec<_> = found.iter().map(|e| (e.path.as_str(), e.bytes, e.executable)).collect();
        let expected = [
            ("main.py", 7, false),
            ("out", 9, false),
            ("pkg/in", 7, false),
            ("pkg/run", 1, true),
            ("up", 2, false),
        ];
        assert_eq!(shown, expected);
        assert_eq!(found[1].kind, EntryKind::Link { target: "../secret".into() });
    }

    #[test]
    fn files_are_read_as_far_as_wanted() {
        let (_folder, root) = tree();
        let whole = read(&root, "main.py", 100).unwrap();
        assert_eq!((whole.bytes.as_slice(), whole.truncated), (&b"print()"[..], false));
        let part = read(&root, "main.py", 3).unwrap();
        assert_eq!((part.bytes.as_slice(), part.truncated, part.entry.bytes), (&b"pri"[..], true, 7));
    }

    #[test]
    fn no_link_is_followed() {
        let (_folder, root) = tree();
        let link = read(&root, "out", 100).unwrap();
        assert_eq!((link.entry.kind, link.bytes.len()), (EntryKind::Link { target: "../secret".into() }, 0));
        for path in ["up/secret", "up/release/main.py", "no", "pkg", "main.py/x", &"x".repeat(300)] {
            assert_eq!(read(&root, path, 100).unwrap_err().code(), Code::NotFound, "{path}");
        }
    }

    #[test]
    fn a_pipe_holds_nobody() {
        let (_folder, root) = tree();
        let made = std::process::Command::new("mkfifo").arg(root.join("pipe")).status().unwrap();
        assert!(made.success());
        assert_eq!(read(&root, "pipe", 100).unwrap_err().code(), Code::NotFound);
        assert!(entries(&root).unwrap().iter().all(|entry| entry.path != "pipe"));
    }
}
