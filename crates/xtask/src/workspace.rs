//! Where things are in this checkout, and the one way in which this tool starts programs.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::terminal;

/// Everything but the page, in one selection throughout: another selection would have other features of the
/// dependencies, and cargo would build all of them again.
pub(crate) const SELECTION: [&str; 3] = ["--workspace", "--exclude", "mantyx-page"];

/// The top of the checkout.
pub(crate) fn root() -> &'static Path {
    // crates/xtask is two levels down, wherever the checkout lies.
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap_or_else(|| Path::new("."))
}

/// A place below the top of the checkout.
pub(crate) fn path(relative: &str) -> PathBuf {
    root().join(relative)
}

/// Where the builds go, `CARGO_TARGET_DIR` honoured.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| path("target"), |folder| root().join(folder))
}

/// The cargo that runs this tool, to be run in the checkout.
pub(crate) fn cargo() -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(root());
    command
}

/// A program, to be run in the checkout.
pub(crate) fn program(name: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(name);
    command.current_dir(root());
    command
}

/// Runs it with its output on this terminal; anything but success is an error that names it.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let shown = shown(command);
    let status = command.status().with_context(|| format!("Could not start `{shown}`"))?;
    if !status.success() {
        bail!("`{shown}` failed: {status}");
    }
    Ok(())
}

/// Runs it silently and answers what it printed; anything but success is an error with what it complained of.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let shown = shown(command);
    let output = command.output().with_context(|| format!("Could not start `{shown}`"))?;
    said(&shown, &output)
}

/// The same, ended after a time: an error then too.
pub(crate) fn output_within(command: &mut Command, limit: Duration) -> Result<String> {
    let shown = shown(command);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().with_context(|| format!("Could not start `{shown}`"))?;
    let pid = Pid::from_child(&child);
    let (sender, outcome) = mpsc::channel();
    // Nobody waits for this thread: what the child has started itself may hold its pipes for longer than it lives.
    thread::spawn(move || sender.send(child.wait_with_output()));
    let Ok(output) = outcome.recv_timeout(limit) else {
        // One that has ended at the last moment is no longer there.
        let _ = kill_process(pid, Signal::KILL);
        bail!("`{shown}` took longer than {}", terminal::took(limit));
    };
    said(&shown, &output.with_context(|| format!("Could not wait for `{shown}`"))?)
}

/// What a program printed, or what it complained of.
fn said(shown: &str, output: &Output) -> Result<String> {
    if !output.status.success() {
        let complaint = String::from_utf8_lossy(&output.stderr);
        bail!("`{shown}` failed: {}", last_lines(&complaint, 5));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Whether it starts and ends well; what it prints is nobody's business.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// The end of a text, where programs say what went wrong.
pub(crate) fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.trim_end().lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

/// Every file below a folder in the order of their paths, links not followed.
pub(crate) fn files_below(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let entries = folder.read_dir().with_context(|| format!("Could not read `{}`", folder.display()))?;
        for entry in entries {
            let entry = entry?;
            let list = if entry.file_type()?.is_dir() { &mut folders } else { &mut files };
            list.push(entry.path());
        }
    }
    files.sort();
    Ok(files)
}

fn shown(command: &Command) -> String {
    let name = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let words: Vec<_> = std::iter::once(name).chain(command.get_args()).map(OsStr::to_string_lossy).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_names_the_command_and_its_complaint() {
        let error = output(Command::new("sh").args(["-c", "echo one; echo two >&2; exit 3"])).unwrap_err();
        assert_eq!(error.to_string(), "`sh -c echo one; echo two >&2; exit 3` failed: two");
    }

    #[test]
    fn the_root_holds_the_workspace() {
        assert!(path("Cargo.toml").is_file() && path("crates/xtask").is_dir());
    }
}
