//! The run folder: `<execution>.json` says what runs, `<execution>.sock` leads to its monitor, and
//! `<execution>.exit.json` says how it ended.
//!
//! The folder is reached through a descriptor, because the path of a socket is limited to 108 bytes (unix(7)) and
//! a root may lie deep.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mantyx_core::ExecutionId;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::protocol::{ExitRecord, Record};

const RECORD: &str = ".json";
const EXIT: &str = ".exit.json";
const SOCKET: &str = ".sock";
/// What a file ends in before it is whole.
const NEW: &str = ".new";

/// The folder of sockets and records of live processes.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    directory: File,
}

impl RunFolder {
    /// Opens a folder that is there.
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), directory: File::open(path)? })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A short path of the monitor's socket. It holds in this process and as long as `self` is there.
    #[must_use]
    pub fn socket(&self, execution: ExecutionId) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}/{execution}{SOCKET}", self.directory.as_raw_fd()))
    }

    /// What runs, or ran, under this execution; `None` when nothing was written.
    pub fn record(&self, execution: ExecutionId) -> io::Result<Option<Record>> {
        self.read(execution, RECORD)
    }

    /// How it ended; `None` while it has not.
    pub fn exit_record(&self, execution: ExecutionId) -> io::Result<Option<ExitRecord>> {
        self.read(execution, EXIT)
    }

    /// Writes what runs. It appears whole or not at all, and need not outlive the boot: nothing that it speaks of
    /// does.
    pub fn write_record(&self, record: &Record) -> io::Result<()> {
        self.write(record.plan.execution, RECORD, record).map(drop)
    }

    /// Writes how it ended; it is seen at once. [`RunFolder::sync`] makes it outlive a power failure.
    pub fn write_exit_record(&self, record: &ExitRecord) -> io::Result<File> {
        self.write(record.execution, EXIT, record)
    }

    /// Waits until the disk has a record that was written.
    pub fn sync(&self, written: &File) -> io::Result<()> {
        written.sync_all()?;
        self.directory.sync_all()
    }

    /// Removes the socket.
    pub fn remove_socket(&self, execution: ExecutionId) -> io::Result<()> {
        self.remove(execution, SOCKET)
    }

    /// Removes everything about an execution. What is not there is no error.
    pub fn forget(&self, execution: ExecutionId) -> io::Result<()> {
        // The exit goes last: a record without it would look like a process that was lost.
        [SOCKET, RECORD, EXIT].into_iter().try_for_each(|ending| self.remove(execution, ending))
    }

    /// Removes what a writer has left that was killed: nobody moves it to its place any more. It is never younger than
    /// `age`, so that nothing is taken from a writer who is at it.
    pub fn sweep(&self, age: Duration) -> io::Result<()> {
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            let is_left =
                entry.file_name().to_str().is_some_and(|name| name.starts_with('.') && name.ends_with(NEW));
            let modified = entry.metadata().and_then(|file| file.modified());
            if is_left && modified.is_ok_and(|modified| modified.elapsed().is_ok_and(|past| past >= age)) {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }

    /// Every execution that the folder knows something about.
    pub fn executions(&self) -> io::Result<Vec<ExecutionId>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let name = entry?.file_name();
            let id = name.to_str().and_then(|name| name.split('.').next());
            found.extend(id.and_then(|id| id.parse::<ExecutionId>().ok()));
        }
        found.sort();
        found.dedup();
        Ok(found)
    }

    fn file(&self, execution: ExecutionId, ending: &str) -> PathBuf {
        self.path.join(format!("{execution}{ending}"))
    }

    fn read<T: DeserializeOwned>(&self, execution: ExecutionId, ending: &str) -> io::Result<Option<T>> {
        match fs::read(self.file(execution, ending)) {
            Ok(text) => Ok(Some(serde_json::from_slice(&text)?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes beside the place and moves it there.
    fn write(&self, execution: ExecutionId, ending: &str, value: &impl Serialize) -> io::Result<File> {
        let beside = self.path.join(format!(".{execution}{ending}{NEW}"));
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
        let written = file.write_all(&serde_json::to_vec(value)?);
        let moved = written.and_then(|()| fs::rename(&beside, self.file(execution, ending)));
        if let Err(error) = moved {
            let _ = fs::remove_file(&beside);
            return Err(error);
        }
        Ok(file)
    }

    fn remove(&self, execution: ExecutionId, ending: &str) -> io::Result<()> {
        match fs::remove_file(self.file(execution, ending)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{Outcome, VERSION, Wish};
    use mantyx_core::{AppId, Exit, InstanceId, Timestamp};

    fn ended(execution: ExecutionId) -> ExitRecord {
        ExitRecord {
            version: VERSION,
            execution,
            instance: InstanceId::generate(),
            app: AppId::generate(),
            outcome: Outcome::Exited(Exit::Signal(9)),
            wish: Wish::None,
            started_at: None,
            finished_at: Timestamp::UNIX_EPOCH,
            cpu_seconds: 0.5,
            peak_memory: 4096,
            dropped_lines: 0,
            ending: None,
            boot_id: None,
        }
    }

    #[test]
    fn a_record_is_read_as_it_was_written_until_it_is_forgotten() {
        let root = tempfile::tempdir().unwrap();
        let folder = RunFolder::open(root.path()).unwrap();
        let record = ended(ExecutionId::generate());
        let file = folder.write_exit_record(&record).unwrap();
        folder.sync(&file).unwrap();
        assert_eq!(folder.exit_record(record.execution).unwrap().unwrap(), record);
        assert_eq!(folder.executions().unwrap(), [record.execution]);
        folder.forget(record.execution).unwrap();
        folder.forget(record.execution).unwrap();
        assert_eq!(folder.exit_record(record.execution).unwrap(), None);
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_a_killed_writer_left_is_swept_and_nothing_else() {
        let root = tempfile::tempdir().unwrap();
        let folder = RunFolder::open(root.path()).unwrap();
        let record = ended(ExecutionId::generate());
        folder.write_exit_record(&record).unwrap();
        let left = root.path().join(format!(".{}.json.new", ExecutionId::generate()));
        fs::write(&left, "{").unwrap();
        folder.sweep(Duration::from_secs(60)).unwrap();
        assert!(left.exists(), "somebody may be at it");
        folder.sweep(Duration::ZERO).unwrap();
        assert!(!left.exists());
        assert_eq!(folder.exit_record(record.execution).unwrap().unwrap(), record);
    }

    #[test]
    fn a_torn_record_is_an_error_and_not_nothing() {
        let root = tempfile::tempdir().unwrap();
        let folder = RunFolder::open(root.path()).unwrap();
        let execution = ExecutionId::generate();
        fs::write(root.path().join(format!("{execution}.json")), "{").unwrap();
        assert!(folder.record(execution).is_err());
        assert_eq!(folder.executions().unwrap(), [execution]);
    }
}
