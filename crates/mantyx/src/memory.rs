//! How little memory a daemon that waits needs.
//!
//! The start does much that is done once: migrations, the document of the API, the tables of the certificates. So does
//! an install or an upload. What they leave behind would stay for as long as the daemon runs, which is months.
#![allow(unsafe_code, reason = "mallopt, malloc_trim and madvise have no safe form")]

use std::fs;
use std::time::Duration;

/// When the start is over: everything that was adopted has been greeted by then.
const SETTLED: Duration = Duration::from_secs(3);
/// How long between two times after that. It takes less than a millisecond.
const PAUSE: Duration = Duration::from_secs(60);

/// Lets all threads share one heap. The allocator would give each a heap of its own, and what one thread has freed
/// none of the others could use. The daemon waits far more than it allocates.
pub(crate) fn share_one_heap() {
    #[cfg(target_env = "gnu")]
    // SAFETY: no second thread has begun yet, and the parameter is one of mallopt(3).
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
    }
}

/// Gives back what was used and is not any more: once the daemon has settled, and now and then.
pub(crate) fn give_back_now_and_then() {
    tokio::spawn(async {
        let mut pause = SETTLED;
        loop {
            tokio::time::sleep(pause).await;
            give_back_heap();
            give_back_code();
            pause = PAUSE;
        }
    });
}

fn give_back_heap() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it may be called at any time, from any thread (malloc_trim(3)).
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Pages of code that ran once count as the daemon's until somebody else needs the memory. The kernel reads those
/// that are needed again from its cache of the file, without the disk.
fn give_back_code() {
    let Ok(maps) = fs::read_to_string("/proc/self/maps") else { return };
    let Ok(program) = fs::read_link("/proc/self/exe") else { return };
    for (start, end) in maps.lines().filter_map(|line| code(line, program.to_str()?)) {
        // SAFETY: the range is one mapping of this program's file that nothing can write to, so dropping its pages
        // changes nothing that it holds (madvise(2), MADV_DONTNEED).
        unsafe {
            libc::madvise(start as *mut libc::c_void, end - start, libc::MADV_DONTNEED);
        }
    }
}

/// The range of a line of `/proc/self/maps` (proc(5)) that is executable code of the program. Relocated data, which
/// differs from the file, is never executable.
fn code(line: &str, program: &str) -> Option<(usize, usize)> {
    let mut fields = line.split_ascii_whitespace();
    let (range, access, path) = (fields.next()?, fields.next()?, fields.nth(3)?);
    if access != "r-xp" || path != program {
        return None;
    }
    let (start, end) = range.split_once('-')?;
    Some((usize::from_str_radix(start, 16).ok()?, usize::from_str_radix(end, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_code_of_the_program_is_given_back() {
        let line = |access: &str, path: &str| format!("55a000-55c000 {access} 00001000 fe:00 1234   {path}");
        assert_eq!(code(&line("r-xp", "/bin/mantyx"), "/bin/mantyx"), Some((0x55_a000, 0x55_c000)));
        for (access, path) in
            [("rw-p", "/bin/mantyx"), ("r--p", "/bin/mantyx"), ("r-xp", "/lib/x"), ("r-xp", "")]
        {
            assert_eq!(code(&line(access, path), "/bin/mantyx"), None, "{access} {path}");
        }
    }

    #[test]
    fn what_was_given_back_is_there_again() {
        give_back_heap();
        give_back_code();
        assert_eq!(code("", "x"), None);
    }
}
