//! `cargo xtask bench change`: how long it takes from an upload to an installed app, beside the same by hand with uv and
//! with pip, and how long an app is down while it is changed, beside its own stop and start.
//!
//! All take turns, round after round, so that whatever else the machine does meanwhile happens to all of them.

mod archive;
mod asker;
mod by_hand;
mod downtime;
mod home;
mod install;
mod steps;
mod tally;

use std::path::PathBuf;
use std::time::Instant;

use anyhow::Result;

use self::home::Home;
use super::figures::OURS;
use super::report::Report;
use crate::{interrupt, programs, setup, terminal, workspace};

/// How it is measured.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Two rounds of each, to see whether everything works.
    #[arg(long)]
    quick: bool,
    /// Measure only these.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Part>,
    /// How many rounds.
    #[arg(long)]
    rounds: Option<usize>,
    /// Measure the programs in this folder instead of building them.
    #[arg(long, value_name = "DIR")]
    programs: Option<PathBuf>,
    /// Where the JSON goes; `target/bench/change.json` when not given.
    #[arg(long, value_name = "PATH")]
    json: Option<PathBuf>,
}

/// A part of the benchmark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// From an upload to an installed app.
    Install,
    /// How long an app is down while it is changed.
    Downtime,
}

impl Options {
    fn wants(&self, part: Part) -> bool {
        self.only.is_empty() || self.only.contains(&part)
    }

    fn rounds(&self) -> usize {
        self.rounds.unwrap_or(if self.quick { 2 } else { 15 })
    }

    /// The folder of `mantyx` and `mantyx-monitor`, built as they are for use if need be.
    fn built(&self) -> Result<PathBuf> {
        self.programs.as_ref().map_or_else(programs::build, |folder| Ok(std::path::absolute(folder)?))
    }
}

/// Measures and reports.
pub(super) fn run(options: &Options) -> Result<()> {
    let start = Instant::now();
    interrupt::watch()?;
    let search_path = setup::prepare(setup::Purpose::Demo)?.path()?;
    let home = Home::make(options.built()?, search_path)?;
    let report = measure(options, &home)?;
    let path = options.json.clone().unwrap_or_else(|| workspace::target().join("bench/change.json"));
    report.write(&path)?;
    terminal::line(&format!("\n{}", report.table()));
    terminal::done(&format!("The same as JSON is in `{}`", path.display()), start);
    Ok(())
}

fn measure(options: &Options, home: &Home) -> Result<Report> {
    let rounds = options.rounds();
    let (mut rows, mut notes) = (Vec::new(), Vec::new());
    let mut versions = vec![(OURS.to_owned(), home.own_version())];
    if options.wants(Part::Install) {
        terminal::step("From an upload to an installed app");
        let outcome = install::measure(home, rounds)?;
        versions = outcome.versions;
        rows.push(outcome.row);
        notes.extend(outcome.notes);
    }
    if options.wants(Part::Downtime) {
        terminal::step("Updates and rollbacks, asked a thousand times a second");
        let outcome = downtime::measure(home, rounds)?;
        rows.extend(outcome.rows);
        notes.extend(outcome.notes);
    }
    let conditions = format!("{rounds} rounds in which all take turns, after one that fills the caches");
    Ok(Report { benchmark: "change", conditions, versions, rows, notes })
}
