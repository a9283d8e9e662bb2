//! The program `mantyx`: the daemon as `mantyx serve`, and every command that talks to one.

mod arguments;
mod daemon;
mod limits;
mod logging;
mod memory;

use std::io::Write;
use std::process::ExitCode;

use clap::{ArgMatches, FromArgMatches};
use mantyx_cli::Invocation;
use mantyx_core::{Error, Result};
use tokio::runtime::{Builder, Runtime};

/// Threads of the daemon's own runtime. It waits far more than it works.
const THREADS: usize = 2;

fn main() -> ExitCode {
    #[cfg(debug_assertions)]
    if std::env::args().nth(1).as_deref() == Some("fault-points") {
        return fault_points();
    }
    let matches = arguments::program().get_matches();
    let done = match matches.subcommand_matches(arguments::SERVE) {
        Some(given) => serve(given).map(|()| ExitCode::SUCCESS),
        None => command(&matches),
    };
    done.unwrap_or_else(|error| {
        complain(&error);
        ExitCode::FAILURE
    })
}

/// Every place at which a test can make the daemon fail, for the test that tries them all.
#[cfg(debug_assertions)]
fn fault_points() -> ExitCode {
    let mut out = std::io::stdout().lock();
    let written = mantyx_operations::fault_points().iter().try_for_each(|point| writeln!(out, "{point}"));
    if written.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn serve(given: &ArgMatches) -> Result<()> {
    memory::share_one_heap();
    let settings = arguments::settings(given)?;
    logging::begin(&settings)?;
    limits::raise_open_files();
    let runtime = runtime(Builder::new_multi_thread().worker_threads(THREADS))?;
    runtime.block_on(daemon::run(settings))
}

fn command(matches: &ArgMatches) -> Result<ExitCode> {
    // What is typed was checked before: this fails only where the two disagree about the commands.
    let invocation = Invocation::from_arg_matches(matches)
        .map_err(|error| Error::internal("understand the command", error))?;
    let runtime = runtime(&mut Builder::new_current_thread())?;
    Ok(runtime.block_on(mantyx_cli::run(invocation, arguments::program())))
}

fn runtime(builder: &mut Builder) -> Result<Runtime> {
    builder.enable_all().build().map_err(|error| Error::io("start the threads of the program", error))
}

/// Says why the daemon did not come up, to the person who started it.
fn complain(error: &Error) {
    let mut out = std::io::stderr().lock();
    // Nobody can be told when standard error is closed.
    let _ = writeln!(out, "error: {error:?}");
    if let Some(hint) = error.hint_text() {
        let _ = writeln!(out, " hint: {hint}");
    }
}
