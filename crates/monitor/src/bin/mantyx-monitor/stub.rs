//! The process that becomes the app: forked, in its groups, and waiting to be told what to become.
//!
//! Forking before anybody knows what for is what a standby is good for: entering a group takes some milliseconds. This
//! monitor has no other thread until there is a stub, so the stub may do what any process may, unlike one that a program
//! with threads has forked (fork(2)).

use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::OwnedFd;

use chrono::Utc;
use mantyx_limits::Prepared;
use mantyx_monitor::MainProcess;
use mantyx_monitor::process::ProcessId;
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

use crate::exec::Infancy;
use crate::order::Order;
use crate::reason::Failure;
use crate::system::{self, Fork};

/// The process that becomes the app. When it is dropped before that, it ends.
pub(crate) struct Stub {
    pid: Pid,
    order: PipeWriter,
    failed: PipeReader,
    stdout: PipeReader,
    stderr: PipeReader,
}

/// A process that has begun, and the ends of its pipes.
pub(crate) struct Child {
    pub(crate) process: MainProcess,
    pub(crate) stdout: OwnedFd,
    pub(crate) stderr: OwnedFd,
}

impl Stub {
    /// Forks a process that enters these groups, and begins with this out-of-memory score.
    pub(crate) fn fork(groups: &Prepared, oom_score: Option<&str>) -> io::Result<Self> {
        let (order, give) = io::pipe()?;
        let (failed, say_failed) = io::pipe()?;
        let (stdout, write_stdout) = io::pipe()?;
        let (stderr, write_stderr) = io::pipe()?;
        let monitor = rustix::process::getpid();
        match system::fork()? {
            Fork::Parent(pid) => Ok(Self { pid, order: give, failed, stdout, stderr }),
            Fork::Child => {
                // It would wait for itself.
                drop(give);
                let output = (write_stdout, write_stderr);
                Infancy { order, say_failed, output, monitor }.live(groups, oom_score)
            }
        }
    }

    /// Lets it become the app.
    pub(crate) fn become_app(mut self, order: &Order) -> Result<Child, Failure> {
        let given = self.order.write_all(&serde_json::to_vec(order).map_err(io::Error::from)?);
        drop(self.order);
        // With the program the last end of the pipe that can be written to goes.
        let mut said = Vec::new();
        self.failed.read_to_end(&mut said)?;
        // One that stumbled before it was told anything says why, and takes no order.
        if let Some(failure) = Failure::said(&said).or_else(|| given.err().map(Failure::from)) {
            // Its exit is nobody's news.
            let _ = waitpid(Some(self.pid), WaitOptions::empty());
            return Err(failure);
        }
        let pid = self.pid.as_raw_nonzero().get().unsigned_abs();
        Ok(Child {
            // The process cannot be gone: nobody else waits for it, so at least its entry is there.
            process: MainProcess { id: ProcessId::of(pid)?, started_at: Utc::now() },
            stdout: self.stdout.into(),
            stderr: self.stderr.into(),
        })
    }

    /// Whether nobody has ended it.
    pub(crate) fn is_waiting(&self) -> bool {
        waitpid(Some(self.pid), WaitOptions::NOHANG).is_ok_and(|ended| ended.is_none())
    }

    /// There is nothing for it to become.
    pub(crate) fn dismiss(self) {
        // It has nothing to save, and may have been stopped.
        let _ = kill_process(self.pid, Signal::KILL);
        let _ = waitpid(Some(self.pid), WaitOptions::empty());
    }
}
