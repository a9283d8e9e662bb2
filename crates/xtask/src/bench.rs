//! `cargo xtask bench …`: what Mantyx costs and how fast it is, beside its peers and beside the bare floor.
//!
//! Everything of one table is measured in one run on one machine, since only figures that were taken side by side can
//! be compared. Nothing fails because of a number: a benchmark prints what it saw. A contender that could not be
//! measured is said to have failed, with the reason, and the others go on.

mod api;
mod change;
mod contenders;
mod figures;
mod lab;
mod page;
mod ready;
mod report;
mod server;
mod statistics;
mod supervision;

use anyhow::Result;

/// What is measured.
#[derive(clap::Subcommand)]
pub(crate) enum Task {
    /// Restart latency, memory, processor at rest, start and log throughput.
    Supervision(supervision::Options),
    /// Size of the page and how soon it can be used.
    Page(page::Options),
    /// Lists of apps, executions and events over HTTP.
    Api(api::Options),
    /// From an upload to an installed app, and how long an app is down while it is changed.
    Change(change::Options),
}

/// Measures and reports.
pub(crate) fn run(task: Task) -> Result<()> {
    match task {
        Task::Supervision(options) => supervision::run(&options),
        Task::Page(options) => page::run(&options),
        Task::Api(options) => api::run(&options),
        Task::Change(options) => change::run(&options),
    }
}
