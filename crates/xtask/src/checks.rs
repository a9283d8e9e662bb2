//! `cargo xtask test`: every check that the project has, each timed, all counted.
//!
//! A check that is no test (format, lints, the page) counts as one. The last line is `N passed, M failed` and
//! nothing follows it, so that a machine can read it. A failed check does not stop the others: whoever waits for
//! minutes wants to know everything that is wrong.

mod draws;
mod steps;
mod tally;
mod watch;

use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;

use crate::{setup, terminal};
use draws::Draws;
use steps::Conditions;
use tally::Tally;

/// What is checked.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Check only this; can be given several times.
    #[arg(long, value_enum)]
    only: Vec<Part>,
    /// Have the property tests draw other cases than in every run, and more of them.
    #[arg(long)]
    explore: bool,
}

/// A part of the checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
enum Part {
    /// `cargo fmt`.
    Format,
    /// clippy, for the machine and for the page; licences when cargo-deny is installed.
    Lint,
    /// The page builds.
    Page,
    /// Tests inside the crates, and the examples in their documentation.
    Unit,
    /// Stories told against the real daemon.
    Integration,
    /// Stories told in a browser.
    Browser,
}

impl Part {
    const ALL: [Self; 6] =
        [Self::Format, Self::Lint, Self::Page, Self::Unit, Self::Integration, Self::Browser];
}

/// Runs the checks; the exit code says whether all passed.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let start = Instant::now();
    let parts = if options.only.is_empty() { Part::ALL.to_vec() } else { options.only.clone() };
    let tests = [Part::Unit, Part::Integration, Part::Browser];
    let has_tests = parts.iter().any(|part| tests.contains(part));
    let tools = setup::prepare(if has_tests { setup::Purpose::Test } else { setup::Purpose::Demo })?;
    let mut tally = Tally::default();
    let conditions = Conditions { search_path: tools.path()?, draws: draws(options) };
    for step in steps::of(&parts, &conditions) {
        tally += step.run();
    }
    report(tally, start);
    Ok(if tally.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What the property tests draw; when it is by chance, a person is told how to draw it again.
fn draws(options: &Options) -> Draws {
    if !options.explore {
        return Draws::Same;
    }
    let draws = Draws::by_chance();
    terminal::line(&format!("The property tests draw with {draws}: the same again draws the same"));
    draws
}

fn report(tally: Tally, start: Instant) {
    terminal::line("");
    terminal::line(&format!("Everything took {}", terminal::took(start.elapsed())));
    terminal::line(&tally.to_string());
}
