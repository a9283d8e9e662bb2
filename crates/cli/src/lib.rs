//! The commands that talk to a running Mantyx. They use the API that everybody has and no other door.
//!
//! `arguments` says what can be typed, `commands` does it, `client` speaks HTTP, `follow` goes on with a log when the
//! daemon comes back, for which `outage` waits, `output` prints tables for people and JSON for programs. Long work tells
//! of its steps on standard error; programs get the operation on standard output, also when it failed. What goes wrong is
//! a `Failure`, whose kind is the exit code:
//!
//! | code | meaning |
//! |---|---|
//! | 0 | done |
//! | 1 | refused, or it failed |
//! | 2 | the command line is not right |
//! | 3 | no Mantyx answers at that address |
//! | 4 | the token is missing or not right |

mod arguments;
mod client;
mod commands;
mod connection;
mod diff;
mod failure;
mod follow;
mod manifest;
mod outage;
mod output;
mod pack;
mod paint;
mod sse;
mod tables;
mod terminal;
mod values;

use std::process::ExitCode;

pub use arguments::Invocation;

/// What a command that is no client does not need to show: the arguments that say where the daemon is, hidden.
pub fn hidden_connection() -> impl Iterator<Item = clap::Arg> {
    let program = <connection::Connection as clap::Args>::augment_args(clap::Command::new("client"));
    let arguments: Vec<clap::Arg> = program.get_arguments().cloned().collect();
    arguments.into_iter().map(|argument| argument.hide(true))
}

/// Runs one command and says on standard error what went wrong. `program` is the whole command line that the
/// command is a part of, for its completions.
pub async fn run(invocation: Invocation, program: clap::Command) -> ExitCode {
    match commands::run(invocation, program).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.print();
            failure.exit_code()
        }
    }
}
