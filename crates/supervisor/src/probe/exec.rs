//! A look by a command line: the shell runs it in the app's folder and environment, and its exit is the answer.
//!
//! The app pays for it: it runs in the app's own control groups and under its limits, and it carries the id of the
//! execution, so that whatever ends the app ends the look as well. The shell waits for a word of the daemon until it
//! is there, and without a daemon it never begins.
//!
//! What the line starts ends with it. A check that leaves something behind would otherwise leave one process more at
//! each look, until there is room for none. Whoever leaves the shell's group is known by a variable that only the
//! processes of this look have.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::future::pending;
use std::io;
use std::os::fd::OwnedFd;
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use mantyx_core::Exit;
use mantyx_limits::{Confinement, Groups};
use mantyx_monitor::process::{self as table, ProcessId};
use mantyx_platform::process::{self, Command, Output};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;
use tokio::process::Child;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::{ExecContext, Seen, short};

/// Waits for a word, limits itself, and becomes the shell that runs the line. Without a word it ends.
const WAIT: &str = "read -r go || exit; eval \"$1\" 2>/dev/null; exec /bin/sh -c \"$0\" </dev/null";

/// The variable by which the processes of one look are known.
const MARKER: &str = "MANTYX_PROBE";

/// How often in a row everything is looked for that is left: processes fork while they are killed.
const ROUNDS: u32 = 16;

/// How long is read what a line said before it ended. It has all been written; only somebody who left the group
/// could still hold the pipe open.
const REST: Duration = Duration::from_millis(100);

/// Runs a command line to its end.
pub(super) async fn run(line: &str, context: &ExecContext) -> Seen {
    let (mut group, mut output) = start(line, context).await?;
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
async fn start(line: &str, context: &ExecContext) -> Result<(Group, Receiver), String> {
    let (reader, stdout, stderr) = pipe().map_err(|error| format!("No pipe for the check: {error}"))?;
    let marker = marker();
    let limits = context.confinement.as_ref().map(|confinement| confinement.in_shell()).unwrap_or_default();
    let shell = Command::new("/bin/sh")
        .args(["-c", WAIT, line, &limits])
        .folder(&context.directory)
        .variables(environment(&context.environment))
        .variable(MARKER, &marker)
        .identity(context.identity.as_ref())
        .open_input();
    let mut child = shell.start(stdout, stderr).map_err(|error| error.detail().to_owned())?;
    let word = child.stdin.take();
    let mut group = Group::of(child, format!("{MARKER}={marker}"));
    if let Some(confinement) = &context.confinement {
        group.admit(Arc::clone(confinement)).await;
    }
    if let Some(word) = word.and_then(|word| word.into_owned_fd().ok()) {
        // It fits into the pipe, and a shell that was killed meanwhile needs none.
        let _ = rustix::io::write(&word, b"go\n");
    }
    Ok((group, reader))
}

/// What no other look has. A daemon that had the same pid before left nothing alive that began after this one.
fn marker() -> String {
    static LOOKS: AtomicU64 = AtomicU64::new(0);
    format!("{}-{}", std::process::id(), LOOKS.fetch_add(1, Ordering::Relaxed))
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

/// The app's environment, without what would let a look speak for the app (sd_notify(3)). It is a part of the execution
/// when somebody searches for what is left of that.
fn environment(app: &BTreeMap<String, String>) -> impl Iterator<Item = (&String, &String)> {
    let speaks = |name: &str| name == "NOTIFY_SOCKET" || name.starts_with("WATCHDOG_");
    app.iter().filter(move |(name, _)| !speaks(name))
}

/// The shell and what it started; all of it is killed when this is dropped.
struct Group {
    shell: Child,
    /// Until everything was killed.
    leader: Option<Pid>,
    rest: Rest,
}

impl Group {
    fn of(shell: Child, marker: String) -> Self {
        let leader = shell.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        let since = shell.id().and_then(|id| table::stat(id).ok()).map_or(0, |stat| stat.id.start_ticks);
        let rest = Rest { marker, groups: Groups::default(), since };
        Self { shell, leader, rest }
    }

    /// Puts the shell, which waits, where the app is. One that cannot be put there looks all the same.
    async fn admit(&mut self, confinement: Arc<Confinement>) {
        let Some(shell) = self.shell.id() else { return };
        let groups = Groups::of(&confinement);
        // The kernel may take some milliseconds.
        let failures = spawn_blocking(move || confinement.admit(shell)).await.unwrap_or_default();
        if !failures.is_empty() {
            tracing::debug!(?failures, shell, "a check is not wholly under the limits of its app");
        }
        if groups.processes().contains(&shell) {
            self.rest.groups = groups;
        }
    }

    /// Waits until the shell has ended, and kills what it left behind. Only then the shell is collected: until then
    /// its number, which is that of the group, cannot belong to anybody else.
    async fn end(&mut self) -> io::Result<ExitStatus> {
        if let Some(leader) = self.leader {
            ended(leader).await?;
        }
        self.kill_group();
        let rest = self.rest.clone();
        // It reads some files for each process of the machine, where there are no groups.
        let _ = spawn_blocking(move || rest.kill()).await;
        self.shell.wait().await
    }

    fn kill_group(&mut self) {
        if let Some(leader) = self.leader.take()
            && let Err(error) = kill_process_group(leader, Signal::KILL)
        {
            tracing::debug!(%error, group = leader.as_raw_nonzero(), "the group of a check is gone already");
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if self.leader.is_some() {
            self.kill_group();
            // At once, because whoever drops it may be about to end.
            self.rest.kill();
        }
    }
}

/// Those of a look that have left the group of its shell.
#[derive(Clone)]
struct Rest {
    /// What stands in the environment of each, unless it threw that away.
    marker: String,
    /// Where they all are; nowhere in particular when there are none.
    groups: Groups,
    /// When the shell began, in clock ticks since boot.
    since: u64,
}

impl Rest {
    /// Kills them until there is nobody new.
    fn kill(&self) {
        let mut killed = HashSet::new();
        for _ in 0..ROUNDS {
            let fresh: Vec<ProcessId> =
                self.alive().into_iter().filter(|process| killed.insert(*process)).collect();
            if fresh.is_empty() {
                return;
            }
            for process in fresh {
                // One that has gone meanwhile is as good as killed.
                let _ = process.signal(Signal::KILL);
            }
        }
    }

    fn alive(&self) -> Vec<ProcessId> {
        let all: Vec<table::Stat> = if self.groups.is_empty() {
            table::all().unwrap_or_default()
        } else {
            self.groups.processes().into_iter().filter_map(|pid| table::stat(pid).ok()).collect()
        };
        let began_later = all.into_iter().filter(|p| p.id.start_ticks >= self.since && !p.has_ended());
        let is_ours = |process: &ProcessId| table::carries(process.pid, &self.marker).unwrap_or_default();
        began_later.map(|p| p.id).filter(is_ours).collect()
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
