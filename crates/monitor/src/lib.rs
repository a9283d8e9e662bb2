//! The monitor: the small program that owns one process of an app and outlives the daemon.
//!
//! One `mantyx-monitor` runs for each process. It is the parent of the process, holds the other ends of its
//! pipes, writes its log, reaps its orphans and records how it ended. Nothing of that passes through the daemon,
//! so a daemon that is killed takes nothing along, and the next one finds everything in the run folder.
//!
//! It does by itself whatever must not depend on a daemon: it runs the app as another user and under its limits
//! (`mantyx-limits`), hears what the app says of itself (sd_notify(3)), holds the watchdog and the time limit, stops
//! everything that the app started, and writes down why it ended ([`ExitRecord::ending`]). A daemon that comes later
//! says hello, asks for the status, and knows all that the one before knew.
//!
//! The program itself is in `src/bin`. This library is what the two sides agree on:
//!
//! - [`Launch`], [`Request`], [`Message`] and the records: what is said, and in which version,
//! - [`RunFolder`]: which file of the run folder is what,
//! - [`process`]: how a process is told from another that has the same pid later.

pub mod process;
mod protocol;
mod run_folder;

pub use protocol::{
    Deadlines, ExitRecord, Launch, MainProcess, Message, Notified, Outcome, Output, Phase, Plan, Record,
    Request, Standby, StopTerms, Terms, VERSION, Wish,
};
pub use run_folder::RunFolder;

/// The variable that every process of an execution carries, unless it threw its environment away. By it the
/// processes of an execution whose monitor was killed are found.
pub const EXECUTION_VARIABLE: &str = "MANTYX_EXECUTION_ID";
