//! A folder that belongs to one daemon at a time.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use mantyx_core::{Code, Error, Result};

/// The lock on a folder: held until it is dropped, or the process ends in whatever way (flock(2)).
#[derive(Debug)]
#[must_use = "the folder is free again as soon as this is dropped"]
pub struct FolderLock {
    _file: File,
}

impl FolderLock {
    /// Takes the lock that a file stands for, or says who has it.
    ///
    /// The file stays when the lock is gone: removing it would let two daemons hold locks on two files of one name.
    pub fn acquire(path: &Path) -> Result<Self> {
        let failed = |error| Error::io(format!("lock `{}`", path.display()), error);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let mut file = options.open(path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(taken(path, &mut file)),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        // Who has it is for the message of the other only, so it matters little when it cannot be written.
        let _ = file.set_len(0).and_then(|()| write!(file, "{}", std::process::id()));
        Ok(Self { _file: file })
    }
}

fn taken(path: &Path, file: &mut File) -> Error {
    let mut holder = String::new();
    let _ = file.take(20).read_to_string(&mut holder);
    let who = match holder.trim().parse::<u32>() {
        Ok(process) => format!("Another Mantyx, process {process},"),
        Err(_) => "Another Mantyx".to_owned(),
    };
    let folder = path.parent().unwrap_or(path);
    Error::new(Code::Unavailable, format!("{who} holds `{}`", folder.display()))
        .hint("Stop it first, or give this one a folder of its own with `--root`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_is_told_who_has_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let first = FolderLock::acquire(&path).unwrap();
        let refusal = FolderLock::acquire(&path).unwrap_err();
        assert_eq!(refusal.code(), Code::Unavailable);
        assert!(refusal.detail().contains(&std::process::id().to_string()), "{refusal}");
        drop(first);
        let _again = FolderLock::acquire(&path).unwrap();
    }
}
