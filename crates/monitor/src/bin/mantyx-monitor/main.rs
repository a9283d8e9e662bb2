//! `mantyx-monitor`: starts one process, owns it until it ends, and writes down how.
//!
//! One thread, one `poll`, no timer while nothing is being stopped: at rest it costs a few pages and no time. It
//! takes its launch from standard input, says on standard output how the start went, and has no options.
//!
//! - `launcher`: whoever started it
//! - `client`: a connection of the daemon
//! - `child`: the process itself
//! - `output`: its pipes and its log
//! - `stop`: how everything that it started is brought to an end
//! - `monitor`: the loop that joins them
//! - `system`: the few calls of the kernel that need `unsafe`

mod child;
mod client;
mod launcher;
mod monitor;
mod output;
mod stop;
mod system;

use std::process::ExitCode;

use mantyx_monitor::{Launch, Message, VERSION};

use crate::launcher::Launcher;
use crate::monitor::Monitor;

fn main() -> ExitCode {
    system::close_inherited();
    match launcher::take_launch() {
        Ok((launch, launcher)) => watch(launch, launcher),
        Err(_) => ExitCode::FAILURE,
    }
}

/// Whatever goes wrong before the process is started is said to whoever gave the launch: there is nobody else.
fn watch(launch: Launch, launcher: Launcher) -> ExitCode {
    if launch.version != VERSION {
        let reason = format!("This monitor speaks version {VERSION}, not {}", launch.version);
        launcher.answer(&Message::Refused { reason });
        return ExitCode::FAILURE;
    }
    match Monitor::prepare(launch.plan, &launch.run_folder) {
        Ok(monitor) => {
            monitor.run(&launch.environment, launcher);
            ExitCode::SUCCESS
        }
        Err(error) => {
            let folder = launch.run_folder.display();
            let reason = format!("The run folder `{folder}` cannot be used: {error}");
            launcher.answer(&Message::Refused { reason });
            ExitCode::FAILURE
        }
    }
}
