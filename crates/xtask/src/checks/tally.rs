//! How many passed and how many failed, read from what the test runners print.

use std::fmt;
use std::ops::AddAssign;

use crate::terminal::without_colours;

/// Passed and failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// How many are well.
    pub(super) passed: u64,
    /// How many are not.
    pub(super) failed: u64,
}

impl Tally {
    /// One thing that is well.
    pub(super) const PASSED: Self = Self { passed: 1, failed: 0 };
    /// One thing that is not.
    pub(super) const FAILED: Self = Self { passed: 0, failed: 1 };
}

/// What runs the tests, and so how its counts read. Only its own lines count: a failed test is shown with what it
/// printed itself, which may look like the counts of the other one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Runner {
    /// `test result: ok. 5 passed; 0 failed; …`, a line for each program.
    CargoTest,
    /// `Summary [ 1.2s] 7 tests run: 5 passed, 1 failed, 1 timed out, 0 skipped`, once.
    Nextest,
}

impl Runner {
    /// What a line counts; most count nothing.
    pub(super) fn count(self, line: &str) -> Tally {
        let line = without_colours(line);
        match self {
            Self::CargoTest if line.starts_with("test result:") => {
                Tally { passed: before(&line, "passed"), failed: before(&line, "failed") }
            }
            Self::Nextest if line.trim_start().starts_with("Summary [") => {
                let passed = before(&line, "passed");
                // Whatever ran and did not pass failed, by whichever of nextest's words.
                let run = before(&line, "tests run").max(before(&line, "test run"));
                Tally { passed, failed: run.saturating_sub(passed) }
            }
            _ => Tally::default(),
        }
    }
}

/// The number in front of a word.
fn before(line: &str, word: &str) -> u64 {
    let number = |text: &str| text.split_whitespace().next_back().and_then(|digits| digits.parse().ok());
    line.split_once(word).and_then(|(text, _)| number(text)).unwrap_or(0)
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(runner: Runner, line: &str) -> (u64, u64) {
        let tally = runner.count(line);
        (tally.passed, tally.failed)
    }

    #[test]
    fn reads_the_results_of_cargo_test() {
        let of = |line| counts(Runner::CargoTest, line);
        assert_eq!(of("test result: ok. 5 passed; 0 failed; 0 ignored; 0 measured; 2 filtered out"), (5, 0));
        assert_eq!(of("test result: FAILED. 5 passed; 3 failed; 0 ignored"), (5, 3));
        assert_eq!(of("test lifecycle::tests::fails ... 3 failed"), (0, 0));
    }

    #[test]
    fn reads_the_summary_of_nextest_and_nothing_that_a_test_printed() {
        let of = |line| counts(Runner::Nextest, line);
        assert_eq!(
            of("     Summary [ 1.2s] 7 tests run: 5 passed, 1 failed, 1 timed out, 0 skipped"),
            (5, 2)
        );
        assert_eq!(of("     Summary [ 1.2s] 7 tests run: 6 passed (1 slow), 1 failed, 0 skipped"), (6, 1));
        assert_eq!(
            of("\x1b[1m Summary\x1b[0m [ 0.1s] \x1b[1m1\x1b[0m test run: \x1b[1m1\x1b[0m passed"),
            (1, 0)
        );
        assert_eq!(of("    test result: FAILED. 0 passed; 1 failed; 0 ignored"), (0, 0));
    }

    #[test]
    fn says_the_counts_as_the_last_line_must() {
        assert_eq!(Tally { passed: 12, failed: 1 }.to_string(), "12 passed, 1 failed");
    }
}
