//! `cargo xtask bench supervision`: restart, memory, processor at rest, start and logs, each for Mantyx, for every
//! peer that is there, and for the bare floor.

mod boot;
mod idle;
mod log;
mod memory;
mod restart;
mod start;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::contenders::{Contender, Mantyx, Peer, peers};
use super::figures::{FLOOR, Metric, Row};
use super::lab::{Lab, Program};
use super::report::{self, Report};
use crate::{interrupt, programs, setup, terminal, workspace};

/// How it is measured.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Small numbers, to see whether everything works: 5 services, 5 rounds, 20 MB.
    #[arg(long)]
    quick: bool,
    /// Measure only these.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Part>,
    /// The peers to measure; what is missing is installed below `target/bench/peers`. Without it: those that are
    /// there.
    #[arg(long, value_enum, value_delimiter = ',')]
    peers: Vec<Peer>,
    /// Measure Mantyx and the floor alone.
    #[arg(long, conflicts_with = "peers")]
    no_peers: bool,
    /// How many restarts are timed.
    #[arg(long)]
    rounds: Option<usize>,
    /// How Mantyx is built.
    #[arg(long, value_enum, default_value = "release")]
    profile: Profile,
    /// Measure the programs in this folder instead of building them.
    #[arg(long, value_name = "DIR")]
    programs: Option<PathBuf>,
    /// Where the JSON goes; `target/bench/supervision.json` when not given.
    #[arg(long, value_name = "PATH")]
    json: Option<PathBuf>,
}

/// A part of the benchmark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// From `kill -9` to the replacement.
    Restart,
    /// What the supervisor holds.
    Memory,
    /// What it uses of the processor while nothing happens.
    Idle,
    /// The start of many at once.
    Start,
    /// The start of the daemon while they run.
    Boot,
    /// The way of many lines into a file.
    Log,
}

/// How Mantyx is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Profile {
    Debug,
    Release,
}

/// What is measured in one go, for one contender after the other.
trait Measurement {
    /// For people who wait.
    fn title(&self) -> String;

    /// The metrics, in the order of the figures.
    fn metrics(&self) -> Vec<Metric>;

    /// The figures of a contender.
    fn measure(&self, lab: &Lab, contender: &dyn Contender) -> Result<Measured>;

    /// What the same work costs without a supervisor, where there is such a thing.
    fn floor(&self, lab: &Lab) -> Result<Measured>;
}

/// Figures in the order of the metrics, and what is worth knowing of them.
#[derive(Default)]
struct Measured {
    figures: Vec<Option<f64>>,
    note: Option<String>,
}

impl Measured {
    fn of(figures: impl IntoIterator<Item = f64>) -> Self {
        Self { figures: figures.into_iter().map(Some).collect(), note: None }
    }
}

/// How much of everything.
struct Extent {
    services: usize,
    many: usize,
    rounds: usize,
    boots: usize,
    settle: Duration,
    rest: u64,
    lines: usize,
}

impl Extent {
    fn of(options: &Options) -> Self {
        let settle = Duration::from_secs;
        let extent = if options.quick {
            Self { services: 5, many: 10, rounds: 5, boots: 2, settle: settle(1), rest: 2, lines: 200_000 }
        } else {
            Self {
                services: 50,
                many: 200,
                rounds: 50,
                boots: 9,
                settle: settle(5),
                rest: 30,
                lines: 3_000_000,
            }
        };
        Self { rounds: options.rounds.unwrap_or(extent.rounds), ..extent }
    }

    fn conditions(&self) -> String {
        let Self { services, rounds, rest, lines, .. } = self;
        let megabytes = lines / 10_000;
        format!("{services} services, {rounds} rounds of a restart, {rest} s at rest, {megabytes} MB of log")
    }

    fn measurements(&self, parts: &[Part]) -> Vec<Box<dyn Measurement>> {
        let all: [(Part, Box<dyn Measurement>); 9] = [
            (Part::Restart, Box::new(restart::Restart::new(Program::Sleeper, self.rounds))),
            (Part::Restart, Box::new(restart::Restart::new(Program::Python, self.rounds))),
            (Part::Memory, Box::new(memory::Memory { services: self.services, settle: self.settle })),
            (
                Part::Idle,
                Box::new(idle::Idle { services: self.services, seconds: self.rest, settle: self.settle }),
            ),
            (Part::Start, Box::new(start::Start { services: self.services })),
            (Part::Start, Box::new(start::Start { services: self.many })),
            (Part::Boot, Box::new(boot::Boot { services: self.services, rounds: self.boots })),
            (Part::Log, Box::new(log::Log { lines: self.lines, block: 100 })),
            (Part::Log, Box::new(log::Log { lines: self.lines, block: 65_536 })),
        ];
        let wanted = |part: &Part| parts.is_empty() || parts.contains(part);
        all.into_iter().filter(|(part, _)| wanted(part)).map(|(_, measurement)| measurement).collect()
    }
}

/// Measures and reports.
pub(super) fn run(options: &Options) -> Result<()> {
    let start = Instant::now();
    interrupt::watch()?;
    let extent = Extent::of(options);
    let contenders = contenders(options)?;
    let lab = Lab::open()?;
    let (mut rows, mut notes) = (Vec::new(), Vec::new());
    for measurement in extent.measurements(&options.only) {
        rows.extend(measure(&lab, measurement.as_ref(), &contenders, &mut notes)?);
    }
    let versions = report::versions(contenders.iter().map(AsRef::as_ref));
    let conditions = extent.conditions();
    let report = Report { benchmark: "supervision", conditions, versions, rows, notes };
    let path = options.json.clone().unwrap_or_else(|| workspace::target().join("bench/supervision.json"));
    report.write(&path)?;
    terminal::line(&format!("\n{}", report.table()));
    terminal::done(&format!("The same as JSON is in `{}`", path.display()), start);
    Ok(())
}

fn contenders(options: &Options) -> Result<Vec<Box<dyn Contender>>> {
    let search_path = setup::prepare(setup::Purpose::Demo)?.path()?;
    let mantyx = Mantyx::new(built(options)?, search_path);
    let mut contenders: Vec<Box<dyn Contender>> = vec![Box::new(mantyx)];
    if !options.no_peers {
        contenders.extend(peers(&options.peers));
    }
    Ok(contenders)
}

/// The folder of `mantyx` and `mantyx-monitor`, built as they are for use if need be.
fn built(options: &Options) -> Result<PathBuf> {
    if let Some(folder) = &options.programs {
        return Ok(std::path::absolute(folder)?);
    }
    match options.profile {
        Profile::Release => programs::build(),
        Profile::Debug => {
            let mut cargo = workspace::cargo();
            cargo.args(["build", "--package", "mantyx", "--package", "mantyx-monitor"]);
            workspace::run(&mut cargo)?;
            Ok(workspace::target().join("debug"))
        }
    }
}

/// One measurement for all contenders and the floor. One that fails is told in the notes; only an interruption ends
/// the benchmark.
fn measure(
    lab: &Lab,
    measurement: &dyn Measurement,
    contenders: &[Box<dyn Contender>],
    notes: &mut Vec<String>,
) -> Result<Vec<Row>> {
    terminal::step(&measurement.title());
    let mut rows: Vec<Row> = measurement.metrics().into_iter().map(Row::new).collect();
    for contender in contenders {
        let start = Instant::now();
        let measured = measurement.measure(lab, contender.as_ref());
        enter(&mut rows, contender.name(), measured, notes, start)?;
    }
    enter(&mut rows, FLOOR, measurement.floor(lab), notes, Instant::now())?;
    Ok(rows)
}

fn enter(
    rows: &mut [Row],
    name: &str,
    measured: Result<Measured>,
    notes: &mut Vec<String>,
    since: Instant,
) -> Result<()> {
    interrupt::check()?;
    let title = rows.first().map_or("", |row| row.metric.title.as_str()).to_owned();
    let measured = match measured {
        Ok(measured) => {
            terminal::done(name, since);
            measured
        }
        Err(error) => {
            terminal::failed(&format!("{name}: {error:#}"), since);
            let note = Some(format!("failed: {error:#}"));
            Measured { figures: vec![None; rows.len()], note }
        }
    };
    notes.extend(measured.note.map(|note| format!("{title}, {name}: {note}")));
    for (row, figure) in rows.iter_mut().zip(measured.figures) {
        row.figures.push((name.to_owned(), figure));
    }
    Ok(())
}
