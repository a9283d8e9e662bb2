//! A child that becomes somebody else before its program begins.
//!
//! The standard library can change the user and the group, but neither set other groups nor take away the way back up
//! (`no_new_privs`, prctl(2)), so all of it is done here, between fork and exec.
#![allow(unsafe_code, reason = "only a function between fork and exec can do it, and to give one is unsafe")]

use std::os::unix::process::CommandExt;
use std::process::Command;

use mantyx_core::Identity;
use rustix::fs::Mode;
use rustix::process::{Gid, Uid, umask};
use rustix::thread::{set_no_new_privs, set_thread_gid, set_thread_groups, set_thread_uid};

/// Makes the child run as this user for good: no program that it starts gains a right by its mode or its owner.
///
/// What it makes can be read by others, whatever the daemon's own mask: environments are shared with the processes
/// that run in them.
pub(super) fn become_user(command: &mut Command, identity: &Identity) {
    let groups: Vec<Gid> = identity.groups.iter().copied().map(Gid::from_raw).collect();
    let (uid, gid) = (Uid::from_raw(identity.uid), Gid::from_raw(identity.gid));
    let become_it = move || {
        // Groups first: who has given up the user may not change them any more.
        set_thread_groups(&groups)?;
        set_thread_gid(gid)?;
        set_thread_uid(uid)?;
        set_no_new_privs(true)?;
        umask(Mode::WGRP | Mode::WOTH);
        Ok(())
    };
    // SAFETY: between fork and exec only async-signal-safe calls are allowed (fork(2)). The closure makes system
    // calls and nothing else: it neither allocates, nor frees, nor takes a lock. The child has one thread, so what
    // holds for its thread holds for its process.
    unsafe { command.pre_exec(become_it) };
}
