//! What the process does that becomes the app, from its fork to the program.
//!
//! The standard library has a way for most of the steps. Their order matters here (limits before the user changes, the
//! folder after it), what comes first is done before anybody knows which app it will be, and a person wants to know
//! which step has failed, so they are all taken here.

use std::convert::Infallible;
use std::fs::{self, File};
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::Command;

use mantyx_core::Identity;
use mantyx_limits::Prepared;
use rustix::io::Errno;
use rustix::process::{Gid, Pid, Signal, Uid, getppid, set_parent_process_death_signal, setsid};
use rustix::stdio::{dup2_stderr, dup2_stdin, dup2_stdout};
use rustix::thread::{set_no_new_privs, set_thread_gid, set_thread_groups, set_thread_uid};
use serde::{Deserialize, Serialize};

use crate::limits::SCORE_FILE;
use crate::order::{Order, ToldOfWatchdog};
use crate::system;

/// A step from the fork to the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Step {
    Session,
    OomScore,
    Limits,
    Output,
    Order,
    Groups,
    Group,
    User,
    Privileges,
    Monitor,
    Directory,
    Program,
}

/// The step that it could not take, and the number of the error. That is all it says before it ends.
#[derive(Serialize, Deserialize)]
pub(crate) struct LastWords(pub(crate) Step, pub(crate) i32);

/// The process before it is told what to become.
pub(crate) struct Infancy {
    /// Where it is told.
    pub(crate) order: PipeReader,
    /// Where it says its last words. It is closed by the program that it becomes.
    pub(crate) say_failed: PipeWriter,
    /// What stdout and stderr are to be.
    pub(crate) output: (PipeWriter, PipeWriter),
    pub(crate) monitor: Pid,
}

/// A step that could not be taken.
type Stumble = (Step, io::Error);

/// Names a step that fails.
trait At<T> {
    fn at(self, step: Step) -> Result<T, Stumble>;
}

impl<T, E: Into<io::Error>> At<T> for Result<T, E> {
    fn at(self, step: Step) -> Result<T, Stumble> {
        self.map_err(|error| (step, error.into()))
    }
}

impl Infancy {
    /// Becomes the app, or ends. It begins with this out-of-memory score, whatever the monitor has.
    pub(crate) fn live(self, groups: &Prepared, oom_score: Option<&str>) -> ! {
        let Self { order, mut say_failed, output, monitor } = self;
        let Err((step, error)) = begin(output, monitor, groups, oom_score)
            .and_then(|()| wait(order))
            .and_then(|order| order.carry_out(monitor));
        let number = error.raw_os_error().unwrap_or(Errno::INVAL.raw_os_error());
        let _ = serde_json::to_vec(&LastWords(step, number)).map(|words| say_failed.write_all(&words));
        system::exit()
    }
}

/// What can be done for any app.
fn begin(
    (stdout, stderr): (PipeWriter, PipeWriter),
    monitor: Pid,
    groups: &Prepared,
    oom_score: Option<&str>,
) -> Result<(), Stumble> {
    end_with(monitor)?;
    setsid().at(Step::Session)?;
    system::reset_signals();
    let nothing = File::open("/dev/null").at(Step::Output)?;
    dup2_stdin(nothing)
        .and_then(|()| dup2_stdout(stdout))
        .and_then(|()| dup2_stderr(stderr))
        .at(Step::Output)?;
    if let Some(score) = oom_score {
        fs::write(SCORE_FILE, score).at(Step::OomScore)?;
    }
    groups.enter().at(Step::Limits)
}

/// Without an order there is nothing to become, and nobody to tell.
fn wait(mut order: PipeReader) -> Result<Order, Stumble> {
    let mut text = Vec::new();
    order.read_to_end(&mut text).at(Step::Order)?;
    if text.is_empty() {
        system::exit();
    }
    serde_json::from_slice(&text).at(Step::Order)
}

/// A monitor that has ended before would never send the signal (PR_SET_PDEATHSIG(2const)).
fn end_with(monitor: Pid) -> Result<(), Stumble> {
    set_parent_process_death_signal(Some(Signal::KILL)).at(Step::Monitor)?;
    if getppid() == Some(monitor) { Ok(()) } else { Err(Errno::SRCH).at(Step::Monitor) }
}

impl Order {
    /// Comes back only when a step has failed.
    fn carry_out(self, monitor: Pid) -> Result<Infallible, Stumble> {
        let plan = &self.plan;
        if let Some(confinement) = &plan.confinement {
            confinement.hold_self();
        }
        if let Some(identity) = &plan.identity {
            become_user(identity)?;
        }
        // The kernel forgets the signal when the user changes.
        end_with(monitor)?;
        std::env::set_current_dir(&plan.directory).at(Step::Directory)?;
        let mut command = Command::new(&plan.program);
        command.args(&plan.arguments).env_clear().envs(&self.environment);
        if self.watchdog == ToldOfWatchdog::Yes {
            command.env("WATCHDOG_PID", std::process::id().to_string());
        }
        Err(command.exec()).at(Step::Program)
    }
}

fn become_user(identity: &Identity) -> Result<(), Stumble> {
    let groups: Vec<Gid> = identity.groups.iter().copied().map(Gid::from_raw).collect();
    set_thread_groups(&groups).at(Step::Groups)?;
    set_thread_gid(Gid::from_raw(identity.gid)).at(Step::Group)?;
    set_thread_uid(Uid::from_raw(identity.uid)).at(Step::User)?;
    set_no_new_privs(true).at(Step::Privileges)
}
