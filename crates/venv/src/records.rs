//! Builds under way, so that a daemon that was killed can end what it had started.
//!
//! A build runs processes that outlive the daemon. Before the first of them starts, a record lies on the disk; when the
//! build is over, however it went, it is gone. A record that a daemon finds when it starts is of a build that nobody
//! waits for: everything of it is ended, then the record goes.
//!
//! Each process of a build carries a mark of that build in its variables, and is in a group that the record names with
//! the time when its leader began. No pid alone is ever trusted.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use mantyx_core::{Error, Result};
use mantyx_platform::process::{boot_id, end_carriers, end_group};
use mantyx_platform::usage::{ProcessId, process};
use mantyx_platform::{atomic, folders};
use serde::{Deserialize, Serialize};

/// The variable that all processes of a build carry.
pub(crate) const MARK: &str = "MANTYX_BUILD";

/// What is known of a build under way.
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    /// The boot of the machine that it runs in.
    boot: String,
    /// The value of [`MARK`].
    mark: String,
    /// The leader of the group that runs now.
    leader: Option<Leader>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Leader {
    pid: u32,
    start_ticks: u64,
}

/// The record of one build on the disk, gone with this value.
pub(crate) struct Recorded {
    file: PathBuf,
    record: Record,
}

impl Recorded {
    /// Records a build that is about to begin, under the name of its environment.
    pub(crate) fn begin(folder: &Path, environment: &Path, mark: &str) -> Result<Self> {
        folders::create(folder, 0o700)?;
        let mut name = environment.file_name().unwrap_or_default().to_owned();
        name.push(".json");
        let record = Record { boot: boot_id()?, mark: mark.to_owned(), leader: None };
        let recorded = Self { file: folder.join(name), record };
        recorded.write()?;
        Ok(recorded)
    }

    /// Adds who leads the processes now. One that has ended by then leads nobody.
    pub(crate) fn runs(&mut self, pid: u32) -> Result<()> {
        let found = process(pid).ok().map(|found| found.id);
        self.record.leader = found.map(|id| Leader { pid: id.pid, start_ticks: id.start_ticks });
        self.write()
    }

    fn write(&self) -> Result<()> {
        let text =
            serde_json::to_vec(&self.record).map_err(|error| Error::internal("write a record", error))?;
        atomic::write(&self.file, &text, 0o600)
    }
}

impl Drop for Recorded {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.file) {
            tracing::warn!(%error, file = %self.file.display(), "the record of a build stays");
        }
    }
}

/// Ends what is left of builds that an earlier daemon recorded in this folder, and says how many there were.
///
/// To be called before anything is built. A record that cannot be read names nobody: it is removed.
pub async fn end_orphans(folder: &Path) -> Result<usize> {
    let folder = folder.to_owned();
    let done = tokio::task::spawn_blocking(move || end_all(&folder)).await;
    done.unwrap_or_else(|error| Err(Error::internal("end what is left of builds", error)))
}

fn end_all(folder: &Path) -> Result<usize> {
    let failed = |error| Error::io(format!("list the builds in `{}`", folder.display()), error);
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(0),
        other => other.map_err(failed)?,
    };
    let (boot, mut ended) = (boot_id()?, 0);
    for entry in entries {
        let file = entry.map_err(failed)?.path();
        let record = fs::read(&file).ok().and_then(|text| serde_json::from_slice::<Record>(&text).ok());
        if let Some(record) = record.filter(|record| record.boot == boot) {
            end(&record)?;
            ended += 1;
        }
        folders::remove(&file)?;
    }
    Ok(ended)
}

fn end(record: &Record) -> Result<()> {
    if let Some(Leader { pid, start_ticks }) = record.leader {
        end_group(ProcessId { pid, start_ticks })?;
    }
    end_carriers(MARK, &record.mark)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::{CommandExt, ExitStatusExt};
    use std::process::{Child, Command};

    fn sleeper(mark: Option<&str>) -> Child {
        let mut command = Command::new("/bin/sleep");
        command.arg("600").process_group(0).envs(mark.map(|mark| (MARK, mark)));
        command.spawn().unwrap()
    }

    fn killed(mut child: Child) -> bool {
        child.wait().unwrap().signal() == Some(9)
    }

    fn record(folder: &Path, name: &str, mark: &str) -> Recorded {
        Recorded::begin(folder, Path::new(name), mark).unwrap()
    }

    #[tokio::test]
    async fn nobody_is_left_of_a_build_whose_daemon_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let mark = format!("test-{}", std::process::id());
        // One has thrown away its variables, one has left the group.
        let (leader, stray) = (sleeper(None), sleeper(Some(&mark)));
        let mut recorded = record(folder.path(), "env", &mark);
        recorded.runs(leader.id()).unwrap();
        // The daemon is killed: nothing is dropped.
        std::mem::forget(recorded);
        assert_eq!(end_orphans(folder.path()).await.unwrap(), 1);
        assert!(killed(leader) && killed(stray));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        assert_eq!(end_orphans(folder.path()).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn strangers_with_the_same_pid_are_spared() {
        let folder = tempfile::tempdir().unwrap();
        let mut stranger = sleeper(None);
        for (name, other_boot, other_start) in [("boot", true, 0), ("start", false, 1)] {
            let mut recorded = record(folder.path(), name, "nobody-carries-this");
            recorded.runs(stranger.id()).unwrap();
            if other_boot {
                recorded.record.boot = "another".into();
            }
            recorded.record.leader.as_mut().unwrap().start_ticks += other_start;
            recorded.write().unwrap();
            std::mem::forget(recorded);
        }
        fs::write(folder.path().join("half.json"), "{").unwrap();
        assert_eq!(end_orphans(folder.path()).await.unwrap(), 1);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        assert!(stranger.try_wait().unwrap().is_none(), "it is somebody else");
        stranger.kill().unwrap();
        stranger.wait().unwrap();
    }

    #[tokio::test]
    async fn a_build_that_is_over_leaves_no_record() {
        let folder = tempfile::tempdir().unwrap();
        let builds = folder.path().join("builds");
        assert_eq!(end_orphans(&builds).await.unwrap(), 0);
        let recorded = record(&builds, "/venvs/app/1", "mark");
        assert!(builds.join("1.json").is_file());
        drop(recorded);
        assert_eq!(fs::read_dir(&builds).unwrap().count(), 0);
    }
}
