//! Commands that get something from the network. Each has a time limit and a few tries: a connection that stalls or
//! breaks says nothing about this checkout, and must not decide whether its checks pass.

use std::io;
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::Result;

use crate::{terminal, workspace};

/// How long and how often to try.
struct Patience {
    tries: u32,
    /// The limit of each try.
    limit: Duration,
    /// The pause before the second try; each further one is twice as long.
    pause: Duration,
}

/// The largest download takes a tenth of this limit on an ordinary line; the pauses outlast a restart of a registry's
/// server, or another apt that reads the lists of packages.
const NETWORK: Patience =
    Patience { tries: 4, limit: Duration::from_secs(180), pause: Duration::from_secs(5) };

/// Runs it silently and answers what it printed. It must do no harm when it is killed and run again.
pub(crate) fn fetch(command: &mut Command) -> Result<String> {
    NETWORK.run(command)
}

impl Patience {
    fn run(&self, command: &mut Command) -> Result<String> {
        let mut pause = self.pause;
        for _ in 1..self.tries {
            match workspace::output_within(command, self.limit) {
                // A program that is not here does not come by asking again.
                Err(error) if !error.is::<io::Error>() => {
                    terminal::note(&format!("{error}; once more in {}", terminal::took(pause)));
                }
                outcome => return outcome,
            }
            thread::sleep(pause);
            pause *= 2;
        }
        workspace::output_within(command, self.limit)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn shell(script: &str, file: &std::path::Path) -> Command {
        let mut shell = Command::new("sh");
        shell.args(["-c", script, "sh"]).arg(file);
        shell
    }

    const TWICE: Patience =
        Patience { tries: 2, limit: Duration::from_secs(60), pause: Duration::from_millis(1) };

    #[test]
    fn what_fails_is_tried_again_and_not_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tries");
        let second = r#"echo try >> "$1"; test "$(wc -l < "$1")" = 2 && echo got it"#;
        assert_eq!(TWICE.run(&mut shell(second, &file)).unwrap(), "got it\n");
        let error = TWICE.run(&mut shell(r#"echo try >> "$1"; echo broken >&2; false"#, &file)).unwrap_err();
        assert!(error.to_string().ends_with("failed: broken"), "{error}");
        assert_eq!(fs::read_to_string(&file).unwrap().lines().count(), 4);
    }

    #[test]
    fn what_stalls_is_ended() {
        let hasty = Patience { limit: Duration::from_millis(10), ..TWICE };
        let error = hasty.run(Command::new("sleep").arg("600")).unwrap_err();
        assert_eq!(error.to_string(), "`sleep 600` took longer than 0.0 s");
    }

    #[test]
    fn what_is_not_here_is_tried_once() {
        let patient = Patience { pause: Duration::from_secs(3600), ..TWICE };
        let error = patient.run(&mut Command::new("/nowhere/at/all")).unwrap_err();
        assert_eq!(error.to_string(), "Could not start `all`");
    }
}
