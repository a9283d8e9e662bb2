//! Runs tests with their output on this terminal, counting as it passes, and ends what hangs.
//!
//! nextest ends a test that hangs, and names it. `cargo test` names one after a minute, and waits for it for ever:
//! when nothing has been heard for long, its test program is killed, and it goes on with the next one.

use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::tally::{Runner, Tally};
use crate::{processes, terminal};

/// As long as nextest waits (`.config/nextest.toml`): far longer than anything is silent that is well.
const SILENCE: Duration = Duration::from_secs(600);

/// Runs a test runner to its end.
pub(super) fn run_tests(runner: Runner, command: Command) -> Result<Tally> {
    run_while_heard(runner, command, SILENCE)
}

fn run_while_heard(runner: Runner, mut command: Command, silence: Duration) -> Result<Tally> {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().context("Could not start the test runner")?;
    let outputs = child.stdout.take().zip(child.stderr.take());
    let (stdout, stderr) = outputs.context("The test runner has no output")?;
    let (pid, (line, lines)) = (child.id(), mpsc::channel());
    let mut tally = thread::scope(|scope| {
        let ended = scope.spawn(move || end_what_hangs(pid, silence, &lines));
        let errors = scope.spawn({
            let line = line.clone();
            move || pass_on(runner, stderr, &line)
        });
        let mut tally = pass_on(runner, stdout, &line);
        drop(line);
        tally += errors.join().unwrap_or_default();
        tally += ended.join().unwrap_or_default();
        tally
    });
    // A test that does not compile is counted by nobody else.
    if !child.wait()?.success() && tally.failed == 0 {
        tally += Tally::FAILED;
    }
    Ok(tally)
}

/// Shows each line and tells of it.
fn pass_on(runner: Runner, output: impl Read, told: &Sender<()>) -> Tally {
    let mut tally = Tally::default();
    for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
        let mut terminal = std::io::stdout().lock();
        // A terminal that is gone is no reason to stop counting.
        let _ = terminal.write_all(&line).and_then(|()| terminal.write_all(b"\n"));
        let _ = told.send(());
        tally += runner.count(&String::from_utf8_lossy(&line));
    }
    tally
}

/// Kills what a silent runner has started, as often as it falls silent, until its output ends. Each counts as a
/// failure: the lines of the tests that ran in it never come.
fn end_what_hangs(runner: u32, silence: Duration, lines: &Receiver<()>) -> Tally {
    let mut tally = Tally::default();
    loop {
        match lines.recv_timeout(silence) {
            Ok(()) => {}
            Err(RecvTimeoutError::Disconnected) => return tally,
            Err(RecvTimeoutError::Timeout) => {
                let hanging = processes::descendants(runner).unwrap_or_default();
                // A runner that has started nothing waits for another one's lock.
                if !hanging.is_empty() {
                    let long = terminal::took(silence);
                    terminal::note(&format!("Nothing was heard for {long}: what runs is ended"));
                    processes::kill(&hanging);
                    tally += Tally::FAILED;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut shell = Command::new("sh");
        shell.args(["-c", script]);
        shell
    }

    #[test]
    fn counts_what_both_outputs_say() {
        let script =
            "echo 'test result: ok. 5 passed; 0 failed'; echo 'test result: ok. 2 passed; 1 failed' >&2";
        assert_eq!(run_tests(Runner::CargoTest, shell(script)).unwrap(), Tally { passed: 7, failed: 1 });
    }

    #[test]
    fn a_runner_that_fails_for_another_reason_counts_as_one() {
        assert_eq!(run_tests(Runner::CargoTest, shell("exit 101")).unwrap(), Tally::FAILED);
    }

    #[test]
    fn what_hangs_is_ended_and_the_rest_goes_on() {
        // As cargo does: one program after another, whatever becomes of the first.
        let script = "sleep 600; echo 'test result: ok. 3 passed; 0 failed'";
        let tally = run_while_heard(Runner::CargoTest, shell(script), Duration::from_millis(200)).unwrap();
        assert_eq!((tally.passed, tally.failed > 0), (3, true));
    }
}
