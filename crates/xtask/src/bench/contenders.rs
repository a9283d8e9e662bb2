//! Who is measured: Mantyx and its peers behind one door, so that every measurement is written once.

mod install;
mod mantyx;
mod pm2;
mod runit;
mod supervisord;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

pub(super) use install::{Peer, peers};
pub(super) use mantyx::Mantyx;

use crate::{interrupt, terminal};

/// How long a supervisor may take to come up, and to go down.
const PATIENCE: Duration = Duration::from_secs(30);

/// Between two calls to a daemon that does not listen yet.
const AGAIN: Duration = Duration::from_micros(200);

/// A supervisor.
pub(super) trait Contender {
    /// What the table calls it.
    fn name(&self) -> &'static str;

    /// Which version this is.
    fn version(&self) -> String;

    /// Brings it up below a folder of its own, with these services known to it and none of them started.
    fn launch(&self, folder: &Path, services: &[Service]) -> Result<Box<dyn Running>>;
}

/// A supervisor that is up.
pub(super) trait Running: Sync {
    /// Starts all of them, as a person or a script would who has all of them to start.
    fn start(&self, services: &[Service]) -> Result<()>;

    /// Kills the daemon with SIGKILL while the services run, starts it again, and says how long it took from the
    /// command to the first answer; `None` for a supervisor that nobody can ask, or that takes its services with it.
    fn crash_and_start(&self) -> Result<Option<Duration>> {
        Ok(None)
    }

    /// The folder below which a service's log lies.
    fn log_folder(&self, service: &Service) -> PathBuf;

    /// Ends the services and the supervisor in its own way.
    fn shut_down(self: Box<Self>) -> Result<()>;
}

/// What a supervisor runs.
#[derive(Clone, Debug)]
pub(super) struct Service {
    /// Its name.
    pub(super) name: String,
    /// The program and its arguments.
    pub(super) words: Vec<String>,
}

impl Service {
    /// A line for the shell that becomes this service.
    fn line(&self) -> String {
        let quoted = |word: &String| format!("'{}'", word.replace('\'', r"'\''"));
        let words: Vec<String> = self.words.iter().map(quoted).collect();
        format!("exec {}", words.join(" "))
    }
}

/// A program in an environment that is the same for everybody. That of cargo has library paths of its own, which
/// would slow down the services of those that pass it on.
pub(super) fn program(name: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(name);
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("LANG", "C.UTF-8");
    command.stdin(Stdio::null());
    command
}

/// Starts a daemon in a group of its own, so that Ctrl-C reaches the benchmark alone, with its output in a file.
fn daemon(command: &mut Command, folder: &Path) -> Result<Child> {
    use std::os::unix::process::CommandExt as _;
    let path = folder.join("daemon.log");
    let log =
        std::fs::File::create(&path).with_context(|| format!("Could not write `{}`", path.display()))?;
    command.stdout(log.try_clone()?).stderr(log).process_group(0);
    let name = command.get_program().to_string_lossy().into_owned();
    command.spawn().with_context(|| format!("Could not start `{name}`"))
}

/// Sends a signal and waits until the daemon has gone.
fn end(child: &mut Child, signal: Signal) -> Result<()> {
    kill_process(Pid::from_child(child), signal)?;
    until("the daemon to end", || Ok(child.try_wait()?.is_some()))
}

/// Waits for a condition.
fn until(what: &str, mut holds: impl FnMut() -> Result<bool>) -> Result<()> {
    let start = Instant::now();
    while !holds()? {
        if start.elapsed() > PATIENCE {
            bail!("Waited in vain for {what}, {}", terminal::took(PATIENCE));
        }
        interrupt::check()?;
        thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

/// What a program calls its version: the last word that has a digit in it.
fn version_in(text: &str) -> String {
    let mut words = text.split_whitespace().filter(|word| word.contains(|c: char| c.is_ascii_digit()));
    words.next_back().unwrap_or("unknown").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_survives_the_shell() {
        let words = ["/bin/echo", "it's", "a b", "$HOME"].map(String::from).to_vec();
        let service = Service { name: "x".into(), words };
        let said = Command::new("sh").args(["-c", &service.line()]).output().unwrap();
        assert_eq!(String::from_utf8(said.stdout).unwrap(), "it's a b $HOME\n");
    }

    #[test]
    fn versions_are_found_in_what_programs_say() {
        assert_eq!(version_in("mantyx 0.1.0\n"), "0.1.0");
        assert_eq!(version_in("4.3.0\n"), "4.3.0");
        assert_eq!(version_in(""), "unknown");
    }

    #[test]
    fn a_wait_ends_when_it_is_true_and_tells_an_error() {
        let mut turns = 0;
        until("three turns", || {
            turns += 1;
            Ok(turns == 3)
        })
        .unwrap();
        assert_eq!(turns, 3);
        assert_eq!(until("it", || bail!("broken")).unwrap_err().to_string(), "broken");
    }
}
