//! `cargo xtask bench page`: how large the page is when it is loaded for the first time, how soon it can be used, and
//! whether a long log scrolls smoothly.
//!
//! The sizes are those of the files that the daemon sends. The times are those of a headless Chromium with an empty
//! cache, from the start of the navigation to the first frame after the control that proves that the page works.

mod browser;
mod daemon;
mod scroll;

use std::path::PathBuf;
use std::time::Instant;

use anyhow::Result;

use super::figures::{Bar, FLOOR, Metric, OURS, Row};
use super::report::Report;
use super::statistics::{as_float, percentile};
use crate::page::{self, Size};
use crate::{interrupt, programs, setup, terminal, workspace};
use browser::Browser;
use daemon::Daemon;

/// What a Leptos page that shows one line weighs compressed, in kB: built with the same profile, measured once.
const BARE_PAGE: f64 = 25.0;

/// What is opened, and what has to be there.
const SCREENS: [(&str, &str, &str); 2] =
    [("login", "/login", "[data-testid=login-submit]"), ("dashboard", "/", "[data-testid=add-app]")];

/// How it is measured.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// How often each screen is loaded.
    #[arg(long, default_value_t = 9)]
    rounds: usize,
    /// Measure the programs in this folder instead of building them.
    #[arg(long, value_name = "DIR")]
    programs: Option<PathBuf>,
    /// Where the JSON goes; `target/bench/page.json` when not given.
    #[arg(long, value_name = "PATH")]
    json: Option<PathBuf>,
}

/// Measures and reports.
pub(super) fn run(options: &Options) -> Result<()> {
    let start = Instant::now();
    interrupt::watch()?;
    let search_path = setup::prepare(setup::Purpose::Test)?.path()?;
    page::build()?;
    let programs =
        options.programs.as_ref().map_or_else(programs::build, |folder| Ok(std::path::absolute(folder)?))?;
    let sizes = page::sizes()?;
    let mut rows = size_rows(&sizes);
    terminal::step("Loading the page");
    let daemon = Daemon::start(&programs.join("mantyx"), &search_path)?;
    for (key, path, selector) in SCREENS {
        let times = load(&daemon, options.rounds, path, selector)?;
        let metric =
            Metric::new(key, format!("cold load of {path} to interactive, p50"), "ms", Bar::AtMost(700.0));
        rows.push(Row { metric, figures: vec![(OURS.to_owned(), percentile(&times, 0.5))] });
    }
    terminal::step("Scrolling a log");
    rows.extend(scroll::measure(&daemon)?);
    let conditions = format!("{} cold loads of each screen, no app deployed", options.rounds);
    let versions = vec![(OURS.to_owned(), env!("CARGO_PKG_VERSION").to_owned())];
    let report = Report { benchmark: "page", conditions, versions, rows, notes: size_notes(&sizes) };
    let path = options.json.clone().unwrap_or_else(|| workspace::target().join("bench/page.json"));
    report.write(&path)?;
    terminal::line(&format!("\n{}", report.table()));
    terminal::done(&format!("The same as JSON is in `{}`", path.display()), start);
    Ok(())
}

/// What a browser loads before it shows anything, beside a page that shows one line.
fn size_rows(sizes: &[Size]) -> Vec<Row> {
    let first =
        |part: fn(&Size) -> u64| kilobytes(sizes.iter().filter(|file| file.is_first()).map(part).sum());
    let row = |key, title, bar, figure, floor: Option<f64>| {
        let floor = floor.map(|floor| (FLOOR.to_owned(), Some(floor)));
        let figures = [(OURS.to_owned(), Some(figure))].into_iter().chain(floor).collect();
        Row { metric: Metric::new(key, title, "kB", bar), figures }
    };
    vec![
        row("brotli", "first load, brotli", Bar::AtMost(250.0), first(|file| file.brotli), Some(BARE_PAGE)),
        row("gzip", "first load, gzip", Bar::None, first(|file| file.gzip), None),
        row("plain", "first load, plain", Bar::None, first(|file| file.plain), None),
    ]
}

/// Each file by itself.
fn size_notes(sizes: &[Size]) -> Vec<String> {
    let note = |file: &Size| {
        let [plain, gzip, brotli] = [file.plain, file.gzip, file.brotli].map(terminal::size);
        let when = if file.is_first() { "" } else { ", fetched with the first screen that needs it" };
        format!("{}: {plain}, {gzip} gzip, {brotli} brotli{when}", file.name)
    };
    sizes.iter().map(note).chain(["floor: a bare Leptos page".to_owned()]).collect()
}

/// How long each load took, in milliseconds, each in a browser that has never been there.
fn load(daemon: &Daemon, rounds: usize, path: &str, selector: &str) -> Result<Vec<f64>> {
    let mut times = Vec::new();
    for _ in 0..rounds {
        interrupt::check()?;
        let browser = Browser::start()?;
        // Somebody who has logged in before: storage is there, the cache is not.
        let token = if path == "/login" { None } else { Some(daemon.token.as_str()) };
        times.push(browser.open(&daemon.url(), path, token, selector)?);
    }
    Ok(times)
}

fn kilobytes(bytes: u64) -> f64 {
    as_float(usize::try_from(bytes).unwrap_or(usize::MAX)) / 1000.0
}
