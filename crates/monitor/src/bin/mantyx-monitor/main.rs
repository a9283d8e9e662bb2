//! `mantyx-monitor`: starts one process, owns it until it ends, and writes down how.
//!
//! One loop around one `poll`, which waits for the next thing to happen and, at the longest, until the next thing is
//! due: SIGKILL after a grace, the watchdog, the time limit, a text of the app that waits for its turn, and once a minute
//! a look at whether the app was short of memory. At rest it costs a few pages and no time. It takes its launch from standard input, says on standard output how the
//! start went, and has no options.
//!
//! How it starts:
//! - `launcher`: whoever started it
//! - `limits`: the groups that the app is held in, and its own out-of-memory score
//! - `child`: the process itself; `exec`: what happens between fork and exec; `reason`: why it could not be started
//!
//! What it does while the app runs:
//! - `monitor`: the loop that joins everything; `wait`: its one `poll`
//! - `clients`, `client`: the connections of the daemon; `requests`: what they may ask
//! - `output`: the pipes of the app and its log
//! - `notify_socket`, `notice`, `said`: what the app says of itself
//! - `deadlines`: the watchdog and the time limit; `kills`: whether the app was short of memory of late
//! - `recorder`: the record that is written again when its terms change
//!
//! How it ends:
//! - `stop`: how everything that it started is brought to an end
//! - `ending`: how that is written down
//!
//! - `system`: the few calls of the kernel that need `unsafe`

mod child;
mod client;
mod clients;
mod deadlines;
mod ending;
mod exec;
mod kills;
mod launcher;
mod limits;
mod monitor;
mod notice;
mod notify_socket;
mod output;
mod reason;
mod recorder;
mod requests;
mod said;
mod stop;
mod system;
mod wait;

use std::process::ExitCode;

use mantyx_monitor::{Launch, Message};

use crate::launcher::Launcher;
use crate::monitor::Monitor;

fn main() -> ExitCode {
    system::close_inherited();
    match launcher::take_launch() {
        Ok((Ok(launch), launcher)) => watch(launch, launcher),
        Ok((Err(reason), launcher)) => refuse(reason, launcher),
        Err(_) => ExitCode::FAILURE,
    }
}

fn watch(launch: Launch, launcher: Launcher) -> ExitCode {
    let folder = launch.run_folder;
    match Monitor::prepare(launch.plan, &folder) {
        Ok(monitor) => {
            monitor.run(launch.environment, launcher);
            ExitCode::SUCCESS
        }
        Err(error) => {
            refuse(format!("The run folder `{}` cannot be used: {error}", folder.display()), launcher)
        }
    }
}

/// Whatever goes wrong before the process is started is said to whoever gave the launch: there is nobody else.
fn refuse(reason: String, launcher: Launcher) -> ExitCode {
    launcher.answer(&Message::Refused { reason });
    ExitCode::FAILURE
}
