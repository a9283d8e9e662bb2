//! The calls of the kernel for which neither the standard library nor rustix has a safe form.
#![allow(unsafe_code, reason = "fork, wait4, signalfd and close_range have no safe form")]

use std::io;
use std::mem::{self, MaybeUninit};
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};

use mantyx_core::Exit;
use rustix::process::{Pid, Signal};

/// What a process used in its life.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    /// Processor seconds, user and system.
    pub(crate) cpu_seconds: f64,
    /// Bytes.
    pub(crate) peak_memory: u64,
}

/// What became of the children.
pub(crate) enum Reaped {
    /// This one has ended.
    Process { pid: u32, exit: Exit, usage: Usage },
    /// All that are left still run.
    NotYet,
    /// There are none.
    Nobody,
}

/// Closes whatever the daemon let through: a listener held by a monitor would keep the daemon's port taken.
pub(crate) fn close_inherited() {
    // SAFETY: nothing in this process has opened a descriptor yet, so none above stderr is in use.
    unsafe { libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, 0) };
}

/// Who has come out of a fork.
pub(crate) enum Fork {
    /// This monitor, and its new child.
    Parent(Pid),
    /// The child.
    Child,
}

/// Forks this process (fork(2)), which must not have a second thread: the child could wait for ever for what that one
/// held.
pub(crate) fn fork() -> io::Result<Fork> {
    // SAFETY: with one thread the child is a whole copy of this process.
    let pid = unsafe { libc::fork() };
    match pid {
        -1 => Err(io::Error::last_os_error()),
        pid => Ok(Pid::from_raw(pid).map_or(Fork::Child, Fork::Parent)),
    }
}

/// Ends a child that has not become another program, without what this monitor does at its end.
pub(crate) fn exit() -> ! {
    // SAFETY: it takes no pointer and does not return.
    unsafe { libc::_exit(1) }
}

/// A fresh process expects that no signal is blocked or ignored.
pub(crate) fn reset_signals() {
    // SAFETY: the set is filled before it is used, and no handler of this process is set, so none is lost.
    unsafe {
        for signal in 1..32 {
            libc::signal(signal, libc::SIG_DFL);
        }
        let mut none = mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
    }
}

/// Collects one child that has ended, without waiting for it (wait4(2)).
pub(crate) fn reap() -> Reaped {
    let mut status = 0;
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: both pointers are valid for writing, and all zeroes are a valid `rusage`.
    let (pid, usage) = unsafe {
        let pid = libc::wait4(-1, &raw mut status, libc::WNOHANG | libc::__WALL, usage.as_mut_ptr());
        (pid, usage.assume_init())
    };
    match u32::try_from(pid) {
        Ok(0) => Reaped::NotYet,
        Ok(pid) => Reaped::Process { pid, exit: exit_of(status), usage: usage_of(&usage) },
        Err(_) => Reaped::Nobody,
    }
}

fn exit_of(status: libc::c_int) -> Exit {
    if libc::WIFSIGNALED(status) {
        Exit::Signal(libc::WTERMSIG(status))
    } else {
        Exit::Code(libc::WEXITSTATUS(status))
    }
}

#[allow(clippy::cast_precision_loss, reason = "seconds of processor time are far below 2^52")]
fn usage_of(usage: &libc::rusage) -> Usage {
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    let kibibytes = u64::try_from(usage.ru_maxrss).unwrap_or_default();
    Usage { cpu_seconds: seconds(usage.ru_utime) + seconds(usage.ru_stime), peak_memory: kibibytes * 1024 }
}

/// The signals that the monitor hears, as a descriptor that `poll` can wait for (signalfd(2)).
pub(crate) struct Signals(OwnedFd);

impl Signals {
    /// From here on these signals no longer do what they do by themselves.
    pub(crate) fn listen() -> io::Result<Self> {
        // SAFETY: the set is filled by `sigemptyset` before it is used, and the descriptor is fresh.
        unsafe {
            // A daemon that ignores SIGCHLD hands that down, and the exit codes would be gone.
            libc::signal(libc::SIGCHLD, libc::SIG_DFL);
            let mut set = mem::zeroed();
            libc::sigemptyset(&raw mut set);
            for signal in [libc::SIGCHLD, libc::SIGTERM, libc::SIGINT, libc::SIGHUP] {
                libc::sigaddset(&raw mut set, signal);
            }
            libc::sigprocmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut());
            match libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) {
                -1 => Err(io::Error::last_os_error()),
                fd => Ok(Self(OwnedFd::from_raw_fd(fd))),
            }
        }
    }

    /// The next signal that has come.
    pub(crate) fn next(&self) -> Option<Signal> {
        let mut info = [0; mem::size_of::<libc::signalfd_siginfo>()];
        rustix::io::read(&self.0, &mut info).ok()?;
        let (number, _) = info.split_first_chunk()?;
        Signal::from_named_raw(i32::from_ne_bytes(*number))
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
