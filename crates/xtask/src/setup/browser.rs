//! Chromium and its driver, for the tests that use the page as a person does.

use std::process::Command;

use crate::{terminal, workspace};

/// Installs them where that is possible. Where it is not, the browser tests fail and say the same again.
pub(super) fn prepare() {
    if is_there() {
        return;
    }
    if let Err(error) = super::install_packages(&["chromium", "chromium-driver"]) {
        terminal::note(&format!(
            "The browser tests need Chromium and chromedriver (Debian: `apt install chromium chromium-driver`): {error}"
        ));
    }
}

fn is_there() -> bool {
    ["chromium", "chromedriver"].iter().all(|name| workspace::succeeds(Command::new(name).arg("--version")))
}
