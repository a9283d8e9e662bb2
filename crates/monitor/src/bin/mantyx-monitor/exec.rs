//! What happens in the child between fork and exec.
//!
//! There only calls are allowed that are safe in a signal handler (signal-safety(7)): everything is made ready before
//! the fork, and nothing is allocated after it. The standard library has a way for most of the steps. Their order
//! matters here (limits before the user changes, the folder after it), the pid of the child has to be put into its
//! environment, and a person wants to know which step has failed, so they are all taken here.
#![allow(unsafe_code, reason = "what happens between fork and exec has no safe form")]

use std::ffi::{CString, NulError, c_char};
use std::io::{self, PipeWriter};
use std::mem;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::Arc;

use mantyx_core::Identity;
use mantyx_limits::Prepared;
use mantyx_monitor::Plan;
use rustix::fs::{Mode, OFlags};
use rustix::io::{Errno, write};
use rustix::process::{
    Gid, Pid, Signal, Uid, chdir, getpid, getppid, set_parent_process_death_signal, setsid,
};
use rustix::thread::{set_no_new_privs, set_thread_gid, set_thread_groups, set_thread_uid};

/// The variable that tells a process that the watchdog is meant for it (sd_watchdog_enabled(3)).
const WATCHDOG_PID: &str = "WATCHDOG_PID=";
/// Room for the longest pid.
const DIGITS: usize = 10;

/// A step from the fork to the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Session,
    OomScore,
    Limits,
    Groups,
    Group,
    User,
    Privileges,
    Monitor,
    Directory,
    Program,
}

impl Step {
    const ALL: [Self; 10] = [
        Self::Session,
        Self::OomScore,
        Self::Limits,
        Self::Groups,
        Self::Group,
        Self::User,
        Self::Privileges,
        Self::Monitor,
        Self::Directory,
        Self::Program,
    ];

    /// The step that the child has named before it gave up.
    pub(crate) fn named(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|step| *step as u8 == byte)
    }
}

/// What the child has to know, made ready before the fork.
pub(crate) struct Preparation {
    arguments: Strings,
    environment: Strings,
    watchdog_pid: Option<WatchdogPid>,
    directory: CString,
    account: Option<Account>,
    /// The score of this monitor before it lowered its own.
    oom_score: Option<String>,
    limits: Option<Arc<Prepared>>,
    monitor: Pid,
}

/// As whom it runs.
struct Account {
    uid: Uid,
    gid: Gid,
    groups: Vec<Gid>,
}

impl Preparation {
    /// Everything but what only the monitor knows. The environment has no `WATCHDOG_PID` yet.
    pub(crate) fn new(
        plan: &Plan,
        environment: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, NulError> {
        let program = plan.program.as_os_str().as_bytes().to_vec();
        let arguments = plan.arguments.iter().map(|argument| argument.clone().into_bytes());
        let variables = environment.map(|(name, value)| format!("{name}={value}").into_bytes());
        Ok(Self {
            arguments: Strings::new(std::iter::once(program).chain(arguments))?,
            environment: Strings::new(variables)?,
            watchdog_pid: None,
            directory: CString::new(plan.directory.as_os_str().as_bytes())?,
            account: plan.identity.as_ref().map(Account::from),
            oom_score: None,
            limits: None,
            monitor: getpid(),
        })
    }

    /// It is told that the watchdog is meant for it.
    pub(crate) fn with_watchdog(mut self) -> Self {
        self.watchdog_pid = Some(WatchdogPid::new());
        self
    }

    /// It begins with this score, whatever the monitor has.
    pub(crate) fn with_oom_score(mut self, score: Option<String>) -> Self {
        self.oom_score = score;
        self
    }

    /// It is held to these limits from its first instruction on.
    pub(crate) fn with_limits(mut self, limits: Option<Arc<Prepared>>) -> Self {
        self.limits = limits;
        self
    }

    /// Lets a command take these steps; the one that fails is written to `failed`.
    pub(crate) fn install(mut self, command: &mut Command, failed: PipeWriter) {
        let before_exec = move || {
            let (step, errno) = self.become_the_app();
            let _ = write(&failed, &[step as u8]);
            Err(io::Error::from(errno))
        };
        // SAFETY: the closure allocates nothing and takes no lock.
        unsafe { command.pre_exec(before_exec) };
    }

    /// Comes back only when a step has failed.
    fn become_the_app(&mut self) -> (Step, Errno) {
        match self.take_steps() {
            Ok(()) => (Step::Program, self.execute()),
            Err(failed) => failed,
        }
    }

    fn take_steps(&self) -> Result<(), (Step, Errno)> {
        let at = |step: Step| move |errno: Errno| (step, errno);
        setsid().map_err(at(Step::Session))?;
        reset_signals();
        self.restore_oom_score().map_err(at(Step::OomScore))?;
        if let Some(limits) = &self.limits {
            limits
                .enter()
                .map_err(|error| (Step::Limits, Errno::from_io_error(&error).unwrap_or(Errno::IO)))?;
        }
        if let Some(account) = &self.account {
            set_thread_groups(&account.groups).map_err(at(Step::Groups))?;
            set_thread_gid(account.gid).map_err(at(Step::Group))?;
            set_thread_uid(account.uid).map_err(at(Step::User))?;
            set_no_new_privs(true).map_err(at(Step::Privileges))?;
        }
        self.end_with_monitor().map_err(at(Step::Monitor))?;
        chdir(&*self.directory).map_err(at(Step::Directory))
    }

    fn restore_oom_score(&self) -> Result<(), Errno> {
        let Some(score) = &self.oom_score else { return Ok(()) };
        let file =
            rustix::fs::open(c"/proc/self/oom_score_adj", OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
        write(&file, score.as_bytes()).map(drop)
    }

    /// The kernel forgets the signal when the user changes (PR_SET_PDEATHSIG(2const)), so it is set after that. A
    /// monitor that has ended before would never send it.
    fn end_with_monitor(&self) -> Result<(), Errno> {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        if getppid() == Some(self.monitor) { Ok(()) } else { Err(Errno::SRCH) }
    }

    fn execute(&mut self) -> Errno {
        if let Some(watchdog) = &mut self.watchdog_pid {
            watchdog.fill(getpid());
        }
        let arguments = self.arguments.array(None);
        let environment = self.environment.array(self.watchdog_pid.as_ref());
        // SAFETY: both are arrays of pointers to strings that end with zero, and end with a null pointer themselves.
        // Like the standard library this takes the form that hands a script without a first line to the shell.
        unsafe { libc::execvpe(*arguments, arguments, environment) };
        Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::IO)
    }
}

impl From<&Identity> for Account {
    fn from(identity: &Identity) -> Self {
        Self {
            uid: Uid::from_raw(identity.uid),
            gid: Gid::from_raw(identity.gid),
            groups: identity.groups.iter().copied().map(Gid::from_raw).collect(),
        }
    }
}

/// Strings as execve(2) wants them.
struct Strings {
    owned: Vec<CString>,
    pointers: Vec<*const c_char>,
}

// SAFETY: the pointers are written and read by the child only, right before it becomes another program.
unsafe impl Send for Strings {}
// SAFETY: see above.
unsafe impl Sync for Strings {}

impl Strings {
    fn new(strings: impl Iterator<Item = Vec<u8>>) -> Result<Self, NulError> {
        let owned: Vec<CString> = strings.map(CString::new).collect::<Result<_, _>>()?;
        // Room for all, for one that is added after the fork, and for the null pointer at the end.
        Ok(Self { pointers: Vec::with_capacity(owned.len() + 2), owned })
    }

    /// The array, with one more string if there is one. It asks for no memory.
    fn array(&mut self, more: Option<&WatchdogPid>) -> *const *const c_char {
        self.pointers.clear();
        self.pointers.extend(self.owned.iter().map(|string| string.as_ptr()));
        self.pointers.extend(more.map(|variable| variable.0.as_ptr().cast::<c_char>()));
        self.pointers.push(std::ptr::null());
        self.pointers.as_ptr()
    }
}

/// `WATCHDOG_PID=` with room for the pid, which is known only after the fork.
struct WatchdogPid([u8; WATCHDOG_PID.len() + DIGITS + 1]);

impl WatchdogPid {
    fn new() -> Self {
        let mut text = [0; _];
        text[..WATCHDOG_PID.len()].copy_from_slice(WATCHDOG_PID.as_bytes());
        Self(text)
    }

    fn fill(&mut self, pid: Pid) {
        let mut left = pid.as_raw_nonzero().get().unsigned_abs();
        let mut digits = [0; DIGITS];
        let mut first = DIGITS;
        while left > 0 {
            first -= 1;
            digits[first] = b"0123456789"[left as usize % 10];
            left /= 10;
        }
        let number = &digits[first..];
        self.0[WATCHDOG_PID.len()..][..number.len()].copy_from_slice(number);
    }
}

/// A fresh process expects that no signal is blocked or ignored.
fn reset_signals() {
    // SAFETY: `signal`, `sigemptyset` and `sigprocmask` are safe between fork and exec (signal-safety(7)), and the
    // set is filled before it is used.
    unsafe {
        for signal in 1..32 {
            libc::signal(signal, libc::SIG_DFL);
        }
        let mut none = mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pid_is_written_as_a_number() {
        for pid in [1, 42, 4_194_304, i32::MAX] {
            let mut variable = WatchdogPid::new();
            variable.fill(Pid::from_raw(pid).unwrap());
            let text = String::from_utf8(variable.0.to_vec()).unwrap();
            assert_eq!(text.trim_end_matches('\0'), format!("WATCHDOG_PID={pid}"));
            assert!(text.ends_with('\0'));
        }
    }

    #[test]
    fn every_step_has_its_name() {
        assert!(Step::ALL.iter().all(|step| Step::named(*step as u8) == Some(*step)));
        assert_eq!(Step::named(u8::MAX), None);
    }
}
