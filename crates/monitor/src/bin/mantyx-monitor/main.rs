//! `mantyx-monitor`: starts one process, owns it until it ends, and writes down how.
//!
//! One loop around one `poll`, which waits for the next thing to happen and, at the longest, until the next thing is
//! due: SIGKILL after a grace, the watchdog, the time limit, a text of the app that waits for its turn, and once a
//! minute a look at whether the app was short of memory. At rest it costs a few pages and no time. It takes its launch
//! from standard input, says on standard output how the start went, and has no options.
//!
//! How it starts:
//! - `launcher`: whoever started it; `post`: what it does before it knows what to launch; `title`: what it is called
//! - `limits`: the groups that the app is held in, and its own out-of-memory score
//! - `stub`: the process that becomes the app; `order`: what it is told; `exec`: what it does then; `reason`: why it
//!   could
//!   not be started
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
mod order;
mod output;
mod post;
mod reason;
mod recorder;
mod requests;
mod said;
mod stop;
mod stub;
mod system;
mod title;
mod wait;

use std::io;
use std::process::ExitCode;

use mantyx_monitor::{Launch, Message};

use crate::launcher::{Launcher, Said};
use crate::monitor::Monitor;
use crate::post::{Post, Waiting};

fn main() -> ExitCode {
    system::close_inherited();
    match stand() {
        Ok(code) => code,
        Err(_) => ExitCode::FAILURE,
    }
}

/// Takes its post, waits for a launch, and watches what it launched.
fn stand() -> io::Result<ExitCode> {
    let (mut post, launcher) = (Post::take()?, Launcher::new());
    let (said, waiting) = match Launcher::hear()? {
        Said::GetReady(confinement) => {
            let waiting = post.get_ready(&confinement)?;
            (Launcher::take_launch(Vec::new())?, Some(waiting))
        }
        said => (said, None),
    };
    match said {
        Said::Launch(Ok(launch)) => Ok(watch(*launch, post, waiting, launcher)),
        Said::Launch(Err(reason)) => Ok(refuse(reason, waiting, launcher)),
        Said::GetReady(_) | Said::Nothing => {
            waiting.into_iter().for_each(Waiting::dismiss);
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn watch(launch: Launch, post: Post, waiting: Option<Waiting>, launcher: Launcher) -> ExitCode {
    let Launch { version, plan, run_folder: folder, .. } = launch;
    match Monitor::prepare(plan, version, &folder, post) {
        Ok(monitor) => {
            monitor.run(waiting, launch.environment, launcher);
            ExitCode::SUCCESS
        }
        Err(error) => refuse(
            format!("The run folder `{}` cannot be used: {error}", folder.display()),
            waiting,
            launcher,
        ),
    }
}

/// Whatever goes wrong before the process is started is said to whoever gave the launch: there is nobody else.
fn refuse(reason: String, waiting: Option<Waiting>, launcher: Launcher) -> ExitCode {
    waiting.into_iter().for_each(Waiting::dismiss);
    launcher.answer(&Message::Refused { reason });
    ExitCode::FAILURE
}
