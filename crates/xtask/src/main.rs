//! The project's own tool, run as `cargo xtask …`: builds the page, runs the checks, shows the demonstration, runs the
//! benchmarks.
//!
//! It is the first thing that a fresh machine compiles, so it has few dependencies: HTTP to the daemon of the
//! demonstration goes over a plain socket, and a git repository for it is written by hand. Everything else that
//! Mantyx needs is built by the `cargo` that this tool starts.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod bench;
mod checks;
mod demo;
mod docs;
mod fetch;
mod http;
mod interrupt;
mod page;
mod processes;
mod programs;
mod setup;
mod terminal;
mod workspace;

/// Builds the page, runs the checks, shows the demonstration.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Build the page and the programs for use, into `target/page` and `target/release`.
    Build,
    /// Build the page into `target/page`.
    Page,
    /// Get what the other tasks need and this machine lacks.
    Setup,
    /// Run every check and every test; the last line says how many passed.
    Test(checks::Options),
    /// Build everything, start it, deploy the examples, and print the link that logs a browser in.
    Demo(demo::Options),
    /// Measure Mantyx beside its peers and beside the bare floor, in one run on one machine.
    #[command(subcommand)]
    Bench(bench::Task),
    /// Write the pages of `docs/` that are generated from the code.
    Docs,
}

fn main() -> ExitCode {
    match run(Arguments::parse().task) {
        Ok(code) => code,
        Err(error) => {
            terminal::failure(&error);
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> anyhow::Result<ExitCode> {
    match task {
        Task::Build => {
            page::build()?;
            programs::build().map(drop)?;
        }
        Task::Page => page::build()?,
        Task::Setup => setup::prepare(setup::Purpose::Test).map(drop)?,
        Task::Test(options) => return checks::run(&options),
        Task::Demo(options) => demo::run(&options)?,
        Task::Bench(task) => bench::run(task)?,
        Task::Docs => docs::write()?,
    }
    Ok(ExitCode::SUCCESS)
}
