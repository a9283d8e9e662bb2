//! One line of `/proc/<pid>/stat` (proc(5)), parsed without an allocation.

use std::time::Duration;

use rustix::param::{clock_ticks_per_second, page_size};

/// One process that cannot be taken for another of the same boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ProcessId {
    /// The number that the kernel gave it.
    pub pid: u32,
    /// When it began, in clock ticks since boot.
    pub start_ticks: u64,
}

/// What a look needs of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stat {
    pub(super) id: ProcessId,
    state: u8,
    pub(super) parent: u32,
    /// Ticks that all of its threads used.
    pub(super) own: u64,
    /// Ticks of the children that it waited for, with theirs.
    pub(super) waited: u64,
    /// Pages in memory.
    pub(super) resident: u64,
}

impl Stat {
    /// Reads a line, and the name in it. The name may hold anything, so it ends at the last bracket.
    pub(super) fn parse(line: &[u8]) -> Option<(Self, &[u8])> {
        let (open, close) =
            (line.iter().position(|byte| *byte == b'(')?, line.iter().rposition(|byte| *byte == b')')?);
        let pid = number(line.get(..open)?.trim_ascii_end())?;
        let mut fields = line.get(close + 2..)?.split(|byte| *byte == b' ');
        let state = *fields.next()?.first()?;
        let mut next = |skipped: usize| number(fields.nth(skipped)?);
        let parent = next(0)?;
        let own = next(9)?.saturating_add(next(0)?);
        // Signed in the kernel, and never below zero.
        let waited = next(0)?.saturating_add(next(0)?);
        let start_ticks = next(4)?;
        let resident = next(1)?;
        let (pid, parent) = (u32::try_from(pid).ok()?, u32::try_from(parent).ok()?);
        let id = ProcessId { pid, start_ticks };
        Some((Self { id, state, parent, own, waited, resident }, line.get(open + 1..close)?))
    }

    /// Whether it is only an entry that its parent has not collected yet.
    pub(super) fn has_ended(&self) -> bool {
        matches!(self.state, b'Z' | b'X')
    }
}

/// Digits and nothing else.
pub(super) fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |sum, digit| {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        sum.checked_mul(10)?.checked_add(digit)
    })
}

/// Clock ticks as time.
pub(super) fn time(ticks: u64) -> Duration {
    let a_second = clock_ticks_per_second().max(1);
    let rest = ticks % a_second * 1_000_000_000 / a_second;
    Duration::from_secs(ticks / a_second) + Duration::from_nanos(rest)
}

/// Pages as bytes.
pub(super) fn bytes(pages: u64) -> u64 {
    pages.saturating_mul(u64::try_from(page_size()).unwrap_or(4096))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "7 (a) Z 1 (b) S 3 4 5 0 -1 4194304 1 2 3 4 100 20 30 4 20 0 1 0 4711 9000 12 18446744073709551615 1\n";

    #[test]
    fn a_name_may_look_like_anything() {
        let (stat, name) = Stat::parse(LINE.as_bytes()).unwrap();
        assert_eq!(name, b"a) Z 1 (b");
        assert_eq!(stat.id, ProcessId { pid: 7, start_ticks: 4711 });
        assert_eq!((stat.state, stat.parent), (b'S', 3));
        assert_eq!((stat.own, stat.waited, stat.resident), (120, 34, 12));
    }

    #[test]
    fn nonsense_is_no_process() {
        for line in
            ["", "7", "7 (x", "7 (x)", "7 (x) S", "x (x) S 1", "7 )x( S 1 2 3 4 5 6 7 8 9 10 11 12 13"]
        {
            assert_eq!(Stat::parse(line.as_bytes()), None, "{line}");
        }
        let resident = LINE.find(" 12 ").unwrap();
        assert!((0..=resident).all(|at| Stat::parse(&LINE.as_bytes()[..at]).is_none()));
        assert_eq!((number(b"-1"), number(b"99999999999999999999999")), (None, None));
    }

    #[test]
    fn ticks_are_parts_of_a_second() {
        let a_second = clock_ticks_per_second();
        assert_eq!(time(a_second * 3 / 2), Duration::from_millis(1500));
        assert_eq!(time(0), Duration::ZERO);
    }
}
