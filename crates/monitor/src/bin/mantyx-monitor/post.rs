//! What a monitor does before it knows what to launch.

use std::io;

use mantyx_limits::{Confinement, Prepared};

use crate::limits;
use crate::stub::Stub;
use crate::system::Signals;

/// The place of this monitor in the kernel.
pub(crate) struct Post {
    pub(crate) signals: Signals,
    /// The out-of-memory score that this monitor had, which is the child's.
    oom_score: Option<String>,
}

/// A process that waits to become the app, and the groups that it is in.
pub(crate) struct Waiting {
    pub(crate) stub: Stub,
    pub(crate) groups: Prepared,
}

impl Post {
    /// Takes it, before anything is started.
    pub(crate) fn take() -> io::Result<Self> {
        // It fails for the leader of a process group: then who started it has set it apart already.
        let _ = rustix::process::setsid();
        rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
        // Signals are kept for the loop before anything can start a thread, which would get them otherwise.
        Ok(Self { signals: Signals::listen()?, oom_score: None })
    }

    /// Makes the groups, and a process that enters them. The launcher has been heard by then, and gives this monitor no
    /// other score any more.
    pub(crate) fn get_ready(&mut self, confinement: &Confinement) -> io::Result<Waiting> {
        self.oom_score = limits::spare_monitor();
        self.fork(confinement.bare().prepare())
    }

    fn fork(&self, groups: Prepared) -> io::Result<Waiting> {
        match Stub::fork(&groups, self.oom_score.as_deref()) {
            Ok(stub) => Ok(Waiting { stub, groups }),
            Err(error) => {
                let _ = groups.remove();
                Err(error)
            }
        }
    }

    /// The same, with another process where somebody has killed the first.
    pub(crate) fn look_after(&self, waiting: Waiting) -> io::Result<Waiting> {
        if waiting.stub.is_waiting() {
            return Ok(waiting);
        }
        self.fork(waiting.groups)
    }
}

impl Waiting {
    /// There is nothing to launch.
    pub(crate) fn dismiss(self) {
        self.stub.dismiss();
        // What cannot be removed is swept away by the next daemon.
        let _ = self.groups.remove();
    }
}
