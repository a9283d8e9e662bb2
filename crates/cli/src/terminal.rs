//! Asking a person at a terminal.

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use mantyx_core::{Code, Error};
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};

use crate::failure::{Failure, Result};

/// Whether the person has said already that it shall be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Consent {
    Given,
    Ask,
}

impl Consent {
    pub(crate) fn new(yes: bool) -> Self {
        if yes { Self::Given } else { Self::Ask }
    }
}

/// Has the name repeated before something is destroyed, unless consent was given on the command line.
pub(crate) fn confirm(consent: Consent, what: &str, name: &str) -> Result<()> {
    if consent == Consent::Given {
        return Ok(());
    }
    let refuse = |detail: String| Failure::Usage(Error::new(Code::ConfirmationRequired, detail));
    if !std::io::stdin().is_terminal() {
        return Err(refuse(format!("{what}: confirm with --yes")));
    }
    write!(std::io::stderr(), "{what}. Type `{name}` to confirm: ")?;
    match read_line()?.as_str() {
        answer if answer == name => Ok(()),
        _ => Err(refuse("That is not the name, so nothing was done".to_owned())),
    }
}

/// A line of standard input that is not shown while it is typed.
pub(crate) fn secret(prompt: &str) -> Result<String> {
    if !std::io::stdin().is_terminal() {
        return read_line();
    }
    write!(std::io::stderr(), "{prompt}: ")?;
    let terminal = std::io::stdin();
    let before = tcgetattr(&terminal).map_err(std::io::Error::from)?;
    let mut quiet = before.clone();
    quiet.local_modes.remove(LocalModes::ECHO);
    tcsetattr(&terminal, OptionalActions::Flush, &quiet).map_err(std::io::Error::from)?;
    let line = read_line();
    tcsetattr(&terminal, OptionalActions::Flush, &before).map_err(std::io::Error::from)?;
    writeln!(std::io::stderr())?;
    line
}

fn read_line() -> Result<String> {
    let mut line = String::new();
    let read = std::io::stdin().lock().read_line(&mut line);
    read.map_err(|error| Failure::Local(Error::io("read standard input", error)))?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}
