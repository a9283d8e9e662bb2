//! The floor of a downtime: the very program that Mantyx runs, with its arguments, variables, folder and user, stopped
//! and started by the benchmark itself as fast as that goes, and watched by the same client.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::net::SocketAddr;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use rustix::process::{Pid, Signal, kill_process};

use super::asker::{Asker, Gap};

/// How a process was started.
pub(super) struct ByHand {
    words: Vec<OsString>,
    variables: Vec<(OsString, OsString)>,
    folder: PathBuf,
    user: u32,
    group: u32,
    address: SocketAddr,
}

/// One stop and start by hand.
pub(super) struct Restart {
    /// What the client saw.
    pub(super) gap: Gap,
    /// From the signal until the process has ended.
    pub(super) stop: Duration,
    /// From there to the first answer of the next.
    pub(super) start: Duration,
}

impl ByHand {
    /// As this process was started (proc(5)), at another address: the port is its only argument, or the variable
    /// `PORT`.
    pub(super) fn like(process: u32, address: SocketAddr) -> Result<Self> {
        let about = |what: &str| {
            let path = format!("/proc/{process}/{what}");
            fs::read(&path).with_context(|| format!("Could not read `{path}`"))
        };
        let status = String::from_utf8_lossy(&about("status")?).into_owned();
        let port = OsString::from(address.port().to_string());
        let mut variables: Vec<_> = parts(&about("environ")?).filter_map(|part| variable(&part)).collect();
        // What speaks to the monitor of the process that is copied.
        variables.retain(|(name, _)| name != "NOTIFY_SOCKET" && name != "PORT");
        variables.push(("PORT".into(), port));
        Ok(Self {
            words: parts(&about("cmdline")?).collect(),
            variables,
            folder: fs::read_link(format!("/proc/{process}/cwd"))?,
            user: identity(&status, "Uid:")?,
            group: identity(&status, "Gid:")?,
            address,
        })
    }

    /// The environment that its interpreter is in.
    pub(super) fn environment(&self) -> PathBuf {
        let interpreter = self.words.first().map(PathBuf::from).unwrap_or_default();
        interpreter.ancestors().nth(2).map(PathBuf::from).unwrap_or_default()
    }

    fn spawn(&self) -> Result<Child> {
        let (program, arguments) = self.words.split_first().context("The process has no command line")?;
        let mut command = Command::new(program);
        command.args(arguments).env_clear().envs(self.variables.iter().cloned()).current_dir(&self.folder);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        if rustix::process::geteuid().is_root() {
            command.uid(self.user).gid(self.group);
        }
        command.spawn().with_context(|| format!("Could not start `{}`", program.to_string_lossy()))
    }

    /// Starts it, waits until it answers, and stops and starts it once while the client asks.
    pub(super) fn restart(&self, lead: Duration) -> Result<Restart> {
        let asker = Asker::start(self.address);
        let mut before = self.spawn()?;
        asker.until(|process| process == before.id())?;
        crate::interrupt::sleep(lead)?;
        let begun = Instant::now();
        kill_process(Pid::from_child(&before), Signal::TERM)?;
        before.wait()?;
        let stopped = Instant::now();
        let mut after = self.spawn()?;
        let answered = asker.until(|process| process == after.id());
        let heard = asker.end();
        after.kill()?;
        after.wait()?;
        answered?;
        let gap = heard?.gap(before.id(), after.id())?;
        Ok(Restart { gap, stop: stopped - begun, start: gap.ended.saturating_duration_since(stopped) })
    }
}

/// What is separated by zero bytes.
fn parts(bytes: &[u8]) -> impl Iterator<Item = OsString> {
    let parts = bytes.split(|byte| *byte == 0).filter(|part| !part.is_empty());
    parts.map(|part| OsStr::from_bytes(part).to_owned())
}

fn variable(part: &OsStr) -> Option<(OsString, OsString)> {
    let bytes = part.as_bytes();
    let equals = bytes.iter().position(|byte| *byte == b'=')?;
    let of = |bytes| OsStr::from_bytes(bytes).to_owned();
    Some((of(&bytes[..equals]), of(&bytes[equals + 1..])))
}

/// The effective user or group: the second of four numbers.
fn identity(status: &str, field: &str) -> Result<u32> {
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let number = line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok());
    number.with_context(|| format!("`/proc` says no `{field}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_copied_with_all_that_it_was_given() {
        let mut child = Command::new("sleep").arg("60").env("A", "b=c").current_dir("/").spawn().unwrap();
        // Until it is its own program, a child has the command line of whoever started it.
        while !fs::read_to_string(format!("/proc/{}/cmdline", child.id())).unwrap().starts_with("sleep") {
            std::thread::yield_now();
        }
        let copy = ByHand::like(child.id(), ([127, 0, 0, 1], 81).into());
        child.kill().unwrap();
        child.wait().unwrap();
        let copy = copy.unwrap();
        assert_eq!((copy.words, copy.folder), (vec!["sleep".into(), "60".into()], PathBuf::from("/")));
        let of =
            |name: &str| copy.variables.iter().find(|(own, _)| own == name).map(|(_, value)| value.clone());
        assert_eq!((of("A"), of("PORT")), (Some("b=c".into()), Some("81".into())));
        assert_eq!(copy.user, rustix::process::geteuid().as_raw());
    }

    #[test]
    fn users_are_read_from_their_field() {
        let status = "Name:\tx\nUid:\t0\t65534\t0\t0\nGid:\t1\t2\t3\t4\n";
        assert_eq!((identity(status, "Uid:").unwrap(), identity(status, "Gid:").unwrap()), (65534, 2));
        assert!(identity(status, "Groups:").is_err());
    }
}
