//! How little memory a daemon that waits needs.
//!
//! The start does much that is done once: migrations, the document of the API, the tables of the certificates. So does
//! an install or an upload. What they leave behind would stay for as long as the daemon runs, which is months.
#![allow(unsafe_code, reason = "mallopt, malloc_trim and madvise have no safe form")]

use std::fs;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{sleep, timeout};

/// For how long nothing happens when it is calm.
const CALM: Duration = Duration::from_secs(1);
/// After so many times of that it is done even when it is never calm. It takes less than a millisecond.
const LONGEST: u32 = 60;
/// How long between two times while nothing happens: looks at what apps use and the like leave a little each.
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

/// Gives back what was used and is not any more whenever it has become calm: after the start, after everything that
/// marks one of these as changed, and now and then.
pub(crate) async fn give_back_when_calm(mut happened: [watch::Receiver<()>; 3]) {
    loop {
        calm(&mut happened, CALM).await;
        give_back_heap();
        give_back_program();
        let [one, another, third] = &mut happened;
        let something = async {
            // Each fails only when what it watches has gone, and then so does the daemon.
            tokio::select! {
                changed = one.changed() => changed,
                changed = another.changed() => changed,
                changed = third.changed() => changed,
            }
        };
        if let Ok(Err(_)) = timeout(PAUSE, something).await {
            return;
        }
    }
}

/// Waits until nothing has happened for this long, or for many times as long.
async fn calm(happened: &mut [watch::Receiver<()>], this_long: Duration) {
    for _ in 0..LONGEST {
        happened.iter_mut().for_each(watch::Receiver::mark_unchanged);
        sleep(this_long).await;
        if !happened.iter().any(|one| one.has_changed().unwrap_or(false)) {
            return;
        }
    }
}

fn give_back_heap() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it may be called at any time, from any thread (malloc_trim(3)).
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Pages of the program that were needed once count as the daemon's until somebody else needs the memory. The kernel
/// reads those that are needed again from its cache of the file, without the disk.
fn give_back_program() {
    let Ok(maps) = fs::read_to_string("/proc/self/smaps") else { return };
    let Ok(program) = fs::read_link("/proc/self/exe") else { return };
    for (start, end) in unchanged(&maps, &program.to_string_lossy()) {
        // SAFETY: the range is one mapping of this program's file that nothing can write to and nothing has, so
        // dropping its pages changes nothing that it holds (madvise(2), MADV_DONTNEED).
        unsafe {
            libc::madvise(start as *mut libc::c_void, end - start, libc::MADV_DONTNEED);
        }
    }
}

/// The ranges of `/proc/self/smaps` (proc(5)) that hold what is in the program's file: nothing can write there, and
/// nothing has. Relocated data cannot be written to either, but has been.
fn unchanged(maps: &str, program: &str) -> Vec<(usize, usize)> {
    let (mut ranges, mut range) = (Vec::new(), None);
    for line in maps.lines() {
        match line.split_once(char::is_whitespace) {
            // What was changed is in memory or in the swap space, which is told of later.
            Some(("Anonymous:", size)) if size.trim() != "0 kB" => range = None,
            Some(("Swap:", size)) if size.trim() == "0 kB" => ranges.extend(range.take()),
            Some((field, _)) if field.ends_with(':') => {}
            _ => range = read_only(line, program),
        }
    }
    ranges
}

/// The range of the line that begins a mapping, if it is one of the program that nothing can write to.
fn read_only(line: &str, program: &str) -> Option<(usize, usize)> {
    let mut fields = line.split_ascii_whitespace();
    let (range, access) = (fields.next()?, fields.next()?);
    // Nothing before the path has a slash in it, and the path may have spaces.
    let path = line.get(line.find('/')?..)?;
    if !matches!(access, "r-xp" | "r--p") || path != program {
        return None;
    }
    let (start, end) = range.split_once('-')?;
    Some((usize::from_str_radix(start, 16).ok()?, usize::from_str_radix(end, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[test]
    fn only_what_is_as_in_the_program_is_given_back() {
        let mapping = |access: &str, path: &str, (anonymous, swapped): (u32, u32)| {
            let line = format!("55a000-55c000 {access} 00001000 fe:00 1234   {path}");
            format!(
                "{line}\nSize:   8 kB\nRss:   8 kB\nAnonymous:   {anonymous} kB\nSwap:   {swapped} kB\nVmFlags: rd ex\n"
            )
        };
        let unchanged = |access, path, sizes| unchanged(&mapping(access, path, sizes), "/bin/mantyx");
        for access in ["r-xp", "r--p"] {
            assert_eq!(unchanged(access, "/bin/mantyx", (0, 0)), [(0x55_a000, 0x55_c000)]);
            assert_eq!(unchanged(access, "/bin/mantyx", (4, 0)), [], "relocated");
            assert_eq!(unchanged(access, "/bin/mantyx", (0, 4)), [], "relocated, and not in memory");
            assert_eq!(unchanged(access, "/lib/x", (0, 0)), []);
            assert_eq!(unchanged(access, "/bin/mantyx (deleted)", (0, 0)), []);
        }
        assert_eq!(unchanged("rw-p", "/bin/mantyx", (0, 0)), []);
        assert_eq!(unchanged("rw-p", "", (0, 0)), []);
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_calm_when_nothing_happens() {
        let (happens, one) = watch::channel(());
        let mut watched = [one];
        happens.send_replace(());
        let begun = tokio::time::Instant::now();
        calm(&mut watched, CALM).await;
        assert!((CALM..CALM * 2).contains(&begun.elapsed()), "what happened before is over");
    }

    #[tokio::test]
    async fn it_is_done_although_it_is_never_calm() {
        let (happens, one) = watch::channel(());
        let mut watched = [one];
        let begun = Instant::now();
        let busy = async {
            loop {
                happens.send_replace(());
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            () = calm(&mut watched, Duration::from_millis(1)) => {}
            () = busy => {}
        }
        assert!(begun.elapsed() >= Duration::from_millis(1) * LONGEST);
    }

    #[test]
    fn what_was_given_back_is_there_again() {
        let maps = fs::read_to_string("/proc/self/smaps").unwrap();
        let program = fs::read_link("/proc/self/exe").unwrap();
        assert!(unchanged(&maps, program.to_str().unwrap()).len() > 1);
        give_back_heap();
        give_back_program();
        assert_eq!(unchanged("", "x"), []);
    }
}
