//! A git repository with one commit, written by hand: a bare machine may have no git, and libgit2 would double the
//! time that this tool needs to compile. The format is that of gitformat-loose(5) and gitrepository-layout(5).

use std::fs;
use std::io::Write as _;
use std::path::Path;

use anyhow::Result;
use flate2::Compression;
use flate2::write::ZlibEncoder;
use sha1::{Digest as _, Sha1};

use crate::workspace;

/// Who commits, and when: a fixed instant, so that the same files give the same commit.
const SIGNATURE: &str = "Mantyx <demo@mantyx.invalid> 1767225600 +0000";

/// Makes a bare repository whose branch `main` has the files of a folder without subfolders.
pub(super) fn create(folder: &Path, files: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    fs::create_dir_all(folder.join("objects"))?;
    fs::create_dir_all(folder.join("refs/heads"))?;
    fs::write(folder.join("HEAD"), "ref: refs/heads/main\n")?;
    fs::write(folder.join("config"), "[core]\n\trepositoryformatversion = 0\n\tbare = true\n")?;

    let mut tree = Vec::new();
    // Git wants the entries in the order of their names, which is that of the paths of one folder.
    for file in workspace::files_below(files)? {
        let blob = store(folder, "blob", &fs::read(&file)?)?;
        let name = file.file_name().unwrap_or_default();
        tree.extend(format!("100644 {}\0", name.to_string_lossy()).bytes());
        tree.extend(blob);
    }
    let tree = hex::encode(store(folder, "tree", &tree)?);
    let message = "Feel the pulse of this machine";
    let commit = format!("tree {tree}\nauthor {SIGNATURE}\ncommitter {SIGNATURE}\n\n{message}\n");
    let commit = hex::encode(store(folder, "commit", commit.as_bytes())?);
    Ok(fs::write(folder.join("refs/heads/main"), format!("{commit}\n"))?)
}

/// Writes an object and answers its name.
fn store(folder: &Path, kind: &str, content: &[u8]) -> Result<[u8; 20]> {
    let mut object = format!("{kind} {}\0", content.len()).into_bytes();
    object.extend_from_slice(content);
    let hash = <[u8; 20]>::from(Sha1::digest(&object));
    let name = hex::encode(hash);
    let place = folder.join("objects").join(&name[..2]);
    fs::create_dir_all(&place)?;
    let mut encoder = ZlibEncoder::new(fs::File::create(place.join(&name[2..]))?, Compression::default());
    encoder.write_all(&object)?;
    encoder.finish()?;
    Ok(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_have_the_names_that_git_gives_them() {
        let folder = tempfile::tempdir().unwrap();
        // git hash-object of "hello\n", and of the tree without entries.
        let blob = store(folder.path(), "blob", b"hello\n").unwrap();
        assert_eq!(hex::encode(blob), "ce013625030ba8dba906f756967f9e9ca394464a");
        let tree = store(folder.path(), "tree", b"").unwrap();
        assert_eq!(hex::encode(tree), "4b825dc642cb6eb9a060e54bf8d69288fbee4904");
    }

    #[test]
    fn the_same_files_give_the_same_commit() {
        let (files, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(files.path().join("main.py"), "print('hello')\n").unwrap();
        let commit = || {
            create(&folder.path().join("a.git"), files.path()).unwrap();
            fs::read_to_string(folder.path().join("a.git/refs/heads/main")).unwrap()
        };
        assert_eq!(commit(), commit());
        assert_eq!(commit().trim().len(), 40);
    }
}
