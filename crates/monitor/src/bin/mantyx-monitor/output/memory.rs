//! Giving memory back to the machine: there is a monitor for every process.
//!
//! The allocator of glibc gives each thread an arena of its own, of which it never gives the last hundred KiB back.
//! With one arena for all it does when it is told to. The threads here have nothing to contend for.
#![allow(unsafe_code, reason = "mallopt and malloc_trim have no safe form")]

/// Lets all threads that are begun from here on share one arena.
pub(super) fn share() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it takes two numbers (mallopt(3)).
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
    }
}

/// Lets the allocator give back what a burst needed.
pub(super) fn release() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it takes a number, and the allocator's own locks (malloc_trim(3)).
    unsafe {
        libc::malloc_trim(0);
    }
}
