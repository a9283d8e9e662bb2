//! What this process is called in a list of processes.
//!
//! Its one argument is the id of its execution, for people who look. A monitor on standby was started with another id of
//! the same length, which is written over once it has an execution. That is a courtesy: where it cannot be done, nothing
//! is lost.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;

use mantyx_core::ExecutionId;

/// Where the arguments begin (proc(5), `stat`, `arg_start`), counted from behind the name of the program.
const ARG_START: usize = 45;

/// Calls this process by its execution.
pub(crate) fn show(execution: ExecutionId) {
    let _ = write_over(&execution.to_string());
}

fn write_over(text: &str) -> io::Result<()> {
    let line = fs::read("/proc/self/cmdline")?;
    let mut arguments = line.split(|byte| *byte == 0);
    let program = arguments.next().unwrap_or_default();
    // Never longer than what was there: behind it begins the environment.
    if arguments.next().is_none_or(|argument| argument.len() != text.len()) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let start = arguments_start()?;
    File::options()
        .write(true)
        .open("/proc/self/mem")?
        .write_all_at(text.as_bytes(), start + program.len() as u64 + 1)
}

fn arguments_start() -> io::Result<u64> {
    let line = fs::read_to_string("/proc/self/stat")?;
    let fields = line.rsplit_once(')').map(|(_, fields)| fields.split_ascii_whitespace());
    let start = fields.and_then(|mut fields| fields.nth(ARG_START)?.parse().ok());
    start.ok_or_else(|| io::ErrorKind::InvalidData.into())
}
