//! Packs a folder as a tar.gz, without what `.gitignore` leaves out and what never belongs to a source.

use std::fs::File;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use ignore::{DirEntry, WalkBuilder};
use mantyx_core::{Code, Error, Result};
use tar::{Builder, HeaderMode};
use tempfile::NamedTempFile;

/// Folders that are never packed: histories, environments, caches, and a root of Mantyx itself.
const NEVER: [&str; 8] = [".git", ".hg", ".svn", ".venv", "venv", "__pycache__", "node_modules", ".mantyx"];

/// A packed folder, in a file that goes away with it.
#[derive(Debug)]
pub(crate) struct Packed {
    pub(crate) file: NamedTempFile,
    pub(crate) files: u64,
}

/// Packs a folder. The same files make the same archive.
pub(crate) fn pack(folder: &Path) -> Result<Packed> {
    let fault = |error| Error::io(format!("pack `{}`", folder.display()), error);
    let file = NamedTempFile::new().map_err(fault)?;
    let mut archive = Builder::new(GzEncoder::new(file.as_file(), Compression::fast()));
    archive.mode(HeaderMode::Deterministic);
    archive.follow_symlinks(false);
    let mut files = 0;
    for entry in walk(folder) {
        let entry = entry.map_err(|error| fault(std::io::Error::other(error)))?;
        if add(&mut archive, folder, &entry).map_err(fault)? == Added::File {
            files += 1;
        }
    }
    archive.into_inner().and_then(GzEncoder::finish).map_err(fault)?;
    if files == 0 {
        return Err(Error::new(
            Code::ArchiveEmpty,
            format!("There is no file to pack in `{}`", folder.display()),
        )
        .hint("Is everything in it ignored, by a `.gitignore` there or above?"));
    }
    Ok(Packed { file, files })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Added {
    File,
    Nothing,
}

fn walk(folder: &Path) -> ignore::Walk {
    WalkBuilder::new(folder)
        .hidden(false)
        .require_git(false)
        .sort_by_file_name(Ord::cmp)
        .filter_entry(|entry| !is_left_out(entry))
        .build()
}

fn is_left_out(entry: &DirEntry) -> bool {
    let is_folder = entry.file_type().is_some_and(|kind| kind.is_dir());
    // The folder itself may be called anything.
    is_folder && entry.depth() > 0 && NEVER.iter().any(|name| entry.file_name() == *name)
}

fn add(archive: &mut Builder<GzEncoder<&File>>, folder: &Path, entry: &DirEntry) -> std::io::Result<Added> {
    let kind = entry.file_type();
    // Folders come with their files; sockets and the like have no content to pack.
    if !kind.is_some_and(|kind| kind.is_file() || kind.is_symlink()) {
        return Ok(Added::Nothing);
    }
    let name = entry.path().strip_prefix(folder).map_err(std::io::Error::other)?;
    archive.append_path_with_name(entry.path(), name)?;
    Ok(Added::File)
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::read::GzDecoder;
    use std::io::Read as _;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        folder
    }

    fn names(packed: &Packed) -> Vec<String> {
        let mut archive = tar::Archive::new(GzDecoder::new(packed.file.reopen().unwrap()));
        archive.entries().unwrap().map(|entry| entry.unwrap().path().unwrap().display().to_string()).collect()
    }

    fn bytes(packed: &Packed) -> Vec<u8> {
        let mut bytes = Vec::new();
        packed.file.reopen().unwrap().read_to_end(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn what_is_ignored_stays_here() {
        let folder = folder(&[
            (".gitignore", "*.log\n/secret/\n"),
            ("main.py", "print(1)"),
            ("run.log", "x"),
            ("secret/key", "x"),
            ("pkg/.gitignore", "!kept.log"),
            ("pkg/kept.log", "x"),
            (".env.example", "A=1"),
            (".git/config", "x"),
            (".venv/bin/python", "x"),
            ("pkg/__pycache__/a.pyc", "x"),
            (".mantyx/config/owner-token", "x"),
        ]);
        let packed = pack(folder.path()).unwrap();
        assert_eq!(
            names(&packed),
            [".env.example", ".gitignore", "main.py", "pkg/.gitignore", "pkg/kept.log"]
        );
        assert_eq!(packed.files, 5);
    }

    #[test]
    fn links_are_packed_as_links() {
        let folder = folder(&[("main.py", "")]);
        std::os::unix::fs::symlink("main.py", folder.path().join("app.py")).unwrap();
        let packed = pack(folder.path()).unwrap();
        let mut archive = tar::Archive::new(GzDecoder::new(packed.file.reopen().unwrap()));
        let kinds: Vec<bool> = archive
            .entries()
            .unwrap()
            .map(|entry| entry.unwrap().header().entry_type().is_symlink())
            .collect();
        assert_eq!(kinds, [true, false]);
    }

    #[test]
    fn the_same_files_make_the_same_archive() {
        let files = [("main.py", "print(1)"), ("a/b.txt", "x")];
        let (one, two) = (folder(&files), folder(&files));
        assert_eq!(bytes(&pack(one.path()).unwrap()), bytes(&pack(two.path()).unwrap()));
    }

    #[test]
    fn nothing_to_pack_is_refused() {
        assert_eq!(pack(folder(&[]).path()).unwrap_err().code(), Code::ArchiveEmpty);
        assert!(pack(Path::new("/no/such/folder")).is_err());
    }
}
