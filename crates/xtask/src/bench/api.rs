//! `cargo xtask bench api`: how fast the lists are that the page and programs ask for, beside an actix-web server that
//! does nothing but answer the same bytes, and how they grow with the number of apps and of executions.
//!
//! Less is better in every table of these benchmarks: what is shown is the time for a request with both processors at
//! work on it, for the server and for whoever asks. 25 microseconds are 40,000 requests a second.

mod load;
mod subject;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use self::load::{Load, Outcome};
use self::subject::Subject;
use super::contenders::program;
use super::figures::{Bar, FLOOR, Metric, OURS, Row};
use super::report::Report;
use super::server::{Server, free_address};
use crate::{interrupt, programs, setup, terminal, workspace};

/// What is asked for at each size; the first is the figure of the specification. An app has 20 executions at the small
/// size.
const PATHS: [(&str, &str); 4] = [
    ("apps", "/api/apps?limit=50"),
    ("executions", "/api/executions?limit=50"),
    ("executions_of_app", "/api/executions?app=original&limit=20"),
    ("events", "/api/events?limit=50"),
];

/// How much slower a list may be at the large size.
const GROWTH: f64 = 1.3;

/// How it is measured.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Small numbers, to see whether everything works: a second each, 20,000 executions.
    #[arg(long)]
    quick: bool,
    /// How many connections ask at once.
    #[arg(long, default_value_t = 32)]
    connections: usize,
    /// Measure the programs in this folder instead of building them.
    #[arg(long, value_name = "DIR")]
    programs: Option<PathBuf>,
    /// The floor, built already.
    #[arg(long, value_name = "FILE")]
    floor: Option<PathBuf>,
    /// Where the JSON goes; `target/bench/api.json` when not given.
    #[arg(long, value_name = "PATH")]
    json: Option<PathBuf>,
}

/// How many apps there are, and executions of them.
#[derive(Clone, Copy)]
struct Size {
    apps: usize,
    executions: usize,
}

/// How large, for how long, from how many connections.
struct Extent {
    small: Size,
    large: Size,
    time: Duration,
    connections: usize,
}

impl Extent {
    fn of(options: &Options) -> Self {
        let (executions, seconds) = if options.quick { (20_000, 1) } else { (1_000_000, 5) };
        Self {
            small: Size { apps: 50, executions: 1_000 },
            large: Size { apps: 500, executions },
            time: Duration::from_secs(seconds),
            connections: options.connections,
        }
    }

    fn conditions(&self) -> String {
        let Self { small, large, time, connections } = self;
        format!(
            "{connections} connections for {} s each, pages of 50; {} apps with {} executions, then {} with {}",
            time.as_secs(),
            small.apps,
            small.executions,
            large.apps,
            large.executions,
        )
    }

    /// Asks for a while, after a shorter while that does not count.
    fn ask(&self, up: &Server, request: &[u8], status: u16) -> Result<Outcome> {
        interrupt::check()?;
        let load = |time| Load { address: up.address, request, status, connections: self.connections, time };
        let asked = load(self.time / 5).run().and_then(|_| load(self.time).run());
        asked.with_context(|| format!("While this was asked: {}", first_line(request)))
    }
}

/// What is asked for, without the token.
fn first_line(request: &[u8]) -> String {
    String::from_utf8_lossy(request).lines().next().unwrap_or_default().to_owned()
}

/// Measures and reports.
pub(super) fn run(options: &Options) -> Result<()> {
    let start = Instant::now();
    interrupt::watch()?;
    let (extent, folder) = (Extent::of(options), Scratch::new()?);
    let floor = floor(options)?;
    let search_path = setup::prepare(setup::Purpose::Demo)?.path()?;
    let subject = Subject::new(built(options)?, search_path, &folder.0)?;
    let mut notes = Vec::new();
    let mut rows = small(&extent, &subject, &floor, &folder.0, &mut notes)?;
    grow(&extent, &subject, &mut rows, &mut notes)?;
    let versions = vec![(OURS.to_owned(), env!("CARGO_PKG_VERSION").to_owned())];
    let report = Report { benchmark: "api", conditions: extent.conditions(), versions, rows, notes };
    let path = options.json.clone().unwrap_or_else(|| workspace::target().join("bench/api.json"));
    report.write(&path)?;
    terminal::line(&format!("\n{}", report.table()));
    terminal::done(&format!("The same as JSON is in `{}`", path.display()), start);
    Ok(())
}

/// The figures at the small size. The floor answers what Mantyx has answered to the first.
fn small(
    extent: &Extent,
    subject: &Subject,
    floor: &Path,
    folder: &Path,
    notes: &mut Vec<String>,
) -> Result<Vec<Row>> {
    terminal::step("Lists of 50 apps");
    subject.fill(extent.small.apps, extent.small.executions)?;
    let up = subject.start()?;
    let mut rows = Vec::new();
    for (key, path) in PATHS {
        let outcome = extent.ask(&up, &up.request(path, ""), 200)?;
        rows.extend(rows_of(key, path, &outcome, notes));
    }
    let (_, path) = PATHS[0];
    let body = up.client().request("GET", path, "", &[])?.body;
    if let Some(tag) = tag_of(&up, path)? {
        let headers = format!("If-None-Match: {tag}\r\n");
        let outcome = extent.ask(&up, &up.request(path, &headers), 304)?;
        rows.extend(rows_of("apps_unchanged", "the same, not modified", &outcome, notes));
    }
    up.end()?;
    let outcome = measure_floor(extent, floor, folder, &body)?;
    notes.push(told(FLOOR, "the same bytes", &outcome));
    for (row, figure) in rows.iter_mut().zip([outcome.cost(), outcome.p99]) {
        row.figures.push((FLOOR.to_owned(), Some(figure)));
    }
    Ok(rows)
}

fn rows_of(key: &str, title: &str, outcome: &Outcome, notes: &mut Vec<String>) -> [Row; 2] {
    let bars = if key == "apps" { [Bar::AtMost(25.0), Bar::AtMost(3.0)] } else { [Bar::None; 2] };
    let metrics = [
        Metric::new(key, title, "µs", bars[0]),
        Metric::new(format!("{key}_p99"), format!("{title}, p99"), "ms", bars[1]),
    ];
    notes.push(told(OURS, title, outcome));
    let figures = [outcome.cost(), outcome.p99];
    let row = |(metric, figure)| Row { metric, figures: vec![(OURS.to_owned(), Some(figure))] };
    [row((metrics[0].clone(), figures[0])), row((metrics[1].clone(), figures[1]))]
}

/// The rate, which people compare, and how much was answered.
fn told(who: &str, what: &str, outcome: &Outcome) -> String {
    format!("{what}, {who}: {:.0} requests/s of {} bytes", outcome.rate, outcome.size)
}

/// The same lists at the large size, beside a bar that comes from their figures at the small one.
fn grow(extent: &Extent, subject: &Subject, rows: &mut Vec<Row>, notes: &mut Vec<String>) -> Result<()> {
    let Size { apps, executions } = extent.large;
    terminal::step(&format!("Lists of {apps} apps with {executions} executions"));
    subject.fill(apps, executions)?;
    let up = subject.start()?;
    for (key, path) in PATHS {
        let before = rows.iter().find(|row| row.metric.key == key).and_then(|row| row.of(OURS));
        let (key, title) = (format!("{key}_grown"), format!("{path}, {apps} apps"));
        let bar = before.map_or(Bar::None, |before| Bar::AtMost(rounded(before * GROWTH)));
        let outcome = extent.ask(&up, &up.request(path, ""), 200);
        interrupt::check()?;
        let figure = outcome.as_ref().map(Outcome::cost).ok();
        notes.push(match &outcome {
            Ok(outcome) => told(OURS, &title, outcome),
            Err(error) => format!("{title}, {OURS}: failed: {error:#}"),
        });
        let figures = vec![(OURS.to_owned(), figure)];
        rows.push(Row { metric: Metric::new(key, title, "µs", bar), figures });
    }
    up.end()
}

fn rounded(figure: f64) -> f64 {
    (figure * 10.0).round() / 10.0
}

/// The entity tag of an answer, with its quotes.
fn tag_of(up: &Server, path: &str) -> Result<Option<String>> {
    use std::io::{Read as _, Write as _};
    let mut stream = std::net::TcpStream::connect(up.address)?;
    stream.write_all(&up.request(path, "Connection: close\r\n"))?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let text = String::from_utf8_lossy(&answer);
    let head = text.split("\r\n\r\n").next().unwrap_or_default();
    let tag =
        head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("etag: ").map(ToOwned::to_owned));
    Ok(tag)
}

fn measure_floor(extent: &Extent, floor: &Path, folder: &Path, body: &[u8]) -> Result<Outcome> {
    let file = folder.join("body.json");
    fs::write(&file, body)?;
    let address = free_address()?;
    let mut command = program(floor);
    command.arg(address.to_string()).arg(file);
    let up = Server::start(&mut command, folder, address, String::new)?;
    let outcome = extent.ask(&up, &up.request("/api/apps", ""), 200)?;
    up.end()?;
    Ok(outcome)
}

/// The folder of `mantyx` and `mantyx-monitor`, built as they are for use if need be.
fn built(options: &Options) -> Result<PathBuf> {
    options.programs.as_ref().map_or_else(programs::build, |folder| Ok(std::path::absolute(folder)?))
}

/// The server that only answers, an example of the crate that knows actix.
fn floor(options: &Options) -> Result<PathBuf> {
    if let Some(file) = &options.floor {
        return Ok(std::path::absolute(file)?);
    }
    let mut cargo = workspace::cargo();
    cargo.args(["build", "--release", "--package", "mantyx-api", "--example", "floor"]);
    workspace::run(&mut cargo).context("The floor could not be built")?;
    Ok(workspace::target().join("release/examples/floor"))
}

/// A folder that goes with the benchmark.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Result<Self> {
        let folder = std::env::temp_dir().join(format!("mantyx-bench-api-{}", std::process::id()));
        fs::create_dir(&folder).with_context(|| format!("Could not make `{}`", folder.display()))?;
        Ok(Self(folder))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
