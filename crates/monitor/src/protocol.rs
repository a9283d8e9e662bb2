//! What the daemon and a monitor say to each other: JSON values, one in a line.
//!
//! Standard input carries the [`Launch`], so that no secret is ever on a command line; standard output answers it
//! with one [`Message`]. A monitor that is started before there is anything to launch is told so by a [`Standby`] in the
//! first line. Everything after that goes through the socket in the run folder: [`Request`]s in,
//! [`Message`]s out. Fields that one side does not know are ignored and what is missing has a default, so a daemon can
//! be upgraded under monitors that run on: `tests/fixtures` keeps what earlier versions wrote.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use mantyx_core::{AppId, Ending, ExecutionId, Exit, Identity, InstanceId, Timestamp};
use mantyx_limits::Confinement;
use mantyx_logs::Rotation;
use serde::{Deserialize, Serialize};

use crate::process::{self, ProcessId};

/// The version of everything here. A monitor takes launches of its own version and of those before it; a daemon talks
/// to monitors of any version, and asks none for what it does not know.
///
/// 1 is the first. 2 adds limits, another user, `sd_notify`, the watchdog, the time limit, and why an execution ended. 3
/// adds the standby and the web port, and has the record written by whoever gives the launch.
pub const VERSION: u32 = 3;

/// How a process is asked to end: a signal, then time, then SIGKILL to everything.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct StopTerms {
    /// The number of the signal (signal(7)).
    pub signal: i32,
    /// Seconds between the signal and SIGKILL.
    pub grace_seconds: f64,
}

impl StopTerms {
    /// The time between the signal and SIGKILL. A number that is no duration is none at all.
    #[must_use]
    pub fn grace(&self) -> Duration {
        Duration::try_from_secs_f64(self.grace_seconds).unwrap_or_default()
    }
}

/// What a process writes to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Output {
    /// A pipe for each of stdout and stderr.
    #[default]
    Pipes,
}

/// What to run, without anything secret: this part may be written down.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The execution that the process is.
    pub execution: ExecutionId,
    /// The instance that it belongs to.
    pub instance: InstanceId,
    /// The app of that instance.
    pub app: AppId,
    /// The program, as an absolute path; or a name that is looked up in the PATH of the environment.
    pub program: PathBuf,
    /// Its arguments, each as it is.
    pub arguments: Vec<String>,
    /// The folder that it starts in.
    pub directory: PathBuf,
    /// The log to append to.
    pub log: PathBuf,
    /// How it is stopped when nobody says otherwise.
    pub stop: StopTerms,
    /// What it writes to.
    #[serde(default)]
    pub output: Output,
    /// As whom it runs; as the monitor itself when not given.
    #[serde(default)]
    pub identity: Option<Identity>,
    /// Within which times it has to show that it is alive.
    #[serde(default)]
    pub deadlines: Deadlines,
    /// What it is held to; to nothing when not given.
    #[serde(default)]
    pub confinement: Option<Confinement>,
    /// How large its log may become.
    #[serde(default)]
    pub rotation: Rotation,
    /// The port that it was given for its own web page; not said before version 3. The monitor has no use for it.
    #[serde(default)]
    pub web_port: Option<u16>,
}

/// The times that a monitor watches by itself, so that they hold without a daemon.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Deadlines {
    /// Seconds within which it has to say `WATCHDOG=1` again and again, from its `READY=1` or first `WATCHDOG=1` on,
    /// and at the latest from the end of the start period on.
    #[serde(default)]
    pub watchdog_seconds: Option<f64>,
    /// Seconds that it has before the watchdog begins.
    #[serde(default)]
    pub start_period_seconds: f64,
    /// Seconds after which it is stopped.
    #[serde(default)]
    pub timeout_seconds: Option<f64>,
}

/// What an app has said of itself (sd_notify(3)).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notified {
    /// How far it is.
    pub phase: Phase,
    /// Its `STATUS=`, at most a line.
    pub status: Option<String>,
}

/// How far an app says that it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// It has said nothing.
    #[default]
    Silent,
    /// `READY=1`.
    Ready,
    /// `RELOADING=1`; `READY=1` follows.
    Reloading,
    /// `STOPPING=1`.
    Stopping,
}

/// What a monitor does before it is given its launch: it makes these groups and has a process wait in them. When its
/// standard input ends without a launch, it removes them and ends.
#[derive(Serialize, Deserialize)]
pub struct Standby {
    /// The [bare](Confinement::bare) confinement; that of the launch has the same groups.
    pub standby: Confinement,
}

/// All else that comes on the monitor's standard input.
#[derive(Serialize, Deserialize)]
pub struct Launch {
    /// [`VERSION`] of who wrote it.
    pub version: u32,
    /// What to run.
    pub plan: Plan,
    /// The complete environment of the process; it inherits nothing.
    pub environment: BTreeMap<String, String>,
    /// The folder for the socket and the records.
    pub run_folder: PathBuf,
}

/// The process that a monitor started.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct MainProcess {
    /// Which it is.
    pub id: ProcessId,
    /// When it began.
    pub started_at: Timestamp,
}

/// `<execution>.json`: what runs, for a daemon that was not there when it began.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// [`VERSION`] of the monitor.
    pub version: u32,
    /// What was to run.
    pub plan: Plan,
    /// The boot that the process ids belong to.
    pub boot_id: String,
    /// The monitor itself.
    pub monitor: ProcessId,
    /// The process, once it has started.
    pub main: Option<MainProcess>,
}

impl Record {
    /// What is true once a monitor is given a launch: there may be a process at any moment. From version 3 on this is
    /// written by whoever gives the launch, before that, so that no process is ever without a record.
    pub fn expecting(plan: Plan, monitor: u32) -> io::Result<Self> {
        let monitor = ProcessId::of(monitor)?;
        Ok(Self { version: VERSION, plan, boot_id: process::boot_id()?, monitor, main: None })
    }
}

/// How an execution ended, as far as the monitor saw it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The process ran and ended like this.
    Exited(Exit),
    /// The process never ran: why, as a sentence.
    StartFailed(String),
}

/// Whether somebody had asked for the end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wish {
    /// It ended by itself, or by what nobody meant for it, such as the end of the machine.
    #[default]
    None,
    /// It was asked to stop, and then it ended.
    Stop,
}

/// `<execution>.exit.json`: the end of an execution.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExitRecord {
    /// [`VERSION`] of the monitor.
    pub version: u32,
    /// The execution that ended.
    pub execution: ExecutionId,
    /// The instance that it belonged to.
    pub instance: InstanceId,
    /// The app of that instance.
    pub app: AppId,
    /// How it ended.
    pub outcome: Outcome,
    /// Whether somebody had asked for it.
    pub wish: Wish,
    /// When the process began, if it did.
    pub started_at: Option<Timestamp>,
    /// When the process ended.
    pub finished_at: Timestamp,
    /// Processor seconds, user and system, of the process and the children that it waited for.
    pub cpu_seconds: f64,
    /// The most memory that one process of it held, in bytes.
    pub peak_memory: u64,
    /// Log lines that could not be written.
    pub dropped_lines: u64,
    /// Why it ended; version 1 says only [`ExitRecord::wish`].
    #[serde(default)]
    pub ending: Option<Ending>,
    /// The boot that it ended in, so that an end of the machine can be told from that of a monitor; not said by
    /// version 1.
    #[serde(default)]
    pub boot_id: Option<String>,
}

/// What of a live process can be changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Terms {
    /// How it is stopped when nobody says otherwise.
    pub stop: StopTerms,
    /// Within which times it has to show that it is alive.
    pub deadlines: Deadlines,
    /// What it is held to; as before when not given.
    #[serde(default)]
    pub confinement: Option<Confinement>,
}

/// What a client asks of a monitor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub enum Request {
    /// Who is there? Answered by [`Message::Hello`].
    Hello {
        /// [`VERSION`] of the client.
        version: u32,
    },
    /// How does it stand? Answered by [`Message::Status`].
    Status,
    /// Send a signal to the process group. Answered by [`Message::Done`].
    Signal {
        /// The number of the signal.
        number: i32,
    },
    /// End everything. Answered by [`Message::Done`], and by [`Message::Exited`] when it has happened.
    Stop {
        /// How.
        #[serde(flatten)]
        terms: StopTerms,
        /// Why, for the record of its end.
        #[serde(default)]
        why: Option<Ending>,
    },
    /// From now on other terms hold. Answered by [`Message::Done`]; what cannot be changed is said by
    /// [`Message::Status`] from then on.
    Adjust(Box<Terms>),
}

/// What a monitor tells its clients.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "tell", rename_all = "snake_case")]
pub enum Message {
    /// The answer to a hello.
    Hello {
        /// [`VERSION`] of the monitor.
        version: u32,
        /// The execution that it watches.
        execution: ExecutionId,
        /// Its process.
        main: Option<MainProcess>,
    },
    /// The process has started: the answer to a launch.
    Started {
        /// The process.
        main: MainProcess,
        /// What of the launch could not be done as it was said, as sentences.
        #[serde(default)]
        warnings: Vec<String>,
    },
    /// How it stands.
    Status {
        /// The process.
        main: Option<MainProcess>,
        /// Whether it is being stopped.
        wish: Wish,
        /// Log lines that could not be written so far.
        dropped_lines: u64,
        /// Why it is being stopped, once it is.
        #[serde(default)]
        stopping: Option<Ending>,
        /// What the app has said of itself.
        #[serde(default)]
        notified: Notified,
        /// What of the launch could not be done as it was said, as sentences.
        #[serde(default)]
        warnings: Vec<String>,
    },
    /// The app has said something of itself; at most once a second where only the text is new. Sent to every client
    /// that has said hello in version 2 or later: a daemon of version 1 would take it for a broken connection.
    Notified(Notified),
    /// What was asked for was done, or has begun.
    Done,
    /// What was asked for cannot be done: why, as a sentence.
    Refused {
        /// Why.
        reason: String,
    },
    /// The execution has ended and everything that it started is gone. The last message.
    Exited {
        /// How it ended.
        record: Box<ExitRecord>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_travels_reads_like_this() {
        let terms = StopTerms { signal: 15, grace_seconds: 2.5 };
        let stop = Request::Stop { terms, why: Some(Ending::Stopped { by: "owner".into() }) };
        let text = r#"{"ask":"stop","signal":15,"grace_seconds":2.5,"why":{"kind":"stopped","by":"owner"}}"#;
        assert_eq!(serde_json::to_string(&stop).unwrap(), text);
        assert_eq!(serde_json::from_str::<Request>(text).unwrap(), stop);
        assert_eq!(serde_json::to_string(&Message::Done).unwrap(), r#"{"tell":"done"}"#);
    }

    #[test]
    fn a_stop_of_version_1_is_understood() {
        let text = r#"{"ask":"stop","signal":15,"grace_seconds":2.5}"#;
        let terms = StopTerms { signal: 15, grace_seconds: 2.5 };
        assert_eq!(serde_json::from_str::<Request>(text).unwrap(), Request::Stop { terms, why: None });
    }

    #[test]
    fn fields_of_a_later_version_are_ignored() {
        let hello = serde_json::from_str::<Request>(r#"{"ask":"hello","version":2,"colour":"red"}"#).unwrap();
        assert_eq!(hello, Request::Hello { version: 2 });
    }

    #[test]
    fn a_grace_that_is_no_time_is_none() {
        assert_eq!(StopTerms { signal: 15, grace_seconds: -1.0 }.grace(), Duration::ZERO);
        assert_eq!(StopTerms { signal: 15, grace_seconds: f64::NAN }.grace(), Duration::ZERO);
        assert_eq!(StopTerms { signal: 15, grace_seconds: 0.25 }.grace(), Duration::from_millis(250));
    }
}
