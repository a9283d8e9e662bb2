//! A look by a command line: the shell runs it in the app's folder and environment, and its exit is the answer.
//!
//! What the line starts ends with it. A check that leaves something behind would otherwise leave one process more at
//! each look, until there is room for none.

use std::collections::BTreeMap;
use std::fs::File;
use std::future::pending;
use std::io;
use std::os::fd::OwnedFd;
use std::process::ExitStatus;
use std::time::Duration;

use mantyx_core::Exit;
use mantyx_platform::process::{self, Command, Output};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;
use tokio::process::Child;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::timeout;

use super::{ExecContext, Seen, short};

/// How long is read what a line said before it ended. It has all been written; only somebody who left the group
/// could still hold the pipe open.
const REST: Duration = Duration::from_millis(100);

/// Runs a command line to its end.
pub(super) async fn run(line: &str, context: &ExecContext) -> Seen {
    let (mut group, mut output) = start(line, context)?;
    let mut said = LastLine::default();
    let ended = tokio::select! {
        ended = group.end() => ended,
        // It may close its output long before it ends.
        never = async { said.read(&mut output).await; pending().await } => never,
    };
    let status = ended.map_err(|error| format!("`{}` cannot be waited for: {error}", short(line)))?;
    let _ = timeout(REST, said.read(&mut output)).await;
    judge(line, process::exit(status), &said.text())
}

/// Starts the shell with one pipe for both of its outputs, so that the last line is the last one.
fn start(line: &str, context: &ExecContext) -> Result<(Group, Receiver), String> {
    let (reader, stdout, stderr) = pipe().map_err(|error| format!("No pipe for the check: {error}"))?;
    let shell = Command::new("/bin/sh")
        .args(["-c", line])
        .folder(&context.directory)
        .variables(environment(&context.environment))
        .identity(context.identity.as_ref());
    let child = shell.start(stdout, stderr).map_err(|error| error.detail().to_owned())?;
    Ok((Group::of(child), reader))
}

fn pipe() -> io::Result<(Receiver, Output, Output)> {
    let (reader, writer) = io::pipe()?;
    let end = |writer| Output::File(File::from(OwnedFd::from(writer)));
    Ok((Receiver::from_owned_fd(reader.into())?, end(writer.try_clone()?), end(writer)))
}

fn judge(line: &str, exit: Exit, last: &str) -> Seen {
    let said = if last.is_empty() { String::new() } else { format!(": {last}") };
    match exit {
        Exit::Code(0) => Ok(()),
        Exit::Code(code) => Err(format!("`{}` ended with code {code}{said}", short(line))),
        Exit::Signal(signal) => Err(format!("`{}` was ended by signal {signal}{said}", short(line))),
    }
}

/// The app's environment, without what would let a look speak for the app (sd_notify(3)) or be taken for a part of
/// it when the daemon searches for what is left of an execution.
fn environment(app: &BTreeMap<String, String>) -> impl Iterator<Item = (&String, &String)> {
    let is_of_the_execution = |name: &str| {
        name == "NOTIFY_SOCKET" || name == "MANTYX_EXECUTION_ID" || name.starts_with("WATCHDOG_")
    };
    app.iter().filter(move |(name, _)| !is_of_the_execution(name))
}

/// The shell and what it started; all of it is killed when this is dropped.
struct Group {
    shell: Child,
    /// Until everything was killed.
    leader: Option<Pid>,
}

impl Group {
    fn of(shell: Child) -> Self {
        let leader = shell.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        Self { shell, leader }
    }

    /// Waits until the shell has ended, and kills what it left behind. Only then the shell is collected: until then
    /// its number, which is that of the group, cannot belong to anybody else.
    async fn end(&mut self) -> io::Result<ExitStatus> {
        if let Some(leader) = self.leader {
            ended(leader).await?;
        }
        self.kill();
        self.shell.wait().await
    }

    fn kill(&mut self) {
        if let Some(leader) = self.leader.take()
            && let Err(error) = kill_process_group(leader, Signal::KILL)
        {
            tracing::debug!(%error, group = leader.as_raw_nonzero(), "the group of a check is gone already");
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Waits until a child has ended, and leaves it to be collected (waitid(2), `WNOWAIT`).
async fn ended(child: Pid) -> io::Result<()> {
    let mut some_child = signal(SignalKind::child())?;
    let look = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
    while waitid(WaitId::Pid(child), look)?.is_none() {
        some_child.recv().await;
    }
    Ok(())
}

/// The last line of an output in which something stands.
#[derive(Default)]
struct LastLine {
    whole: Vec<u8>,
    open: Vec<u8>,
}

impl LastLine {
    /// How much of a line is kept, in bytes: more than a sentence shows.
    const KEPT: usize = 1024;

    /// Reads until nobody holds the other end any more. Nothing is lost when the wait is called off.
    async fn read(&mut self, output: &mut Receiver) {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = output.read(&mut buffer).await {
            self.add(&buffer[..count]);
        }
    }

    fn add(&mut self, bytes: &[u8]) {
        let mut lines = bytes.split(|byte| *byte == b'\n');
        self.go_on(lines.next().unwrap_or_default());
        for line in lines {
            self.close();
            self.go_on(line);
        }
    }

    fn go_on(&mut self, part: &[u8]) {
        let room = Self::KEPT.saturating_sub(self.open.len());
        self.open.extend_from_slice(&part[..part.len().min(room)]);
    }

    fn close(&mut self) {
        if !self.open.trim_ascii().is_empty() {
            std::mem::swap(&mut self.whole, &mut self.open);
        }
        self.open.clear();
    }

    fn text(mut self) -> String {
        self.close();
        short(&String::from_utf8_lossy(&self.whole))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_last_line_is_the_same_however_it_arrives(text in "[ab \n]{0,60}", size in 1usize..9) {
            let mut said = LastLine::default();
            text.as_bytes().chunks(size).for_each(|part| said.add(part));
            let last = text.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default();
            prop_assert_eq!(said.text(), last.trim());
        }
    }
}
