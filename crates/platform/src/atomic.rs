//! Files that are there whole or not at all.

use std::collections::HashSet;
use std::fs::{File, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use mantyx_core::{Error, Result};

/// Replaces a file in one step: a crash at any point leaves the old content or the new one (rename(2)).
///
/// The new content is on the disk before the name points to it, and the name is on the disk when this returns.
/// `mode` is what chmod(2) takes, whatever the umask says.
pub fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    let folder = folder_of(path);
    let failed = |error| Error::io(format!("write `{}`", path.display()), error);
    let mut temporary = tempfile::Builder::new().prefix(".mantyx-").tempfile_in(folder).map_err(failed)?;
    temporary.write_all(bytes).map_err(failed)?;
    let file = temporary.as_file();
    file.set_permissions(Permissions::from_mode(mode)).map_err(failed)?;
    file.sync_all().map_err(failed)?;
    temporary.persist(path).map_err(|error| failed(error.error))?;
    sync_folder(folder)
}

/// Makes the names in a folder survive a power cut (fsync(2), the note about directories).
pub fn sync_folder(folder: &Path) -> Result<()> {
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|error| Error::io(format!("write the folder `{}` to the disk", folder.display()), error))
}

/// Makes all that was written to the file system of a folder survive a power cut (syncfs(2)). For a whole tree that
/// is one wait in place of one for each of its files.
pub fn sync_file_system(folder: &Path) -> Result<()> {
    File::open(folder)
        .and_then(|open| rustix::fs::syncfs(open).map_err(Into::into))
        .map_err(|error| Error::io(format!("write `{}` to the disk", folder.display()), error))
}

/// The same for several folders, each of which may be on a file system of its own: one wait for each of those. A folder
/// that is not there has nothing to be kept.
pub fn sync_file_systems(folders: &[&Path]) -> Result<()> {
    let mut synced = HashSet::new();
    for folder in folders {
        match std::fs::metadata(folder) {
            Ok(found) if synced.insert(found.dev()) => sync_file_system(folder)?,
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => {
                return Err(Error::io(format!("write `{}` to the disk", folder.display()), error));
            }
        }
    }
    Ok(())
}

/// The folder that a path is in; a bare name is in the current one.
fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn replaces_content_and_mode() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.yaml");
        write(&path, b"old", 0o644).unwrap();
        write(&path, b"new", 0o600).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
        assert_eq!(mode(&path), 0o600);
    }

    #[test]
    fn a_failure_leaves_the_old_file_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("taken");
        std::fs::create_dir(&path).unwrap();
        assert!(write(&path, b"new", 0o600).is_err());
        let names: Vec<_> =
            std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(names, ["taken"]);
    }

    #[test]
    fn what_is_there_is_written_out_and_what_is_not_there_is_no_trouble() {
        let folder = tempfile::tempdir().unwrap();
        let (file, gone) = (folder.path().join("file"), folder.path().join("gone"));
        std::fs::write(&file, "kept").unwrap();
        sync_file_systems(&[folder.path(), &gone, folder.path(), Path::new("/proc/self")]).unwrap();
        assert!(sync_file_systems(&[&file.join("below")]).is_err());
    }

    #[test]
    fn readers_never_see_a_part() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let contents = [vec![b'a'; 200_000], vec![b'b'; 100_000]];
        write(&path, &contents[0], 0o600).unwrap();
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                for round in 0..20 {
                    write(&path, &contents[round % 2], 0o600).unwrap();
                }
            });
            while !writer.is_finished() {
                assert!(contents.contains(&std::fs::read(&path).unwrap()));
            }
        });
    }
}
