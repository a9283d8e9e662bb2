//! The process itself: how it is started, and what is said when it cannot be.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};

use chrono::Utc;
use mantyx_monitor::process::ProcessId;
use mantyx_monitor::{EXECUTION_VARIABLE, MainProcess, Plan};

use crate::system;

/// A process that has begun, and the ends of its pipes.
pub(crate) struct Child {
    pub(crate) process: MainProcess,
    pub(crate) stdout: Option<OwnedFd>,
    pub(crate) stderr: Option<OwnedFd>,
}

/// Starts what was planned, or says in a sentence why it cannot be.
pub(crate) fn start(plan: &Plan, environment: &BTreeMap<String, String>) -> Result<Child, String> {
    let mut child = command(plan, environment).spawn().map_err(|error| reason(plan, &error))?;
    // The process cannot be gone: nobody else waits for it, so at least its entry is there.
    let id = ProcessId::of(child.id()).map_err(|error| reason(plan, &error))?;
    Ok(Child {
        process: MainProcess { id, started_at: Utc::now() },
        stdout: child.stdout.take().map(OwnedFd::from),
        stderr: child.stderr.take().map(OwnedFd::from),
    })
}

fn command(plan: &Plan, environment: &BTreeMap<String, String>) -> Command {
    let mut command = Command::new(&plan.program);
    command.args(&plan.arguments).current_dir(&plan.directory);
    command.env_clear().envs(environment).env(EXECUTION_VARIABLE, plan.execution.to_string());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    system::detach(&mut command);
    command
}

/// "No such file" is said for the program, its interpreter and its folder alike: here it is said which.
fn reason(plan: &Plan, error: &io::Error) -> String {
    let (program, directory) = (plan.program.display(), plan.directory.display());
    if !plan.directory.is_dir() {
        return format!("Could not start in `{directory}`: there is no such folder");
    }
    match error.kind() {
        ErrorKind::NotFound if plan.program.exists() => {
            format!("Could not start `{program}`: the interpreter that its first line names does not exist")
        }
        ErrorKind::NotFound => format!("Could not start `{program}`: there is no such file"),
        ErrorKind::PermissionDenied => format!("Could not start `{program}`: it may not be executed"),
        _ => format!("Could not start `{program}`: {error}"),
    }
}
