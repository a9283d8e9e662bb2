//! Child processes: one way to describe them, three ways to start them.
//!
//! Every child starts from an empty environment and an empty input, in the folder that was said and in a process
//! group of its own, so that a signal from a terminal does not reach it and one signal ends it with everything
//! that it started. Nothing is left to what the daemon happens to have.
//!
//! - [`Command::run`] waits for the end and hands over each line of output: package tools.
//! - [`Command::start`] hands over the child: whoever outlives the call watches it.
//! - [`Command::connect`] talks over pipes from blocking code: protocols such as git's.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};

use mantyx_core::{Code, Error, Exit, Identity, Result};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::AsyncWriteExt;
use tokio::process::Child;

use crate::environment::Variables;

mod connection;
mod lines;
mod orphans;
mod run;
mod score;
mod user;

pub use connection::{Breaker, Connection};
pub use lines::Source;
pub use orphans::{boot_id, end_carriers, end_group};

/// What is to be started, and what it gets.
#[derive(Debug)]
#[must_use = "nothing is started yet"]
pub struct Command {
    program: PathBuf,
    arguments: Vec<OsString>,
    folder: Option<PathBuf>,
    variables: Variables,
    input: Input,
    identity: Option<Identity>,
}

/// What a child is given to read.
#[derive(Debug)]
enum Input {
    /// Nothing: it ends at once.
    Empty,
    /// These bytes.
    Bytes(Vec<u8>),
    /// What whoever holds the child writes.
    Open,
}

/// Where the output of a started child goes.
#[derive(Debug)]
pub enum Output {
    /// Nowhere.
    Nothing,
    /// To whoever holds the child.
    Pipe,
    /// To the end of a file.
    File(File),
}

impl From<Output> for Stdio {
    fn from(output: Output) -> Self {
        match output {
            Output::Nothing => Self::null(),
            Output::Pipe => Self::piped(),
            Output::File(file) => file.into(),
        }
    }
}

impl Command {
    /// A program without arguments and variables.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            arguments: Vec::new(),
            folder: None,
            variables: Variables::new(),
            input: Input::Empty,
            identity: None,
        }
    }

    /// Adds an argument, as it is: no shell reads it.
    pub fn arg(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Adds arguments.
    pub fn args(mut self, arguments: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Starts it in this folder instead of the daemon's.
    pub fn folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = Some(folder.into());
        self
    }

    /// Sets a variable; a later one of the same name wins.
    pub fn variable(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.variables.insert(name.into(), value.into());
        self
    }

    /// Sets several variables.
    pub fn variables(
        mut self,
        all: impl IntoIterator<Item = (impl Into<OsString>, impl Into<OsString>)>,
    ) -> Self {
        self.variables.extend(all.into_iter().map(|(name, value)| (name.into(), value.into())));
        self
    }

    /// Gives it these bytes to read; without them its input is empty.
    pub fn input(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.input = Input::Bytes(bytes.into());
        self
    }

    /// Leaves its input open: whoever holds the child writes to it, and hangs up.
    pub fn open_input(mut self) -> Self {
        self.input = Input::Open;
        self
    }

    /// Runs it as this user, with no way back to more rights; without one, as the daemon itself. Only the superuser
    /// can do so, and the child may not start in a folder that the user cannot enter: give one.
    pub fn identity(mut self, identity: Option<&Identity>) -> Self {
        self.identity = identity.cloned();
        self
    }

    /// Starts it and hands it over. It goes on when the handle is dropped.
    pub fn start(mut self, stdout: Output, stderr: Output) -> Result<Child> {
        let input = std::mem::replace(&mut self.input, Input::Empty);
        let mut command = tokio::process::Command::from(self.build());
        command.stdout(stdout).stderr(stderr);
        if !matches!(input, Input::Empty) {
            command.stdin(Stdio::piped());
        }
        let mut child = command.spawn().map_err(|error| self.not_started(&error))?;
        score::do_not_spare(child.id());
        if let Input::Bytes(bytes) = input
            && let Some(mut stdin) = child.stdin.take()
        {
            // A child that does not want to read its input to the end is no fault.
            tokio::spawn(async move { stdin.write_all(&bytes).await });
        }
        Ok(child)
    }

    /// The same for the standard library, with everything closed that was not asked for.
    fn build(&self) -> std::process::Command {
        use std::os::unix::process::CommandExt;
        let mut command = std::process::Command::new(&self.program);
        command.args(&self.arguments).env_clear().envs(&self.variables).process_group(0);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
        if let Some(identity) = &self.identity {
            user::become_user(&mut command, identity);
        }
        command
    }

    /// The program's own name, for messages.
    fn name(&self) -> String {
        self.program.file_name().unwrap_or(OsStr::new("?")).to_string_lossy().into_owned()
    }

    fn not_started(&self, error: &std::io::Error) -> Error {
        let error = std::io::Error::from(error.kind());
        let whom = self.identity.as_ref().map(|user| format!(" as `{}`", user.name)).unwrap_or_default();
        Error::new(Code::StartFailed, format!("Could not start `{}`{whom}: {error}", self.program.display()))
            .hint("See that the program is there and may be executed, and that its folder exists")
    }
}

/// How a process ended, in the domain's words. One that was neither ended nor killed has no other way out.
#[must_use]
pub fn exit(status: ExitStatus) -> Exit {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => Exit::Code(code),
        (None, Some(signal)) => Exit::Signal(signal),
        (None, None) => Exit::Signal(0),
    }
}

/// The group that a child leads; everything in it is killed when this is dropped.
#[derive(Debug)]
struct Group(Option<Pid>);

impl Group {
    fn of(id: Option<u32>) -> Self {
        Self(id.and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw))
    }

    /// Everything of it has ended: its number may belong to somebody else from now on.
    fn ended(&mut self) {
        self.0 = None;
    }

    fn kill(&mut self) {
        if let Some(leader) = self.0.take()
            && let Err(error) = kill_process_group(leader, Signal::KILL)
        {
            tracing::debug!(%error, group = leader.as_raw_nonzero(), "process group is gone already");
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}
