//! Whoever started this monitor: it gives the launch on standard input and is answered once on standard output.

use std::fs::File;
use std::io::{self, Read, Stdout, Write};

use mantyx_monitor::{Launch, Message, VERSION};
use serde::Deserialize;

/// Waits for its one answer.
pub(crate) struct Launcher(Stdout);

/// All that is sure about a launch of a version to come.
#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

/// Reads the launch to its end; one that cannot be followed is answered with why.
pub(crate) fn take_launch() -> io::Result<(Result<Launch, String>, Launcher)> {
    let mut text = Vec::new();
    io::stdin().read_to_end(&mut text)?;
    rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
    Ok((understand(&text), Launcher(io::stdout())))
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

impl Launcher {
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
        let newer = understand(br#"{"version":3,"plan":"of another kind"}"#).err().unwrap();
        assert!(newer.contains("version 2") && newer.contains("version 3"), "{newer}");
        assert!(understand(b"{").err().unwrap().contains("cannot be read"));
    }
}
