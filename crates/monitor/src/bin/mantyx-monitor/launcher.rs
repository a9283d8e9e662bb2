//! Whoever started this monitor: it gives the launch on standard input and is answered once on standard output.

use std::fs::File;
use std::io::{self, BufRead, Read, Stdout, Write};

use mantyx_limits::Confinement;
use mantyx_monitor::{Launch, Message, Standby, VERSION};
use serde::Deserialize;

/// Waits for its one answer.
pub(crate) struct Launcher(Stdout);

/// All that is sure about a launch of a version to come.
#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

/// What the launcher says.
pub(crate) enum Said {
    /// Get ready for these groups; the launch follows.
    GetReady(Confinement),
    /// The launch; one that cannot be followed is answered with why.
    Launch(Result<Box<Launch>, String>),
    /// Nothing any more: the launcher has gone.
    Nothing,
}

impl Launcher {
    pub(crate) fn new() -> Self {
        Self(io::stdout())
    }

    /// What it says first.
    pub(crate) fn hear() -> io::Result<Said> {
        let mut line = Vec::new();
        io::stdin().lock().read_until(b'\n', &mut line)?;
        match serde_json::from_slice(&line) {
            Ok(Standby { standby }) => Ok(Said::GetReady(standby)),
            Err(_) => Self::take_launch(line),
        }
    }

    /// The launch, of which something may have been heard.
    pub(crate) fn take_launch(mut heard: Vec<u8>) -> io::Result<Said> {
        io::stdin().lock().read_to_end(&mut heard)?;
        rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
        Ok(if heard.is_empty() { Said::Nothing } else { Said::Launch(understand(&heard).map(Box::new)) })
    }

    /// Says how the start went, and hangs up. Nothing depends on whether anybody is still there to hear it.
    pub(crate) fn answer(mut self, message: &Message) {
        if let Ok(mut line) = serde_json::to_vec(message) {
            line.push(b'\n');
            let _ = self.0.write_all(&line).and_then(|()| self.0.flush());
        }
        if let Ok(nowhere) = File::options().write(true).open("/dev/null") {
            let _ = rustix::stdio::dup2_stdout(nowhere);
        }
    }
}

fn understand(text: &[u8]) -> Result<Launch, String> {
    let unreadable = |error: serde_json::Error| format!("The launch cannot be read: {error}");
    let Versioned { version } = serde_json::from_slice(text).map_err(unreadable)?;
    if version > VERSION {
        return Err(format!(
            "This monitor speaks version {VERSION} of the protocol and cannot follow a launch of version {version}; \
             the monitor and the daemon have to come from the same installation"
        ));
    }
    serde_json::from_slice(text).map_err(unreadable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_version_1_launched_is_followed() {
        let text = include_bytes!("../../../tests/fixtures/version-1/launch.json");
        let launch = understand(text).ok().unwrap();
        assert_eq!((launch.version, launch.plan.identity), (1, None));
    }

    #[test]
    fn a_launch_that_cannot_be_followed_is_refused_with_its_reason() {
        let newer = understand(br#"{"version":4,"plan":"of another kind"}"#).err().unwrap();
        assert!(newer.contains("version 3") && newer.contains("version 4"), "{newer}");
        assert!(understand(b"{").err().unwrap().contains("cannot be read"));
    }
}
